"""The documentation of all built-in probes, made from what they declare.

    python -m probes.docs > docs/probes.md

A parameter's meaning is its field's description, or the text below it in its class.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, JsonValue
from pydantic.fields import FieldInfo

from probes import api, registry
from probes.api import MetricDef, Params, ProbeSpec, Quantity

HEAD = """# Probes

Made by `python -m probes.docs` from what the probes declare; don't edit it by hand.

A check names its `probe`, and gives the parameters below beside its own keys (`every`, `timeout`, `expect`
and so on). Durations, sizes and rates are numbers in the unit named, or carry their own (`500 ms`, `10 MiB`).
A secret is written `secret:NAME`. An outcome is `ok`, `failed` (the target's fault) or `error` (nobody's, or
ours), with one of the kinds listed; a run that its deadline ends while it waits for the target is
`failed(timeout)`.
"""
BETTER = {"lower": "lower is better", "higher": "higher is better", "none": ""}
TYPES: dict[object, str] = {
    bool: "true or false", int: "integer", float: "number", str: "text", re.Pattern: "regular expression",
    Any: "anything", JsonValue: "any JSON value",
}  # fmt: skip
QUANTITIES = {"s": "duration (s)", "bytes": "size (bytes)", "bit/s": "rate (bit/s)"}


def render(specs: Iterable[ProbeSpec]) -> str:
    """Return the whole page, in Markdown."""
    specs = list(specs)
    index = _table(
        ("probe", "family", "measures"), [(f"[{s.name}](#{s.name})", s.family, s.summary) for s in specs]
    )
    return "\n".join([HEAD, index, "", *(_probe(spec) for spec in specs)])


def _probe(spec: ProbeSpec) -> str:
    parts = [f"## {spec.name}", f"{_plain(spec.summary)}.", _about(spec)]
    parts += ["Parameters:", _table(("parameter", "type", "default", "meaning"), parameters(spec.params))]
    if spec.metrics:
        parts += [
            "Metrics:",
            _table(("metric", "unit", "better", "meaning"), [_metric(m) for m in spec.metrics]),
        ]
    if spec.facts:
        rows = [(f"`{fact.name}`", fact.type, _plain(fact.help)) for fact in spec.facts]
        parts += ["Facts:", _table(("fact", "type", "meaning"), rows)]
    if spec.dynamic or spec.names_in:
        parts.append(f"It also reports what {_listed(spec.names_in) or 'the target'} names.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(spec: ProbeSpec) -> str:
    lines = [
        f"- run every {spec.default_every:g} s by default, for at most {spec.default_timeout:g} s",
        f"- phases: {_listed(spec.phases)}" if spec.phases else "",
        f"- kinds besides `ok`: {_listed(spec.kinds)}" if spec.kinds else "",
        f"- takes the asset's {_listed(spec.inputs)}" if spec.inputs else "",
        "" if spec.needs_address else "- needs no address: it measures the monitor's own machine",
    ]
    return "\n".join(line for line in lines if line)


def _metric(metric: MetricDef) -> tuple[str, ...]:
    return f"`{metric.name}`", metric.unit, BETTER[metric.better], _plain(metric.help)


def parameters(model: type[BaseModel], prefix: str = "") -> list[tuple[str, ...]]:
    """Return a row for each parameter: name, type, default, meaning; those of a block after the block."""
    texts = _texts(model)
    rows: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        shown = field.alias or name
        meaning = _plain(field.description or texts.get(name, ""))
        rows.append((f"`{prefix}{shown}`", type_text(field), _default(field), meaning))
        for block in _blocks(field.annotation):
            rows += parameters(block, f"{prefix}{shown}.")
    return rows


def _blocks(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, Annotated, tuple, list):
        for part in get_args(annotation):
            yield from _blocks(part)


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts below the fields, those of base classes included."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls not in (BaseModel, Params):
            body = _body(cls)
            for before, after in pairwise(body):
                if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
                    text = _string(after)
                    found |= {before.target.id: text} if text else {}
    return found


def _body(cls: type) -> Sequence[ast.stmt]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    node = tree.body[0]
    return node.body if isinstance(node, ast.ClassDef) else []


def _string(node: ast.stmt) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""


def type_text(field: FieldInfo) -> str:
    """Return a field's type in words, with its bounds."""
    return _described(field.annotation, field.metadata)


def _described(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _described(inner, [*more, *metadata])
    words = _special(metadata) or _words(annotation)
    bounds = _bounds(metadata)
    return f"{words}, {bounds}" if bounds else words


def _special(metadata: Iterable[Any]) -> str:
    for item in metadata:
        if isinstance(item, BeforeValidator):
            of = getattr(item.func, "__self__", None)
            if isinstance(of, Quantity):
                return QUANTITIES.get(of.unit, of.unit)
            if item.func is api._secret:  # noqa: SLF001 - the one way to tell a secret from anything else
                return "`secret:NAME`"
    return ""


def _words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _alternatives([f"`{part}`" for part in parts])
    if origin in (Union, UnionType):
        return _alternatives([_described(part) for part in parts if part is not NoneType])
    if origin in (list, tuple, set, frozenset):
        return f"list of {_described(parts[0])}"
    if origin is dict:
        return f"mapping of {_described(parts[0])} to {_described(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    return TYPES.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))


def _alternatives(words: Sequence[str]) -> str:
    unique = list(dict.fromkeys(words))
    return f"{', '.join(unique[:-1])} or {unique[-1]}" if len(unique) > 1 else "".join(unique)


def _bounds(metadata: Iterable[Any]) -> str:
    bounds: dict[str, Any] = {}
    for item in metadata:
        for part in getattr(item, "metadata", None) or [item]:
            bounds |= {name: getattr(part, name) for name in ("ge", "gt", "le", "lt") if hasattr(part, name)}
    low, high = bounds.get("ge"), bounds.get("le")
    words = [
        f"{low:.12g} to {high:.12g}" if low is not None and high is not None else "",
        f"at least {low:.12g}" if low is not None and high is None else "",
        f"at most {high:.12g}" if high is not None and low is None else "",
        f"over {bounds['gt']:g}" if "gt" in bounds else "",
        f"under {bounds['lt']:g}" if "lt" in bounds else "",
    ]
    return ", ".join(word for word in words if word)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ((), [], {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    plain = list(value) if isinstance(value, tuple | set | frozenset) else value
    return f"`{json.dumps(plain, ensure_ascii=False, default=str)}`".replace('"', "")


def _plain(text: str) -> str:
    return text.removesuffix(".")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def built_in() -> list[ProbeSpec]:
    """Return the built-in probes in the order of the registry."""
    return [registry.get(name) for name in registry.BUILT_IN]


if __name__ == "__main__":
    sys.stdout.write(render(built_in()))
