"""Strict YAML with positions: what every configuration file is read with.

The core schema of YAML 1.2 (yaml.org/spec/1.2.2, chapter 10.3) over libyaml's event stream: `010` is ten,
`yes` and `12:30` and dates are text, keys are always text. Duplicate keys, tags and merge keys are refused;
aliases are allowed, but what they repeat is bounded. Positions are kept as numbers, not as nodes: 200,000
assets fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from inventory import units
from inventory._build import Builder, Positions, Refused
from inventory._explain import explain
from inventory.problems import ConfigError, Path_, Place, Problem, did_you_mean, dotted

__all__ = [
    "ConfigError", "Document", "Locator", "Path_", "Place", "Problem",
    "did_you_mean", "dotted", "parse", "read", "validate",
]  # fmt: skip

MAX_BYTES = 256 * 1024 * 1024
M = TypeVar("M", bound=BaseModel)
_TOKENS = "indent with spaces, never tabs, and put texts that begin with @, ` or % in quotes"
_COLON = 'put texts that hold ":" in quotes'
_HINTS = {
    "cannot start any token": _TOKENS,
    "found a tab": _TOKENS,
    "mapping values are not allowed": _COLON,
    "did not find expected node content": _COLON,
    "did not find expected ',' or '}'": "close the bracket, or " + _COLON,
    "did not find expected ',' or ']'": "close the bracket, or " + _COLON,
    "did not find expected key": "indent all keys of a mapping alike",
    "did not find expected '-' indicator": "indent all items of a list alike",
    "could not find expected ':'": "write a space after the colon",
    "while scanning a quoted scalar": "close the quotes",
}
"""What to do about syntax errors, by a part of libyaml's text."""
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Document:
    """One YAML document: plain data (dict with str keys, list, str, int, float, bool, None), and its file.

    Containers may be changed in place, never replaced by others: positions go by identity.
    """

    data: Any
    file: str
    positions: Positions = field(repr=False)

    def problem(self, path: Path_, message: str, suggestion: str = "") -> Problem:
        """Return a problem at the deepest part of `path` that exists."""
        line, column = self.positions.find(self.data, path)
        return Problem(self.file, line, column, dotted(path), message, suggestion)


def read(path: Path) -> list[Document]:
    """Return all documents of a file, at least one. Raises ConfigError."""
    name = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(
                [Problem(name, 1, 1, "", "the file is over 256 MiB", "split it into a directory")]
            )
        return parse(path.read_bytes(), name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(name, 1, 1, "", f"the file can't be read: {reason}")]) from None


def parse(content: bytes, file: str) -> list[Document]:
    """Return all documents of a file's content, at least one. Raises ConfigError."""
    _check_text(content, file)
    documents: list[Document] = []
    builder = Builder()
    try:
        events = yaml.parse(content, Loader=yaml.CSafeLoader)
        documents.extend(Document(data, file, builder.take()) for data in builder.documents(events))
    except Refused as refused:
        raise ConfigError([Problem(file, *refused.where)]) from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax(error, file)]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, 1, 1, "", f"no YAML: {str(error)[:200]}")]) from None
    problems = [
        Problem(file, line, column, dotted(path), text, hint)
        for line, column, path, text, hint in builder.problems
    ]
    if problems:
        raise ConfigError(problems)
    if not documents:
        raise ConfigError([Problem(file, 1, 1, "", "the file is empty")])
    return documents


def validate(
    document: Document, model: type[M], path: Path_ = (), context: dict[str, Any] | None = None
) -> M:
    """Return the part of a document at `path` as a `model`.

    Raises ConfigError with one problem for each thing that is wrong, each with its position. The validation
    context always holds the parser of quantities.
    """
    data = document.data
    for step in path:
        data = data[step]
    try:
        return model.model_validate(data, context={"quantity": units.parse, **(context or {})})
    except ValidationError as error:
        raise ConfigError(explain(error, model, data, document.problem, prefix=path)) from None


class Locator:
    """Finds where places stand, by reading their files again: positions of 200,000 assets need not be kept.

    Lives as long as one round of checks. Of a file that has changed or gone it finds the first line.
    """

    def __init__(self) -> None:
        self._files: dict[str, list[Document]] = {}

    def problem(self, place: Place, message: str, suggestion: str = "") -> Problem:
        """Return a problem at `place`."""
        if place.file not in self._files:
            try:
                self._files[place.file] = read(Path(place.file))
            except ConfigError:
                self._files[place.file] = []
        documents = self._files[place.file]
        if place.document < len(documents):
            return documents[place.document].problem(place.path, message, suggestion)
        return Problem(place.file, 1, 1, dotted(place.path), message, suggestion)

    def position(self, place: Place) -> str:
        """Return `file:line` of `place`."""
        found = self.problem(place, "")
        return f"{found.file}:{found.line}"


def _check_text(content: bytes, file: str) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _at(content[: error.start].decode("utf-8"))
        problem = Problem(
            file,
            line,
            column,
            "",
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        )
        raise ConfigError([problem]) from None
    if found := _UNPRINTABLE.search(text, 1 if text.startswith("\ufeff") else 0):
        line, column = _at(text[: found.start()])
        raise ConfigError(
            [Problem(file, line, column, "", f"control character U+{ord(found[0]):04X}", "remove it")]
        )


def _at(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _syntax(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    text = " ".join(filter(None, (error.context, error.problem))) or "no YAML"
    hint = next((hint for part, hint in _HINTS.items() if part in text), "")
    return Problem(file, line, column, "", text, hint)
