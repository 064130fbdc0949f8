"""`muster inventory`: is the file right, what does a unit come to, what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from inventory import load, units
from inventory.diff import Difference, diff
from inventory.effective import Bound, Effective
from inventory.layers import Recipe
from inventory.models import Inventory, Unit
from inventory.problems import did_you_mean
from inventory.secrets import Secrets
from inventory.source import Locator
from monitor import plan
from monitor.cli import discover, importing
from monitor.cli._inventory_items import show_items
from monitor.cli.common import (
    CONFIG_ERROR,
    ChecklistsOption,
    ConfigOption,
    FunctionsOption,
    InventoryOption,
    ProfilesOption,
    err,
    fail,
    out,
)
from monitor.place import Place, place
from monitor.plan import Plan
from monitor.workspace import open_workspace

app = typer.Typer(no_args_is_help=True, help="The inventory: validate, show, diff, import, discover.")

SIGNS = {"added": "[green]+[/]", "removed": "[red]-[/]", "changed": "[yellow]~[/]"}


@app.command()
def validate(
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists: ChecklistsOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Check all files; exit 0 when they can be used, 2 with everything that is wrong."""
    where = place(config, inventory, profiles, checklists, functions=functions)
    found = open_workspace(where)
    for warning in _warnings(found.plan, where):
        err.print(f"[yellow]warning:[/] {escape(warning)}")
    assets = sum(len(unit.assets) for unit in found.inventory)
    counts = f"{len(found.inventory.units)} units, {assets} assets, {len(found.plan.jobs)} checks"
    counts += f"; {len(found.profiles)} profiles, {len(found.checklists)} checklists"
    out.print(escape(f"{where.inventory}: valid ({counts})"), soft_wrap=True, highlight=False)


@app.command()
def show(
    unit: Annotated[str, typer.Argument(help="The unit's id.")],
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists: ChecklistsOption = None,
    functions: FunctionsOption = None,
) -> None:
    """Show what a unit comes to: each asset's checks, its items at each gate, and who says so."""
    where = place(config, inventory, profiles, checklists, functions=functions)
    workspace = open_workspace(where)
    found = workspace.inventory
    if unit not in found.units:
        fail(f'no unit "{unit}" in {where.inventory}', CONFIG_ERROR, did_you_mean(unit, found.units))
    release = workspace.releases.of(found, unit)
    _head(found, found.units[unit], release.id if release else "")
    locator = Locator()
    for bound in Effective(found, workspace.profiles).unit(found.units[unit]):
        _asset(unit, bound, workspace.plan, locator)
    show_items(workspace, found.units[unit])


@app.command("diff")
def diff_command(
    old: Annotated[Path, typer.Argument(help="The inventory before.")],
    new: Annotated[Path, typer.Argument(help="The inventory after.")],
    config: ConfigOption = None,
    profiles: ProfilesOption = None,
) -> None:
    """Show which units, assets and effective checks were added, removed or changed."""
    where = place(config, new, profiles)
    after, known, _ = plan.read(new, where.profile_dirs)
    differences = diff(load.load(old), after, known)
    for each in differences:
        _difference(each)
    out.print(_summary(differences), highlight=False)


app.command("import")(importing.import_command)
app.command("discover")(discover.discover)


def _warnings(made: Plan, where: Place) -> Iterator[str]:
    for name in Secrets(where.secrets).missing(made.secrets):
        yield f'no secret "{name}": the checks that need it can\'t measure'
    for unit, asset in made.uncovered:
        yield f"{unit}/{asset}: no check measures it, so its unit can't be READY"


def _head(inventory: Inventory, unit: Unit, release: str) -> None:
    names = " · ".join(filter(None, (unit.name, unit.name_zh)))
    out.print(f"[bold]{escape(unit.id)}[/] {escape(names)}", highlight=False)
    due = inventory.due(unit.id)
    facts = {
        "level": unit.level,
        "parent": unit.parent,
        "profile": unit.profile or "none",
        "release": release,
        "go-live": due.isoformat() if due else "no date",
        "wave": unit.wave,
        "time zone": inventory.timezone(unit.id),
    }
    text = ", ".join(f"{key} {value}" for key, value in facts.items() if value)
    out.print(escape(text), highlight=False)


def _asset(unit: str, bound: Bound, made: Plan, locator: Locator) -> None:
    asset = bound.asset
    table = Table(title=escape(_title(bound)), title_justify="left", title_style="bold")
    for column in ("check", "key", "value", "from"):
        table.add_column(column, overflow="fold")
    for recipe in bound.recipes:
        job = made.jobs.get(f"{unit}/{asset.id}/{recipe.id}")
        timing = {"every": job.every, "timeout": job.timeout} if job else {}
        full = plan.with_blocks(recipe, job.spec, bound) if job else recipe
        for index, row in enumerate(_rows(full, timing, locator)):
            table.add_row(escape(recipe.id) if index == 0 else "", *map(escape, row))
        table.add_section()
    own = bound.asset.expect or {}
    for name, condition in own.items():
        where = locator.position(bound.place / "expect" / name)
        table.add_row("", escape(f"expect.{name}"), escape(_value(condition)), escape(f"the asset, {where}"))
    if bound.recipes or own:
        out.print(table)
    else:
        out.print(f"[bold]{escape(_title(bound))}[/]: no check measures it", highlight=False)


def _title(bound: Bound) -> str:
    asset = bound.asset
    names = " · ".join(filter(None, (asset.name, asset.name_zh)))
    kind = ", ".join(filter(None, (asset.kind, asset.role)))
    return " ".join(filter(None, (asset.id, f"({kind})", asset.address, names)))


def _rows(recipe: Recipe, timing: Mapping[str, float], locator: Locator) -> Iterator[tuple[str, str, str]]:
    """Yield (key, value, source) of one check."""
    if not recipe.enabled:
        yield "enabled", "false", _source(recipe, "enabled", locator)
        return
    yield "probe", recipe.probe, _source(recipe, "probe", locator)
    for key, value in timing.items():
        source = _source(recipe, key, locator) if key in recipe.values else "the probe's default"
        yield key, units.render(value, "s"), source
    for key, value in recipe.parameters.items():
        yield key, _value(value), _source(recipe, key, locator)
    for name, condition in recipe.expect.items():
        layer = recipe.layer("expect", name)
        where = locator.position(layer.place / "expect" / name)
        yield f"expect.{name}", _value(condition), f"{layer.label}, {where}"


def _source(recipe: Recipe, key: str, locator: Locator) -> str:
    layer = recipe.layer(key)
    return f"{layer.label}, {locator.position(layer.place / key)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(each)}" for key, each in value.items()) + "}"
    return "true" if value is True else "false" if value is False else str(value)


def _difference(each: Difference) -> None:
    out.print(f"{SIGNS[each.change]} {each.kind} {escape(each.id)}", highlight=False, soft_wrap=True)
    for key, before, after in each.keys:
        text = f"    {key}: {_value(before)} -> {_value(after)}"
        out.print(escape(text), highlight=False, soft_wrap=True)


def _summary(differences: list[Difference]) -> str:
    if not differences:
        return "no difference"
    counts = {change: sum(1 for each in differences if each.change == change) for change in SIGNS}
    return ", ".join(f"{count} {change}" for change, count in counts.items())
