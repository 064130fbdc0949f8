"""The items of one unit, for `muster inventory show`: what is asked of it, how hard, and who says so."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from inventory.models import DEFAULT_GATE, Unit
from monitor.cli.common import out
from monitor.readiness.applied import Asked
from monitor.readiness.checklist import Item
from monitor.readiness.figures import figure
from monitor.readiness.rows import Row, rows
from monitor.workspace import Workspace


def show_items(workspace: Workspace, unit: Unit) -> None:
    """Print one table for each gate that has checklists (for the default gate, if none has)."""
    gates = dict.fromkeys(each.gate for each in workspace.checklists.values()) or {DEFAULT_GATE: None}
    for gate in gates:
        applied = Asked(workspace.checklists, gate).of(unit)
        found = rows(unit, applied, workspace.jobs, workspace.plan)
        names = ", ".join(each.id for each in applied.checklists) or "no checklist"
        title = f"gate {gate} ({names}): {len(found)} items"
        table = Table(title=escape(title), title_justify="left", title_style="bold")
        for column in ("item", "asset", "severity", "must hold", "from"):
            table.add_column(column, overflow="fold")
        for row in found:
            asset = row.asset.id if row.asset else ""
            table.add_row(
                *map(escape, (row.item.id, asset, row.item.severity, _holds(row), _source(row.item)))
            )
        out.print(table)


def _holds(row: Row) -> str:
    if not row.applicable:
        return "does not apply"
    return row.lacking or "; ".join(_conditions(row)) or "it answers"


def _conditions(row: Row) -> Iterator[str]:
    for name, condition in row.item.expect:
        metric = row.job.spec.metric(name) if row.job else None
        yield f"{name} {condition.text(figure(metric))}"
    if row.item.attest:
        yield f"stated by a person ({row.item.attest.role})"
    if row.item.parent:
        yield f"the parent is {row.item.parent}" + (" or READY" if row.item.parent != "READY" else "")


def _source(item: Item) -> str:
    if not item.sources:
        return "the inventory"
    where = f", {item.where.file}:{item.where.line}" if item.where else ""
    return f"{' > '.join(item.sources)}{where}"
