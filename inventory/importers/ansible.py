"""From Ansible inventories to a draft: hosts of groups that stand for units, with how to log in to them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from inventory._fields import SECRET_KEYS
from inventory.importers import _ansible_ini, _ansible_yaml
from inventory.importers._ansible_groups import Host, Inventory, Value
from inventory.importers._names import slug, unique
from inventory.importers.delimited import content, decoded
from inventory.importers.draft import Draft, Item
from inventory.models import Level
from inventory.problems import ConfigError, Problem, did_you_mean

_SECRET = re.compile(r"pass(word|wd|phrase)?$|secret|token|_pw$|community|private_key$")
_USER = ("ansible_user", "ansible_ssh_user")
_PORT = ("ansible_port", "ansible_ssh_port")
_HOST = ("ansible_host", "ansible_ssh_host")
_KEY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_NO_SSH = ("winrm", "psrp", "local", "docker", "httpapi", "netconf")
_EVERYONE = ("all", "ungrouped")


def read(paths: Sequence[Path], units: Mapping[str, str], level: Level = "hall") -> Draft:
    """Return the draft; `units` maps groups to units, the first group that holds a host wins.

    Raises ConfigError for a file that can't be read, and where no group is mapped or one is unknown.
    """
    found = Inventory()
    for path in paths:
        text, _ = decoded(content(path), path.name)
        if _is_yaml(path, text):
            _ansible_yaml.read(text, path.name, found)
        else:
            _ansible_ini.read(text, path.name, found)
    _check_groups(found, units, paths[0].name)
    draft = Draft(problems=list(found.problems))
    made = {unit: Item({"id": unit, "name": unit, "level": level}, found.groups[group].at,
                       notes=["name and level are guessed: write them"])
            for group, unit in reversed(list(units.items()))}  # fmt: skip
    members = {group: found.members(group) for group in units}
    lost = [host for host in found.hosts.values() if not _place(host, found, units, members, made)]
    draft.units = [made[unit] for unit in dict.fromkeys(units.values())]
    if lost:
        names = ", ".join(host.name for host in lost[:10]) + (" ..." if len(lost) > 10 else "")
        draft.notes.append(f"{len(lost)} hosts are in no group that is mapped, and left out: {names}")
    return draft


def _is_yaml(path: Path, text: str) -> bool:
    if path.suffix.casefold() in (".yml", ".yaml", ".json"):
        return True
    first = next((line for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"), "")
    return first.startswith("---") or re.fullmatch(r"[\w.-]+:(?:\s.*)?", first) is not None


def _check_groups(found: Inventory, units: Mapping[str, str], file: str) -> None:
    groups = {name: len(found.members(name)) for name in found.groups if name not in _EVERYONE}
    if not units:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(groups.items()) if count)
        message = f"which groups are units? There are {listed or 'none'}"
        raise ConfigError([Problem(file, 1, 1, "", message, "write --map GROUP=UNIT for each that is one")])
    wrong = [name for name in units if name not in found.groups]
    if wrong:
        raise ConfigError(
            Problem(file, 1, 1, f"--map {name}", f'there is no group "{name}"', did_you_mean(name, groups))
            for name in wrong
        )


def _place(
    host: Host, found: Inventory, units: Mapping[str, str], members: Mapping[str, set[str]],
    made: Mapping[str, Item],
) -> bool:  # fmt: skip
    """Put a host into the unit of the first mapped group it is in; tell whether there is one."""
    mine = [group for group in units if host.name in members[group]]
    if not mine:
        return False
    unit = made[units[mine[0]]]
    variables = found.variables(host)
    notes = [f"also in {units[group]}" for group in mine[1:] if units[group] != units[mine[0]]]
    key = unique(slug(host.name, "host"), (each.data["id"] for each in unit.inner))
    data: dict[str, Any] = {"id": key, "kind": "host", "name": host.name}
    data["address"] = _plain(_first(variables, _HOST), notes) or host.name
    tags = [group for group in found.groups_of(host.name) if group not in units and group not in _EVERYONE]
    login = _login(variables, notes)
    data["tags"] = list(dict.fromkeys([*(["managed"] if login else []), *filter(None, map(slug, tags))]))
    if login:
        data["ssh"] = login
    notes += _secrets(variables)
    unit.inner.append(Item({k: v for k, v in data.items() if v}, host.at, notes=notes))
    return True


def _first(variables: Mapping[str, Value], names: Iterable[str]) -> Value | None:
    return next((variables[name] for name in names if name in variables), None)


def _plain(value: Value | None, notes: list[str]) -> str:
    """Return a variable's text; a template of Ansible's can't be known here."""
    if value is None:
        return ""
    text = "" if value.data is None else str(value.data)
    if "{{" in text:
        notes.append(f"a template of Ansible: {text}")
        return ""
    return text


def _login(variables: Mapping[str, Value], notes: list[str]) -> dict[str, Any]:
    connection = variables.get("ansible_connection")
    if connection is not None and str(connection.data) in _NO_SSH:
        notes.append(f"ansible_connection is {connection.data}: no ssh")
        return {}
    user = _plain(_first(variables, _USER), notes)
    key = _plain(_first(variables, _KEY), notes)
    if not user:
        return {}
    name = slug(posixpath.basename(key).replace(".", "-")) if key else f"ssh-{slug(user, 'user')}"
    notes.append(f"the private key {key or 'of ' + user} goes into the secret {name}")
    found: dict[str, Any] = {"user": user}
    port = _plain(_first(variables, _PORT), notes)
    if port and port != "22":
        found["port"] = int(port) if port.isdecimal() else port
    return {**found, "key": f"secret:{name}"}


def _secrets(variables: Mapping[str, Value]) -> list[str]:
    """Name the variables that hold secrets, and where: their values are not imported."""
    names = [name for name in variables if name in SECRET_KEYS or _SECRET.search(name.casefold())]
    return [
        f'{name} ({variables[name].at.text}) is left out: write "secret:NAME" and store it under that name'
        for name in names
        if name not in _KEY
    ]
