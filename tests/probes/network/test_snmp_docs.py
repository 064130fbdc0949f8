"""What docs/snmp.md says of agents, interfaces and snmp: its examples are taken, its rights are enough."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry
from probes._snmp_values import REPORTS
from probes.api import Outcome
from tests.probing import run_once, shared_here
from tests.servers.snmpd import snmpd

PAGE = (Path(__file__).parents[3] / "docs" / "snmp.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


AGENT, INTERFACES, SNMP = map(section, ("How an agent is asked", "interfaces", "snmp"))
V3 = {
    "version": 3, "user": "muster", "auth": "SHA256", "auth_key": "secret:a", "priv": "AES128",
    "priv_key": "secret:p", "timeout": 1,
}  # fmt: skip
SECRETS = {"a": "pass phrase of auth", "p": "pass phrase of priv"}


def examples(text: str) -> list[dict[str, Any]]:
    """Return the assets of the examples."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [asset for block in blocks for asset in parse(block.encode(), "example")[0].data["assets"]]


@pytest.mark.parametrize("asset", examples(AGENT + INTERFACES + SNMP), ids=lambda asset: str(asset["id"]))
def test_an_example_is_taken(asset: dict[str, Any]) -> None:
    for check in asset["checks"]:
        given = {key: value for key, value in check.items() if key not in ("probe", "every")}
        spec = registry.get(check["probe"])
        assert spec.params.model_validate({"snmp": asset["snmp"], **given}, context={"quantity": units.parse})
        named = {*given.get("metrics", ()), *given.get("facts", ())}
        for name in asset.get("expect", ()):
            assert name in named or spec.metric(name) or spec.fact(name), name


def test_every_first_word_is_documented() -> None:
    words = {detail.split(":")[0] for detail in REPORTS.values()}
    words |= {"query", "wrong_digest", "missing_right", "agent_error", "order", "too_long", "no SNMP message"}
    assert all(f"`{word}`" in AGENT for word in words)


def lines_of(view: list[str]) -> list[str]:
    """Return the documented lines of snmpd, with this view instead of theirs."""
    documented = re.findall(r"^```text\n(.*?)^```$", AGENT, re.MULTILINE | re.DOTALL)[0].splitlines()
    kept = [line for line in documented if not line.startswith("view ")]
    assert len(kept) == len(documented) - 1 == 2
    return [*kept, *(f"view muster included .{oid}" for oid in view)]


async def test_the_documented_account_is_enough(tmp_path: Path) -> None:
    rights = re.findall(r"`(1\.3[.\d]+)`", INTERFACES.partition("**Rights**")[2].partition("**Tested**")[0])
    assert len(rights) == 4
    async with snmpd(tmp_path, *lines_of(rights)) as port, shared_here(secrets=SECRETS) as shared:
        block = {**V3, "port": port}
        reading = await run_once("interfaces", "127.0.0.1", shared=shared, snmp=block, names=["lo"])
        other = await run_once("snmp", "127.0.0.1", shared=shared, snmp=block, facts={"name": "sysName.0"})
    assert reading.outcome is Outcome.OK, reading.detail
    assert (reading.metrics["not_up"], reading.metrics["interfaces"]) == (0, 1)
    assert {"speed_bps", "unchanged_s"} <= reading.metrics.keys()
    assert (other.outcome, other.kind) == (Outcome.FAILED, "expectation")


async def test_snmp_reads_what_its_account_is_shown(tmp_path: Path) -> None:
    async with snmpd(tmp_path, *lines_of(["1.3.6.1.2.1.1"])) as port, shared_here(secrets=SECRETS) as shared:
        reading = await run_once("snmp", "127.0.0.1", shared=shared, snmp={**V3, "port": port})
    assert reading.outcome is Outcome.OK, reading.detail
    assert {"sys_name", "engine_id"} <= reading.facts.keys()


@pytest.mark.parametrize("title", ["interfaces", "snmp"])
def test_what_was_tested_is_said(title: str) -> None:
    assert "**Tested** against" in section(title)
    assert "not compared" in section(title) or "**Not tested**" in section(title)
