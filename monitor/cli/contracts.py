"""`muster capacity contracts`: what carriers have promised against what their lines carry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from inventory import units
from inventory.problems import did_you_mean
from monitor.calendars.calendar import ALWAYS
from monitor.capacity.contracts import ALLOWANCE, Channel, Holds, Provider, Side, providers
from monitor.cli.common import (
    CONFIG_ERROR,
    ChecklistsOption,
    ConfigOption,
    Form,
    FunctionsOption,
    InventoryOption,
    ProfilesOption,
    StateDirOption,
    fail,
    out,
)
from monitor.place import Place, place
from monitor.readiness import checklists
from monitor.readiness.conditions import Statistic
from monitor.readiness.expectation import ExpectationError, parse
from monitor.readiness.layered import Layered
from monitor.readiness.results import utc
from monitor.reports.look import GREEN, GREY, RED
from monitor.store.api import Evidence, NoStore
from monitor.store.engine import Store
from monitor.workspace import Workspace, open_workspace
from probes.api import MetricDef

SCHEMA = "muster.contracts/1"
SIGNS = {Holds.HOLDS: ("✔", GREEN), Holds.SHORT: ("✖", RED), Holds.UNKNOWN: ("?", GREY)}
_RATE = MetricDef("rate", "bit/s")


def contracts(
    provider: Annotated[str | None, typer.Option(help="Only this carrier's channels.")] = None,
    over: Annotated[str, typer.Option(help="How far back readings count.")] = "7 d",
    calendar: Annotated[str, typer.Option(help="Count only this calendar's open hours.")] = ALWAYS,
    form: Annotated[Form, typer.Option("--format", help="A table, or JSON.")] = Form.TABLE,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists_dir: ChecklistsOption = None,
    functions: FunctionsOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Compare each channel's contracted rate with what was measured, grouped by carrier, the worst first."""
    where = place(config, inventory, profiles, checklists_dir, state_dir, functions)
    workspace, now = open_workspace(where), time.time()
    window = _window(where, over, calendar)
    with _evidence(where) as evidence:
        found = providers(workspace.inventory, workspace.jobs, evidence, window, now, only=provider)
    if provider is not None and not found:
        hint = did_you_mean(provider, _names(workspace)) or "no channel in the inventory has a contract"
        fail(f'no channel is contracted with "{provider}"', CONFIG_ERROR, hint)
    if form is Form.JSON:
        typer.echo(json.dumps(document(found, window, now), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _show(found, window)


def _window(where: Place, over: str, calendar: str) -> Statistic:
    """Return the window, checked as one of a checklist is."""
    try:
        known = checklists.load_calendars(where.calendar_dirs)
        window = parse({"q05": ">= 0", "over": over, "calendar": calendar}, metric=_RATE, calendars=known)
    except ExpectationError as error:
        message, _, hint = str(error).partition("; ")
        fail(message, CONFIG_ERROR, hint)
    raw_days = where.settings.retention.raw_days
    if window.reach > raw_days * 86400:
        fail(checklists.too_long(raw_days), CONFIG_ERROR, "shorten --over")
    if not isinstance(window, Statistic):
        raise TypeError("one statistic makes one statistic")
    return window


@contextmanager
def _evidence(where: Place) -> Iterator[Evidence]:
    try:
        store = Store.read_only(where.state_dir)
    except NoStore:
        yield Layered()
        return
    with closing(store):
        yield store


def _names(workspace: Workspace) -> set[str]:
    assets = (asset for unit in workspace.inventory for asset in unit.assets)
    return {asset.contracted.provider for asset in assets if asset.contracted and asset.contracted.provider}


def document(found: Sequence[Provider], window: Statistic, now: float) -> dict[str, Any]:
    """Return the comparison as `muster.contracts/1`; rates in bit/s, times in UTC, null where unknown."""
    return {
        "schema": SCHEMA, "at": utc(now), "over": window.over_text, "calendar": window.calendar.id,
        "allowance": ALLOWANCE,
        "providers": [
            {
                "provider": each.name,
                "counts": {verdict.value: count for verdict, count in each.counts.items()},
                "channels": [_channel(channel) for channel in each.channels],
            }
            for each in found
        ],
    }  # fmt: skip


def _channel(channel: Channel) -> dict[str, Any]:
    return {
        "unit": channel.unit, "name": channel.name, "asset": channel.asset, "circuit": channel.circuit,
        "check": channel.check, "verdict": channel.verdict.value,
        **{side.way: _side(side) for side in channel.sides},
    }  # fmt: skip


def _side(side: Side) -> dict[str, Any]:
    return {
        "contracted_bps": side.contracted, "verdict": side.verdict.value, "why": side.why,
        "median_bps": side.median, "q05_bps": side.q05, "q05_lower_bps": side.lower,
        "q05_upper_bps": side.upper, "n": side.n, "coverage": round(side.coverage, 4),
        "slowest": [{"at": utc(at), "bps": rate} for at, rate in side.slowest],
    }  # fmt: skip


def _show(found: Sequence[Provider], window: Statistic) -> None:
    if not found:
        out.print("no channel in the inventory has a contract; write contracted: {down: 20 Mbit/s, up: ...}")
        return
    for each in found:
        counts = ", ".join(f"{count} {verdict.value}" for verdict, count in each.counts.items() if count)
        out.print(Text(f"{each.name}: {counts}", style="bold"))
        out.print(_table(each.channels))
    note = f"q05 of the capacity over {window.window}; {ALLOWANCE:.0%} is left for headers and errors"
    out.print(Text(note, style="dim"))


def _table(channels: Sequence[Channel]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in ("verdict", "unit", "channel", "way"):
        table.add_column(heading, no_wrap=heading == "verdict")
    for heading in ("contracted", "median", "q05 bounds", "n", "coverage"):
        table.add_column(heading, justify="right")
    table.add_column("why", overflow="fold")
    for channel in channels:
        for side in channel.sides:
            table.add_row(*_cells(channel, side))
    return table


def _cells(channel: Channel, side: Side) -> Iterator[Text]:
    sign, colour = SIGNS[side.verdict]
    yield Text(f"{sign} {side.verdict}", style=colour)
    bounds = f"{_rate(side.lower)}..{_rate(side.upper)}" if side.n else ""
    for text in (
        channel.unit, channel.asset, side.way, _rate(side.contracted), _rate(side.median), bounds,
        str(side.n), f"{side.coverage:.0%}", side.why,
    ):  # fmt: skip
        yield Text(text)


def _rate(value: float | None) -> str:
    return "" if value is None else units.render(value, "bit/s")
