"""Many asks as one POSIX shell script, and what it prints taken apart again. Pure.

An ask is a constant fragment with arguments: values of the inventory are only ever its "$1", "$2"..., so that
none of them is read as shell. All asks run at the same time, each by `timeout` and with bounded output, and
are printed one after the other, between lines that begin with a random word that no fragment is told.

A fragment ends with a status of its own: `MISSING_RIGHT` and `NOT_SUPPORTED` below say why there is nothing
to tell; what it printed last says more. `p` before a command runs it with the rights that the check has: as
it is, or by `sudo -n` where the check says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

MISSING_RIGHT = 93
NOT_SUPPORTED = 94
TIMED_OUT = (124, 137)
"""What `timeout` ends with: by SIGTERM, by SIGKILL."""
KILL_S, HEAD_S = 1, 3
"""After its time is over, an ask is killed after one second, and its output is given up after three."""

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PLAIN = 'sudo=0\np() { "$@"; }\n'
BY_SUDO = f"""sudo=1
p() {{
sudo -n -l "$@" >/dev/null 2>&1 || {{ echo "sudo does not let it run: $*"; exit {MISSING_RIGHT}; }}
sudo -n "$@"
}}
"""
HEAD = f"""export LC_ALL=C TZ=UTC PATH={PATH}
timeout -k 1 5 true 2>/dev/null || if timeout 5 true 2>/dev/null
then timeout() {{ shift 2; command timeout "$@"; }}
else timeout() {{ shift 3; "$@"; }}
fi
a() {{
i=$1 t=$2 m=$3 f=$4
shift 4
printf '\\n%s b %s\\n' $N $i
{{ c=$({{ {{ timeout -k {KILL_S} $t sh -c "$f" sh "$@" </dev/null 2>/dev/null 3>&- 4>&-; echo $? >&3; }} |
timeout -k 1 $((t + {HEAD_S})) head -c $m >&4; }} 3>&1); }} 4>&1
printf '\\n%s e %s %s\\n' $N $i "$c"
}}
s() {{ v=$(a "$@"; echo x); cat; printf %s "${{v%x}}"; }}
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a host; equal ones are asked once."""

    fragment: str
    """A constant of the program, in POSIX sh."""
    arguments: tuple[str, ...] = ()
    most: int = 32_768
    """Bytes of output that are taken."""
    sudo: bool = False

    @property
    def script(self) -> str:
        """The fragment with its `p`."""
        return (BY_SUDO if self.sudo else PLAIN) + self.fragment

    @property
    def words(self) -> str:
        """The fragment and its arguments, quoted for a shell."""
        return " ".join(map(shlex.quote, (self.script, *self.arguments)))


@dataclass(frozen=True, slots=True)
class Part:
    """What one ask gave."""

    data: bytes
    status: int
    truncated: bool = False


def script(word: str, asks: Sequence[Ask], limit: int) -> str:
    """Return the script for asks that may take `limit` seconds each; `word` must be random."""
    stages = [f"s {number} {limit} {ask.most + 1} {ask.words}" for number, ask in enumerate(asks)]
    first, *rest = stages
    pipe = " |\n".join([f"{first} </dev/null", *rest])
    return f"N={word}\n{HEAD}{{ {pipe}\n}} 2>/dev/null\nexit 0\n"


def parts(word: str, asks: Sequence[Ask], output: bytes) -> dict[Ask, Part]:
    """Return what each ask gave; one that is not framed as it must be is left out.

    What a shell's start-up files print before the first frame is dropped.
    """
    found: dict[Ask, Part] = {}
    opened: tuple[int, bytes] | None = None
    for piece in output.split(b"\n" + word.encode() + b" ")[1:]:
        line, _, body = piece.partition(b"\n")
        match line.split(b" "):
            case [b"b", number]:
                opened = (_number(number, len(asks)), body)
            case [b"e", number, status] if opened and opened[0] == _number(number, len(asks)) >= 0:
                ask = asks[opened[0]]
                found.setdefault(ask, _part(opened[1], _number(status, 256), ask.most))
                opened = None
            case _:
                opened = None
    return found


def _part(body: bytes, status: int, most: int) -> Part:
    return Part(body[:most], status, truncated=len(body) > most)


def _number(text: bytes, below: int) -> int:
    """Return a number from 0 to `below`, exclusively, or -1."""
    number = int(text) if text.isdigit() and len(text) < 9 else -1
    return number if number < below else -1
