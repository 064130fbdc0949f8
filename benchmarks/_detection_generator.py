"""Made-up links for `benchmarks.detection`: what a healthy path does by itself, and degradations in it.

Frozen: `link(seed)` gives the same series for ever. Seeds below `HELD_OUT` are for development; those from
there on were used for no decision and are reported by the full run only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._detection_scoring import Event, Series

DEVELOPMENT, HELD_OUT = 1_000, 20_000
"""First seeds of the two sets."""
INTERVAL_S = 60.0
DAYS = 28
DAY = 1440
FIRST_EPOCH = 1_767_571_200.0
"""A Monday."""
WARM_DAYS = 4
"""No event begins before, and nothing is scored."""
SIZES = (0.15, 0.25, 0.5, 1.0)
LEAST_MS = 5.0
"""A degradation is at least this, and this many times the path's noise:"""
LEAST_SIGMAS = 4.0

Floats = NDArray[np.float64]


@dataclass(slots=True)
class _Path:
    rng: np.random.Generator
    base: float
    sigma: float
    size: int = DAYS * DAY

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def link(seed: int) -> Series:
    """Return four weeks of one link, a sample a minute."""
    rng = np.random.default_rng(seed)
    base = float(np.exp(rng.uniform(np.log(4), np.log(160))))
    path = _Path(rng, base, base * float(np.exp(rng.uniform(np.log(0.003), np.log(0.03)))))
    usual = np.full(path.size, base) + _hump(path) + _shifts(path)
    gone = _missing(path)
    events = [event for event in _events(path) if not gone[event.start : event.end].mean() > 0.3]
    extra = np.zeros(path.size)
    for event in events:
        extra[event.start : event.end] += _shape(path, event)
    values = np.maximum(usual + extra + _noise(path) + _spikes(path), 0.1)
    values[gone] = np.nan
    times = FIRST_EPOCH + INTERVAL_S * np.arange(path.size) + _clock(path)
    return Series(
        name=str(seed),
        times=times.tolist(),
        values=[None if np.isnan(value) else float(value) for value in values],
        events=tuple(events),
        warm=WARM_DAYS * DAY,
        true_base=base,
    )


def _hump(path: _Path) -> Floats:
    """Office hours: a hump on weekdays, a small one at weekends, none on two holidays; daylight saving."""
    rng = path.rng
    height = path.base * float(rng.choice([0.0, 0.0, 0.05, 0.1, 0.2, 0.3]))
    minutes = np.arange(path.size)
    change = int(rng.integers(8, 24)) * DAY if path.chance(0.3) else path.size
    local = minutes + np.where(minutes >= change, 60, 0)
    hours = local % DAY / 60
    shape = np.clip(np.sin(np.pi * (hours - 7) / 12), 0, None) ** rng.uniform(0.6, 1.6)
    by_day = np.where(np.arange(DAYS) % 7 < 5, 1.0, float(rng.uniform(0.1, 0.4))) * rng.uniform(
        0.8, 1.2, DAYS
    )
    by_day[rng.choice(DAYS, 2, replace=False)] *= 0.2
    return height * shape * np.repeat(by_day, DAY)


def _shifts(path: _Path) -> Floats:
    """Small changes of route, up and down, and some lasting improvements."""
    moves = np.zeros(path.size)
    for _ in range(int(path.rng.poisson(4))):
        moves[int(path.rng.integers(path.size)) :] += path.base * path.rng.uniform(-0.03, 0.03)
    if path.chance(0.3):
        moves[int(path.rng.integers(path.size)) :] -= path.base * path.rng.uniform(0.08, 0.3)
    return moves


def _noise(path: _Path) -> Floats:
    """One of five kinds of jitter."""
    rng, size, sigma = path.rng, path.size, path.sigma
    kind = int(rng.integers(5))
    if kind == 0:
        return rng.normal(0, sigma, size)
    if kind == 1:
        return rng.gamma(1.5, sigma, size)
    if kind == 2:
        return np.minimum(rng.lognormal(0, 1.2, size) * sigma / 2, 30 * sigma)
    if kind == 3:
        return rng.normal(0, sigma / 2, size) + np.where(rng.random(size) < 0.4, 2.5 * sigma, 0)
    return _wandering(rng, size, sigma)


def _wandering(rng: np.random.Generator, size: int, sigma: float) -> Floats:
    """Neighbouring samples alike: noise smoothed over ten minutes, and some of its own."""
    smooth = np.convolve(rng.normal(0, 1, size + 9), np.full(10, 10**-0.5), "valid")
    result: Floats = sigma * (0.8 * smooth + 0.6 * rng.normal(0, 1, size))
    return result


def _spikes(path: _Path) -> Floats:
    """Single high samples, and short bursts of two to four."""
    rng, size = path.rng, path.size
    high = path.base * rng.exponential(1.0, size)
    mask = rng.random(size) < rng.choice([0.0, 0.002, 0.01, 0.03])
    for at in rng.integers(0, size - 4, int(rng.poisson(15))):
        mask[at : at + int(rng.integers(2, 5))] = True
    return np.where(mask, high, 0.0)


def _missing(path: _Path) -> NDArray[np.bool_]:
    """Some samples, and some hours in one piece."""
    rng, size = path.rng, path.size
    gone: NDArray[np.bool_] = rng.random(size) < rng.choice([0.0, 0.005, 0.05])
    for at in rng.integers(0, size, int(rng.poisson(2))):
        gone[at : at + int(rng.integers(30, 720))] = True
    return gone


def _clock(path: _Path) -> Floats:
    """A fifth of the monitors have a clock that jumps once, forth or back, and is set right after a while."""
    off = np.zeros(path.size)
    if path.chance(0.2):
        at = int(path.rng.integers(path.size - DAY))
        off[at : at + int(path.rng.integers(10, DAY))] = float(path.rng.choice([-3600, -600, 600, 7200]))
    return off


def _events(path: _Path) -> list[Event]:
    rng = path.rng
    events: list[Event] = []
    at = WARM_DAYS * DAY + int(rng.exponential(2 * DAY))
    while True:
        kind = str(rng.choice(["step", "step", "step", "ramp", "flap"]))
        low, high = {"step": (20, 480), "ramp": (180, 600), "flap": (90, 240)}[kind]
        end = at + int(np.exp(rng.uniform(np.log(low), np.log(high))))
        if end + 60 > path.size:
            return events
        share = float(rng.choice(SIZES))
        size = max(share * path.base, LEAST_MS, LEAST_SIGMAS * path.sigma)
        events.append(Event(at, end, kind, size))
        at = end + 180 + int(rng.exponential(2.5 * DAY))


def _shape(path: _Path, event: Event) -> Floats:
    """What is added: a step; a ramp over half of the time that then stays; on and off every few minutes."""
    length = event.end - event.start
    minutes = np.arange(length)
    if event.kind == "ramp":
        return event.size * np.minimum(minutes / (length / 2), 1.0)
    if event.kind == "flap":
        period = int(path.rng.integers(16, 30))
        return np.where(minutes % period < 0.7 * period, event.size, 0.0)
    return np.full(length, event.size) * path.rng.uniform(0.9, 1.3, length)
