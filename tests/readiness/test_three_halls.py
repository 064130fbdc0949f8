"""The documentation's three halls, with a week of readings in a real store, judged by the command line."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.paths import shipped
from monitor.readiness.checklists import load_calendars
from monitor.store.engine import Store
from probes import registry
from probes.api import Outcome, Reading
from tests.cli.running import muster

TEXT = (Path(__file__).parents[2] / "docs" / "readiness.md").read_text("utf-8")
EXAMPLE = TEXT[TEXT.index("## An example: the channels of three halls") :]
CHECKLIST, PROFILE, INVENTORY = re.findall(r"^```yaml\n(.*?)^```$", EXAMPLE, re.MULTILINE | re.DOTALL)
(SENTENCES,) = re.findall(r"^```text\n(.*?)^```$", EXAMPLE, re.MULTILINE | re.DOTALL)
DAYS, NEW_FOR_S = 7, 20 * 900
BUSINESS = load_calendars([shipped("config") / "calendars"])["counter-hours"]
LINES = {"conghua": (2.9e6, 9.6e6, 22.0), "nansha": (19.2e6, 19.3e6, 9.0), "panyu": (19.2e6, 19.3e6, 11.0)}
"""What each line carries up and down in bit/s, and its round trip in ms."""


def readings(hall: str, now: float) -> Iterator[Reading]:
    """Tests every 15 minutes and bursts every minute; slower at midday, with a little noise and loss."""
    rng = random.Random(hall)
    up, down, rtt = LINES[hall]
    since = BUSINESS.back(now, NEW_FOR_S, "Asia/Shanghai") if hall == "nansha" else now - DAYS * 86400
    for index in range(int((now - since) / 900)):
        yield rated(hall, now - 40 - 900 * index, *(rate * rng.gauss(1, 0.004) for rate in (up, down)))
    for index in range(DAYS * 1440):
        at = now - 30 - 60 * index
        busy = 1.2 if 9 <= (at / 3600 + 8) % 24 < 18 else 1.0
        yield burst(hall, at, rtt * busy * rng.lognormvariate(0, 0.05), lost=int(rng.random() < 0.005))


def rated(hall: str, at: float, up: float, down: float) -> Reading:
    metrics = {"capacity_up_bps": up, "capacity_down_bps": down, "tcp_up_bps": up, "tcp_down_bps": down}
    return Reading(Outcome.OK, metrics=metrics, check=f"{hall}/uplink/throughput", at=at, vantage="hub")


def burst(hall: str, at: float, rtt: float, lost: int) -> Reading:
    metrics = {"rtt_ms": rtt, "sent": 20.0, "received": 20.0 - lost, "loss_pct": 5.0 * lost}
    return Reading(Outcome.OK, metrics=metrics, check=f"{hall}/uplink/icmp", at=at, vantage="hub")


async def stored(directory: Path, now: float) -> None:
    store = await asyncio.to_thread(Store.open, directory)
    try:
        for hall in LINES:
            for check in ("throughput", "icmp"):
                store.declare(f"{hall}/uplink/{check}", registry.get(check).metrics)
            for index, reading in enumerate(sorted(readings(hall, now), key=lambda each: each.at)):
                store.append(reading)
                if index % 2000 == 0:
                    await store.flush()
        await store.flush()
    finally:
        await store.aclose()


@pytest.fixture(scope="module")
def halls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("halls")
    for name, text in (
        ("checklists/channel.yaml", CHECKLIST),
        ("profiles/channel.yaml", PROFILE),
        ("inventory.yaml", INVENTORY),
    ):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text, "utf-8")
    asyncio.run(stored(home / "state", time.time()))
    return home


async def run(halls: Path, *command: str) -> tuple[int, str]:
    status, out, err = await muster(
        *command, "-i", str(halls / "inventory.yaml"), "--profiles", str(halls / "profiles"),
        "--checklists", str(halls / "checklists"), "--state-dir", str(halls / "state"), columns=1000,
    )  # fmt: skip
    assert err == ""
    return status, out


async def items(halls: Path) -> dict[str, dict[str, Any]]:
    """Return each hall's rows by item, its verdict under `verdict`."""
    _, out = await run(halls, "check", "--stored", "--gate", "channel", "--format", "json")
    return {
        unit["id"]: {"verdict": unit["verdict"]} | {row["id"]: row for row in unit["items"]}
        for unit in json.loads(out)["units"]
    }


async def test_each_says_why_in_one_line(halls: Path) -> None:
    status, out = await run(halls, "check", "--stored", "--gate", "channel")
    assert status == 3
    blocks = [" ".join(each.split("\n")) for each in out.split("\n\n")]
    sentences = [each.strip() for each in blocks if re.match("[✔✖?◐] [^\n]*: [A-Z_]+, ", each.strip())]
    assert [shape(each) for each in sentences] == [shape(each) for each in SENTENCES.splitlines()]


def shape(line: str) -> str:
    """The sentence without what a run at another hour measures differently."""
    return re.sub(r"\d+(\.\d+)?", "#", line)


async def test_one_fails_on_bandwidth_one_lacks_samples_one_passes(halls: Path) -> None:
    found = await items(halls)
    assert {hall: rows["verdict"] for hall, rows in found.items()} == {
        "conghua": "NOT_READY", "nansha": "UNKNOWN", "panyu": "READY",
    }  # fmt: skip
    slow, new, good = (found[hall]["channel.rate"] for hall in ("conghua", "nansha", "panyu"))
    assert (slow["status"], slow["reason"], slow["severity"]) == ("fail", "expectation", "blocker")
    assert slow["value"] < 2.95e6
    assert slow["expected"].startswith("tcp_up_bps q05 >= 6.355 Mbit/s over 24h of counter-hours; tcp_down")
    assert slow["detail"].startswith("new-connection needs at least ")
    assert (new["status"], new["reason"]) == ("unknown", "inconclusive")
    assert new["detail"].endswith("readings, and the bounds need 59")
    assert (good["status"], good["reason"]) == ("pass", "")


async def test_what_follows_from_the_rate_waits_for_it(halls: Path) -> None:
    found = await items(halls)
    assert found["conghua"]["channel.rtt"]["blocked_by"] == "conghua/uplink/throughput"
    assert found["nansha"]["channel.rtt"]["reason"] == "not_measured"
    assert "has no lower bound yet" in found["nansha"]["channel.rtt"]["detail"]
    assert found["panyu"]["channel.rtt"]["expected"].startswith(
        "rtt_ms p95 <= 58.3 over 24h of counter-hours"
    )


async def test_loss_is_decided_by_the_sequential_test(halls: Path) -> None:
    found = await items(halls)
    for hall in LINES:
        row = found[hall]["channel.loss"]
        assert row["status"] == "pass", row
        assert re.fullmatch(r"\d+ packets, \d+ lost, L = 432, passes <= \d+, fails >= \d+", row["actual"])


async def test_contracts_name_the_carrier_that_holds_its_word(halls: Path) -> None:
    """Conghua's line is too slow for the hall, and all that was contracted."""
    status, out = await run(halls, "capacity", "contracts", "--over", "24h", "--format", "json")
    assert status == 0
    found = {each["provider"]: each for each in json.loads(out)["providers"]}
    assert found["Red"]["counts"] == {"short": 0, "can't tell": 0, "holds": 1}
    line = found["Red"]["channels"][0]["up"]
    assert (line["contracted_bps"], line["verdict"], line["n"]) == (3e6, "holds", 96)
    assert len(line["slowest"]) == 5
    table = (await run(halls, "capacity", "contracts", "--provider", "Blue"))[1]
    assert "panyu" in table
    assert "conghua" not in table
