"""IPMI over LAN: OpenIPMI's simulator as a real peer, by lanplus and lan, and peers that are none."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._process import MAX_INPUT, Processes
from probes.api import Context, Outcome, Reading
from probes.hardware import _ipmi_answers as answers
from probes.hardware import _ipmi_child as child
from probes.hardware._json import dig, text
from probes.hardware.ipmi import PROBE, refused
from tests.probing import run_once, shared_here
from tests.servers.hostile import GARBAGE, udp_server
from tests.servers.ipmi import SENSORS, SUPPLY, TEMPERATURE, USER, Sensor, event, fru, ipmi_sim

MARKER = "marker-Pa55w0rd"
FRU = fru("Acme", "R740", "7CE733P")
ONLY_1_5 = bytes.fromhex("0600ff0700000000000000000010811c632000380001040500000000009e")
"""An answer to Get Channel Authentication Capabilities: MD5, and no IPMI 2.0."""


async def ask(port: int, **more: Any) -> Reading:
    async with shared_here(secrets={"bmc": MARKER}) as shared:
        asked: dict[str, Any] = {"port": port, "user": USER, "password": "secret:bmc", "timeout": 20.0} | more
        return await run_once("ipmi", "127.0.0.1", shared=shared, **asked)


def changed(name: str, **changes: Any) -> list[Sensor]:
    every = {each.name: each for each in SENSORS}
    old = every[name]
    given = {
        slot: getattr(old, slot) for slot in ("name", "kind", "value", "unit", "bits", "crossed", "scanning")
    }
    return [*(each for each in SENSORS if each is not old), Sensor(**given | changes)]


@pytest.mark.parametrize("interface", ["lanplus", "lan"])
async def test_a_server_that_is_well(tmp_path: Path, interface: str) -> None:
    async with ipmi_sim(tmp_path, MARKER, inventory=FRU) as port:
        wanted = {"serial": "7ce733p", "vendor": "acme", "product": "R740"}
        reading = await ask(port, interface=interface, hardware=wanted)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    del reading.metrics["query_ms"]
    assert reading.metrics == {
        "powered_on": 0, "chassis_faults": 0, "sensors": 7, "sensors_bad": 0, "psus": 2, "psus_bad": 0,
        "fans": 2, "fans_bad": 0,
        "temperatures": 2, "temperatures_bad": 0, "inlet_c": 23, "log_entries": 0,
        "log_full": 0, "log_severe": 0, "hardware_mismatches": 0,
    }  # fmt: skip
    assert reading.facts == {
        "address": "127.0.0.1", "manufacturer": "Acme", "model": "R740", "serial": "7CE733P",
        "bmc_version": "9.08",
        "ipmi_version": "1.5" if interface == "lan" else "2.0", "power_state": "Off", "bad": "none",
        "log_newest": "none", "hardware_differences": "none",
    }  # fmt: skip
    assert reading.metrics.keys() <= {metric.name for metric in PROBE.metrics}
    assert reading.facts.keys() <= {fact.name for fact in PROBE.facts}


WORSE = {
    "a supply that fails": (changed("PS2 Status", bits=(0, 1)), "psus_bad", "PS2 Status: Present, Failure"),
    "a temperature that is critical": (
        changed("Inlet Temp", value=80, crossed=(3, 4)), "temperatures_bad",
        "Inlet Temp: upper non-critical threshold, upper critical threshold"),
    "a fan at rest": (changed("Fan1", value=0, crossed=(1,)), "fans_bad", "Fan1: lower critical threshold"),
}  # fmt: skip


@pytest.mark.parametrize("what", WORSE)
async def test_each_fault_is_its_own_figure(tmp_path: Path, what: str) -> None:
    sensors, metric, said = WORSE[what]
    async with ipmi_sim(tmp_path, MARKER, sensors) as port:
        reading = await ask(port)
    assert reading.facts["bad"] == said
    assert {name for name, value in reading.metrics.items() if name.endswith("_bad") and value} == {
        "sensors_bad", metric,
    }  # fmt: skip


async def test_a_supply_that_is_pulled_is_missing(tmp_path: Path) -> None:
    async with ipmi_sim(tmp_path, MARKER, changed("PS2 Status", bits=())) as port:
        reading = await ask(port)
    assert (reading.metrics["psus"], reading.metrics["psus_bad"]) == (1, 0)


async def test_the_newest_of_the_log(tmp_path: Path) -> None:
    old = [event(TEMPERATURE, 1, 9, reading=1)] * 30
    async with ipmi_sim(tmp_path, MARKER, events=[*old, event(SUPPLY, 5, 1), event(SUPPLY, 5, 0)]) as port:
        reading = await ask(port, events=3)
        none = await ask(port, events=0)
    assert reading.metrics["log_entries"] == 32
    newest = reading.facts["log_newest"].split(", ")
    assert [each.partition("time ")[2] for each in newest] == [
        "PS1 Status (Power Supply): Present", "PS1 Status (Power Supply): Failure",
        "Inlet Temp (Temperature): Upper critical",
    ]  # fmt: skip
    assert reading.metrics["log_severe"] == 2
    assert none.facts["log_newest"] == "none"


async def test_what_the_controller_has_not_is_left_out(tmp_path: Path) -> None:
    async with ipmi_sim(tmp_path, MARKER) as port:
        reading = await ask(port, hardware={"serial": "7CE733P"})
    assert reading.outcome is Outcome.OK
    assert "serial: code 0xc" in reading.facts["not_told"]
    assert "hardware_mismatches" not in reading.metrics
    assert reading.facts["hardware_unreadable"] == "serial"


async def test_sessions_are_closed(tmp_path: Path) -> None:
    """The simulator gives an account ten at a time."""
    async with ipmi_sim(tmp_path, MARKER, SENSORS[:1]) as port:
        readings = [await ask(port) for _ in range(12)]
    assert {reading.outcome for reading in readings} == {Outcome.OK}


@pytest.mark.parametrize("interface", ["lanplus", "lan"])
async def test_who_is_not_let_in(tmp_path: Path, interface: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ipmi_sim(tmp_path, "another") as port, shared_here(secrets={"bmc": MARKER}) as shared:
        context = Context(shared, 20.0, trace=[])
        place: dict[str, Any] = {
            "port": port,
            "interface": interface,
            "password": "secret:bmc",
            "timeout": 20.0,
        }
        wrong = await run_once("ipmi", "127.0.0.1", shared=shared, context=context, user=USER, **place)
        nobody = await run_once("ipmi", "127.0.0.1", shared=shared, context=context, user="nobody", **place)
    for reading in (wrong, nobody):
        assert (reading.outcome, reading.kind) == (Outcome.ERROR, "auth")
        assert reading.detail.startswith("wrong_password: ")
    assert MARKER not in f"{wrong}{nobody}{context.trace}{caplog.text}"


async def test_a_controller_that_speaks_only_the_old_version() -> None:
    """A lanplus check does not fall back to MD5 without encryption."""
    async with udp_server(lambda data: [ONLY_1_5]) as port:
        reading = await ask(port)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "version_too_old: it does not speak IPMI 2.0"


async def test_silence_and_garbage() -> None:
    async with udp_server(lambda data: []) as port:
        silent = await ask(port)
    async with udp_server(
        lambda data: [GARBAGE[:60], b"", GARBAGE[:3], b"\x06\x00\xff\x07" + GARBAGE[:40]]
    ) as port:
        garbage = await ask(port)
    assert (silent.outcome, silent.kind, silent.detail) == (Outcome.FAILED, "timeout", "no answer")
    assert garbage.outcome is Outcome.FAILED
    assert garbage.kind in ("timeout", "protocol")


async def test_a_run_that_is_broken_off_leaves_no_process_and_shows_no_password() -> None:
    async with udp_server(lambda data: []) as port:
        running = asyncio.create_task(ask(port))
        while not (found := _children()):
            await asyncio.sleep(0.01)
        shown = [path.joinpath(name).read_bytes() for path in found for name in ("cmdline", "environ")]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert MARKER.encode() not in b"".join(shown)
    assert not any(path.exists() for path in found)


def _children() -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if (
                b"_ipmi_child.py" in path.read_bytes()
                and f"PPid:\t{_own()}\n" in (path.parent / "status").read_text()
            ):
                found.append(path.parent)
        except OSError:
            continue
    return found


def _own() -> str:
    return Path("/proc/self/stat").read_text().split()[0]


async def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyghmi", None)
    reading = await ask(1)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "missing_driver")
    assert "install muster-monitor[ipmi]" in reading.detail


async def test_a_process_reads_what_it_is_given() -> None:
    async with shared_here() as shared:
        given_in = b"x" * MAX_INPUT
        processes, context = shared.get(Processes), Context(shared, 5.0)
        finished = await processes.run(("/bin/cat",), {}, context, stdin=given_in)
        nothing = await processes.run(("/bin/cat",), {}, context)
    assert (finished.stdout, nothing.stdout) == (given_in, b"")


@pytest.mark.parametrize(
    ("why", "challenged", "kind", "word"),
    [
        ("None", False, "timeout", "no answer"),
        ("timeout", True, "auth", "wrong_password"),
        ("Insufficient resources to create new session", False, "expectation", "too_many_connections"),
        (
            "No Cipher suite match with proposed security algorithms in RAKP2",
            False,
            "expectation",
            "version_too_old",
        ),
        ("Unauthorized role or privilege level requested in RAKP2", False, "auth", "wrong_password"),
        ("something else", False, "protocol", "no session"),
    ],
)
def test_what_a_refusal_means(why: str, challenged: bool, kind: str, word: str) -> None:
    ending = refused(why, challenged=challenged)
    assert ending.kind == kind
    assert ending.detail.startswith(word)


class Odd(child.Link):
    """A controller that answers with any bytes."""

    def __init__(self, data: list[bytes], seconds: float = 5.0) -> None:
        self.answers, self.asked, self._until = data, 0, seconds

    def raw_command(
        self, netfn: int, command: int, data: Any = (), rslun: int = 0, **_: Any
    ) -> dict[str, Any]:
        self.asked += 1
        if self.asked > 300:
            raise child.NoTime
        found = self.answers[self.asked % len(self.answers)]
        return {"code": found[0] % 3 if found else 0, "error": "x", "data": bytearray(found), "netfn": netfn}


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_answers_of_anybody_end_well(data: list[bytes]) -> None:
    found = child.told(Odd(data), 4)
    assert isinstance(found["errors"], dict)
    _taken(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["chassis", "device", "sensors", "log", "fru", "errors"]), JSON))
def test_what_the_child_may_say_ends_well(found: dict[str, Any]) -> None:
    _taken(found)


def _taken(found: dict[str, Any]) -> None:
    answers.chassis(text(found, "chassis"))
    answers.device(text(found, "device"))
    answers.sensors(found.get("sensors"))
    answers.log(dig(found, "log"))
    answers.identity(dig(found, "fru"))
    answers.not_told(found.get("errors"))


def test_time_that_is_over_is_named() -> None:
    found = child.told(child.Link(None, 0.0), 4)
    assert set(found["errors"].values()) == {"no time was left"}
    assert answers.not_told(found["errors"])[0] == "device: no time was left"


def test_a_sensor_that_tells_no_health_is_not_taken_to_be_well() -> None:
    supply = {"available": True, "type": "Power Supply", "name": "PSU1", "states": []}
    metrics, bad = answers.sensors([supply])
    assert (metrics, bad) == ({"sensors": 0.0}, [])
    metrics, _ = answers.sensors([supply, {**supply, "name": "PSU2", "health": 1}])
    assert metrics["sensors_bad"] == 1
