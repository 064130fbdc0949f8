"""`${name}` in texts: replaced by the file's `vars`.

A text that is nothing but one variable takes the variable's own type (`port: ${db_port}` is a number).
`$${` stands for `${`. Keys are not replaced, and a variable's value holds no variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from inventory.problems import Path_, Problem, did_you_mean

Value = str | int | float | bool
Report = Callable[[Path_, str, str], Problem]
_REFERENCE = re.compile(r"\$(?:(\$)\{|\{([A-Za-z_][A-Za-z0-9_-]*)\}|(\{))")


def substitute(data: Any, values: Mapping[str, Value], report: Report, path: Path_ = ()) -> Iterator[Problem]:
    """Replace the variables in all texts below a container, in place; yield what is wrong."""
    seen: set[int] = set()
    waiting: list[tuple[Any, Path_]] = [(data, path)]
    while waiting:
        container, at = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        for step, value in container.items() if isinstance(container, dict) else enumerate(container):
            if isinstance(value, dict | list):
                waiting.append((value, (*at, step)))
            elif isinstance(value, str) and "${" in value:
                replaced, wrong = _replace(value, values)
                container[step] = replaced
                yield from (report((*at, step), *each) for each in wrong)


def _replace(text: str, values: Mapping[str, Value]) -> tuple[Value, list[tuple[str, str]]]:
    """Return the text with its variables replaced, and (message, suggestion) of each that can't be."""
    wrong: list[tuple[str, str]] = []

    def value_of(found: re.Match[str]) -> str:
        escaped, name, broken = found.groups()
        if escaped:
            return "${"
        if broken:
            wrong.append(
                ('"${" without a name and "}"', 'write "${name}", or "$${" for the characters themselves')
            )
            return ""
        if name not in values:
            wrong.append((f'unknown variable "{name}"', did_you_mean(name, values) or "define it under vars"))
            return ""
        value = values[name]
        return (
            value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        )

    whole = _REFERENCE.fullmatch(text)
    if whole and whole[2] in values:
        return values[whole[2]], wrong
    return _REFERENCE.sub(value_of, text), wrong
