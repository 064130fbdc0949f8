"""How far a replica of OpenLDAP is behind, by `contextCSN`: when the last changes were made that it has."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

_CSN = re.compile(r"(\d{14})\.(\d{6})Z#[0-9a-f]{6}#([0-9a-f]{3})#[0-9a-f]{6}")


def changes(values: Iterable[str]) -> dict[str, float]:
    """Return by server id when its last change was made (seconds since the epoch), from `contextCSN`.

    The form is OpenLDAP's: time, count, server id and number of the change (draft-chu-ldap-csn).
    """
    found: dict[str, float] = {}
    for match in filter(None, map(_CSN.fullmatch, values)):
        try:
            at = dt.datetime.strptime(match[1], "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
        except ValueError:
            continue
        found[match[3]] = at.timestamp() + int(match[2]) / 1e6
    return found


def lag(own: dict[str, float], reference: dict[str, float]) -> float | None:
    """Return by how many seconds the last changes are behind, None where they can't be compared."""
    if not reference or not reference.keys() <= own.keys():
        return None
    return max(max(0.0, at - own[server]) for server, at in reference.items())
