"""Checklists from files: read, inherited, tightened, and checked against the probes, all problems at once."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from inventory.load import files
from inventory.models import DEFAULT_GATE
from inventory.problems import ConfigError, Path_, Problem, did_you_mean
from inventory.source import Document, read, validate
from monitor.calendars.calendar import ALWAYS, ALWAYS_OPEN, Calendar, CalendarFile
from monitor.readiness import overlay
from monitor.readiness.applied import stronger
from monitor.readiness.checklist import Checklist, ChecklistFile, Item, ItemFile, SoakFile
from monitor.readiness.conditions import Condition
from monitor.readiness.digest import digest
from monitor.readiness.expectation import parse
from monitor.readiness.soak import Soak
from probes import registry as built_in
from probes.api import FactDef, MetricDef, ProbeSpec

RAW_DAYS = 14
DAY_S = 86400.0


class Registry(Protocol):
    """Where probes are found by name; `probes.registry` is one."""

    def names(self) -> tuple[str, ...]:
        """Return all names."""

    def get(self, name: str) -> ProbeSpec:
        """Return the probe's declaration. Raises LookupError."""


@dataclass(frozen=True, slots=True)
class _Written:
    file: ChecklistFile
    document: Document


def load_calendars(directories: Sequence[Path]) -> dict[str, Calendar]:
    """Return all calendars by id, `24x7` among them; a later directory's replaces an earlier one's.

    Raises ConfigError with everything that is wrong.
    """
    found: dict[str, Calendar] = {ALWAYS: ALWAYS_OPEN}
    problems: list[Problem] = []
    for directory in directories:
        here: set[str] = set()
        for document in _documents(directory, problems):
            try:
                written = validate(document, CalendarFile)
            except ConfigError as error:
                problems += error.problems
                continue
            if written.id in here or written.id == ALWAYS:
                text = f'calendar "{written.id}" exists already'
                problems.append(document.problem(("id",), text, "give it another id"))
            here.add(written.id)
            found[written.id] = Calendar.of(written)
    if problems:
        raise ConfigError(problems)
    return found


def load(
    directories: Sequence[Path],
    *,
    calendars: Mapping[str, Calendar] | None = None,
    registry: Registry = built_in,
    raw_days: int = RAW_DAYS,
) -> dict[str, Checklist]:
    """Return all checklists by id; a later directory's replaces an earlier one's.

    `raw_days` is for how long raw readings are kept: no window may reach further back.
    Raises ConfigError with everything that is wrong.
    """
    problems: list[Problem] = []
    written: dict[str, _Written] = {}
    unread: set[str] = set()
    for directory in directories:
        written.update(_read(directory, problems, unread))
    loader = _Loader(written, calendars or {ALWAYS: ALWAYS_OPEN}, registry, problems, raw_days, unread)
    found = {key: checklist for key in written if (checklist := loader.checklist(key))}
    if problems:
        raise ConfigError(problems)
    return found


def too_long(raw_days: int) -> str:
    """Return what is wrong with a window that reaches past raw retention."""
    return f"the window reaches past the {raw_days} days for which raw readings are kept"


def _documents(directory: Path, problems: list[Problem]) -> Iterator[Document]:
    for file in files(directory):
        try:
            yield from read(file)
        except ConfigError as error:
            problems += error.problems


def _read(directory: Path, problems: list[Problem], unread: set[str]) -> dict[str, _Written]:
    """Return the checklists of a directory; the ids of those that can't be used join `unread`."""
    found: dict[str, _Written] = {}
    for document in _documents(directory, problems):
        try:
            file = validate(document, ChecklistFile)
        except ConfigError as error:
            problems += error.problems
            if isinstance(document.data, Mapping):
                unread.add(str(document.data.get("id")))
            continue
        if file.id in found:
            text = f'checklist "{file.id}" is already defined in {found[file.id].document.file}'
            problems.append(document.problem(("id",), text, "give one of the two another id"))
        found[file.id] = _Written(file, document)
    return found


class _Loader:
    """Puts checklists together, each after those it extends; `problems` grows on the way."""

    def __init__(
        self,
        written: Mapping[str, _Written],
        calendars: Mapping[str, Calendar],
        registry: Registry,
        problems: list[Problem],
        raw_days: int,
        unread: Container[str],
    ) -> None:
        self._written, self._unread, self._calendars, self._registry = written, unread, calendars, registry
        self._raw_days = raw_days
        self._problems = problems
        self._done: dict[str, Checklist | None] = {}
        self._raw: dict[str, dict[str, ItemFile]] = {}
        self._open: list[str] = []

    def checklist(self, key: str) -> Checklist | None:
        """Return the checklist with all it inherits, or None where something is wrong with it."""
        if key not in self._done:
            self._open.append(key)
            self._done[key] = self._build(self._written[key])
            self._open.pop()
        return self._done[key]

    def _build(self, written: _Written) -> Checklist | None:
        before = len(self._problems)
        parents = [
            parent
            for index, key in enumerate(written.file.extends)
            if (parent := self._parent(written, index, key))
        ]
        if len(parents) < len(written.file.extends):
            return None  # what is wrong with a parent is said there, and not again of all that lacks it
        items, raw = self._inherited(written, parents)
        seen: set[str] = set()
        for index, line in enumerate(written.file.items):
            at: Path_ = ("items", index)
            if line.id in seen:
                text = f'item "{line.id}" is written twice'
                self._wrong(written, (*at, "id"), text, "keep one, or give one another id")
            seen.add(line.id)
            if line.id in raw:
                self._overlay(written, at, raw, items, line)
            else:
                self._add(written, at, raw, items, line)
        self._references(written, items)
        self._raw[written.file.id] = raw
        if len(self._problems) > before:
            return None
        return _assembled(written.file, parents, items)

    def _parent(self, written: _Written, index: int, key: str) -> Checklist | None:
        at = ("extends", index)
        if key in self._unread:
            return None
        if key not in self._written:
            self._wrong(written, at, f'unknown checklist "{key}"', did_you_mean(key, self._written))
            return None
        if key in self._open:
            self._wrong(written, at, f'"{written.file.id}" extends itself', "break the ring")
            return None
        return self.checklist(key)

    def _inherited(
        self, written: _Written, parents: Sequence[Checklist]
    ) -> tuple[dict[str, Item], dict[str, ItemFile]]:
        items: dict[str, Item] = {}
        raw: dict[str, ItemFile] = {}
        for parent in parents:
            for key, item in parent.items.items():
                chosen = stronger(items[key], item) if key in items else item
                if chosen is None:
                    text = f'item "{key}" comes in two forms from {" and ".join(written.file.extends)}'
                    self._wrong(written, ("extends",), text, "extend one of them from the other")
                    continue
                if chosen is not items.get(key):
                    items[key], raw[key] = chosen, self._raw[parent.id][key]
        return items, raw

    def _overlay(
        self, written: _Written, at: Path_, raw: dict[str, ItemFile], items: dict[str, Item], line: ItemFile
    ) -> None:
        parent = raw[line.id]
        for key, message, suggestion in overlay.relaxed(parent, line):
            self._wrong(written, (*at, *key.split(".")), message, suggestion)
        merged = _merged(parent, line)
        item = self._item(written, at, merged)
        if item is None:
            return
        before = items[line.id]
        expect = {**dict(before.expect)}
        for name, condition in self._conditions(written, at, line, item.probes):
            if name in expect and overlay.tightens(expect[name], condition) is False:
                text = f'"{condition}" relaxes "{expect[name]}", and relaxing needs a waiver'
                self._wrong(written, (*at, "expect", name), text, f'write "{expect[name]}" or less of it')
            expect[name] = overlay.combined(expect[name], condition) if name in expect else condition
        sources = (*before.sources, written.file.id)
        raw[line.id] = merged
        items[line.id] = _replaced(item, expect, sources)

    def _add(
        self, written: _Written, at: Path_, raw: dict[str, ItemFile], items: dict[str, Item], line: ItemFile
    ) -> None:
        item = self._item(written, at, line)
        if item is not None:
            expect = dict(self._conditions(written, at, line, item.probes))
            raw[line.id], items[line.id] = line, _replaced(item, expect, (written.file.id,))

    def _item(self, written: _Written, at: Path_, line: ItemFile) -> Item | None:
        """Return the item without its conditions, or None where it is incomplete."""
        lacking = [key for key in ("category", "title") if getattr(line, key) is None]
        for key in lacking:
            self._wrong(written, at, f'item "{line.id}" has no {key}', f"write its {key}")
        form = self._form(line)
        if form:
            self._wrong(written, at, *form)
        if lacking or form or line.category is None or line.title is None:
            return None
        probes = line.probe or ((line.check,) if line.check else ())
        return Item(
            line.id, line.category, line.severity or "major", line.title.en, line.title.zh,
            line.remediation.en if line.remediation else "", line.remediation.zh if line.remediation else "",
            line.select, line.check, probes, (), line.max_age, self._soak(written, at, line.soak),
            self._applies(written, at, line), bool(line.waivable), bool(line.optional),
            line.depends_on or (), line.attest, line.awaits, line.parent,
            where=written.document.problem((*at, "max_age"), ""),
        )  # fmt: skip

    def _form(self, line: ItemFile) -> tuple[str, str] | None:
        measured = line.check is not None or line.probe is not None
        others = [getattr(line, key) is not None for key in ("attest", "awaits", "parent")]
        if measured + sum(others) != 1:
            text = f'item "{line.id}" must be either measured or attested'
            return text, "write either check and expect, or attest, or parent"
        if not measured:
            clash = [key for key in ("expect", "max_age", "soak") if getattr(line, key)]
            return (f"an item that is not measured has no {clash[0]}", "leave it out") if clash else None
        if line.select is None:
            return f'item "{line.id}" selects no assets', "write select, such as select: {kind: channel}"
        if not line.expect:
            text = f'item "{line.id}" expects nothing, and an empty expectation asserts nothing'
            return text, 'write expect, such as expect: {rtt_ms: "<= 40"}'
        return None

    def _soak(self, written: _Written, at: Path_, soak: SoakFile | None) -> Soak | None:
        if soak is None:
            return None
        calendar = self._calendars.get(soak.calendar)
        if calendar is None:
            hint = did_you_mean(soak.calendar, self._calendars)
            self._wrong(written, (*at, "soak", "calendar"), f'unknown calendar "{soak.calendar}"', hint)
            return None
        if calendar.weekly * self._raw_days / 7 < soak.window:
            self._wrong(written, (*at, "soak", "window"), too_long(self._raw_days), "shorten it")
        return Soak(soak.window, calendar, soak.min_coverage, soak.min_pass, soak.max_gap)

    def _applies(self, written: _Written, at: Path_, line: ItemFile) -> tuple[tuple[str, Condition], ...]:
        found: list[tuple[str, Condition]] = []
        for name, raw in (line.applies_when or {}).items():
            where = (*at, "applies_when", name)
            owner, _, key = name.partition(".")
            known = _KEYS.get(owner, frozenset())
            if key not in known:
                hint = did_you_mean(name, {f"{each}.{k}" for each, keys in _KEYS.items() for k in keys})
                self._wrong(written, where, f'the inventory has no "{name}"', hint)
            elif owner == "asset" and line.attest:
                self._wrong(written, where, "an attested item is about the unit", "write unit.KEY")
            elif condition := self._parsed(written, where, raw, FactDef(name)):
                found.append((name, condition))
        return tuple(found)

    def _conditions(
        self, written: _Written, at: Path_, line: ItemFile, probes: tuple[str, ...]
    ) -> Iterator[tuple[str, Condition]]:
        if not line.expect or not probes:
            return
        specs = [self._spec(written, at, line, probe) for probe in probes]
        known = [spec for spec in specs if spec is not None]
        for name, raw in line.expect.items() if len(known) == len(specs) else ():
            where = (*at, "expect", name)
            if self._reported(written, where, name, known):
                definition = known[0].metric(name) or known[0].fact(name)
                if condition := self._parsed(written, where, raw, definition):
                    yield name, condition

    def _reported(self, written: _Written, where: Path_, name: str, specs: Sequence[ProbeSpec]) -> bool:
        """Return whether each of the probes reports the name, and all in the same unit."""
        units: set[str] = set()
        for spec in specs:
            metric, open_names = spec.metric(name), spec.dynamic or bool(spec.names_in)
            if metric is None and spec.fact(name) is None and not open_names:
                hint = did_you_mean(name, [*(m.name for m in spec.metrics), *(f.name for f in spec.facts)])
                self._wrong(written, where, f'probe "{spec.name}" reports no "{name}"', hint)
                return False
            units.add(metric.unit if metric else "")
        if len(units) > 1:
            self._wrong(written, where, f'"{name}" is of different units', "write an item for each probe")
        return len(units) == 1

    def _spec(self, written: _Written, at: Path_, line: ItemFile, probe: str) -> ProbeSpec | None:
        if probe in self._registry.names():
            return self._registry.get(probe)
        key = "probe" if line.probe else "check"
        hint = did_you_mean(probe, self._registry.names())
        if key == "check":
            hint = f"{hint} else write probe: and the name of the probe that makes the check".strip()
        self._wrong(written, (*at, key), f'unknown probe "{probe}"', hint)
        return None

    def _parsed(
        self, written: _Written, where: Path_, raw: Any, definition: MetricDef | FactDef | None
    ) -> Condition | None:
        try:
            condition = parse(raw, metric=definition, calendars=self._calendars)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._wrong(written, where, message, hint)
            return None
        if condition.reach > self._raw_days * DAY_S:
            self._wrong(written, where, too_long(self._raw_days), "shorten it")
        return condition

    def _references(self, written: _Written, items: Mapping[str, Item]) -> None:
        for index, line in enumerate(written.file.items):
            for place, key in enumerate(line.depends_on or ()):
                where = ("items", index, "depends_on", place)
                if key not in items:
                    self._wrong(written, where, f'unknown item "{key}"', did_you_mean(key, items))
                elif _reaches(items, key, line.id):
                    self._wrong(written, where, f'"{line.id}" depends on itself', "break the ring")

    def _wrong(self, written: _Written, path: Path_, message: str, suggestion: str = "") -> None:
        self._problems.append(written.document.problem(path, message, suggestion))


_KEYS: Mapping[str, frozenset[str]] = {
    "unit": frozenset({"id", "level", "profile", "wave", "tags", "functions", "bulk", "realtime", "parent"}),
    "asset": frozenset({"id", "kind", "role", "tags", "family", "address"}),
}
"""Keys of the inventory that `applies_when` may ask about."""


def _reaches(items: Mapping[str, Item], start: str, goal: str) -> bool:
    waiting, seen = [start], set[str]()
    while waiting:
        key = waiting.pop()
        if key == goal:
            return True
        if key not in seen and key in items:
            seen.add(key)
            waiting.extend(items[key].depends_on)
    return False


def _merged(parent: ItemFile, child: ItemFile) -> ItemFile:
    changes = {key: getattr(child, key) for key in child.model_fields_set if getattr(child, key) is not None}
    changes["depends_on"] = tuple(dict.fromkeys((*(parent.depends_on or ()), *(child.depends_on or ()))))
    changes["expect"] = {**(parent.expect or {}), **(child.expect or {})} or None
    return parent.model_copy(update=changes)


def _replaced(item: Item, expect: Mapping[str, Condition], sources: tuple[str, ...]) -> Item:
    return replace(item, expect=tuple(expect.items()), sources=sources)


def _assembled(file: ChecklistFile, parents: Sequence[Checklist], items: Mapping[str, Item]) -> Checklist:
    gate = file.gate or next((parent.gate for parent in parents), DEFAULT_GATE)
    stated = [file.max_waivers, *(parent.max_waivers for parent in parents)]
    limits = [each for each in stated if each is not None]
    lineage = frozenset({file.id, *(each for parent in parents for each in parent.lineage)})
    limit = min(limits) if limits else None
    whole = digest({"id": file.id, "gate": gate, "max_waivers": limit, "items": items})
    return Checklist(file.id, gate, file.applies_to, limit, items, whole, lineage)
