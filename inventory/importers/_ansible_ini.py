"""Ansible inventories in INI form.

https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html : `[group]`, `[group:children]`,
`[group:vars]`, ranges such as `pc[01:20].example` and variables behind a host's name.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from inventory.importers._ansible_groups import MAX_HOSTS, Inventory, Value
from inventory.importers.draft import Line
from inventory.problems import Problem

_SECTION = re.compile(r"\[([^\[\]:\s]+)(?::(\w+))?\]\s*(?:[#;].*)?")
_RANGE = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]")
_PORT = re.compile(r"([^:\[\]]+):(\d{1,5})")


def read(text: str, file: str, found: Inventory) -> None:
    """Add what a file says; lines that can't be read become problems."""
    group, kind = "ungrouped", ""
    readers: dict[str, Callable[[str, str, Line, Inventory], None]] = {
        "": _host, "children": _child, "vars": _variable,
    }  # fmt: skip
    for number, line in enumerate(text.splitlines(), 1):
        at, bare = Line(file, number), line.strip()
        if not bare or bare[0] in "#;":
            continue
        if bare[0] == "[" and (section := _SECTION.fullmatch(bare)):
            group, kind = section[1], section[2] or ""
            found.group(group, at)
            if kind not in readers:
                message, hint = f'unknown section ":{kind}"', "write :children or :vars"
                found.problems.append(Problem(file, number, 1, group, message, hint))
                kind = "vars"
            continue
        try:
            readers[kind](bare, group, at, found)
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            found.problems.append(Problem(file, number, 1, group, message, hint))


def _host(line: str, group: str, at: Line, found: Inventory) -> None:
    try:
        name, *pairs = shlex.split(line, comments=True)
    except ValueError:
        raise ValueError("a quote is not closed; close it") from None
    variables: dict[str, Value] = {}
    if port := _PORT.fullmatch(name):
        name, variables["ansible_port"] = port[1], Value(int(port[2]), at)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError("a host's variables are written key=value; put values with blanks in quotes")
        variables[key] = Value(_literal(value), at)
    for each in expanded(name):
        found.add(each, group, variables, at)


def _child(line: str, group: str, at: Line, found: Inventory) -> None:
    name = line.split("#", maxsplit=1)[0].strip()
    if not re.fullmatch(r"[^\s=]+", name):
        raise ValueError("one group a line stands here; write its name only")
    found.group(name, at)
    found.groups[group].children[name] = None


def _variable(line: str, group: str, at: Line, found: Inventory) -> None:
    key, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not key:
        raise ValueError("a group's variables are written key=value; write one a line")
    found.groups[group].variables[key] = Value(_literal(value), at)


def _literal(text: str) -> Any:
    """Return a value as Ansible reads it: a Python literal where it is one, else a text."""
    try:
        return ast.literal_eval(text) if len(text) < 1000 else text
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text


def expanded(name: str) -> Iterator[str]:
    """Yield the names that ranges stand for. Raises ValueError for one that is none."""
    found = _RANGE.search(name)
    if found is None:
        if "[" in name or "]" in name:
            raise ValueError(f'"{name[:60]}" is no range; write it as pc[01:20]')
        yield name
        return
    first, last, step = found[1], found[2], int(found[3] or 1)
    if first.isdigit() is not last.isdigit() or not step:
        raise ValueError(f'"{found[0]}" is no range; write numbers or letters, and a step above 0')
    for each in _steps(first, last, step):
        for rest in expanded(name[found.end() :]):
            yield f"{name[: found.start()]}{each}{rest}"


def _steps(first: str, last: str, step: int) -> Iterator[str]:
    if not first.isdigit():
        yield from (chr(code) for code in range(ord(first), ord(last) + 1, step))
        return
    if int(last) - int(first) > MAX_HOSTS or len(last) > 9:
        raise ValueError(f"a range of over {MAX_HOSTS} hosts; write less")
    width = len(first) if first.startswith("0") else 0
    yield from (str(number).zfill(width) for number in range(int(first), int(last) + 1, step))
