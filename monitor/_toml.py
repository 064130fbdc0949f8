"""TOML with positions, so that a mistake in the settings is reported as one in the inventory is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inventory._build import Positions
from inventory.problems import ConfigError, Path_, Problem
from inventory.source import Document

_SECTION = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_KEY = re.compile(r"""(\s*)("[^"]+"|'[^']+'|[A-Za-z0-9_.-]+)\s*=""")
_ERROR = re.compile(r"(.*?) \(at line (\d+), column (\d+)\)")


class TomlPositions(Positions):
    """Positions of sections and of the keys directly in them, found in the text."""

    __slots__ = ("_last", "_lines")

    def __init__(self, text: str) -> None:
        super().__init__()
        self._lines: dict[Path_, tuple[int, int]] = {}
        self._last: dict[Path_, int] = {}
        section: Path_ = ()
        for number, line in enumerate(text.splitlines(), 1):
            if found := _SECTION.match(line):
                section = self._section(line, [part.strip(" \"'") for part in found[1].split(".")])
                self._lines.setdefault(section, (number, line.index("[") + 1))
            elif found := _KEY.match(line):
                key = tuple(part.strip("\"'") for part in found[2].split("."))
                self._lines.setdefault((*section, *key), (number, len(found[1]) + 1))

    def _section(self, line: str, names: Sequence[str]) -> Path_:
        """Return the path of a section; that of an array (`[[rights]]`) has its number in it."""
        path: Path_ = ()
        for depth, name in enumerate(names, 1):
            path = (*path, name)
            if depth == len(names) and line.lstrip().startswith("[["):
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def find(self, data: Any, path: Path_) -> tuple[int, int]:  # noqa: ARG002 - the text knows it all
        """Return (line, column) of the deepest part of `path` that exists, both from 1."""
        for end in range(len(path), 0, -1):
            if place := self._lines.get(tuple(path[:end])):
                return place
        return 1, 1


def read(path: Path) -> Document:
    """Return a TOML file as a document. Raises ConfigError."""
    name = str(path)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(name, 1, 1, "", f"the file can't be read: {reason}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(name, 1, 1, "", "the file is not UTF-8", "save it as UTF-8")]) from None
    try:
        return Document(tomllib.loads(text), name, TomlPositions(text))
    except tomllib.TOMLDecodeError as error:
        found = _ERROR.match(str(error))
        line, column = (int(found[2]), int(found[3])) if found else (len(text.splitlines()) or 1, 1)
        raise ConfigError(
            [Problem(name, line, column, "", (found[1] if found else str(error)).lower())]
        ) from None
