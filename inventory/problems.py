"""What is wrong in a file an operator wrote: where, which key, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

Path_ = tuple[str | int, ...]
"""Where something is inside a document: keys of mappings and indices of sequences, from the root."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong; `line` and `column` count from 1, `key` is a path like `units[0].id`."""

    file: str
    line: int
    column: int
    key: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: "
        text += f"{self.key}: {self.message}" if self.key else self.message
        return f"{text}; {self.suggestion}" if self.suggestion else text


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written: a path in a document of a file."""

    file: str
    document: int = 0
    path: Path_ = ()

    def __truediv__(self, step: str | int) -> Place:
        """Return the place one step deeper."""
        return Place(self.file, self.document, (*self.path, step))


class ConfigError(Exception):
    """A configuration that can't be used: all of its problems, each once, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Path_) -> str:
    """Return a path as people read it: `units[0].assets[2].kind`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Iterable[str], *, listed: int = 20) -> str:
    """Return `did you mean "x"?`, or what is known when nothing is close (and it is few)."""
    names = sorted({name for name in known if name})
    close = get_close_matches(word[:100], names, n=1, cutoff=0.65) or [
        name for name in names if name.casefold() == word.casefold()
    ]
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known are {', '.join(names)}" if 0 < len(names) <= listed else ""
