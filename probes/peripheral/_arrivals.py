"""A talk whose answers are timed by their arrival, as the kernel has it."""

from __future__ import annotations

from dataclasses import dataclass

from probes._service import PIECE, Talk


@dataclass(slots=True)
class Arrivals(Talk):
    """A talk that knows when its last bytes had arrived (`time.perf_counter`)."""

    at: float = 0.0

    async def more(self) -> bool:
        """Wait for more in `left`; False where the other side has closed."""
        data, self.at = await self.stream.recv(PIECE, self.until)
        self.left += data
        return bool(data)
