"""A validator for the part of JSON Schema (2020-12) that our schemas use; an unknown keyword is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
IGNORED = {"$schema", "$defs", "title", "description", "default"}
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_SIMPLE: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, name: _TYPES[name](value),
    "enum": lambda value, known: value in known,
    "const": lambda value, known: bool(value == known),
    "pattern": lambda value, text: not isinstance(value, str) or re.search(text, value) is not None,
    "minimum": lambda value, least: not isinstance(value, int | float) or value >= least,
    "maximum": lambda value, most: not isinstance(value, int | float) or value <= most,
    "required": lambda value, keys: not isinstance(value, dict) or set(keys) <= value.keys(),
}


def errors(value: Any, schema: Schema, root: Schema | None = None, at: str = "$") -> Iterator[str]:
    """Yield what of a value is against the schema, each with its path."""
    root = root or schema
    for key, wanted in schema.items():
        if key in _SIMPLE:
            if not _SIMPLE[key](value, wanted):
                yield f"{at}: {key} {wanted}, found {str(value)[:80]}"
        elif key == "anyOf":
            if all(any(errors(value, each, root, at)) for each in wanted):
                yield f"{at}: none of {len(wanted)} forms fits {str(value)[:80]}"
        elif key not in IGNORED:
            for part, inner, where in _PARTS[key](value, wanted, root):
                yield from errors(part, inner, root, at + where)


Parts = Iterator[tuple[Any, Schema, str]]


def _referred(value: Any, name: str, root: Schema) -> Parts:
    yield value, root["$defs"][name.rpartition("/")[2]], ""


def _properties(value: Any, schemas: Schema, _: Schema) -> Parts:
    for name in schemas.keys() & value.keys() if isinstance(value, dict) else ():
        yield value[name], schemas[name], f".{name}"


def _items(value: Any, schema: Schema, _: Schema) -> Parts:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        yield each, schema, f"[{index}]"


_PARTS: Mapping[str, Callable[[Any, Any, Schema], Parts]] = {
    "$ref": _referred,
    "properties": _properties,
    "items": _items,
}
