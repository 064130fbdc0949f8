"""From rows and rates to metrics and facts: the worst of the selected, and each one where that is wanted.

A figure of all is given only where every selected interface that is up told its own: the worst of those that
answered says nothing of the others. What is left out is named in the fact `not_told`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from probes.api import clip
from probes.network._if_rates import COUNTED, Rates
from probes.network._if_rows import FULL_DUPLEX, HALF_DUPLEX, TICKS_A_SECOND, UP, Row, slug

PER_SECOND = tuple(f"{name}_per_s" for name in COUNTED)
SHARES = tuple(f"{name}_pct" for name in COUNTED)
RATED = (
    "rate_in_bps", "rate_out_bps", "utilisation_in_pct", "utilisation_out_pct", *PER_SECOND, *SHARES,
)  # fmt: skip
DUPLEX = {HALF_DUPLEX: 0.0, FULL_DUPLEX: 1.0}


@dataclass(frozen=True, slots=True)
class One:
    """One selected interface: its row, what became of it, and what 100 % is."""

    row: Row
    rates: Rates
    speed: float | None

    @property
    def admin_up(self) -> bool | None:
        """Whether somebody wants it up."""
        admin = self.row.values.get("admin")
        return None if admin is None else admin == UP

    @property
    def up(self) -> bool | None:
        """Whether it is."""
        oper = self.row.values.get("oper")
        return None if oper is None else oper == UP

    def figures(self) -> dict[str, float]:
        """Return its own metrics."""
        values = self.row.values
        found: dict[str, float | None] = {
            "up": None if self.up is None else float(self.up),
            "admin_up": None if self.admin_up is None else float(self.admin_up),
            "speed_bps": self.row.speed,
            "full_duplex": DUPLEX.get(values.get("duplex", 0)),
            "flaps": None if self.rates.flapped is None else float(self.rates.flapped),
            "unchanged_s": _unchanged(self.row),
        }
        found |= self.rates.by_name
        for way in ("in", "out"):
            rate = self.rates.by_name.get(f"rate_{way}_bps")
            if rate is not None and self.speed:
                found[f"utilisation_{way}_pct"] = rate / self.speed * 100
        return {name: value for name, value in found.items() if value is not None}


def _unchanged(row: Row) -> float | None:
    changed = row.values.get("changed")
    if changed is None or changed > row.at:  # of before the uptime wrapped
        return None
    return (row.at - changed) / TICKS_A_SECOND


def summary(found: Sequence[One], missing: Sequence[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts of all selected interfaces, `found` and `missing`."""
    figures = [one.figures() for one in found]
    metrics = {"interfaces": float(len(found)), "missing": float(len(missing))}
    facts = _names(found, missing)
    not_told: list[str] = []
    metrics |= _states(found, missing, not_told)
    wanted = [(one, own) for one, own in zip(found, figures, strict=True) if one.up and one.admin_up]
    for name, worst in (("speed_bps", min), ("full_duplex", min), *((name, max) for name in RATED)):
        told = [own[name] for _, own in wanted if name in own]
        if wanted and len(told) == len(wanted) and not missing:
            metrics[name] = worst(told)
        else:
            not_told.append(name)
    for name, combined in (("flaps", sum), ("unchanged_s", min)):
        told = [own[name] for own in figures if name in own]
        if len(told) == len(figures) and not missing:
            metrics[name] = float(combined(told))
        else:
            not_told.append(name)
    facts |= _busiest(wanted)
    if not_told:
        facts["not_told"] = ", ".join(not_told)
    return metrics, {name: clip(value, 500) for name, value in facts.items() if value}


def _states(found: Sequence[One], missing: Sequence[str], not_told: list[str]) -> dict[str, float]:
    if any(one.up is None or one.admin_up is None for one in found):
        not_told += ["not_up", "admin_down"]
        return {}
    down = sum(not one.up for one in found if one.admin_up)
    return {"not_up": float(down + len(missing)), "admin_down": float(sum(not one.admin_up for one in found))}


def _names(found: Sequence[One], missing: Sequence[str]) -> dict[str, str]:
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.rates.why:
            reasons.setdefault(one.rates.why, []).append(one.row.name)
    return {
        "missing_names": ", ".join(missing),
        "not_up_names": _joined(one for one in found if one.admin_up and one.up is False),
        "admin_down_names": _joined(one for one in found if one.admin_up is False),
        "half_duplex_names": _joined(one for one in found if one.row.values.get("duplex") == HALF_DUPLEX),
        "flapped_names": _joined(one for one in found if one.rates.flapped),
        "no_rates": "; ".join(
            f"{why}: {', '.join(names) if len(names) < len(found) else 'all'}"
            for why, names in reasons.items()
        ),
    }


def _busiest(wanted: Iterable[tuple[One, Mapping[str, float]]]) -> dict[str, str]:
    found = {}
    for name in ("utilisation_in_pct", "utilisation_out_pct"):
        told = [(own[name], one.row.name) for one, own in wanted if name in own]
        if told:
            found[f"busiest_{name.split('_')[1]}"] = max(told)[1]
    return found


def _joined(ones: Iterable[One]) -> str:
    return ", ".join(one.row.name for one in ones)


def each(found: Sequence[One]) -> dict[str, float]:
    """Return the metrics of each interface, as `NAME_INTERFACE`; a name that comes twice gets its index."""
    slugs = [slug(one.row.name) for one in found]
    metrics: dict[str, float] = {}
    for one, short in zip(found, slugs, strict=True):
        ending = short if slugs.count(short) == 1 else f"{short}_{one.row.index}"
        metrics |= {f"{name}_{ending}": value for name, value in one.figures().items()}
    return metrics
