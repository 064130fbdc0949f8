"""What an Ansible inventory says: hosts, groups, what is below what, and variables with where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inventory.importers.draft import Line
from inventory.problems import Problem

MAX_HOSTS = 200_000


@dataclass(frozen=True, slots=True)
class Value:
    """A variable's value and where it stands."""

    data: Any = field(repr=False)
    at: Line


@dataclass(slots=True)
class Host:
    """A host, where it was first named, and its own variables."""

    name: str
    at: Line
    variables: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    """A group: its own hosts, the groups below it, and its variables."""

    name: str
    at: Line
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: dict[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Inventory:
    """All of it; what could not be read is in `problems`."""

    hosts: dict[str, Host] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _of_host: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def host(self, name: str, at: Line) -> Host:
        """Return the host, made when it is first named."""
        return self.hosts.setdefault(name, Host(name, at))

    def add(self, name: str, group: str, variables: dict[str, Value], at: Line) -> None:
        """Put a host into a group. Raises ValueError where there are too many."""
        if len(self.hosts) >= MAX_HOSTS:
            raise ValueError(f"over {MAX_HOSTS} hosts; import the inventory in parts")
        self.host(name, at).variables.update(variables)
        self.group(group, at).hosts[name] = None

    def group(self, name: str, at: Line) -> Group:
        """Return the group, made when it is first named."""
        return self.groups.setdefault(name, Group(name, at))

    def members(self, group: str) -> set[str]:
        """Return the names of all hosts of a group and of those below it."""
        if group == "all":
            return set(self.hosts)
        return {host for name in self._below(group) for host in self.groups[name].hosts}

    def _below(self, group: str) -> dict[str, None]:
        """Return the group and all below it, nearest first; rings end by themselves."""
        found = dict.fromkeys([group])
        waiting = [group]
        while waiting:
            for child in self.groups[waiting.pop(0)].children:
                if child in self.groups and child not in found:
                    found[child] = None
                    waiting.append(child)
        return found

    def groups_of(self, host: str) -> list[str]:
        """Return the groups a host is in, those that hold others first, as Ansible merges them."""
        if not self._of_host:
            self._index()
        return self._of_host.get(host, [])

    def _index(self) -> None:
        below = {name: self._below(name) for name in self.groups}
        for name in sorted(self.groups, key=lambda name: (-len(below[name]), name)):
            for host in self.members(name):
                self._of_host.setdefault(host, []).append(name)

    def variables(self, host: Host) -> dict[str, Value]:
        """Return a host's variables: of `all`, of its groups, then its own. Call it when all is read."""
        everyone = self.groups.get("all")
        found = dict(everyone.variables) if everyone else {}
        for name in self.groups_of(host.name):
            found.update(self.groups[name].variables if name != "all" else {})
        return {**found, **host.variables}
