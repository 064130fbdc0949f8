"""`muster capacity`: what a unit's business functions require of its channel, step by step."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from inventory import units
from inventory.problems import did_you_mean
from monitor.capacity.explain import MeasuredRtt, explain, what_if
from monitor.capacity.requirements import Solved, solve
from monitor.capacity.table import show
from monitor.cli import contracts
from monitor.cli.common import (
    CONFIG_ERROR,
    ChecklistsOption,
    ConfigOption,
    Form,
    FunctionsOption,
    InventoryOption,
    Lang,
    ProfilesOption,
    StateDirOption,
    fail,
    out,
)
from monitor.place import Place, place
from monitor.reports.render import FILE_WIDTH
from monitor.store.api import OUTCOME_CODES, Evidence, NoStore
from monitor.store.engine import Store
from monitor.workspace import Workspace, open_workspace

app = typer.Typer(no_args_is_help=True, help="What business functions require of a channel.")
app.command("contracts")(contracts.contracts)

HOURS = 24.0
RTT_PROBES = ("echo", "icmp")
"""Probes whose `rtt_ms` counts as the channel's, the better first."""
LONGEST_RTT_S = 10.0


@app.callback()
def capacity() -> None:
    """What business functions require of a channel."""


@app.command("explain")
def explain_command(
    unit: Annotated[str, typer.Argument(help="The unit's id.")],
    *,
    users: Annotated[
        list[str] | None,
        typer.Option("--users", metavar="FUNCTION=N", help="What if so many used it? May be repeated."),
    ] = None,
    rtt: Annotated[str | None, typer.Option("--rtt", help="What if the round trip took this long?")] = None,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TABLE,
    lang: Annotated[Lang, typer.Option(help="The language.")] = Lang.EN,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists: ChecklistsOption = None,
    functions: FunctionsOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Derive what a unit's channel must deliver, show each step and which function binds.

    Exit status: 0; 2 where the unit names no business functions, or on bad configuration or usage.
    """
    counts, seconds = _users(users or []), _rtt(rtt)
    where = place(config, inventory, profiles, checklists, state_dir, functions)
    workspace = open_workspace(where)
    solved = _solved(workspace, where, unit)
    other = _other(workspace, solved, counts, seconds) if counts or seconds else None
    found = workspace.inventory.units[unit]
    _write(explain(found, solved, measured=_measured(workspace, where, unit), other=other), form, lang)


def _write(document: dict[str, Any], form: Form, lang: Lang) -> None:
    if form is Form.JSON:
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    elif out.is_terminal:
        show(document, out, lang.value)
    else:
        buffer = io.StringIO()
        show(document, Console(file=buffer, width=FILE_WIDTH, no_color=True), lang.value)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines()))


def _users(texts: list[str]) -> Mapping[str, float]:
    """Return the numbers of users asked for, by function."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            count = float(number)
        except ValueError:
            count = -1.0
        if not 0 <= count < 1e9:
            fail(f"--users {text}: write a function and a number", CONFIG_ERROR, "--users counter-query=20")
        found[name] = count
    return found


def _rtt(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = units.parse(text, "ms") / 1000
    except ValueError as error:
        fail(f"--rtt {text}: {error}", CONFIG_ERROR)
    if not 0 < seconds <= LONGEST_RTT_S:
        fail(f"--rtt {text}: must be above 0 and at most 10 s", CONFIG_ERROR)
    return seconds


def _solved(workspace: Workspace, where: Place, unit: str) -> Solved:
    known = workspace.inventory.units
    if unit not in known:
        fail(f'no unit "{unit}" in {where.inventory}', CONFIG_ERROR, did_you_mean(unit, known))
    solved = workspace.requirements.solved(unit)
    if solved is None:
        names = ", ".join(workspace.requirements.functions.functions)
        fail(
            f'unit "{unit}" names no business functions with users: nothing to derive its channel from',
            CONFIG_ERROR,
            f"write in the unit for example functions: {{counter-query: {{users: 12}}}}; known are {names}",
        )
    return solved


def _other(
    workspace: Workspace, solved: Solved, counts: Mapping[str, float], rtt: float | None
) -> tuple[str, Solved]:
    """Return what was asked, and what would be required."""
    known = workspace.requirements.functions
    for name in counts:
        if name not in known.functions:
            fail(f'unknown function "{name}"', CONFIG_ERROR, did_you_mean(name, known.functions))
    asked = [f"{name} = {count:g}" for name, count in counts.items()]
    asked += [f"RTT {units.render(rtt, 's')}"] if rtt else []
    try:
        changed = what_if(solved.derivation.demand, known, counts, rtt)
    except ValueError as error:
        fail(f"--users: {error}", CONFIG_ERROR)
    return ", ".join(asked), solve(changed)


def _measured(workspace: Workspace, where: Place, unit: str) -> Mapping[str, MeasuredRtt]:
    """Return the RTT of the unit's channels in the last 24 h, as far as the store has it."""
    try:
        store = Store.read_only(where.state_dir)
    except NoStore:
        return {}
    with closing(store):
        return dict(_of_channels(workspace, store, unit))


def _of_channels(workspace: Workspace, store: Evidence, unit: str) -> Iterator[tuple[str, MeasuredRtt]]:
    now = time.time()
    for asset in workspace.inventory.units[unit].assets:
        jobs = workspace.jobs.get((unit, asset.id), ()) if asset.kind == "channel" else ()
        for job in sorted(
            (job for job in jobs if job.spec.name in RTT_PROBES),
            key=lambda job: RTT_PROBES.index(job.spec.name),
        ):
            window = store.window(job.id, "rtt_ms", now - HOURS * 3600, now)
            good = window.values[(window.outcomes == OUTCOME_CODES["ok"]) & ~np.isnan(window.values)]
            if len(good):
                yield asset.id, MeasuredRtt(job.id, float(np.quantile(good, 0.95)), len(good), HOURS)
                break
