"""Every probe before every kind of bad server: the documented kind, in time, and with bounded memory."""

from __future__ import annotations

import pytest

from probes import registry
from probes.api import Outcome
from tests.conformance.broker_rows import BROKERS
from tests.conformance.host_rows import HOST
from tests.conformance.hostile import LATE_S, MEMORY, TIMEOUT_S, Row, run
from tests.conformance.network_rows import NETWORK
from tests.conformance.peripheral_rows import PERIPHERALS
from tests.conformance.store_rows import STORES

ROWS = [*NETWORK, *HOST, *BROKERS, *STORES, *PERIPHERALS]
SPECS = {name: registry.get(name) for name in sorted({row.probe for row in ROWS})}


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_hostile(row: Row) -> None:
    ran = await run(row)
    reading = ran.reading
    assert (reading.kind or "ok") in row.ends, reading.detail
    assert (reading.outcome is Outcome.OK) is (reading.kind == "")
    assert reading.kind in ("", *SPECS[row.probe].kinds)
    assert ran.seconds < TIMEOUT_S + LATE_S
    assert ran.peak < MEMORY
    assert ran.descriptors_left <= 0


def test_no_row_is_there_twice() -> None:
    assert len({str(row) for row in ROWS}) == len(ROWS)
