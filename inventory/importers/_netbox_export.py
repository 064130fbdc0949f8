"""What an export of NetBox holds: its objects by kind, from answers of the REST API saved as JSON.

https://netboxlabs.com/docs/netbox/integrations/rest-api/ . Files hold an answer (`{"count": ..., "results":
[...]}`), a list of objects, one object, or several of these by name (`{"sites": [...], "devices": [...]}`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inventory.importers.delimited import content
from inventory.importers.draft import Line
from inventory.problems import ConfigError, Problem

KINDS = (
    "regions", "sites", "devices", "virtual-machines", "interfaces", "ip-addresses", "circuits",
    "circuit-terminations",
)  # fmt: skip
MAX_BYTES = 256 * 1024 * 1024
_URL = re.compile(r"/api/[a-z-]+/([a-z-]+)/\d+/?$")
Object = dict[str, Any]


@dataclass(slots=True)
class Export:
    """Objects by kind and by NetBox's id, and the files they came from."""

    objects: dict[str, dict[int, Object]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    files: dict[tuple[str, int], str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def all(self, kind: str) -> Iterable[Object]:
        """Return all objects of a kind, in the order of the files."""
        return self.objects[kind].values()

    def origin(self, kind: str, found: Object) -> Line:
        """Return where an object came from."""
        number = found.get("id", 0)
        name = text(found, "name") or text(found, "cid") or text(found, "address")
        return Line(self.files.get((kind, number), "NetBox"), 0, f"{kind} {number} {name}".strip())


def load(paths: Sequence[Path]) -> Export:
    """Return what the files hold. Raises ConfigError for one that can't be read."""
    export = Export()
    for path in _files(paths):
        try:
            data = json.loads(content(path, MAX_BYTES))
        except (ValueError, RecursionError) as error:
            at = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
            message, hint = "no JSON", "save the API's answer as it is: curl .../api/dcim/sites/?limit=0"
            raise ConfigError([Problem(path.name, *at, "", message, hint)]) from None
        _take(export, data, path.stem, path.name)
    return export


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.glob("*.json")) if path.is_dir() else (path,)


def _take(export: Export, data: Any, name: str, file: str, depth: int = 0) -> None:
    if isinstance(data, dict) and "results" in data:
        if data.get("next"):
            message = "one page of several: `next` is not null, so objects are missing"
            hint = "save all of them: ?limit=0, or every page"
            export.problems.append(Problem(file, 1, 1, name, message, hint))
        data = data["results"]
    if isinstance(data, list):
        for each in data:
            if isinstance(each, dict):
                _add(export, each, name, file)
    elif isinstance(data, dict) and isinstance(data.get("id"), int):
        _add(export, data, name, file)
    elif isinstance(data, dict) and depth < 4:
        for key, value in data.items():
            if isinstance(value, list | dict):
                _take(export, value, str(key), file, depth + 1)


def _add(export: Export, found: Object, name: str, file: str) -> None:
    kind, number = _kind(found, name), found.get("id")
    if kind not in export.objects:
        export.left_out[kind] = export.left_out.get(kind, 0) + 1
    elif not isinstance(number, int):
        export.problems.append(Problem(file, 1, 1, name, f"an object of {kind} without a number as its id"))
    else:
        export.objects[kind].setdefault(number, found)
        export.files.setdefault((kind, number), file)


def _kind(found: Object, name: str) -> str:
    """Return what an object is: by its own address in the API, else by the name of its list or file."""
    if at := _URL.search(text(found, "url")):
        return at[1]
    plain = name.casefold().replace("_", "-")
    return next((kind for kind in sorted(KINDS, key=len, reverse=True) if plain.endswith(kind)), plain)


def within(found: Any, *steps: str) -> Any:
    """Return what is inside an object, None where it is not there."""
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def text(found: Any, *steps: str) -> str:
    """Return a text inside an object, empty where there is none."""
    value = within(found, *steps)
    return value.strip() if isinstance(value, str) else ""


def objects(found: Any, key: str) -> list[Object]:
    """Return a list of objects inside an object, empty where there is none."""
    value = within(found, key)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(found: Any, *steps: str) -> int:
    """Return a whole number inside an object, 0 where there is none."""
    value = within(found, *steps)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def choice(found: Any, key: str) -> str:
    """Return a choice: NetBox writes `{"value": "active", "label": "Active"}`, older ones a bare text."""
    return (text(found, key, "value") or text(found, key, "label") or text(found, key)).casefold()
