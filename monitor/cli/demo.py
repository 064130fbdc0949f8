"""`muster demo`: the main job with no configuration, on this very machine."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from monitor.app import App
from monitor.checking import check as check_units
from monitor.cli.check import Form, show_run
from monitor.cli.common import Lang, err, out
from monitor.demo.files import write
from monitor.demo.services import services
from monitor.place import place
from monitor.process import log, loop
from monitor.readiness.results import Run
from monitor.readiness.selection import Selection
from monitor.readiness.verdict import exit_status

FIRST_VERDICTS_S = 12.0
T = TypeVar("T")


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="One readiness run, and its exit status.")] = False,
    form: Annotated[Form, typer.Option("--format", help="How the run is written.")] = Form.TABLE,
    listen: Annotated[str, typer.Option(help="Where the board listens.")] = "127.0.0.1:8787",
    lang: Annotated[Lang, typer.Option(help="The language of titles and remedies.")] = Lang.EN,
) -> None:
    """Show Muster on this machine: a bureau and two halls, probed, stored, judged and shown.

    Needs no configuration, no network and no root; leaves nothing behind.
    """
    log.configure("console", "warning")
    if once:
        run = _in_a_temporary_place(_once, "127.0.0.1:0")
        show_run(run, form, lang, None)
        raise typer.Exit(exit_status(unit.verdict for unit in run.units))
    _in_a_temporary_place(_keep_running, listen)


def _in_a_temporary_place(work: Callable[[Path], Awaitable[T]], listen: str) -> T:
    async def inside() -> T:
        with tempfile.TemporaryDirectory(prefix="muster-demo-") as name:
            async with services(Path(name)) as running:
                return await work(write(Path(name), running, listen))

    with loop.runner() as runner:
        return runner.run(inside())


async def _once(settings: Path) -> Run:
    return await check_units(place(settings), Selection(), "fresh")


async def _keep_running(settings: Path) -> None:
    """Run the daemon until Ctrl-C, and print the verdicts once the first minute has told something."""
    where = place(settings)
    daemon = App(where)
    running = asyncio.create_task(daemon.run())
    try:
        await _introduce(daemon, running, settings)
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _introduce(daemon: App, running: asyncio.Task[int], settings: Path) -> None:
    err.print("starting the services and the daemon ...", markup=False)
    await asyncio.wait([running, asyncio.create_task(daemon.up.wait())], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait([running], timeout=FIRST_VERDICTS_S)
    if running.done():
        return
    run = await check_units(place(settings), Selection(), "stored")
    show_run(run, Form.TABLE, Lang.EN, None)
    out.print(
        f"\nThe board: {daemon.listening}   (Ctrl-C ends everything and leaves nothing behind)",
        markup=False,
        soft_wrap=True,
    )
