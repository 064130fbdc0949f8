"""From pydantic's errors to problems an operator can act on."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from inventory.problems import Path_, did_you_mean

R = TypeVar("R")

_MESSAGES = {
    "missing": "a required key is missing",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "mapping_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dataclass_type": "must be a mapping of keys to values",
    "dataclass_exact_type": "must be a mapping of keys to values",
    "date_type": "must be a date",
    "date_parsing": "must be a date",
    "date_from_datetime_parsing": "must be a date",
    "datetime_type": "must be a date with time and offset",
    "datetime_parsing": "must be a date with time and offset",
    "datetime_from_date_parsing": "must be a date with time and offset",
    "timezone_aware": "must be a date with time and offset",
    "finite_number": "must be a finite number",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_HINTS = {
    "list": "write [a, b], or one item a line after a dash",
    "tuple": "write [a, b], or one item a line after a dash",
    "date": "write it as 2027-01-15",
    "datetime": "write it as 2027-01-15T18:00:00+08:00",
    "timezone": "write it as 2027-01-15T18:00:00+08:00",
}


def explain(
    error: ValidationError,
    model: Any,
    data: Any,
    problem: Callable[[Path_, str, str], R],
    *,
    prefix: Path_ = (),
    also: tuple[str, ...] = (),
) -> Iterator[R]:
    """Yield `problem(...)` for each error; `data` is what was validated and stands at `prefix`.

    `also` are keys that belong beside the model's own, for the "did you mean".
    """
    for detail in error.errors(include_url=False):
        path = _real(detail["loc"], data, missing=detail["type"] == "missing")
        yield problem((*prefix, *path), *_wording(detail, model, path, also))


def _real(loc: tuple[int | str, ...], data: Any, *, missing: bool) -> Path_:
    """Return `loc` without the steps that name members of unions and the like rather than data."""
    path: list[str | int] = []
    for step in loc:
        inside = step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int)
        if inside:
            path.append(step)
            data = data[step]
    if missing:
        path.append(loc[-1])
    return tuple(path)


def _wording(detail: ErrorDetails, model: Any, path: Path_, also: tuple[str, ...]) -> tuple[str, str]:
    kind = detail["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "unknown key", did_you_mean(
            str(path[-1]), {*_keys_at(model, path[:-1]), *(also if len(path) == 1 else ())}
        )
    if kind in ("value_error", "assertion_error"):
        message, _, hint = str(detail["ctx"]["error"]).partition("; ")
        return message, hint
    if kind in ("literal_error", "enum"):
        return _choice(detail)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {detail['ctx'][key]:g}", ""
    message = _MESSAGES.get(kind) or detail["msg"][:1].lower() + detail["msg"][1:]
    hint = _HINTS.get(kind.split("_")[0], "")
    if kind == "string_type" and isinstance(detail["input"], int | float):
        hint = "put it in quotes"
    return message, hint


def _choice(detail: ErrorDetails) -> tuple[str, str]:
    expected = str(detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    given, known = detail["input"], expected.split(", ")
    if not isinstance(given, str):
        return f"must be one of {', '.join(known)}", ""
    return f'unknown value "{given[:40]}"', did_you_mean(given, known, listed=20)


def _keys_at(model: Any, path: Path_) -> set[str]:
    """Return the keys that are known at `path` below `model`."""
    kinds = [model]
    for step in path:
        kinds = [inner for kind in kinds for inner in _step(kind, step)]
    return {key for kind in kinds for key in _fields(kind)}


def _step(annotation: Any, step: str | int) -> Iterator[Any]:
    """Yield the types that the child `step` of something annotated so may have, models unwrapped."""
    for kind in _unwrap(annotation):
        if isinstance(step, str) and step in (fields := _fields(kind)):
            yield from _unwrap(fields[step].annotation)
        elif args := get_args(kind):
            yield from _unwrap(args[-1] if args[-1] is not Ellipsis else args[0])


def _unwrap(annotation: Any) -> Iterator[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _unwrap(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _unwrap(member)
    else:
        yield annotation


def _fields(kind: Any) -> Mapping[str, FieldInfo]:
    found = getattr(kind, "__pydantic_fields__", None)
    if not isinstance(found, dict):
        return {}
    return {field.alias or name: field for name, field in found.items()}
