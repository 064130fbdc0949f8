"""`muster versions`: units x components, against the release that each unit should run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from inventory.problems import did_you_mean
from monitor.cli.common import (
    CONFIG_ERROR,
    ChecklistsOption,
    ConfigOption,
    FunctionsOption,
    InventoryOption,
    Lang,
    ProfilesOption,
    StateDirOption,
    check_output,
    deliver,
    fail,
    out,
)
from monitor.place import Place, place
from monitor.readiness.layered import Layered
from monitor.readiness.selection import BadSelection, Selection, select
from monitor.releases import table
from monitor.releases.comparing import Comparing
from monitor.releases.document import document
from monitor.releases.manifest import Release
from monitor.releases.matrix import Matrix, assign, compare
from monitor.store.api import Evidence, NoStore
from monitor.store.engine import Store
from monitor.store.ledger import catch_up
from monitor.workspace import Workspace, open_workspace


class Form(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def versions(
    units: Annotated[list[str] | None, typer.Argument(help="Units; all when none is named.")] = None,
    *,
    subtree: Annotated[str | None, typer.Option(help="A unit and all below it.")] = None,
    release: Annotated[
        str | None, typer.Option(help="Compare with this release, whatever the units should run.")
    ] = None,
    drifted: Annotated[bool, typer.Option("--drifted", help="Only what differs from its release.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TABLE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file.")] = None,
    lang: Annotated[Lang, typer.Option(help="The language of titles and reasons.")] = Lang.EN,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists: ChecklistsOption = None,
    functions: FunctionsOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Show what every unit runs against its release: what drifted, how far, and since when.

    Judges what is stored; `muster check` measures anew. Exit status: 0 all as released, 2 bad configuration
    or usage, 3 something drifted, 4 every drift is waived, 5 something is unknown.
    """
    if output is not None:
        check_output(output)
    where = place(config, inventory, profiles, checklists, state_dir, functions)
    workspace = open_workspace(where)
    try:
        chosen = select(workspace.inventory, Selection(tuple(units or ()), subtree))
    except BadSelection as error:
        fail(str(error), CONFIG_ERROR)
    whole = _compared(where, workspace, chosen, _assigned(workspace, chosen, release))
    _write(whole.drifted() if drifted else whole, form, lang, output)
    raise typer.Exit(whole.exit_status())


def _assigned(workspace: Workspace, chosen: list[str], wanted: str | None) -> Mapping[str, Release]:
    known = workspace.releases.known
    if wanted is not None and wanted not in known:
        fail(f'unknown release "{wanted}"', CONFIG_ERROR, did_you_mean(wanted, known))
    found = assign(workspace.releases, workspace.inventory, wanted)
    if not any(unit in found for unit in chosen):
        hint = f"write release: ID on a unit in the inventory, or --release; known are {', '.join(known)}"
        fail("no release is due in these units", CONFIG_ERROR, hint)
    return found


def _compared(
    where: Place, workspace: Workspace, chosen: list[str], assigned: Mapping[str, Release]
) -> Matrix:
    catch_up(where.state_dir, workspace.standing)
    with ExitStack() as stack:
        evidence: Evidence = Layered()
        with suppress(NoStore):
            evidence = stack.enter_context(closing(Store.read_only(where.state_dir)))
        now = time.time()
        comparing = Comparing(workspace.inventory, workspace.releases, evidence)
        return compare(
            chosen, workspace.inventory, assigned,
            lambda gate: workspace.judge(evidence, gate, now), comparing, now,
        )  # fmt: skip


def _write(matrix: Matrix, form: Form, lang: Lang, output: Path | None) -> None:
    if output is None and form is Form.TABLE and out.is_terminal:
        table.show(matrix, out, lang.value)
        return
    deliver(_text(matrix, form, lang), output)


def _text(matrix: Matrix, form: Form, lang: Lang) -> str:
    if form is Form.JSON:
        return json.dumps(document(matrix), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return table.markdown(matrix, lang.value) if form is Form.MARKDOWN else table.plain(matrix, lang.value)
