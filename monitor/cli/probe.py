"""`muster probe`: one run of one probe, now, by a person at the machine, and everything it found."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, cast

import typer
from pydantic import ValidationError
from rich.text import Text

from inventory import source, units
from inventory._explain import explain
from inventory.problems import ConfigError, Path_, Problem, did_you_mean, dotted
from inventory.secrets import SecretMissing, Secrets
from monitor.cli import _probe_view as view
from monitor.cli.common import CONFIG_ERROR, ConfigOption, err, fail
from monitor.control.requests import from_wire
from monitor.control.socket import ControlError, NoDaemon, ask
from monitor.place import Place, place
from monitor.process import loop
from monitor.shared import SharedClients
from probes import registry
from probes.api import Context, Outcome, Params, ProbeSpec, Reading, Target
from probes.errors import ProberFault
from probes.measure import measure_within

COMMAND_LINE = "command line"
Trace = list[tuple[float, str]] | None
STATUSES = {Outcome.OK: 0, Outcome.FAILED: 3, Outcome.ERROR: 5, Outcome.NOT_RUN: 5}
PARAMETERS_HELP = (
    "Parameters of the probe: key=value, and key.key=value inside a block (ssh.user=ops). "
    "Values are written as in the inventory (5 s, 10 MiB, [a, b], secret:NAME)."
)


def probe(
    name: Annotated[str, typer.Argument(metavar="PROBE", help="The probe's name.", show_default=False)] = "",
    address: Annotated[str, typer.Argument(help="What to probe.", show_default=False)] = "",
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=PARAMETERS_HELP, show_default=False)
    ] = None,
    *,
    config: ConfigOption = None,
    timeout: Annotated[str, typer.Option(help="How long the run may take.", show_default="the probe's")] = "",
    family: Annotated[str, typer.Option(help="Addresses that may be used: any, 4 or 6.")] = "any",
    debug: Annotated[bool, typer.Option("--debug", help="Show the run's log.")] = False,
    form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
    listing: Annotated[
        bool, typer.Option("--list", help="List all probes, or the parameters and metrics of one.")
    ] = False,
) -> None:
    """Run one probe once. Exits 0 ok, 3 failed, 5 not measured, 2 wrongly asked.

    No daemon is needed. Where one runs, a probe that loads a link goes through it, as its budgets allow.
    """
    if form not in ("table", "json"):
        fail(f"--format {form} is not known", CONFIG_ERROR, "write --format table or --format json")
    if listing:
        view.show_list(form, _spec(name) if name else None)
        return
    spec = _spec(name)
    given = [address, *(parameters or [])]
    if spec.needs_address and (not address or "=" in address):
        fail(f"{name} needs an address", CONFIG_ERROR, f"write: muster probe {name} ADDRESS [key=value...]")
    if not spec.needs_address and "=" in address:
        address = "local"
    else:
        given.pop(0)
    params = _parsed(spec, given)
    target = Target(address, _family(family))
    seconds = _seconds(timeout, spec)
    where = place(config)
    asked = _request(spec, target, given, seconds, debug=debug) if spec.loads_link else None
    done = _through_daemon(where, asked) if asked else None
    reading, trace = done or _run(spec, target, params, seconds, where, debug=debug)
    view.show(form, spec, target, reading, trace)
    raise typer.Exit(STATUSES[reading.outcome])


def _parsed(spec: ProbeSpec, given: list[str]) -> Params:
    try:
        return parse(spec, given)
    except ConfigError as error:
        for problem in error.problems:
            said = f"{problem.key}: {problem.message}" if problem.key else problem.message
            err.print(Text(f"{said}; {problem.suggestion}" if problem.suggestion else said))
        raise typer.Exit(CONFIG_ERROR) from None


def parse(spec: ProbeSpec, given: list[str]) -> Params:
    """Return the parameters written as `key=value` words. Raises ConfigError naming each wrong key."""
    data = written(given)
    try:
        return spec.params.model_validate(data, context={"quantity": units.parse})
    except ValidationError as error:
        raise ConfigError(explain(error, spec.params, data, _problem)) from None


def written(given: list[str]) -> dict[str, Any]:
    """Return the `key=value` words as they would stand in the inventory. Raises ConfigError."""
    data: dict[str, Any] = {}
    problems = [problem for word in given if (problem := _add(data, word)) is not None]
    if problems:
        raise ConfigError(problems)
    return data


def _add(data: dict[str, Any], word: str) -> Problem | None:
    key, equals, text = word.partition("=")
    if not equals or not key:
        return _problem((), f"{word!r} is no parameter", "write key=value, e.g. port=8080")
    *blocks, last = key.split(".")
    for block in blocks:
        inside: Any = data.setdefault(block, {})
        if not isinstance(inside, dict):
            return _problem((key,), f"{block} has a value already", f"write only {block}.KEY=VALUE")
        data = inside
    if last in data:
        return _problem((key,), "is given twice", "leave one out")
    data[last] = _value(text)
    return None


def _value(text: str) -> Any:
    """Return a value as the inventory's YAML reads it; what is not YAML is a text."""
    try:
        value = source.parse(text.encode(), COMMAND_LINE)[0].data
    except ConfigError:
        return text
    return text if isinstance(value, dict) and not text.startswith("{") else value


def _problem(path: Path_, message: str, suggestion: str = "") -> Problem:
    return Problem(COMMAND_LINE, 1, 1, dotted(path), message, suggestion)


def _spec(name: str) -> ProbeSpec:
    if not name:
        fail("which probe?", CONFIG_ERROR, "muster probe --list shows them all")
    try:
        return registry.get(name)
    except registry.UnknownProbe:
        meant = did_you_mean(name, registry.names()) or "muster probe --list shows them all"
        fail(f"there is no probe {name}", CONFIG_ERROR, meant)


def _family(text: str) -> Literal["any", "4", "6"]:
    if text not in ("any", "4", "6"):
        fail(f"--family {text} is not known", CONFIG_ERROR, "write any, 4 or 6")
    return cast("Literal['any', '4', '6']", text)


def _seconds(text: str, spec: ProbeSpec) -> float:
    if not text:
        return spec.default_timeout
    try:
        seconds = units.parse(text, "s")
    except ValueError as error:
        fail(f"--timeout: {error}", CONFIG_ERROR)
    if not 0 < seconds <= 3600:
        fail(f"--timeout {text} is out of range", CONFIG_ERROR, "write more than 0 s and at most 1 h")
    return seconds


def _request(
    spec: ProbeSpec, target: Target, given: list[str], seconds: float, *, debug: bool
) -> dict[str, Any]:
    return {
        "do": "test", "probe": spec.name, "address": target.address, "family": target.family,
        "parameters": written(given), "timeout": seconds, "debug": debug,
    }  # fmt: skip


def _through_daemon(where: Place, request: dict[str, Any]) -> tuple[Reading, Trace] | None:
    """Have the daemon run it; None where none runs, or where its inventory knows nothing at that address."""

    async def once() -> dict[str, Any]:
        return [answer async for answer in ask(where.socket, request)][-1]

    try:
        with loop.runner() as runner:
            answer = runner.run(once())
    except NoDaemon:
        return None
    except ControlError as error:
        fail(str(error), STATUSES[Outcome.ERROR])
    if not answer["known"]:
        return None
    trace = answer["trace"]
    return from_wire(answer["reading"]), None if trace is None else [(at, text) for at, text in trace]


def _run(
    spec: ProbeSpec, target: Target, params: Params, seconds: float, where: Place, *, debug: bool
) -> tuple[Reading, Trace]:
    secrets = Secrets(where.secrets)

    def secret(name: str) -> str:
        try:
            return secrets.get(name)
        except SecretMissing as missing:
            raise ProberFault(str(missing)) from None

    async def once() -> tuple[Reading, Trace]:
        shared = SharedClients(where.settings.probe_settings(), secret)
        context = Context(shared, seconds, trace=[] if debug else None)
        try:
            start, at = time.perf_counter(), time.time()
            reading = await measure_within(spec, target, params, context)
            reading.at, reading.duration_ms = at, (time.perf_counter() - start) * 1000
            return reading, context.trace
        finally:
            await shared.aclose()

    with loop.runner() as runner:
        return runner.run(once())
