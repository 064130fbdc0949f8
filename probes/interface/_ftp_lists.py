"""What lists of FTP servers say of files: MLSD (RFC 3659), `ls -l`, and the two ways of Windows.

aioftp reads all but the list of IIS, which is read here.
"""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from aioftp.client import BasicListInfo

from probes.interface._store import Entry

_IIS = re.compile(
    r"(?P<date>\d\d-\d\d-(?:\d\d){1,2}) +(?P<time>\d\d:\d\d[AP]M) +(?P<size><DIR>|\d{1,18}) +(?P<name>.+)",
    re.ASCII,
)


def of_iis(b: bytes) -> tuple[PurePosixPath, BasicListInfo]:
    """Return path and facts of a line as IIS writes it: `01-15-27  06:00AM   12 a.csv`. Raises ValueError."""
    found = _IIS.fullmatch(b.decode("utf-8").rstrip("\r\n"))
    if found is None:
        raise ValueError("no line of IIS")
    year = "%Y" if len(found["date"]) > 8 else "%y"
    at = time.strptime(f"{found['date']} {found['time']}", f"%m-%d-{year} %I:%M%p")
    kind = "dir" if found["size"] == "<DIR>" else "file"
    size = "0" if kind == "dir" else found["size"]
    modify = time.strftime("%Y%m%d%H%M00", at)
    return PurePosixPath(found["name"]), BasicListInfo(type=kind, size=size, modify=modify)


def file_of(path: PurePosixPath, facts: Mapping[str, Any], *, exact: bool) -> Entry | None:
    """Return the file that facts of a list speak of, None for a directory and whatever else."""
    size = str(facts.get("size", ""))
    if str(facts.get("type", "")).lower() != "file" or not size.isdecimal():
        return None
    return Entry(path.name, int(size), moment(str(facts.get("modify", ""))), exact)


def moment(text: str) -> float | None:
    """Return a time of RFC 3659 (`YYYYMMDDHHMMSS`, with a fraction or without) in seconds since the epoch."""
    whole, _, _ = text.partition(".")
    try:
        return float(calendar.timegm(time.strptime(whole, "%Y%m%d%H%M%S")))
    except ValueError:
        return None
