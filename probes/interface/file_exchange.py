"""File exchange with an outside system over SFTP, FTP or FTPS: a round trip, or a file that is to have come.

A round trip puts a file of random bytes with a name that only this run knows, finds it in the list, gets it
back, compares, and deletes it, also when the run is broken off. What a killed monitor left behind, the next
run deletes after an hour by the server's own clock, and nothing else. A file that is expected is read and
counted, never kept.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes import _http_body as content
from probes._driver import loaded
from probes._leftovers import LONGEST_S, Leftovers
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    LOGIN_MS,
    NOT_TOLD,
    TLS_MS,
    Notes,
    Port,
    ServiceParams,
    address_of,
    bare,
)
from probes._ssh import SshParams
from probes._zone import Zone
from probes.api import Bytes, Context, FactDef, MetricDef, ProbeSpec, Reading, Secret, Target
from probes.errors import ExpectationFailed, PermissionMissing
from probes.interface import _expected as expected
from probes.interface._sftp import sftp
from probes.interface._store import Absent, Entry, Store, joined

OWN = re.compile(r"muster-[0-9a-f]{16}")
STALE_S = 3600.0
"""A file of a round trip that is older was left by a monitor that is no more."""
SWEPT = 10
"""Such files deleted in a run."""
FUTURE_S = 60.0
"""How far ahead of the monitor's clock the server's may be."""
ROUND = ("put", "list", "get", "delete")
Account = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\r\n\x00]+$")]


class FileExchangeParams(ServiceParams):
    """Parameters of `file_exchange`."""

    mode: Literal["round_trip", "expected"]
    """Whether to write and read back, or to look for a file that is to have come."""
    protocol: Literal["sftp", "ftp"] = "sftp"
    """What the server speaks; FTPS is `ftp` with `tls: on`."""
    implicit: bool = False
    """FTPS with TLS from the start (port 990), in place of AUTH TLS."""
    port: Port | None = None
    """By default 22, 21 or 990."""
    user: Account
    """The account."""
    password: Secret | None = None
    """Its password."""
    key: Secret | None = None
    """SFTP: the private key's text, in OpenSSH or PEM form."""
    passphrase: Secret | None = None
    """SFTP: what the private key is encrypted with."""
    directory: Annotated[str, Field(max_length=500, pattern=r"^[^\r\n\x00-][^\r\n\x00]*$")] | None = None
    """Round trip: the directory that it may write to."""
    size: Annotated[Bytes, Field(ge=1, le=16_777_216)] = 1_000_000
    """Round trip: bytes to put."""
    file: expected.PathPattern | None = None
    """Expected: the file, with the day as %Y%m%d (strftime); of several that * and ? name, the newest."""
    by: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "06:00"
    """Expected: time of day by which it is to come; until then, that of the day before is looked for."""
    timezone: Zone | None = None
    """Expected: zone of `by` and of the day; by default the unit's."""
    days: Annotated[int, Field(ge=-31, le=31)] = 0
    """Expected: the day in the name, seen from the day on which it is to come; -1 is the day before."""
    header_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Expected: lines at the beginning that are no records."""
    trailer_lines: Annotated[int, Field(ge=0, le=1000)] = 0
    """Expected: lines at the end that are no records."""
    control: expected.Control | None = None
    """Expected: what the sender says of the file."""
    max_size: Annotated[Bytes, Field(ge=1, le=1_073_741_824)] = 67_108_864
    """Expected: longest file that is read."""

    @model_validator(mode="after")
    def _fits(self) -> FileExchangeParams:
        if self.mode == "round_trip" and self.directory is None:
            raise ValueError("mode round_trip needs a directory that it may write to")
        if self.mode == "expected" and self.file is None:
            raise ValueError("mode expected needs a file")
        if self.protocol == "sftp" and (self.tls == "on" or self.implicit):
            raise ValueError("sftp is encrypted without tls; write protocol: ftp for FTPS")
        if self.implicit and self.tls == "off":
            raise ValueError("implicit needs tls: on")
        if self.protocol == "ftp" and (self.key or not self.password):
            raise ValueError("ftp needs a password, and takes no key")
        if self.protocol == "sftp" and not (self.key or self.password):
            raise ValueError("sftp needs a key or a password")
        return self

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        return self.port or (22 if self.protocol == "sftp" else 990 if self.implicit else 21)


async def probe_file_exchange(target: Target, params: FileExchangeParams, context: Context) -> Reading:
    """Go there and back, or look for the file that is due.

    Raises `ExpectationFailed` (what came back differs, the file is not there or not what its control file
    says, disk_full, tls_required), `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right),
    `Inconclusive` (a file over `max_size`), `MissingDriver`, and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        async with _store(target, params, notes) as store:
            if params.mode == "round_trip":
                await _round_trip(target, params, store, notes)
            else:
                zone = params.timezone or target.timezone
                await _expect(params, params.file or "", zone, store, notes)
    return notes.reading()


@asynccontextmanager
async def _store(target: Target, params: FileExchangeParams, notes: Notes) -> AsyncIterator[Store]:
    """Log in to the server."""
    if params.protocol == "sftp":
        login = SshParams(
            user=params.user,
            port=params.port_used,
            key=params.key,
            passphrase=params.passphrase,
            password=params.password,
        )
        most = params.size if params.mode == "round_trip" else params.max_size + expected.CONTROL_BYTES
        async with sftp(target, login, notes, most) as files:
            yield files
        return
    ftp = await loaded("probes.interface._ftp", "ftp")
    address = await address_of(target, notes)
    tls = await params.context() if params.tls == "on" else None
    name = params.server_name or bare(target.address)
    place = ftp.Place(address, params.port_used, name, tls, params.implicit)
    assert params.password is not None
    async with ftp.ftp(place, notes, params.user, notes.context.shared.secret(params.password)) as files:
        yield files


@dataclass(slots=True)
class _Trip:
    """One round trip: its file, and whether that is gone."""

    target: Target
    params: FileExchangeParams
    directory: str
    name: str
    gone: bool = False

    @property
    def path(self) -> str:
        """Where the file is."""
        return joined(self.directory, self.name)


async def _round_trip(target: Target, params: FileExchangeParams, store: Store, notes: Notes) -> None:
    """Go there and back. Raises `ExpectationFailed` where something else comes back."""
    trip = _Trip(target, params, params.directory or ".", f"muster-{secrets.token_hex(8)}")
    body = await content.bounded(params.size, os.urandom, params.size)
    try:
        listed = await _there_and_back(trip, store, body)
    finally:
        if not trip.gone:
            notes.context.shared.get(Leftovers).remove(_delete_later(trip, notes.context))
    deleting = notes.metrics["delete_ms"]
    notes.metrics["round_trip_ms"] = sum(notes.metrics[f"{phase}_ms"] for phase in ROUND)
    await _sweep(trip, store, listed, notes)
    notes.metrics["delete_ms"] = deleting


async def _there_and_back(trip: _Trip, store: Store, body: bytes) -> list[Entry]:
    try:
        await store.put(trip.path, body)
    except (Absent, PermissionMissing):
        trip.gone = True
        raise
    listed = await store.names(trip.directory)
    size = next((entry.size for entry in listed if entry.name == trip.name), None)
    if size != len(body):
        where = "not in the list" if size is None else f"in the list with {size}"
        raise ExpectationFailed(f"round trip: a file of {len(body)} bytes was put and is {where}")
    got = hashlib.sha256()
    await store.get(trip.path, got.update, len(body))
    if got.digest() != await content.bounded(len(body), _digest, body):
        raise ExpectationFailed(f"round trip: {len(body)} bytes were put, and others came back")
    await store.delete(trip.path)
    trip.gone = True
    return listed


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def _delete_later(trip: _Trip, context: Context) -> None:
    notes = Notes(Context(context.shared, LONGEST_S))
    async with _store(trip.target, trip.params, notes) as store:
        await store.delete(trip.path)


async def _sweep(trip: _Trip, store: Store, listed: list[Entry], notes: Notes) -> None:
    """Delete what a monitor that was killed amid a round trip left behind."""
    try:
        for name in stale(trip.name, listed)[:SWEPT]:
            await store.delete(joined(trip.directory, name))
    except (Absent, PermissionMissing, ExpectationFailed) as ending:
        notes.missing(f"files left by a monitor that was killed: {ending.detail[:200]}")


def stale(own: str, listed: list[Entry]) -> list[str]:
    """Return the files of round trips that are over an hour older than `own`, all by the server's clock."""
    now = next((entry.modified for entry in listed if entry.name == own), None)
    if now is None:
        return []
    return [
        entry.name
        for entry in listed
        if OWN.fullmatch(entry.name) and entry.modified is not None and now - entry.modified > STALE_S
    ]


async def _expect(params: FileExchangeParams, file: str, zone: str, store: Store, notes: Notes) -> None:
    """Find the file that is due, count it, and hold it against what its sender says."""
    moment = expected.due(dt.datetime.now(dt.UTC), dt.time.fromisoformat(params.by), zone)
    notes.facts["due"] = moment.isoformat()
    directory, entry = await _found(params, file, moment, store, notes)
    _tell(entry, moment, notes)
    algorithm = params.control.algorithm if params.control else "sha256"
    read = expected.Content(algorithm)
    await store.get(joined(directory, entry.name), read.feed, params.max_size)
    read.finish()
    records = read.lines - params.header_lines - params.trailer_lines
    notes.facts["sha256"] = read.sha256
    notes.metrics |= {"size_bytes": float(read.size), "records": float(max(0, records))}
    if records < 0:
        raise ExpectationFailed(f"{entry.name} has {read.lines} lines, fewer than its head and its trailer")
    if params.control is not None:
        text, where = await _control_text(params.control, moment, params.days, read, store)
        announced = expected.count_of(expected.said(params.control.count, text, where), where)
        if announced is not None:
            notes.metrics |= {"announced": float(announced), "records_missing": float(announced - records)}
        digest = expected.said(params.control.digest, text, where)
        expected.agree(records, announced, read.digest, digest, entry.name)


async def _found(
    params: FileExchangeParams, file: str, moment: dt.datetime, store: Store, notes: Notes
) -> tuple[str, Entry]:
    """Return the file that is due. Raises `ExpectationFailed` where it is not there."""
    directory, name = expected.named(file, moment, params.days)
    try:
        if not expected.is_pattern(name):
            entry = await store.entry(joined(directory, name))
            notes.metrics["files"] = 1.0
            return directory, entry
        found = expected.matching(name, await store.names(directory))
        notes.metrics["files"] = float(len(found))
        if found:
            return directory, await store.entry(joined(directory, found[-1].name))
    except Absent as absent:
        notes.context.log(absent.detail)
    by = moment.strftime(f"%Y-%m-%d %H:%M {moment.tzinfo}")
    raise ExpectationFailed(f"not_there: no {joined(directory, name)}, which was to come by {by}")


def _tell(entry: Entry, moment: dt.datetime, notes: Notes) -> None:
    notes.facts["file"] = entry.name
    if entry.modified is None:
        notes.missing("age_s, late_s: the server does not tell when the file was written (MDTM)")
        return
    notes.metrics["late_s"] = entry.modified - moment.timestamp()
    age = time.time() - entry.modified
    if age < -FUTURE_S:
        notes.missing("age_s: the file is of the future; the server's clock or ours is wrong")
    else:
        notes.metrics["age_s"] = max(0.0, age)


async def _control_text(
    control: expected.Control, moment: dt.datetime, days: int, read: expected.Content, store: Store
) -> tuple[str, str]:
    """Return what the sender says, and where."""
    if control.file is None:
        return read.last.decode("utf-8", "replace"), "the last line"
    directory, name = expected.named(control.file, moment, days)
    path, text = joined(directory, name), bytearray()
    try:
        await store.get(path, text.extend, expected.CONTROL_BYTES)
    except Absent:
        raise ExpectationFailed(f"not_there: no control file {path}") from None
    return text.decode("utf-8", "replace"), f"the control file {name}"


PROBE = ProbeSpec(
    name="file_exchange",
    family="interface",
    summary="File exchange over SFTP, FTP or FTPS: put, list, get, delete; or a file by a time of day.",
    params=FileExchangeParams,
    run=probe_file_exchange,
    metrics=(
        CONNECT_MS, TLS_MS,
        MetricDef("handshake_ms", "ms", "lower", 0.001, "SFTP: exchange of keys."),
        LOGIN_MS,
        MetricDef("put_ms", "ms", "lower", 0.001, "Putting the file."),
        MetricDef("list_ms", "ms", "lower", 0.001, "Listing the directory, or asking for the file."),
        MetricDef("get_ms", "ms", "lower", 0.001, "Getting the file."),
        MetricDef("delete_ms", "ms", "lower", 0.001, "Deleting it."),
        MetricDef("round_trip_ms", "ms", "lower", 0.001, "Put, list, get (SHA-256 equal) and delete."),
        MetricDef("files", "count", "none", 1, "Files of that name, or that the pattern names."),
        MetricDef("size_bytes", "bytes", "none", 1, "Size of the expected file."),
        MetricDef("age_s", "s", "lower", 1, "Its age, by the server's time of it and the monitor's clock."),
        MetricDef("late_s", "s", "lower", 1, "How long after the time at which it was due it was written, "
                  "negative before, by the server's clock."),
        MetricDef("records", "count", "none", 1, "Lines that are not blank, without head and trailer."),
        MetricDef("announced", "count", "none", 1, "Records that the sender says there are."),
        MetricDef("records_missing", "count", "lower", 1, "Announced, less those that are there."),
    ),
    facts=(
        FactDef("server", help="FTP: the greeting."),
        FactDef("due", "datetime", help="When the expected file was due."),
        FactDef("file", help="Name of the expected file."),
        FactDef("sha256", help="Its SHA-256."),
        ADDRESS,
        NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "handshake", "login", "put", "list", "get", "delete"),
    kinds=(*KINDS, "missing_driver"),
    default_every=900.0,
    default_timeout=30.0,
)  # fmt: skip
