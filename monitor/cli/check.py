"""`muster check`: which units are ready, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monitor import fresh
from monitor.checking import check_now
from monitor.cli.bundle import Bundled
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
    deliver_bytes,
    err,
    fail,
    out,
)
from monitor.history.previous import BadPrevious
from monitor.history.showing import add_to, text_of
from monitor.place import Place, place
from monitor.readiness.results import Run
from monitor.readiness.selection import BadSelection, Selection
from monitor.readiness.verdict import exit_status
from monitor.reports import checked
from monitor.reports.look import Language
from monitor.reports.render import Format, render
from monitor.reports.table import show


class Form(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    JUNIT = "junit"
    HTML = "html"
    XLSX = "xlsx"
    MARKDOWN = "markdown"


SHAPES: dict[Form, Format] = {Form.TABLE: "table", Form.JSON: "json", Form.JUNIT: "junit"}
RICH: dict[Form, checked.Rich] = {Form.HTML: "html", Form.XLSX: "xlsx", Form.MARKDOWN: "markdown"}
"""Formats that reports have, too."""


def check(
    units: Annotated[list[str] | None, typer.Argument(help="Units; all when none is named.")] = None,
    *,
    subtree: Annotated[str | None, typer.Option(help="A unit and all below it.")] = None,
    wave: Annotated[str | None, typer.Option(help="Only units of this wave.")] = None,
    due_before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Only units due before this date, or undated."),
    ] = None,
    gate: Annotated[str, typer.Option(help="The milestone that is judged.")] = "go-live",
    stored: Annotated[
        bool, typer.Option("--stored/--fresh", help="Judge what is stored, or probe now (the default).")
    ] = False,
    summary: Annotated[bool, typer.Option("--summary", help="One line a unit.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How the result is written.")] = Form.TABLE,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file.")] = None,
    lang: Annotated[Lang, typer.Option(help="The language of titles and remedies.")] = Lang.EN,
    diff: Annotated[
        str, typer.Option("--diff", help="What changed since: a run's number, last, a date, or a JSON file.")
    ] = "",
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Write one unit's readings here, signed (needs --key).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Of --bundle: a private key (Ed25519, PEM).")
    ] = None,
    vantage: Annotated[
        str, typer.Option("--vantage", help="Of --bundle: the name of the place; the unit's id.")
    ] = "",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    profiles: ProfilesOption = None,
    checklists: ChecklistsOption = None,
    functions: FunctionsOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Say which units are ready and why the others are not.

    Exit status: 0 READY, 1 Muster itself failed, 2 bad configuration or usage, 3 NOT_READY, 4 CONDITIONAL,
    5 UNKNOWN; for several units the worst in the order 1, 2, 3, 5, 4, 0.
    """
    if form is Form.XLSX and output is None:
        fail("a workbook is no text", CONFIG_ERROR, "write --format xlsx -o FILE.xlsx")
    if output is not None:
        check_output(output)
    if bundle is not None:
        check_output(bundle)
        if stored:
            fail("--bundle is of readings made now", CONFIG_ERROR, "leave --stored out")
    where = place(config, inventory, profiles, checklists, state_dir, functions)
    due = due_before.date() if due_before else None
    wanted = _selection(units, subtree, wave, due, gate)
    raise typer.Exit(
        carry_out(
            where,
            wanted,
            stored=stored,
            summary=summary,
            form=form,
            output=output,
            lang=lang,
            diff=diff,
            bundled=Bundled(bundle, key, vantage) if bundle else None,
        )
    )


def carry_out(
    where: Place,
    wanted: Selection,
    *,
    stored: bool = False,
    summary: bool = False,
    form: Form = Form.TABLE,
    output: Path | None = None,
    lang: Lang = Lang.EN,
    diff: str = "",
    bundled: Bundled | None = None,
) -> int:
    """Make the run, write it, and return the exit status."""
    with _progress(shown=not stored and form is Form.TABLE and output is None) as progress:
        try:
            if bundled is not None:
                run = bundled.run(where, wanted, progress, diff)
            else:
                run = check_now(where, wanted, "stored" if stored else "fresh", progress, diff)
        except (BadSelection, BadPrevious) as error:
            fail(str(error), CONFIG_ERROR)
    show_run(run, form, lang, output, summary=summary)
    if run.diff is not None and form is Form.TABLE:
        _show_diff(run.diff, lang, output)
    for warning in run.warnings:
        err.print(warning, markup=False)
    return exit_status(unit.verdict for unit in run.units)


def _show_diff(diff: Mapping[str, Any], lang: Lang, output: Path | None) -> None:
    if output is None:
        deliver("\n" + text_of(diff, lang.value), None)
    else:
        add_to(output, diff, lang.value)


def _selection(
    units: list[str] | None, subtree: str | None, wave: str | None, due: date | None, gate: str
) -> Selection:
    return Selection(tuple(units or ()), subtree, wave, due, gate)


def show_run(run: Run, form: Form, lang: Lang, output: Path | None, *, summary: bool = False) -> None:
    """Write a run to the terminal, a pipe or a file."""
    language: Language = lang.value
    if output is None and form is Form.TABLE and out.is_terminal:
        show(run, out, language=language, summary=summary)
        return
    if form in RICH:
        deliver_bytes(checked.render(run, RICH[form], language, summary=summary), output)
        return
    deliver(render(run, SHAPES[form], language, summary=summary), output)


@contextmanager
def _progress(*, shown: bool) -> Iterator[fresh.Progress]:
    """Give a progress bar on a terminal's standard error, else nothing."""
    if not shown or not err.is_terminal:
        yield lambda _done, _all: None
        return
    columns = (TextColumn("probing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("probing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
