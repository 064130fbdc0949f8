"""Whether a bundle is taken in, and what is written of it. Pure.

In this order: the key is known and holds for the unit, the unit is here what it was there, the clock can be
told, something of it still counts, and it was not taken in before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monitor.bundles.bundle import Bundle, NotTaken
from monitor.bundles.settings import TrustedKey
from monitor.gates.asking import Asking
from monitor.gates.ledger import IMPORTED, Draft, Entry
from monitor.readiness.results import UnitResult
from probes.api import Reading

CLOCK_SLACK_S = 60.0
"""How far a clock that nobody measured may be off, and how far in the future a corrected one may lie."""
JUMP_S = 5.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What comes of a bundle: an entry (None: there is one already), and readings for the store."""

    draft: Draft | None
    readings: tuple[Reading, ...]
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Here:
    """What is known here. `judged` judges readings alone; `stored` tells whether the store has one."""

    keys: Iterable[TrustedKey]
    checks: frozenset[str]
    judged: Callable[[Iterable[Reading]], UnitResult]
    stored: Callable[[Reading], bool]


def accept(ask: Asking, bundle: Bundle, here: Here) -> Taken:
    """Return what comes of a bundle. Raises NotTaken with why not, Refused where the actor may not."""
    ask.need("operator", "taking a bundle in")
    key = _key(ask, bundle, here.keys)
    readings = tuple(replace(each, at=each.at + _offset(ask, bundle)) for each in _own(ask, bundle, here))
    fresh = _fresh(readings, here, ask.now)
    before = ask.standing.bundles.get(bundle.manifest.nonce)
    if before is not None:
        return _completed(before, bundle, readings, here)
    counts = Counter(each.outcome.value for each in readings)
    body = _body(bundle, key, readings) | {
        "counts": dict(sorted(counts.items())), "fresh": fresh, "history": len(readings) - fresh,
    }  # fmt: skip
    return Taken(ask.draft(IMPORTED, body), readings, body)


def _key(ask: Asking, bundle: Bundle, keys: Iterable[TrustedKey]) -> TrustedKey:
    known = [each for each in keys if each.key == bundle.key]
    if not known:
        raise NotTaken("unknown_key", f"no [[bundles.keys]] of the settings has the key {bundle.key}")
    here = [each for each in known if not each.units or set(each.units) & set(ask.line)]
    if not here:
        raise NotTaken("unknown_key", f"the key of {known[0].name} does not hold for {ask.unit}")
    return here[0]


def _own(ask: Asking, bundle: Bundle, here: Here) -> tuple[Reading, ...]:
    manifest = bundle.manifest
    if (manifest.unit, manifest.gate) != (ask.unit, ask.gate):
        raise NotTaken("foreign", f"it is of {manifest.unit} at {manifest.gate}")
    if manifest.unit_digest != ask.result.unit_digest:
        raise NotTaken(
            "foreign",
            f"{ask.unit}, its checks or its checklist are not here what they were there; give the laptop "
            "the files of this installation, and make a new one",
        )
    if strange := [each.check for each in bundle.readings if each.check not in here.checks]:
        raise NotTaken("foreign", f"{ask.unit} has no check {strange[0]}")
    first, last = manifest.started_at - JUMP_S, manifest.finished_at + JUMP_S
    if not all(first <= each.at <= last for each in bundle.readings):
        raise NotTaken("clock", "readings lie outside of the run: the laptop's clock jumped; make a new one")
    return bundle.readings


def _offset(ask: Asking, bundle: Bundle) -> float:
    offset = bundle.manifest.clock.offset_s
    ahead = bundle.manifest.finished_at + (offset or 0.0) - ask.now
    replayed = bundle.manifest.nonce in ask.standing.bundles
    if offset is None and abs(ahead) > CLOCK_SLACK_S and not replayed:
        raise NotTaken(
            "clock",
            f"the laptop's clock was compared with no time server, and the run ended {abs(ahead):.0f} s "
            f"{'after' if ahead > 0 else 'before'} now by it; let the unit have a check by ntp",
        )
    if ahead > CLOCK_SLACK_S:
        raise NotTaken("clock", f"the run would have ended {ahead:.0f} s from now; check the clocks")
    return offset or 0.0


def _fresh(readings: tuple[Reading, ...], here: Here, now: float) -> int:
    """Return how many readings are within the age that an item allows. Raises NotTaken where none is."""
    measured = [each for each in readings if each.outcome.measured]
    if not measured:
        raise NotTaken("empty", "nothing was measured in it")
    ages: dict[str, float] = {}
    for row in here.judged(measured).items:
        if row.check and row.expires_at is not None and row.collected_at is not None:
            ages[row.check] = max(ages.get(row.check, 0.0), row.expires_at - row.collected_at)
    fresh = sum(now < each.at + ages.get(each.check, 0.0) for each in measured)
    if not fresh:
        old = (now - max(each.at for each in measured)) / 60
        raise NotTaken(
            "stale", f"its newest reading is {old:.0f} min old, and no item allows that; make a new one"
        )
    return fresh


def _completed(before: Entry, bundle: Bundle, readings: tuple[Reading, ...], here: Here) -> Taken:
    """Return what the store does not have of a bundle that was taken in when something broke in between."""
    missing = tuple(each for each in readings if not here.stored(each))
    if before.body["digest"] != bundle.digest or not missing:
        raise NotTaken("replayed", f"it was taken in before, as entry {before.seq} of the ledger")
    return Taken(None, missing, {**before.body, "completed": len(missing)})


def _body(bundle: Bundle, key: TrustedKey, readings: tuple[Reading, ...]) -> dict[str, Any]:
    manifest, offset = bundle.manifest, bundle.manifest.clock.offset_s or 0.0
    return {
        "digest": bundle.digest, "nonce": manifest.nonce, "key": bundle.key, "key_of": key.name,
        "vantage": manifest.vantage, "host": manifest.host, "made_by": manifest.actor,
        "version": manifest.version, "clock": manifest.clock.model_dump(),
        "started_at": manifest.started_at + offset, "finished_at": manifest.finished_at + offset,
        "unit_digest": manifest.unit_digest, "readings": len(readings),
        "readings_digest": manifest.readings_digest,
    }  # fmt: skip
