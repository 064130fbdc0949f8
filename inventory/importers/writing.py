"""Inventory YAML with comments, for a person to review: whatever is written here is read back as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from inventory._build import _CONSTANTS, _NUMBER
from inventory.importers.draft import INNER, Draft, Item

WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z0-9_/\u4e00-\u9fff](?:[A-Za-z0-9_./@()+\u4e00-\u9fff-]| (?=[^ #]))*")
_ESCAPED = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_MOST_COMMENT = 200


def written(draft: Draft, head: Iterable[str] = ()) -> str:
    """Return the file's text; `head` are lines of comment that come first."""
    lines = [*_comments(head, ""), "version: 1"]
    for key, value in draft.head.items():
        lines += _entry(key, value, "")
    lines += ["units:"] if draft.units else ["units: []"]
    for unit in draft.units:
        lines += _item(unit, "  ", 0)
    return "\n".join(lines) + "\n"


def _item(item: Item, indent: str, depth: int) -> Iterator[str]:
    yield from _comments((item.origin.text, *item.notes), indent)
    line = f"{indent}- {flow(item.data)}"
    if depth and not item.inner and len(line) <= WIDTH:
        yield line
        return
    for index, (key, value) in enumerate(item.data.items()):
        for number, text in enumerate(_entry(key, value, f"{indent}  ")):
            yield text if index or number else f"{indent}- {text.lstrip()}"
    if item.inner:
        yield f"{indent}  {INNER[depth]}:"
        for each in item.inner:
            yield from _item(each, f"{indent}    ", depth + 1)


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    line = f"{indent}{scalar(key, variables=False)}: {flow(value)}"
    if not value or not isinstance(value, dict) or len(line) <= WIDTH:
        yield line
        return
    yield f"{indent}{scalar(key, variables=False)}:"
    for inner, each in value.items():
        yield from _entry(inner, each, f"{indent}  ")


def _comments(texts: Iterable[str], indent: str) -> Iterator[str]:
    for text in texts:
        yield f"{indent}# {comment(text)}".rstrip()


def comment(text: str) -> str:
    """Return a text as it may stand in a comment: one line, printable, bounded."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MOST_COMMENT]).split())
    return clean if len(clean) <= _MOST_COMMENT else f"{clean[: _MOST_COMMENT - 3]}..."


def flow(value: Any, *, variables: bool = True) -> str:
    """Return a value in one line, `${` escaped where texts may hold `variables` (all but cells)."""
    if isinstance(value, dict):
        pairs = (f"{scalar(str(key), variables=False)}: {flow(each, variables=variables)}"
                 for key, each in value.items())  # fmt: skip
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(each, variables=variables) for each in value) + "]"
    return scalar(value, variables=variables)


def scalar(value: Any, *, variables: bool = True) -> str:
    """Return a scalar that the core schema reads as the same value, and never as a variable."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(value, int):
        return str(value)
    text = value.isoformat() if isinstance(value, date) else str(value)
    if _PLAIN.fullmatch(text) and not _NUMBER.fullmatch(text) and text not in _CONSTANTS:
        return text
    quoted = json.dumps(text.replace("${", "$${") if variables else text, ensure_ascii=False)
    return _ESCAPED.sub(_escape, quoted)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04X}" if number < 0x10000 else f"\\U{number:08X}"
