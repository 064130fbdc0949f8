"""A command of a host that the settings allow: its exit status, and a value in what it prints.

Only what `exec_allow` lists is run, without a shell, with nothing on its standard input. Unlike `exec` it
expects no Nagios plugin, shares its host's command with other checks, and takes no exit status for a failure:
expectations on `exit_status` and `value` judge.
"""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from probes import _allowed
from probes._patterns import Pattern, pattern
from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import Inconclusive, ProberFault
from probes.software._gather import Answer
from probes.software._host import EVERY_S, KINDS, PHASES, SudoParams, asked
from probes.software._script import Ask
from probes.software._text import lines_of, matching, number

FRAGMENT = r"""
[ -x "$1" ] || [ $sudo = 1 ] || { [ -e "$1" ] && echo x126 || echo x127; exit 0; }
p "$@" 2>&1
echo "x$?"
"""


class CommandParams(SudoParams):
    """What is run, and what is looked for in its output (standard output and standard error together)."""

    command: tuple[str, ...] = Field(
        min_length=1,
        max_length=100,
        description="The program's absolute path on the host, and its arguments.",
    )
    pattern: Pattern | None = Field(
        None, description="Lines in which this is found are counted; its first group is the value."
    )
    max_bytes: Bytes = Field(32_768, ge=1, le=524_288, description="Longest output that is taken.")
    keep: bool = Field(False, description="Report the output; by default only the value is.")

    @field_validator("command")
    @classmethod
    def _is_path(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        return _allowed.checked(command)

    @model_validator(mode="after")
    def _short(self) -> CommandParams:
        if sum(map(len, self.command)) > 8000:
            msg = "the command is longer than 8000 characters; put it into a script on the host"
            raise ValueError(msg)
        return self


def split(answer: Answer, program: str) -> tuple[str, int]:
    """Return the output and the exit status. Raises `ProberFault` and `Inconclusive`."""
    if answer.part.truncated:
        why = f"{program} prints more than {len(answer.part.data)} bytes"
        raise ProberFault(why, phases=answer.phases)
    output, mark, status = answer.part.data.decode("utf-8", "replace").rpartition("x")
    if not mark or not re.fullmatch(r"\d{1,3}\n", status):
        raise Inconclusive(f"{program} came to no end that could be seen", phases=answer.phases)
    if status.strip() in ("126", "127"):
        reason = "can't be executed" if status.strip() == "126" else "is not there"
        raise ProberFault(f"{program} {reason}", phases=answer.phases)
    return output, int(status)


def value_in(wanted: str, line: str) -> tuple[str, float | None]:
    """Return what the first group found in a line, and as a number where it is one."""
    match = pattern(wanted).search(line, timeout=0.02)
    text = match[1] if match and match.re.groups and match[1] is not None else ""
    try:
        return text, number(text)
    except ValueError:
        return text, None


async def probe_command(target: Target, params: CommandParams, context: Context) -> Reading:
    """Run one command. Raises `PermissionMissing`, what `asked` does, `ProberFault` and `Inconclusive`."""
    program = params.command[0]
    _allowed.require(program, context.shared.settings.exec_allow)
    ask = Ask(FRAGMENT, params.command, most=params.max_bytes, sudo=params.sudo)
    answer = await asked(target, params, ask, context, ours=True)
    output, status = split(answer, program)
    metrics, facts = {"exit_status": float(status)}, dict[str, str]()
    if params.keep:
        facts["output"] = clip(output.strip())
    if params.pattern is not None:
        found = await matching(params.pattern, lines_of(output))
        metrics["matches"] = float(len(found))
        text, value = value_in(params.pattern, found[0]) if found else ("", None)
        if text:
            facts["value_text"] = clip(text, 300)
        if value is not None:
            metrics["value"] = value
    return Reading.ok(metrics, facts, answer.phases)


PROBE = ProbeSpec(
    name="command",
    family="software",
    summary="An allow-listed command of a host: exit status, and a value in its output",
    params=CommandParams,
    run=probe_command,
    metrics=(
        MetricDef("exit_status", "count", "none", 1, "what it ended with"),
        MetricDef("matches", "count", "none", 1, "lines in which the pattern is found"),
        MetricDef(
            "value", "count", "none", None, "the pattern's first group in the first of them, as a number"
        ),
    ),
    facts=(
        FactDef("value_text", help="the same as text"),
        FactDef("output", help="with keep: what it printed"),
    ),
    phases=PHASES,
    kinds=KINDS,
    inputs=("ssh",),
    together=True,
    default_every=EVERY_S,
    default_timeout=30.0,
)
