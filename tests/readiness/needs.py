"""The worked example's requirement as the capacity model gives it, for tests of the judgement alone."""

from __future__ import annotations

from dataclasses import replace

from monitor.capacity.need import Need, RateNeed, RttNeed

R_UP, R_DOWN, M_UP, M_DOWN = 6.75e6, 7.01e6, 5.0e6, 5.2e6
L = 432.0


def ceiling(up: float, down: float) -> RttNeed:
    """58.3 ms at the requirement, less with less, nothing at 4 Mbit/s."""
    share = min(up / R_UP, down / R_DOWN)
    return RttNeed(58.3 * (share - 0.6) / 0.4, "kiosk")


NEED = Need(
    "hall",
    RateNeed(0.423e6, 5.06e6, M_UP, R_UP, "new-connection"),
    RateNeed(0.215e6, 5.26e6, M_DOWN, R_DOWN, "bill-pdf"),
    0.0023, L, ceiling,
)  # fmt: skip


class Needs:
    """The same requirement for every unit named."""

    def __init__(self, need: Need = NEED, *units: str) -> None:
        self._need, self._units = need, units or ("hall",)

    def need(self, unit: str, /) -> Need | None:
        return replace(self._need, unit=unit) if unit in self._units else None

    def digest(self, unit: str, /) -> str:
        return f"sha256:{self._need.up.required_bps}" if unit in self._units else ""


def impossible(sentence: str) -> Needs:
    return Needs(replace(NEED, impossible=sentence))
