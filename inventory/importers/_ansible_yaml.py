"""Ansible inventories in YAML (and the JSON of `ansible-inventory --list`).

https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html . Read as nodes, so
that everything keeps its line; values that are encrypted (`!vault`) stay unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from inventory.importers._ansible_groups import Inventory, Value
from inventory.importers._ansible_ini import expanded
from inventory.importers.draft import Line
from inventory.problems import ConfigError, Problem

MAX_DEPTH = 32
MAX_GROUPS = 20_000
ENCRYPTED = "encrypted by ansible-vault"
_KNOWN = ("hosts", "children", "vars")


def read(text: str, file: str, found: Inventory) -> None:
    """Add what a file says. Raises ConfigError where it is no YAML."""
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigError([Problem(file, line, column, "", f"no YAML: {error.problem}")]) from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigError([Problem(file, 1, 1, "", "no YAML that can be read")]) from None
    reader = _Reader(file, found)
    for name, node, at in reader.pairs(root, ""):
        if name == "_meta":
            reader.meta(node)
        else:
            reader.group(name, node, at, 0)


def _check_depth(text: str) -> None:
    """Raise ValueError for what is nested too deep to be composed."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > 4 * MAX_DEPTH:
            raise ValueError("nested too deep")


class _Reader:
    """Walks the nodes of one file."""

    def __init__(self, file: str, found: Inventory) -> None:
        self._file, self._found, self._groups = file, found, 0

    def pairs(self, node: Any, what: str) -> Iterator[tuple[str, Any, Line]]:
        """Yield the keys and value nodes of a mapping; anything but a mapping or nothing is a problem."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
            return
        if not isinstance(node, yaml.MappingNode):
            message = "must be a mapping of keys to values"
            hint = 'write "name:" with a colon behind it'
            self._problem(node, what, message, hint)
            return
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value, Line(self._file, key.start_mark.line + 1)

    def _problem(self, node: Any, what: str, message: str, hint: str = "") -> None:
        mark = node.start_mark
        problem = Problem(self._file, mark.line + 1, mark.column + 1, what, message, hint)
        self._found.problems.append(problem)

    def group(self, name: str, node: Any, at: Line, depth: int) -> None:
        """Add a group with its hosts, the groups below it and its variables."""
        self._groups += 1
        if depth > MAX_DEPTH or self._groups > MAX_GROUPS:
            raise ConfigError([Problem(self._file, at.line, 1, name, "too many groups, or too deep a ring")])
        group = self._found.group(name, at)
        for key, inside, where in self.pairs(node, name):
            if key == "hosts":
                self._hosts(name, inside)
            elif key == "children":
                for child, its, line in self._listed(inside, f"{name}.children"):
                    group.children[child] = None
                    self.group(child, its, line, depth + 1)
            elif key == "vars":
                group.variables.update(self._variables(inside, f"{name}.vars"))
            else:
                hint = f"below a group stand {', '.join(_KNOWN)}"
                self._found.problems.append(
                    Problem(self._file, where.line, 1, f"{name}.{key}", "unknown key", hint)
                )

    def _listed(self, node: Any, what: str) -> Iterator[tuple[str, Any, Line]]:
        """Yield the keys of a mapping, or the items of a list as the JSON form has it."""
        if isinstance(node, yaml.SequenceNode):
            for each in node.value:
                if isinstance(each, yaml.ScalarNode):
                    yield each.value, None, Line(self._file, each.start_mark.line + 1)
            return
        yield from self.pairs(node, what)

    def _hosts(self, group: str, node: Any) -> None:
        for pattern, inside, at in self._listed(node, f"{group}.hosts"):
            variables = self._variables(inside, f"{group}.hosts.{pattern}")
            try:
                for name in expanded(pattern):
                    self._found.add(name, group, variables, at)
            except ValueError as error:
                message, _, hint = str(error).partition("; ")
                self._found.problems.append(Problem(self._file, at.line, 1, f"{group}.hosts", message, hint))

    def _variables(self, node: Any, what: str) -> dict[str, Value]:
        return {key: Value(_value(inside), at) for key, inside, at in self.pairs(node, what)}

    def meta(self, node: Any) -> None:
        """Add the hosts' variables as `ansible-inventory --list` gives them."""
        for key, inside, _ in self.pairs(node, "_meta"):
            if key == "hostvars":
                for name, variables, at in self.pairs(inside, "_meta.hostvars"):
                    self._found.host(name, at).variables.update(self._variables(variables, name))


def _value(node: Any) -> Any:
    """Return a scalar as YAML 1.1 has it, which Ansible reads; what is deeper is of no use here."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    if node.tag == "!vault":
        return ENCRYPTED
    if node.tag.endswith(":int"):
        try:
            return int(node.value)
        except ValueError:
            return node.value
    return None if node.tag.endswith(":null") else node.value
