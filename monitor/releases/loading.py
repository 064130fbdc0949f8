"""Release manifests from files: read, checked against the probes and each other, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory.load import files
from inventory.models import Kind
from inventory.problems import ConfigError, Path_, Problem, did_you_mean
from inventory.source import Document, read, validate
from monitor.calendars.calendar import BUILT_IN, Calendar
from monitor.readiness import versions
from monitor.readiness.checklist import CATEGORY_OF, Category, Item
from monitor.readiness.checklists import DAY_S, RAW_DAYS, Registry, too_long
from monitor.readiness.conditions import CompareVersion, Condition
from monitor.readiness.expectation import parse
from monitor.releases.manifest import PREFIX, Component, ComponentFile, Release, ReleaseFile
from probes import registry as built_in
from probes.api import FactDef, MetricDef, ProbeSpec

Named = tuple[tuple[str, Condition], ...]


@dataclass(frozen=True, slots=True)
class _Written:
    file: ReleaseFile
    document: Document


def load(
    directories: Sequence[Path],
    *,
    calendars: Mapping[str, Calendar] = BUILT_IN,
    registry: Registry = built_in,
    raw_days: int = RAW_DAYS,
) -> dict[str, Release]:
    """Return all releases by id; a later directory's replaces an earlier one's.

    Raises ConfigError with everything that is wrong.
    """
    problems: list[Problem] = []
    written: dict[str, _Written] = {}
    for directory in directories:
        written.update(_read(directory, problems))
    problems += _order(written)
    found = {}
    for key, each in written.items():
        reader = _Reader(each.document, registry, calendars, raw_days)
        found[key] = reader.release(each.file)
        problems += reader.problems
    if problems:
        raise ConfigError(problems)
    return found


def _read(directory: Path, problems: list[Problem]) -> dict[str, _Written]:
    found: dict[str, _Written] = {}
    for path in files(directory):
        try:
            for document in read(path):
                file = validate(document, ReleaseFile)
                if file.id in found:
                    text = f'release "{file.id}" is already defined in {found[file.id].document.file}'
                    problems.append(document.problem(("id",), text, "give one of the two another id"))
                found[file.id] = _Written(file, document)
        except ConfigError as error:
            problems += error.problems
    return found


def _order(written: Mapping[str, _Written]) -> Iterator[Problem]:
    """Yield what is wrong with the order that `follows` gives."""
    for key, each in written.items():
        before = each.file.follows
        if before is None:
            continue
        if before not in written:
            hint = did_you_mean(before, written) or "write its manifest, or leave follows out"
            yield each.document.problem(("follows",), f'unknown release "{before}"', hint)
        elif key in _chain(before, written):
            yield each.document.problem(("follows",), f'"{key}" follows itself', "break the ring")
        elif each.file.released < (date := written[before].file.released):
            text = f"is before {date}, when the release that it follows was released"
            yield each.document.problem(("released",), text, "correct one of the two dates")


def _chain(key: str | None, written: Mapping[str, _Written]) -> list[str]:
    found: list[str] = []
    while key is not None and key in written and key not in found:
        found.append(key)
        key = written[key].file.follows
    return found


@dataclass(slots=True)
class _Reader:
    """Makes a release of one document; `problems` grows on the way."""

    document: Document
    registry: Registry
    calendars: Mapping[str, Calendar]
    raw_days: int
    problems: list[Problem] = field(default_factory=list)

    def release(self, file: ReleaseFile) -> Release:
        """Return the release, without the components that are wrong."""
        found: dict[str, Component] = {}
        for index, line in enumerate(file.components):
            at: Path_ = ("components", index)
            if line.id in found:
                self._wrong((*at, "id"), f'component "{line.id}" is written twice', "give one another id")
            component = self._component(file, at, line)
            if component is not None:
                found[line.id] = component
        where = self.document.problem(("id",), "")
        return Release(file.id, file.released, file.follows, file.gate, found, where)

    def _component(self, file: ReleaseFile, at: Path_, line: ComponentFile) -> Component | None:
        check, probe = line.check or line.probe, line.probe or line.check
        if check is None or probe is None:
            self._wrong(
                at, f'component "{line.id}" has no check', "write the id of the check that reports it"
            )
            return None
        if line.version is None and line.checksum is None and not line.parameters:
            text = f'component "{line.id}" asserts nothing'
            self._wrong(at, text, "write its version, its checksum or its parameters")
            return None
        spec = self._spec(at, line, probe)
        if spec is None:
            return None
        identity = (*self._version(at, line, spec), *self._checksum(at, line, spec))
        parameters = tuple(self._parameters(at, line, spec, {name for name, _ in identity}))
        item = _item(file, line, check, probe, (*identity, *parameters), self.document.problem(at, ""))
        return Component(item, line.fact, line.version, identity, line.applies_to)

    def _spec(self, at: Path_, line: ComponentFile, probe: str) -> ProbeSpec | None:
        if probe in self.registry.names():
            return self.registry.get(probe)
        hint = did_you_mean(probe, self.registry.names())
        if line.probe is None:
            hint = f"{hint} else write probe: and the name of the probe that makes the check".strip()
        self._wrong((*at, "probe" if line.probe else "check"), f'unknown probe "{probe}"', hint)
        return None

    def _version(self, at: Path_, line: ComponentFile, spec: ProbeSpec) -> Named:
        if line.version is None:
            if "fact" in line.model_fields_set:
                text = "a fact of the version, and no version to compare it with"
                self._wrong((*at, "fact"), text, "write version, or leave fact out")
            return ()
        key = "fact" if "fact" in line.model_fields_set else "version"
        definition = self._definition((*at, key), spec, line.fact) or FactDef(line.fact)
        if isinstance(definition, FactDef) and definition.type == "version" and versions.parse(line.version):
            return ((line.fact, CompareVersion("==", line.version)),)
        found = self._parsed((*at, "version"), line.version, definition)
        return ((line.fact, found),) if found else ()

    def _checksum(self, at: Path_, line: ComponentFile, spec: ProbeSpec) -> Named:
        if line.checksum is None:
            return ()
        name, where = line.checksum.fact, (*at, "checksum")
        if line.version is not None and name == line.fact:
            self._wrong((*where, "fact"), "is the fact of the version already", "write the checksum's own")
            return ()
        definition = self._definition((*where, "fact"), spec, name) or FactDef(name)
        found = self._parsed((*where, "value"), line.checksum.value, definition)
        return ((name, found),) if found else ()

    def _parameters(
        self, at: Path_, line: ComponentFile, spec: ProbeSpec, taken: set[str]
    ) -> Iterator[tuple[str, Condition]]:
        for name, raw in line.parameters.items():
            where = (*at, "parameters", name)
            if name in taken:
                self._wrong(where, "is compared by version or checksum already", "write it once")
                continue
            if found := self._parsed(where, raw, self._definition(where, spec, name)):
                yield name, found

    def _definition(self, where: Path_, spec: ProbeSpec, name: str) -> MetricDef | FactDef | None:
        """Return what the probe declares of a name; one that only a run can tell is None."""
        found = spec.metric(name) or spec.fact(name)
        if found is None and not (spec.dynamic or spec.names_in):
            hint = did_you_mean(name, [*(m.name for m in spec.metrics), *(f.name for f in spec.facts)])
            self._wrong(where, f'probe "{spec.name}" reports no "{name}"', hint)
        return found

    def _parsed(self, where: Path_, raw: Any, definition: MetricDef | FactDef | None) -> Condition | None:
        try:
            condition = parse(raw, metric=definition, calendars=self.calendars)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            self._wrong(where, message, hint)
            return None
        if condition.reach > self.raw_days * DAY_S:
            self._wrong(where, too_long(self.raw_days), "shorten it")
        return condition

    def _wrong(self, path: Path_, message: str, suggestion: str = "") -> None:
        self.problems.append(self.document.problem(path, message, suggestion))


def _item(
    file: ReleaseFile, line: ComponentFile, check: str, probe: str, expect: Named, where: Problem
) -> Item:
    remedy = line.remediation
    return Item(
        f"{PREFIX}{line.id}", line.category or _category(line.select.kind), line.severity,
        line.title.en, line.title.zh,
        remedy.en if remedy else f"Bring {line.title.en} to what {file.id} says, or correct the manifest.",
        remedy.zh if remedy else f"请将{line.title.zh}调整为 {file.id} 的规定，或更正发布清单。",
        line.select, check, (probe,), expect, line.max_age, waivable=line.waivable, optional=line.optional,
        sources=(f"release {file.id}",), where=where,
    )  # fmt: skip


def _category(kinds: Sequence[Kind]) -> Category:
    """Return the category of what is on assets of one kind; what runs on a host is its system software."""
    if len(kinds) != 1:
        return "application"
    return "system-software" if kinds[0] == "host" else CATEGORY_OF[kinds[0]]
