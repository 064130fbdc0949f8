"""From libyaml's events to plain data by the core schema of YAML 1.2, with the position of every node."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from inventory.problems import Path_

MAX_DEPTH = 64
MAX_REPEATED = 1_000_000
"""How many nodes aliases may repeat in one document."""
MAX_DIGITS = 40
MAX_PROBLEMS = 1000

_CONSTANTS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_BASES = {"int": 10, "oct": 8, "hex": 16}
_NUMERIC = frozenset("0123456789+-.")
_COLUMNS = 1 << 20


class Refused(Exception):  # noqa: N818 - what the reader says, not what it suffers
    """The document can't be read on from here; `where` is (line, column, key, message, suggestion)."""

    def __init__(self, mark: Any, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.where = (mark.line + 1, mark.column + 1, "", message, suggestion)


class Positions:
    """Where every key of a mapping and every item of a sequence begins.

    By the identity of the container: an offset into one array, which holds the positions of its children
    in order. 8 bytes a child and some 100 a container.
    """

    __slots__ = ("_places", "_starts", "root")

    def __init__(self) -> None:
        self.root = 0
        self._starts: dict[int, int] = {}
        self._places = array("Q")

    def add(self, container: object, places: Iterable[int]) -> None:
        """Note the positions of a finished container's children."""
        self._starts[id(container)] = len(self._places)
        self._places.extend(places)

    def find(self, data: Any, path: Path_) -> tuple[int, int]:
        """Return (line, column) of the deepest part of `path` that exists, both from 1."""
        place = self.root
        for step in path:
            index = _index(data, step)
            start = self._starts.get(id(data))
            if index is None or start is None:
                break
            place, data = self._places[start + index], data[step]
        return place // _COLUMNS + 1, place % _COLUMNS + 1


def _index(data: Any, step: str | int) -> int | None:
    if isinstance(data, dict) and step in data:
        return next(i for i, key in enumerate(data) if key == step)
    if isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data):
        return step
    return None


class _Open:
    """A mapping or sequence that is not finished."""

    __slots__ = ("anchor", "data", "key", "mark", "places", "size", "skip")

    def __init__(self, data: dict[str, Any] | list[Any], anchor: str | None, mark: Any) -> None:
        self.data, self.anchor, self.mark = data, anchor, mark
        self.key: str | None = None
        self.places: list[int] = []
        self.size = 1
        self.skip = False


class Builder:
    """Builds the documents of one stream; `problems` are those one can read on from."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, int, Path_, str, str]] = []
        self._texts: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._repeated = 0
        self._root: Any = None
        self._positions = Positions()

    def take(self) -> Positions:
        """Return the positions of the document that was yielded last."""
        return self._positions

    def documents(self, events: Iterable[Any]) -> Iterator[Any]:
        """Yield each document that isn't empty. Raises Refused, and what libyaml raises."""
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(event, {})
            elif kind is yaml.SequenceStartEvent:
                self._open(event, [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self._begin()
            elif kind is yaml.DocumentEndEvent and self._root is not None:
                yield self._root

    def _open(self, event: Any, data: dict[str, Any] | list[Any]) -> None:
        mark = event.start_mark
        _no_tag(event)
        if self._stack and self._wants_key():
            raise Refused(mark, "a key must be a plain text")
        if len(self._stack) >= MAX_DEPTH:
            raise Refused(mark, f"nested deeper than {MAX_DEPTH}")
        self._stack.append(_Open(data, event.anchor, mark))

    def _close(self) -> None:
        closed = self._stack.pop()
        self._positions.add(closed.data, closed.places)
        if closed.anchor is not None:
            self._anchors[closed.anchor] = (closed.data, closed.size)
        self._put(closed.data, closed.mark, closed.size)

    def _scalar(self, event: Any) -> None:
        mark, text = event.start_mark, event.value
        _no_tag(event)
        if self._stack and self._wants_key():
            self._key(self._texts.setdefault(text, text), mark)
            return
        value = self._plain(text, mark) if event.implicit[0] and event.tag is None else text
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, mark, 1)

    def _plain(self, text: str, mark: Any) -> Any:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] in _NUMERIC and (found := _NUMBER.fullmatch(text)):
            if len(text) > MAX_DIGITS:
                raise Refused(mark, "a number of more than 40 characters", "put it in quotes if it is a text")
            kind = found.lastgroup or ""
            return float(text) if kind == "float" else int(found[kind], _BASES[kind])
        return self._texts.setdefault(text, text) if len(text) < 32 else text

    def _alias(self, event: Any) -> None:
        mark = event.start_mark
        if self._stack and self._wants_key():
            raise Refused(mark, "a key must be a plain text")
        if event.anchor not in self._anchors:
            raise Refused(mark, f'unknown anchor "{event.anchor}"', "an anchor is defined before it is used")
        data, size = self._anchors[event.anchor]
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            raise Refused(mark, "aliases repeat over 1,000,000 values", "write a profile instead")
        self._put(data, mark, size)

    def _wants_key(self) -> bool:
        top = self._stack[-1]
        return top.key is None and type(top.data) is dict

    def _key(self, key: str, mark: Any) -> None:
        top = self._stack[-1]
        top.key, top.skip = key, False
        if key == "<<":
            self._note(
                mark, key, "merge keys are not part of YAML 1.2", "write the keys out, or use a profile"
            )
            top.skip = True
        elif key in top.data:
            first = top.places[list(top.data).index(key)] // _COLUMNS + 1
            self._note(mark, key, f"duplicate key, first given in line {first}", "remove one of the two")
            top.skip = True
        else:
            top.places.append(_place(mark))

    def _put(self, value: Any, mark: Any, size: int) -> None:
        if not self._stack:
            self._root, self._positions.root = value, _place(mark)
            return
        top = self._stack[-1]
        top.size += size
        if isinstance(top.data, list):
            top.data.append(value)
            top.places.append(_place(mark))
            return
        if not top.skip and top.key is not None:
            top.data[top.key] = value
        top.key = None

    def _note(self, mark: Any, key: str, message: str, suggestion: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            path = (*self._path(), key)
            self.problems.append((mark.line + 1, mark.column + 1, path, message, suggestion))

    def _path(self) -> Path_:
        return tuple(len(o.data) if type(o.data) is list else o.key or "" for o in self._stack[:-1])


def _no_tag(event: Any) -> None:
    if event.tag is not None and event.tag != "!":
        raise Refused(event.start_mark, "tags are not supported", "leave the tag out; quotes make a text")


def _place(mark: Any) -> int:
    return int(mark.line) * _COLUMNS + min(int(mark.column), _COLUMNS - 1)
