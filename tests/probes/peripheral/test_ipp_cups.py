"""`ipp` against queues of CUPS itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from probes.api import Outcome, Reading
from probes.peripheral.ipp import PROBE
from tests.probing import run_once
from tests.servers.cups import Queue, cups
from tests.servers.ports import closed_port


async def _asked(port: int, queue: str, **params: Any) -> Reading:
    return await run_once(PROBE.name, "127.0.0.1", port=port, path=f"/printers/{queue}", **params)


async def test_queues(tmp_path: Path) -> None:
    stopped = Queue("stopped", state="Stopped", more="Reason paused\nAccepting No")
    async with cups(tmp_path, Queue("till1"), stopped, Queue("closed")) as port:
        idle = await _asked(port, "till1", test_page=True)
        paused = await _asked(port, "stopped")
        closed = await _asked(port, "closed")
        nobody = await _asked(port, "nobody")
    assert idle.outcome is Outcome.OK, idle
    assert (idle.facts["state"], idle.facts["name"]) == ("idle", "till1")
    assert idle.facts["job_state"] == "completed"
    assert (idle.metrics["errors"], idle.metrics["obstacles"], idle.metrics["accepting"]) == (0, 0, 1)
    assert (paused.facts["state"], paused.facts["obstacle_reasons"]) == ("stopped", "paused")
    assert (paused.metrics["errors"], paused.metrics["accepting"]) == (1, 0)
    assert (closed.outcome, closed.kind) == (Outcome.ERROR, "auth")
    assert nobody.detail.startswith("no_such_queue: ")


async def test_the_clock_of_cups_is_no_uptime(tmp_path: Path) -> None:
    async with cups(tmp_path, Queue("till1")) as port:
        reading = await _asked(port, "till1")
    assert "uptime_s" not in reading.metrics
    assert "uptime_s: it gives its clock" in reading.facts["not_told"]


async def test_a_queue_whose_printer_is_off_shows_by_its_test_page_alone(tmp_path: Path) -> None:
    with closed_port() as dead:
        async with cups(tmp_path, Queue("off", device=f"ipp://127.0.0.1:{dead}/ipp/print")) as port:
            before = await _asked(port, "off")
            reading = await _asked(port, "off", test_page=True, timeout=4)
            for _ in range(100):
                after = await _asked(port, "off")
                if after.metrics["queued"] == 0:
                    break
                await asyncio.sleep(0.05)
    assert (before.outcome, before.facts["state"], before.metrics["errors"]) == (Outcome.OK, "idle", 0)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "timeout")
    assert reading.detail.startswith("job: still ")
    assert after.metrics["queued"] == 0
