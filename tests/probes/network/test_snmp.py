"""snmp: any objects of a real snmpd, by number and name; what is not there is named and never 0."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import binary, floats, integers, one_of, text
from pydantic import ValidationError

from probes._snmp import NO_SUCH
from probes.api import Context, Outcome, Reading
from probes.network._snmp_names import NUMBERS, number
from probes.network.snmp import PROBE, Counted, ObjectMetric, combined, plain, rate
from tests.probing import SharedHere, run_once, shared_here
from tests.servers.snmpd import snmpd

LINES = (
    "rocommunity public", "sysLocation hall 3", "sysName core-1", "sysContact ops@example.org",
    "extend temperature /bin/echo 23.5", "extend mode /bin/echo normal",
)  # fmt: skip


def extended(name: str) -> str:
    """Return the object that holds what the command `name` of snmpd wrote (NET-SNMP-EXTEND-MIB)."""
    index = ".".join(map(str, (len(name), *name.encode())))
    return f"1.3.6.1.4.1.8072.1.3.2.3.1.1.{index}"


async def run(port: int, shared: SharedHere, version: str = "2c", **params: Any) -> Reading:
    block = {"community": "secret:c", "port": port, "timeout": 1, "version": version}
    return await run_once("snmp", "127.0.0.1", shared=shared, timeout=10, snmp=block, **params)


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_objects_by_number_and_name(tmp_path: Path, version: str) -> None:
    async with snmpd(tmp_path, *LINES) as port, shared_here(secrets={"c": "public"}) as shared:
        reading = await run(
            port, shared, version,
            metrics={
                "temperature": extended("temperature"),
                "mode": {"oid": extended("mode"), "words": {"normal": 1}},
                "ports": "ifNumber.0",
                "memory_bytes": {"oid": "hrMemorySize.0", "scale": 1024},
                "in_octets": {"oid": "IF-MIB::ifInOctets", "column": "sum"},
                "columns": {"oid": "ifDescr", "column": "count"},
                "speed_of_names": {"oid": "ifDescr", "column": "max"},
                "location": "sysLocation.0",
                "absent": "1.3.6.1.4.1.9.9.1.0",
            },
            facts={
                "where": "sysLocation.0",
                "lo": {"oid": "ifOperStatus.1", "words": {"1": "up"}},
                "bytes": {"oid": "sysName.0", "hex": True},
                "none": "1.3.6.1.4.1.9.9.2.0",
            },
        )  # fmt: skip
    assert reading.outcome is Outcome.OK, reading.detail
    assert reading.metrics["mode"] == 1
    assert reading.metrics["temperature"] == 23.5
    assert reading.metrics["ports"] == reading.metrics["columns"] >= 1
    assert reading.metrics["memory_bytes"] > 2**20
    assert reading.metrics["uptime_s"] < 60
    assert {n: reading.facts[n] for n in ("where", "lo", "bytes")} == {
        "where": "hall 3", "lo": "up", "bytes": b"core-1".hex(":"),
    }  # fmt: skip
    assert reading.facts["missing"] == (
        "speed_of_names (no number), location (no number), absent (no such object), none (no such object)"
    )
    assert not {"absent", "location", "speed_of_names"} & reading.metrics.keys()


async def test_the_system_group_with_nothing_named(tmp_path: Path) -> None:
    async with snmpd(tmp_path, *LINES) as port, shared_here(secrets={"c": "public"}) as shared:
        reading = await run(port, shared)
    assert reading.outcome is Outcome.OK, reading.detail
    assert (reading.facts["sys_name"], reading.facts["sys_location"]) == ("core-1", "hall 3")
    assert set(reading.metrics) == {"uptime_s", "query_ms"}


async def test_nothing_there_is_a_failure_and_silence_says_what_it_may_be(tmp_path: Path) -> None:
    async with snmpd(tmp_path, *LINES) as port, shared_here(secrets={"c": "public"}) as shared:
        nothing = await run(port, shared, metrics={"a": "1.3.6.1.4.1.9.9.1.0"})
        wrong = await run(port, SharedHere(secrets={"c": "marker-wrong"}), metrics={"a": "ifNumber.0"})
        no_secret = await run(port, SharedHere(), metrics={"a": "ifNumber.0"})
    assert (nothing.outcome, nothing.kind) == (Outcome.FAILED, "expectation")
    assert nothing.detail.startswith("no_such_object:")
    assert (wrong.outcome, wrong.kind) == (Outcome.FAILED, "timeout")
    assert "a wrong community" in wrong.detail
    assert (no_secret.outcome, no_secret.kind) == (Outcome.ERROR, "prober_error")
    assert "marker-wrong" not in repr(wrong)


async def test_a_view_hides_what_the_account_may_not_see(tmp_path: Path) -> None:
    lines = ("view narrow included .1.3.6.1.2.1.1", "rocommunity public default -V narrow")
    async with snmpd(tmp_path, *lines) as port, shared_here(secrets={"c": "public"}) as shared:
        reading = await run(port, shared, metrics={"ports": "ifNumber.0"}, facts={"name": "sysName.0"})
    assert reading.outcome is Outcome.OK, reading.detail
    assert reading.facts["missing"] == "ports (no such object)"


async def test_a_counter_becomes_a_rate_with_the_second_run(tmp_path: Path) -> None:
    metrics = {"packets": {"oid": "1.3.6.1.2.1.11.1.0", "rate": True}}  # snmpInPkts
    async with snmpd(tmp_path, *LINES) as port, shared_here(secrets={"c": "public"}) as shared:
        first = await run(port, shared, metrics=metrics, facts={"name": "sysName.0"})
        assert first.outcome is Outcome.OK, first.detail
        assert first.facts["missing"] == "packets (first sample)"
        for _ in range(12):
            await run(port, shared, facts={"name": "sysName.0"})
            await asyncio.sleep(0.1)
        second = await run(port, shared, metrics=metrics)
    assert second.outcome is Outcome.OK, second.detail
    assert 1 < second.metrics["packets"] < 13


MARKERS = {"c": "marker-community", "a": "marker-auth-phrase", "p": "marker-priv-phrase"}


@pytest.mark.parametrize("engine", ["gufo", "pysnmp"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "refused"])
async def test_secrets_show_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, engine: str, known: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    told = MARKERS if known else dict.fromkeys(MARKERS, "other than those")
    lines = (
        f"rocommunity {told['c']}",
        f'createUser watch SHA "{told["a"]}" AES "{told["p"]}"',
        "rouser watch priv",
    )
    third = {"version": 3, "user": "watch", "auth": "SHA1", "auth_key": "secret:a", "priv": "AES128",
             "priv_key": "secret:p"}  # fmt: skip
    async with snmpd(tmp_path, *lines) as port, shared_here(secrets=MARKERS) as shared:
        for account in ({"community": "secret:c"}, third):
            context = Context(shared, 10.0, trace=[])
            block = {**account, "port": port, "engine": engine, "timeout": 0.3}
            reading = await run_once("snmp", "127.0.0.1", shared=shared, context=context, snmp=block)
            assert (reading.outcome is Outcome.OK) is known, reading.detail
            everything = f"{reading!r} {context.trace!r} {caplog.text}"
            assert not [marker for marker in MARKERS.values() if marker in everything]


SECOND = ObjectMetric.model_validate({"oid": "ifInOctets.1", "rate": True, "scale": 8})


@given(integers(0, 2**32 - 1), integers(0, 2**31 - 1))
def test_a_wrap_is_a_rate(start: int, more: int) -> None:
    before, now = Counted(start, 100, 0.0), Counted((start + more) % 2**32, 6100, 60.0)
    assert rate(before, now, SECOND) == pytest.approx(more * 8 / 60)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Counted(5, 6100, 60.0), "reset"),
        (Counted(2_000_000, 50, 60.0), "restarted"),
        (Counted(2_000_000, 150, 0.5), "the last sample is too old or too new"),
        (Counted(2_000_000, 100 + 400_000, 4000.0), "the last sample is too old or too new"),
    ],
)
def test_what_is_no_rate(now: Counted, why: str) -> None:
    assert rate(Counted(1_000_000, 100, 0.0), now, SECOND) == why


@given(one_of(binary(max_size=50), text(max_size=50), integers(), floats()))
def test_any_value_is_a_number_or_says_why_not(value: Any) -> None:
    found = plain(ObjectMetric(oid="1.3.6.1"), value)
    assert found == "no number" or isinstance(found, float)


def test_columns() -> None:
    def put(how: str, *values: Any) -> float | str:
        metric = ObjectMetric.model_validate({"oid": "ifSpeed", "column": how, "scale": 2})
        return combined(metric, {str(index): value for index, value in enumerate(values)})

    assert [put(how, 1, 2, 6) for how in ("sum", "max", "min", "avg", "count")] == [18, 12, 2, 6, 6]
    assert put("sum") == "no such object"
    assert put("count") == 0
    assert put("sum", 1, NO_SUCH) == "no number"
    assert put("sum", *range(5000)) == "over 4096 objects"


def test_names_are_numbers() -> None:
    assert number("sysUpTime.0") == "1.3.6.1.2.1.1.3.0"
    assert number("IF-MIB::ifHCInOctets.3") == "1.3.6.1.2.1.31.1.1.1.6.3"
    assert number("dot3StatsDuplexStatus") == "1.3.6.1.2.1.10.7.2.1.19"
    assert number(".1.3.6") == "1.3.6"
    for wrong in (
        "",
        "1",
        "3.1",
        "1.3.99999999999",
        "1.3.4294967296",
        "noSuchName.0",
        "1.3.",
        "sysDescr.-1",
        "a b",
    ):
        with pytest.raises(ValueError, match="object identifier"):
            number(wrong)
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def test_names_of_ucd_are_those_of_its_own_mib() -> None:
    mib = Path("/usr/share/snmp/mibs/UCD-SNMP-MIB.txt")
    if not mib.exists():
        pytest.skip("UCD-SNMP-MIB is not installed")
    text = mib.read_text("utf-8")
    for name, numbered in NUMBERS.items():
        if numbered.startswith("1.3.6.1.4.1.2021"):
            assert f"\n{name} OBJECT-TYPE" in text, name


def test_parameters() -> None:
    block = {"community": "secret:c"}
    for wrong in (
        {"metrics": {"a": "noSuch.0"}},
        {"metrics": {"a-b": "ifNumber.0"}},
        {"metrics": {"uptime_s": "ifNumber.0"}},
        {"facts": {"missing": "sysName.0"}},
        {"metrics": {"a": {"oid": "ifInOctets", "column": "sum", "rate": True}}},
    ):
        with pytest.raises(ValidationError):
            PROBE.params.model_validate({"snmp": block, **wrong})
    assert PROBE.given({"metrics": {"a": "ifNumber.0"}}).dynamic
    assert not PROBE.given({}).dynamic
