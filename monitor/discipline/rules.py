"""What tests may cost, as the settings say (`[tests]`)."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.calendars.windows import Window
from monitor.job import Line

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds for every line and every run.

    `bytes_per_day` counts both directions; where a line's contracted rate is known, its day's budget is at
    least `share_per_day` (0..1) of what the slower direction carries in a day. `use_limit` is in per cent;
    `slip` is the share of a check's interval for which a run may wait for its turn.
    """

    bytes_per_day: int = 200_000_000
    share_per_day: float = 0.002
    seconds_per_day: float = 4 * 3600.0
    bytes_per_run: int = 20_000_000
    windows: tuple[Window, ...] = ()
    use_limit: float = 70.0
    slip: float = 0.5

    def day_bytes(self, line: Line) -> int:
        """Return how many bytes may be put on a line in a day."""
        share = self.share_per_day * (line.bps or 0.0) / 8 * DAY_S
        return max(self.bytes_per_day, int(share))
