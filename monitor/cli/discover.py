"""`muster inventory discover`: what answers in a range, as inventory that a person reviews."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory import load, units
from inventory._explain import explain
from inventory.importers import writing
from inventory.problems import ConfigError, Path_, Problem, dotted
from inventory.secrets import SecretMissing, Secrets
from monitor.cli.common import CONFIG_ERROR, ConfigOption, InventoryOption, deliver, err, fail
from monitor.cli.importing import ForceOption, OutputOption, check_target, level_of
from monitor.cli.probe import written
from monitor.discover import ranges
from monitor.discover.evidence import PORTS, Evidence
from monitor.discover.propose import propose
from monitor.discover.ranges import RangeRefused
from monitor.discover.sweep import Asking, Sweep, ports
from monitor.place import Place, place
from monitor.process import loop
from monitor.shared import SharedClients
from probes._snmp import SnmpParams
from probes.errors import ProberFault

MOST_RATE = 5000.0
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/\s*s)?")


def discover(
    cidrs: Annotated[list[str], typer.Argument(metavar="CIDR...", help="Ranges such as 10.1.2.0/24.")],
    *,
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    rate: Annotated[str, typer.Option(help="Echoes, connections and questions begun a second.")] = "50/s",
    wait: Annotated[str, typer.Option(help="How long an answer may take.")] = "1 s",
    port_list: Annotated[
        str | None,
        typer.Option(
            "--ports", help='TCP ports to try, with commas; none: "".', show_default="22 known ones"
        ),
    ] = None,
    snmp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Ask SNMP agents, too: community=secret:NAME, or version=3 user=... ."
        ),
    ] = None,
    silent: Annotated[
        bool, typer.Option("--silent", help="Ask those that answer no echo for ports and SNMP, too.")
    ] = False,
    level: Annotated[str, typer.Option(help="The level of the units that are proposed.")] = "hall",
    output: OutputOption = None,
    force: ForceOption = False,
    yes: Annotated[bool, typer.Option("--yes", help="Sweep over 1,024 addresses, or public ones.")] = False,
) -> None:
    """Print what answers in the ranges as inventory, with the evidence. It changes no inventory.

    Only the addresses given are asked; those of the inventory (-i, else the settings') are left out. Exits 0,
    2 wrongly asked, 5 where no address could be asked.
    """
    check_target(output, force=force)
    where, block = place(config, inventory), written(snmp or [])
    asking = Asking(_rate(rate), _wait(wait), _ports(port_list), _snmp(block), silent)
    try:
        networks = ranges.parse(cidrs, confirmed=yes)
    except RangeRefused as refused:
        fail(str(refused), CONFIG_ERROR, refused.hint)
    known = _known(where, asked=inventory is not None)
    addresses = list(ranges.addresses(networks, known))
    found = _swept(where, asking, addresses)
    _check_asked(found)
    draft = propose(networks, found, block, level_of(level))
    head = [f"Found by muster inventory discover {' '.join(map(str, networks))}.", *_summary(found, known)]
    deliver(writing.written(draft, head), output)
    for line in head[1:]:
        err.print(escape(line))


def _swept(where: Place, asking: Asking, addresses: Sequence[str]) -> list[Evidence]:
    secrets = Secrets(where.secrets)

    def secret(name: str) -> str:
        try:
            return secrets.get(name)
        except SecretMissing as missing:
            raise ProberFault(str(missing)) from None

    _check_secrets(secrets, asking.snmp)

    async def once(progress: Callable[[int, int], None]) -> list[Evidence]:
        shared = SharedClients(where.settings.probe_settings(), secret)
        try:
            return await Sweep(shared, asking, progress).run(addresses)
        finally:
            await shared.aclose()

    with _progress() as progress, loop.runner() as runner:
        return runner.run(once(progress))


def _check_secrets(secrets: Secrets, params: SnmpParams | None) -> None:
    """Refuse, before anything is sent, an account whose secrets are nowhere."""
    names = [params.community, params.auth_key, params.priv_key] if params else []
    for name in secrets.missing(str(each) for each in names if each is not None):
        fail(
            f'no secret "{name}"',
            CONFIG_ERROR,
            "store it first: muster doctor says where secrets are looked for",
        )


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    if not err.is_terminal:
        yield lambda _done, _all: None
        return
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("asking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _summary(found: Sequence[Evidence], known: ranges.Known) -> Iterator[str]:
    answering = sum(1 for each in found if each.answers)
    yield f"{len(found)} addresses asked, {answering} answered."
    if known.addresses:
        yield f"Left out: what the inventory has already ({len(known.addresses)} addresses)."
    if known.named:
        yield f"Not compared: {known.named} assets of the inventory that have a name as their address."
    unasked = [each for each in found if each.unasked and not each.answers]
    if unasked:
        yield f"{len(unasked)} addresses could not be asked, which is no silence: {unasked[0].unasked[0]}"


def _check_asked(found: Sequence[Evidence]) -> None:
    """End with 5 where not one address could be asked: then nothing at all is known."""
    if found and all(each.unasked and not each.answers for each in found):
        fail("no address could be asked, so nothing is known of any", 5, found[0].unasked[0])


def _known(where: Place, *, asked: bool) -> ranges.Known:
    """Return what the inventory holds: the one asked for must be there, the settings' may be missing."""
    if not asked and not where.inventory.exists():
        return ranges.known(None)
    return ranges.known(load.load(where.inventory))


def _rate(text: str) -> float:
    found = _RATE.fullmatch(text.strip())
    value = float(found[1]) if found else 0.0
    if not 0.1 <= value <= MOST_RATE:
        fail(
            f"--rate {text} is no rate from 0.1/s to {MOST_RATE:g}/s", CONFIG_ERROR, "write for example 50/s"
        )
    return value


def _wait(text: str) -> float:
    try:
        seconds = units.parse(text, "s")
    except ValueError as error:
        fail(f"--wait: {error}", CONFIG_ERROR)
    if not 0.05 <= seconds <= 30:
        fail(f"--wait {text} is out of range", CONFIG_ERROR, "write from 50 ms to 30 s")
    return seconds


def _ports(text: str | None) -> tuple[Any, ...]:
    if text is None:
        return PORTS
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() and 1 <= int(word) <= 65_535 for word in words):
        fail(f"--ports {text} is no list of ports", CONFIG_ERROR, "write for example 22,443")
    return ports(map(int, words))


def _snmp(block: dict[str, Any]) -> SnmpParams | None:
    if not block:
        return None
    try:
        return SnmpParams.model_validate(block, context={"quantity": units.parse})
    except ValidationError as error:
        raise ConfigError(explain(error, SnmpParams, block, _problem)) from None


def _problem(path: Path_, message: str, suggestion: str = "") -> Problem:
    return Problem(
        "command line", 1, 1, ".".join(filter(None, ("--snmp", dotted(path)))), message, suggestion
    )
