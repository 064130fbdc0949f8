"""Every recording of snmpsim-data: what is read is what docs/snmp.md says; examples there are taken."""

from __future__ import annotations

import re
from typing import Any

import pytest

from inventory import units
from inventory.source import parse
from probes import registry
from tests.probes.hardware.recorded import PAGE, documented, table
from tests.servers.recordings import names

SHARDS = 16
PROBES = ("sensors", "entity", "ups", "host_resources", "printer")


def test_the_table_has_a_row_for_each_recording() -> None:
    assert list(documented()) == names(), "run: python -m tests.probes.hardware.recorded"


@pytest.mark.may_block
@pytest.mark.parametrize("shard", range(SHARDS))
async def test_the_table_says_what_is_read(shard: int) -> None:
    of = names()[shard::SHARDS]
    rows = documented()
    assert await table(of) == "".join(rows.get(name, "") for name in of), (
        "run: python -m tests.probes.hardware.recorded"
    )


def test_nothing_is_a_fault_of_the_monitor() -> None:
    assert not [row for row in documented().values() if "prober_error" in row or "timeout" in row]


def examples() -> list[dict[str, Any]]:
    page = PAGE.read_text("utf-8")
    text = "".join(page.partition(f"\n## {probe}\n")[2].partition("\n## ")[0] for probe in PROBES)
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [asset for block in blocks for asset in parse(block.encode(), "example")[0].data["assets"]]


def test_every_probe_has_an_example() -> None:
    assert {check["probe"] for asset in examples() for check in asset["checks"]} == set(PROBES)


@pytest.mark.parametrize("asset", examples(), ids=lambda asset: str(asset["id"]))
def test_an_example_is_taken(asset: dict[str, Any]) -> None:
    specs = {}
    for check in asset["checks"]:
        given = {key: value for key, value in check.items() if key not in ("probe", "every", "id")}
        spec = specs[check.get("id", check["probe"])] = registry.get(check["probe"])
        blocks = {name: asset[name] for name in spec.inputs if name in asset}
        assert spec.params.model_validate({**blocks, **given}, context={"quantity": units.parse})
    for name in asset["expect"]:
        check_id, _, metric = name.rpartition(".")
        asked = [specs[check_id]] if check_id else list(specs.values())
        assert any(spec.metric(metric) or spec.fact(metric) for spec in asked), name
