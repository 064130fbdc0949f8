"""How `muster probe` shows a reading and the list of probes."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from inventory import units
from monitor.cli.common import out
from probes import registry
from probes.api import Outcome, ProbeSpec, Reading, Target

SIGNS = {
    Outcome.OK: ("✔", "#009E73"),
    Outcome.FAILED: ("✖", "#D55E00"),
    Outcome.ERROR: ("?", "#7F7F7F"),
    Outcome.NOT_RUN: ("?", "#7F7F7F"),
}
BAR = 40
"""Width of the picture of phases, in characters."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


def show(
    form: str, spec: ProbeSpec, target: Target, reading: Reading, trace: list[tuple[float, str]] | None
) -> None:
    """Print a reading as a table or as JSON."""
    if form == "json":
        document = as_json(spec, target, reading, trace)
        out.file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    out.print(_headline(spec, target, reading), soft_wrap=True)
    for rows in (_metrics(spec, reading), _phases(reading.phases), _facts(reading)):
        if rows.row_count:
            out.print(rows)
    for seconds, text in trace or ():
        out.print(Text(f"{seconds * 1000:10.3f} ms  {text}", "dim"), soft_wrap=True)


def as_json(
    spec: ProbeSpec, target: Target, reading: Reading, trace: list[tuple[float, str]] | None
) -> dict[str, Any]:
    """Return a reading as a document of the form muster.probe/1."""
    document: dict[str, Any] = {
        "schema": "muster.probe/1",
        "probe": spec.name,
        "address": target.address,
        "at": datetime.fromtimestamp(reading.at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "outcome": str(reading.outcome),
        "kind": reading.kind,
        "detail": reading.detail,
        "duration_ms": round(reading.duration_ms, 3),
        "metrics": {
            name: {"value": value if math.isfinite(value) else None, "unit": _unit(spec, name)}
            for name, value in reading.metrics.items()
        },
        "facts": reading.facts,
        "phases": {name: round(took, 3) for name, took in reading.phases.items()},
    }
    if trace is not None:
        document["log"] = [{"ms": round(seconds * 1000, 3), "text": text} for seconds, text in trace]
    return document


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bar(start: float, took: float, total: float, width: int = BAR) -> str:
    """Return a phase's place in the whole: blank up to its start, then filled, in eighths of a character."""
    if total <= 0:
        return ""
    first = min(width - 1, int(start / total * width))
    eighths = max(1, round(took / total * width * 8))
    eighths = min(eighths, (width - first) * 8)
    whole, rest = divmod(eighths, 8)
    return " " * first + "█" * whole + (EIGHTHS[rest] if rest else "")


def _headline(spec: ProbeSpec, target: Target, reading: Reading) -> Text:
    sign, colour = SIGNS[reading.outcome]
    kind = f"({reading.kind})" if reading.kind else ""
    text = Text(f"{sign} {str(reading.outcome).replace('_', ' ')}{kind}", colour)
    text.append(f"  {spec.name} {target.address} in {reading.duration_ms:.1f} ms", "default")
    if reading.detail:
        text.append(f": {reading.detail}", "default")
    return text


def _metrics(spec: ProbeSpec, reading: Reading) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, value in reading.metrics.items():
        defined = spec.metric(name)
        shown = units.render(value, _unit(spec, name)).removesuffix(" count")
        table.add_row(Text(name), Text(shown), Text(defined.help if defined else ""))
    return table


def _phases(phases: dict[str, float]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    total, start = sum(phases.values()), 0.0
    for name, took in phases.items():
        table.add_row(Text(name, "dim"), Text(f"{took:.3f} ms"), Text(bar(start, took, total), "#56B4E9"))
        start += took
    return table


def _facts(reading: Reading) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, value in reading.facts.items():
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _unit(spec: ProbeSpec, name: str) -> str:
    defined = spec.metric(name)
    return defined.unit if defined else "count"


def show_list(form: str, spec: ProbeSpec | None) -> None:
    """Print all probes, or all there is to say of one."""
    specs = [spec] if spec else [registry.get(name) for name in registry.names()]
    if form == "json":
        documents = [_described(one) for one in specs]
        out.file.write(json.dumps(documents, ensure_ascii=False, indent=2) + "\n")
    elif spec is None:
        out.print(_overview(specs))
    else:
        out.print(Text(f"{spec.name}: {spec.summary}"))
        out.print(_details(spec))


def _overview(specs: list[ProbeSpec]) -> Table:
    table = Table("probe", "family", "measures", "parameters", box=None, padding=(0, 2, 0, 0))
    for spec in specs:
        table.add_row(spec.name, spec.family, Text(spec.summary), Text(", ".join(spec.params.model_fields)))
    return table


def _details(spec: ProbeSpec) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, told in _parameters(spec.params).items():
        table.add_row("parameter", Text(name), Text(told["default"]), Text(told["description"]))
    for metric in spec.metrics:
        table.add_row("metric", Text(metric.name), Text(metric.unit), Text(metric.help))
    for fact in spec.facts:
        table.add_row("fact", Text(fact.name), Text(fact.type), Text(fact.help))
    table.add_row("ends", Text("ok"), "", Text(", ".join(spec.kinds)))
    return table


def _parameters(model: type[BaseModel]) -> dict[str, dict[str, str]]:
    return {
        name: {"default": _default(field), "description": field.description or ""}
        for name, field in model.model_fields.items()
    }


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None or value in ({}, ()) else str(value)


def _described(spec: ProbeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "family": spec.family,
        "summary": spec.summary,
        "parameters": _parameters(spec.params),
        "metrics": {metric.name: metric.unit for metric in spec.metrics},
        "facts": {fact.name: fact.type for fact in spec.facts},
        "phases": list(spec.phases),
        "kinds": list(spec.kinds),
    }
