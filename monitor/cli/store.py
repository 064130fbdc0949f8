"""`muster store info|export`, `muster backup` and `muster restore`: the data."""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.table import Table
from rich.text import Text

from monitor.cli.common import CONFIG_ERROR, ConfigOption, StateDirOption, fail, out
from monitor.cli.moments import past
from monitor.place import place
from monitor.process.lock import Locked
from monitor.store import backup as archive
from monitor.store.api import NoStore, StoreInfo
from monitor.store.codec import Damaged
from monitor.store.engine import Store
from monitor.store.evidence import StoreReader

app = typer.Typer(help="The stored data.", no_args_is_help=True)
OUTCOMES = ("ok", "failed", "error", "not_run")
DAY_S = 86400.0


class Format(StrEnum):
    """How `info` prints."""

    TABLE = "table"
    JSON = "json"


@app.command()
def info(
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
    form: Annotated[Format, typer.Option("--format", help="A table, or JSON.")] = Format.TABLE,
) -> None:
    """Say what is stored: how much, of how many checks, from when to when."""
    with _opened(config, state_dir) as store:
        found = store.info()
    if form is Format.JSON:
        typer.echo(json.dumps({**asdict(found), "days": list(found.days)}))
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for label, value in _rows(found):
        table.add_row(label, Text(value))
    out.print(table)


@app.command()
def export(
    check: Annotated[str, typer.Option("--check", help="The check: unit/asset/check.")],
    metric: Annotated[str, typer.Option("--metric", help="One of the metrics it reports.")],
    since: Annotated[
        str, typer.Option("--from", help="A date, a time with its offset, or how long ago (24h).")
    ] = "24h",
    until: Annotated[str, typer.Option("--to", help="The same; what lies at it is left out.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file instead of standard output.")
    ] = None,
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Write one metric's raw samples as CSV: time, outcome, value (empty where the reading has none)."""
    now = time.time()
    start, end = past(since, "--from", now), past(until, "--to", now) if until else now
    if start >= end:
        fail(f"--from {since} is not before --to {until or 'now'}", CONFIG_ERROR)
    with _opened(config, state_dir) as store:
        _known(store, check, metric)
        rows = _samples(store, check, metric, start, end)
        if output is None:
            _write(rows, metric, sys.stdout)
        else:
            with output.open("w", encoding="utf-8", newline="") as file:
                _write(rows, metric, file)


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write (.tar.zst).")],
    config: ConfigOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Copy the whole store to one file; the daemon may be running."""
    directory = place(config, state_dir=state_dir).state_dir
    try:
        size = archive.backup(directory, file)
    except FileExistsError as error:
        fail(str(error), CONFIG_ERROR)
    except (NoStore, OSError) as error:
        fail(str(error), 1)
    typer.echo(f"{file}: {_bytes(size)}")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `muster backup` wrote.")],
    state_dir: Annotated[Path, typer.Option("--state-dir", help="A new or an empty directory.")],
) -> None:
    """Make a store of a backup, in a directory that holds nothing."""
    try:
        names = archive.restore(file, state_dir)
    except archive.NotEmpty as error:
        fail(str(error), CONFIG_ERROR)
    except (archive.BadBackup, Locked, OSError) as error:
        fail(str(error), 1)
    typer.echo(f"{state_dir}: {len(names)} files restored and checked")


@contextmanager
def _opened(config: Path | None, state_dir: Path | None) -> Iterator[StoreReader]:
    try:
        store = Store.read_only(place(config, state_dir=state_dir).state_dir)
    except NoStore as error:
        fail(str(error), 1)
    with closing(store):
        try:
            yield store
        except Damaged as error:
            fail(str(error), 1)


def _rows(found: StoreInfo) -> list[tuple[str, str]]:
    return [
        ("directory", found.path),
        ("schema version", str(found.schema_version)),
        ("checks", f"{found.checks:,}"),
        ("readings", f"{found.samples:,}"),
        ("size", _bytes(found.bytes)),
        ("oldest", _moment(found.oldest)),
        ("newest", _moment(found.newest)),
        ("last commit", _moment(found.last_commit)),
        ("days", f"{len(found.days)} ({found.days[0]} to {found.days[-1]})" if found.days else "none yet"),
    ]


def _known(store: StoreReader, check: str, metric: str) -> None:
    if check not in set(store.checks()):
        fail(f"no check {check} is stored", CONFIG_ERROR, "muster inventory show UNIT lists a unit's checks")
    metrics = store.metrics(check)
    if metric not in metrics:
        names = ", ".join(metrics) or "nothing yet"
        fail(f"{check} reports no {metric}", CONFIG_ERROR, f"it reports: {names}")


def _samples(
    store: StoreReader, check: str, metric: str, start: float, end: float
) -> Iterator[tuple[str, str, str]]:
    """Yield a window's rows, a day at a time, so that memory stays small."""
    oldest = store.info().oldest
    at = start if oldest is None else max(start, oldest - DAY_S)
    while at < end:
        window = store.window(check, metric, at, min(at + DAY_S, end))
        columns = zip(window.times.tolist(), window.outcomes.tolist(), window.values.tolist(), strict=True)
        for when, outcome, value in columns:
            yield _moment(when), OUTCOMES[outcome], "" if math.isnan(value) else repr(value)
        at += DAY_S


def _write(rows: Iterable[tuple[str, str, str]], metric: str, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("time", "outcome", metric))
    writer.writerows(rows)


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "none yet"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1024
    return ""
