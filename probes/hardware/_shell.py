"""One script on a host, over SSH or here, and what it prints, in sections that nothing it runs can forge.

The script is a constant of the program; values of the inventory are its "$1", "$2"... only. `m NAME WORDS`
begins a section, `p COMMAND` runs a command with the rights that the check has: as it is, or by `sudo -n`;
`q COMMAND` too, with its own status in place of a bound on its output.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from probes._local_machine import is_local
from probes._process import Processes
from probes._ssh import SshParams, SshPool
from probes.api import Context, Params, Target, clip
from probes.errors import ProberFault, ProtocolViolated

MOST = 1_900_000
PHASES = ("resolve", "connect", "handshake", "login", "command")
HEAD = """export LC_ALL=C TZ=UTC PATH=/usr/sbin:/usr/bin:/sbin:/bin
m() { printf '\\n%s %s\\n' "$N" "$*"; }
t() { timeout 20 "$@" </dev/null 2>/dev/null | head -c 65536; }
"""
PLAIN = """p() { t "$@"; }
q() { timeout 20 "$@" </dev/null 2>/dev/null; }
"""
BY_SUDO = """p() { t sudo -n "$@"; }
q() { timeout 20 sudo -n "$@" </dev/null 2>/dev/null; }
"""


class ShellParams(Params):
    """How a host is reached."""

    via: Literal["local", "ssh"] | None = Field(
        None, description="How: this machine itself, or SSH; by the address and the ssh block unless given."
    )
    ssh: SshParams | None = Field(None, description="How to log in.")
    sudo: bool = Field(False, description="Ask by `sudo -n`; docs/servers.md has the lines.")

    @model_validator(mode="after")
    def _reachable(self) -> ShellParams:
        if self.via == "ssh" and self.ssh is None:
            msg = 'via: ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}'
            raise ValueError(msg)
        return self


@dataclass(frozen=True, slots=True)
class Part:
    """One section: its name, the words after it, and what was printed below."""

    name: str
    words: tuple[str, ...]
    text: str


async def parts_of(
    target: Target, params: ShellParams, script: str, arguments: Sequence[str], context: Context
) -> tuple[list[Part], dict[str, float]]:
    """Run a script and return its sections, and the phases in ms.

    Raises what the connection came to, and `ProtocolViolated` for an output that breaks off.
    """
    word = secrets.token_hex(16)
    head = f"N={word}\nset -- {shlex.join(arguments)}\n{HEAD}{BY_SUDO if params.sudo else PLAIN}"
    whole = f"{head}{script}\nm end\nexit 0\n"
    if is_local(target, params.via, params.ssh):
        finished = await context.shared.get(Processes).run(("/bin/sh", "-c", whole), {}, context, most=MOST)
        output, said, phases = finished.stdout, finished.stderr, dict[str, float]()
    elif params.ssh is None:
        raise ProberFault(
            'no way in: give an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}, or via: local'
        )
    else:
        pool = context.shared.get(SshPool)
        result = await pool.run(target, params.ssh, "sh -s", context, whole.encode())
        output, said, phases = result.output.stdout, result.output.stderr, result.phases
    found = sections(word, output.decode("utf-8", "replace"))
    if not found or found[-1].name != "end":
        why = clip(said.decode("utf-8", "replace").strip(), 200)
        raise ProtocolViolated(
            f"the host's answer ends before its end{f'; it said: {why}' if why else ''}", phases=phases
        )
    return found[:-1], phases


def sections(word: str, text: str) -> list[Part]:
    """Return the sections of a text; what is printed before the first is dropped."""
    found = []
    for part in f"\n{text}".split(f"\n{word} ")[1:]:
        line, _, body = part.partition("\n")
        name, *words = line.split(" ")
        found.append(Part(name, tuple(words), body))
    return found
