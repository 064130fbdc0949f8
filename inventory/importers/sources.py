"""Which importer reads a file, and all files given together as one draft."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inventory.importers import ansible, delimited, netbox, table, xlsx
from inventory.importers.draft import Draft
from inventory.importers.table import Table
from inventory.models import Level
from inventory.problems import ConfigError, Problem

FORMS = ("table", "ansible", "netbox")
_TABLES = (".csv", ".tsv", ".txt", ".xlsx")
_OLD = {
    ".xls": "save it as .xlsx", ".xlsb": "save it as .xlsx", ".xlsm": "save it as .xlsx, without macros",
    ".ods": "save it as .xlsx", ".et": "save it as .xlsx", ".pdf": "export it as .xlsx or CSV",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What the formats that know no units are told."""

    groups: Mapping[str, str] = field(default_factory=dict)
    """Unit by group of Ansible."""
    level: Level = "hall"
    """Of units whose level can't be told."""


def read(paths: Sequence[Path], form: str = "", options: Options | None = None) -> Draft:
    """Return the draft of all files together; `form` is one of `FORMS`, else it goes by the names.

    Raises ConfigError for a file that can't be read at all; what is wrong inside is in the draft's problems.
    """
    options = options or Options()
    forms = {form or _form(path) for path in paths}
    if len(forms) > 1:
        names = ", ".join(sorted(forms))
        message, hint = f"files of several kinds at once: {names}", "import them one kind at a time"
        raise ConfigError([Problem(str(paths[0]), 1, 1, "", message, hint)])
    if forms == {"table"}:
        notes: list[str] = []
        draft = table.read(_tables(paths, notes))
        draft.notes[:0] = notes
        return draft
    if forms == {"ansible"}:
        return ansible.read(paths, options.groups, options.level)
    return netbox.read(paths, options.level)


def _form(path: Path) -> str:
    suffix = path.suffix.casefold()
    if suffix in _OLD:
        message = f"{suffix} files are not read"
        raise ConfigError([Problem(str(path), 1, 1, "", message, _OLD[suffix])])
    if suffix in _TABLES:
        return "table"
    if path.is_dir():
        return "netbox"
    return _form_of_json(path) if suffix == ".json" else "ansible"


def _form_of_json(path: Path) -> str:
    """Tell an export of NetBox from an Ansible inventory in JSON (`ansible-inventory --list`)."""
    try:
        data = json.loads(delimited.content(path))
    except ValueError:
        return "netbox"
    return "ansible" if isinstance(data, dict) and ("_meta" in data or "all" in data) else "netbox"


def _tables(paths: Sequence[Path], notes: list[str]) -> Iterator[Table]:
    for path in paths:
        if path.suffix.casefold() == ".xlsx":
            yield from xlsx.tables(path)
        else:
            found, encoding = delimited.table(path)
            if encoding:
                notes.append(f"{path.name}: read as {encoding}")
            yield found
