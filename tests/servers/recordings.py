"""Recordings of real devices' SNMP agents (snmpsim-data), answering in this process.

Over a hundred devices are far too many objects for snmpsim to index in a test, so these answer by the
interface of `probes._snmp_values.Engine` without a packet; some small ones are asked through snmpsim, too,
so that the two can be compared.
"""

from __future__ import annotations

import asyncio
import bz2
import importlib.util
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from probes._snmp_values import NO_SUCH, Next, Pairs, Value, key, opaque
from probes.api import Reading
from tests.probing import run_once, shared_here

PARTS = (
    "1.3.6.1.2.1.1", "1.3.6.1.2.1.2", "1.3.6.1.2.1.10.7", "1.3.6.1.2.1.25", "1.3.6.1.2.1.31",
    "1.3.6.1.2.1.33", "1.3.6.1.2.1.43", "1.3.6.1.2.1.47", "1.3.6.1.2.1.99", "1.3.6.1.2.1.131",
    "1.3.6.1.4.1.2.3.51", "1.3.6.1.4.1.9.3.6", "1.3.6.1.4.1.9.9.13", "1.3.6.1.4.1.9.9.91",
    "1.3.6.1.4.1.9.9.117", "1.3.6.1.4.1.11.2.14.11.1.2", "1.3.6.1.4.1.11.2.36", "1.3.6.1.4.1.171.12.1.1",
    "1.3.6.1.4.1.171.12.11", "1.3.6.1.4.1.232.2", "1.3.6.1.4.1.232.6.2", "1.3.6.1.4.1.232.22.2",
    "1.3.6.1.4.1.311", "1.3.6.1.4.1.318", "1.3.6.1.4.1.476", "1.3.6.1.4.1.534", "1.3.6.1.4.1.674",
    "1.3.6.1.4.1.705", "1.3.6.1.4.1.789.1.1", "1.3.6.1.4.1.789.1.2", "1.3.6.1.4.1.789.1.21",
    "1.3.6.1.4.1.850", "1.3.6.1.4.1.935", "1.3.6.1.4.1.1588.2.1.1.1.1", "1.3.6.1.4.1.1991.1.1",
    "1.3.6.1.4.1.2011.2.23.1.18", "1.3.6.1.4.1.2011.2.235", "1.3.6.1.4.1.2011.5.25.31.1",
    "1.3.6.1.4.1.2011.6.3", "1.3.6.1.4.1.2011.6.9", "1.3.6.1.4.1.2011.6.174", "1.3.6.1.4.1.2011.10.2.6.1.1",
    "1.3.6.1.4.1.2021.4", "1.3.6.1.4.1.2021.10", "1.3.6.1.4.1.2021.13.16", "1.3.6.1.4.1.2636.3.1",
    "1.3.6.1.4.1.3320.9.181", "1.3.6.1.4.1.3902.3.3", "1.3.6.1.4.1.3902.3.6002",
    "1.3.6.1.4.1.4881.1.1.10.2.1.1", "1.3.6.1.4.1.4881.1.1.10.2.21", "1.3.6.1.4.1.6339.1",
    "1.3.6.1.4.1.6339.100.1", "1.3.6.1.4.1.12124.2", "1.3.6.1.4.1.12356.100", "1.3.6.1.4.1.12356.101.4",
    "1.3.6.1.4.1.13400", "1.3.6.1.4.1.14525.4.2.1", "1.3.6.1.4.1.14823.2.2.1.1",
    "1.3.6.1.4.1.14823.2.2.1.2", "1.3.6.1.4.1.21239.5.1", "1.3.6.1.4.1.25461.2.1.2.1",
    "1.3.6.1.4.1.25506.2.6.1.1", "1.3.6.1.4.1.31648.3", "1.3.6.1.4.1.34774.4.1.1", "1.3.6.1.4.1.37940",
    "1.3.6.1.4.1.39165", "1.3.6.1.4.1.40614", "1.3.6.1.4.1.50001",
)  # fmt: skip
"""What is loaded of a recording: more than the probes ask for, which is asserted when they ask."""


IN_ORDER_FROM = 16_000_000
"""Bytes; some of the smaller ones are not in the order of their names."""


def directory() -> Path:
    """Return where the recordings are; skip the test where they are not installed."""
    found = importlib.util.find_spec("snmpsim_data")
    if found is None or not found.submodule_search_locations:
        pytest.skip("snmpsim-data is not installed")
    return Path(found.submodule_search_locations[0]) / "data"


def names() -> list[str]:
    """Return the names of all recordings, such as `UPS/eaton-93e-80`."""
    found = directory()
    return sorted(str(path.relative_to(found)).split(".snmprec")[0] for path in found.rglob("*.snmprec*"))


class Recording:
    """One device as it was recorded: an `Engine` that answers at once."""

    def __init__(self, objects: dict[str, Value]) -> None:
        self.facts: dict[str, str] = {}
        rows = sorted((key(oid), oid, value) for oid, value in objects.items())
        self._keys = [row[0] for row in rows]
        self._rows = [(oid, value) for _, oid, value in rows]
        self._by_name = objects

    async def get(self, oids: list[str]) -> dict[str, Value]:
        await asyncio.sleep(0)
        for oid in oids:
            _asserted(oid)
        return {oid: self._by_name[oid] for oid in oids if oid in self._by_name}

    def walk(self, base: str) -> Next:
        _asserted(base)
        at = bisect_right(self._keys, key(base))

        async def ask(repetitions: int) -> Pairs | None:
            nonlocal at
            await asyncio.sleep(0)
            rows = [row for row in self._rows[at : at + repetitions] if row[0].startswith(f"{base}.")]
            at += len(rows)
            return rows or None

        return ask

    async def aclose(self) -> None:
        """Nothing is open."""


def _asserted(oid: str) -> None:
    assert any(f"{oid}.".startswith(f"{part}.") for part in PARTS), f"{oid} is not loaded: add it to PARTS"


def load(name: str) -> Recording:
    """Read one recording."""
    path = directory() / f"{name}.snmprec"
    packed = path.with_name(f"{path.name}.bz2")
    data = b"\n" + (bz2.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes())
    objects: dict[str, Value] = {}
    for head, start, end in _regions(data):
        for part in PARTS:
            if f"{part}.".startswith(head):
                objects |= _lines(data, part, start, end)
    return Recording(objects)


def _regions(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield where the objects below each head are: of mib-2, and of each maker.

    Large recordings are in order, so that what lies between is not searched: that takes most of the time.
    """
    if len(data) < IN_ORDER_FROM:
        yield "", 0, len(data)
        return
    start = data.find(b"\n1.3.6.1.2.1.")
    if start >= 0:
        yield "1.3.6.1.2.1.", start, data.rfind(b"\n1.3.6.1.2.1.") + 10_000
    start = data.find(b"\n1.3.6.1.4.1.")
    while start >= 0:
        head = data[start : data.index(b".", start + 13) + 1]
        end = data.rfind(head)
        yield head[1:].decode(), start, end + 10_000
        start = data.find(b"\n1.3.6.1.4.1.", end + 1)


def _lines(data: bytes, part: str, start: int, until: int) -> Iterator[tuple[str, Value]]:
    prefix, at = f"\n{part}.".encode(), start
    while (at := data.find(prefix, at, until)) >= 0:
        end = data.find(b"\n", at + 1)
        line = data[at + 1 : end if end > 0 else len(data)].strip(b"\r")
        at = end if end > 0 else len(data)
        oid, tag, text = line.split(b"|", 2)
        yield oid.decode(), _value(tag.decode(), text)


def _value(tag: str, text: bytes) -> Value:
    kind, _, module = tag.partition(":")
    if module:
        told = dict(pair.partition(b"=")[::2] for pair in text.split(b","))
        text = told.get(b"value", told.get(b"initial", b"0"))
    if kind.endswith("x"):
        kind, text = kind[:-1], _octets(text)
    if kind in ("2", "65", "66", "67", "70"):
        try:
            return int(text)
        except ValueError:
            return text
    if kind == "64" and len(text) == 4 and not text.replace(b".", b"").isdigit():
        return ".".join(map(str, text))
    if kind in ("6", "64"):
        return text.decode()
    return NO_SUCH if kind == "5" else opaque(text)


def _octets(digits: bytes) -> bytes:
    try:
        return bytes.fromhex(digits.decode())
    except ValueError:
        return digits


@asynccontextmanager
async def answering(recording: Recording) -> AsyncIterator[None]:
    """Let the recording answer whatever agent is asked."""

    async def opened(*_: Any) -> Recording:
        await asyncio.sleep(0)
        return recording

    with mock.patch("probes._snmp.open_gufo", opened), mock.patch("probes._snmp.open_pysnmp", opened):
        yield


async def asked(name: str, probe: str, **given: Any) -> Reading:
    """Run a probe on the recording of that name."""
    recording = await asyncio.to_thread(load, name)
    async with answering(recording), shared_here(secrets={"c": "public"}) as shared:
        return await run_once(
            probe, "127.0.0.1", timeout=30.0, shared=shared, snmp={"community": "secret:c"}, **given
        )
