"""An object store by the S3 API: can a bucket be listed, is something new in it, and does a round trip work?

Requests are signed (AWS Signature Version 4) and sent once. What a round trip puts is deleted again, as is
its version where the bucket keeps versions, also when the run is broken off; what a monitor that was killed
left behind, the next run deletes after an hour.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import secrets
from dataclasses import dataclass
from typing import Any

from probes import _http_body as content
from probes._leftovers import Leftovers
from probes._resolve import Address
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    TLS_MS,
    Notes,
    address_of,
)
from probes._web import Web
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import Ending, ExpectationFailed, ProtocolViolated
from probes.middleware._s3 import PAGE, Bucket, Page, S3Params, digest_of
from probes.middleware._s3_answers import Refusal, Thing, first, records
from probes.middleware._s3_sign import Key

MAX_PAGES = 20
OWN = re.compile(r"muster-[0-9a-f]{16}")
STALE = dt.timedelta(hours=1)
"""An object of a round trip that is older was left by a monitor that is no more."""
FUTURE = dt.timedelta(minutes=1)
"""How far ahead of the store's own time an object's may be."""
SWEPT = 10
"""Such objects deleted in a run."""
NO_ENCRYPTION = ("ServerSideEncryptionConfigurationNotFoundError", "NoSuchEncryptionConfiguration")


@dataclass(frozen=True, slots=True)
class _Run:
    """What one run works with."""

    target: Target
    address: Address
    params: S3Params
    key: Key | None
    notes: Notes
    bucket: Bucket


async def probe_s3(target: Target, params: S3Params, context: Context) -> Reading:
    """Ask for one bucket.

    Raises `OwnLoginFailed` (wrong_password), `PermissionMissing` (missing_right), `ExpectationFailed`
    (no_such_bucket, disk_full, busy, a round trip that differs), `Inconclusive` (clock_skew), `ProberFault`
    (wrong_region), and what a connection comes to.
    """
    notes, key = Notes(context), params.key(context)
    with notes.kept():
        address = await address_of(target, notes)
        async with Web(target, address, params.port_used, params, notes) as web:
            run = _Run(target, address, params, key, notes, Bucket(web, params, key))
            await _look(run)
            await _settings(run)
            if params.round_trip is not None:
                await _round_trip(run, params.round_trip)
    return notes.reading()


async def _look(run: _Run) -> None:
    """List: one object to see that it can be done, or all under the prefix to find the newest."""
    prefix = run.params.prefix
    page = await run.bucket.page(prefix or "", PAGE if prefix is not None else 1)
    if prefix is None:
        return
    things, pages = page.things, 1
    while page.token and pages < MAX_PAGES:
        page = await run.bucket.page(prefix, PAGE, page.token)
        things, pages = [*things, *page.things], pages + 1
    if page.token:
        run.notes.missing(f"objects, newest_age_s: over {len(things)} objects; give a longer prefix")
        return
    run.notes.metrics["objects"] = float(len(things))
    if things:
        _tell_newest(run.notes, max(things, key=lambda thing: thing.modified), page)


def _tell_newest(notes: Notes, newest: Thing, page: Page) -> None:
    notes.metrics["newest_bytes"] = float(newest.size)
    notes.facts["newest"] = newest.key
    if page.now is None:
        notes.missing("newest_age_s: the store does not tell its time")
    elif newest.modified > page.now + FUTURE:
        notes.missing("newest_age_s: the newest object is of the future, by the store's own clock")
    else:
        notes.metrics["newest_age_s"] = max(0.0, (page.now - newest.modified).total_seconds())


async def _settings(run: _Run) -> None:
    """Take what the bucket's settings say; a right that is missing costs just that."""
    for what, right, read in (
        ("versioning", "s3:GetBucketVersioning", versioning),
        ("encryption", "s3:GetEncryptionConfiguration", encryption),
    ):
        answer = await run.bucket.ask("GET", query=[(what, "")], phase="settings")
        refused = await run.bucket.refused(answer)
        run.notes.facts["server"] = answer.field("server")
        found = read(bytes(answer.body)) if refused is None else None
        if refused is not None and refused.code in NO_ENCRYPTION:
            found = "none"
        if found is not None:
            run.notes.facts[what] = found
        elif refused is not None:
            run.notes.missing(f"{what}: {right} ({_why(refused)})")
        else:
            run.notes.missing(f"{what}: the store answers something else")


def _why(refused: Refusal) -> str:
    return refused.code or f"HTTP {refused.status}"


def versioning(body: bytes) -> str | None:
    """Return enabled, suspended or off, or None for what is no answer to GetBucketVersioning."""
    try:
        name, children = records(body)[-1]
    except ProtocolViolated:
        return None
    return children.get("Status", "off").lower() if "Versioning" in name else None


def encryption(body: bytes) -> str | None:
    """Return the algorithm, or None for what is no answer to GetBucketEncryption."""
    try:
        return first(records(body), "ApplyServerSideEncryptionByDefault").get("SSEAlgorithm")
    except ProtocolViolated:
        return None


async def _round_trip(run: _Run, prefix: str) -> None:
    await _sweep(run, prefix)
    run.notes.context.phase = "put"
    name, body = f"{prefix}muster-{secrets.token_hex(8)}", await _random(run.params.size)
    written = Written(name)
    try:
        await _exchanged(run, written, body)
    finally:
        if not written.gone:
            run.notes.context.shared.get(Leftovers).remove(_delete_later(run, written))
    trip = sum(run.notes.phases[phase] for phase in ("put", "get", "delete"))
    run.notes.metrics["round_trip_ms"] = trip


@dataclass(slots=True)
class Written:
    """The object of a round trip, its version where the bucket keeps versions, and whether it is gone."""

    name: str
    version: str = ""
    gone: bool = False


async def _exchanged(run: _Run, written: Written, body: bytes) -> None:
    """Put, get and delete. Raises `ExpectationFailed` where another object comes back."""
    bucket = run.bucket
    answer = await bucket.ask("PUT", written.name, body=body, phase="put")
    written.gone = 400 <= answer.status < 500
    await bucket.good(answer)
    written.version = answer.fields.get("x-amz-version-id", "")[:1024]
    answer = await bucket.ask("GET", written.name, phase="get", limit=len(body) + 1)
    await bucket.good(answer)
    got = bytes(answer.body)
    same = len(got) == len(body) and await content.bounded(len(got), _same, got, body)
    if not same:
        raise ExpectationFailed(f"round trip: {len(body)} bytes were put, {len(got)} bytes that differ came")
    await _deleted(bucket, written, run.notes)
    written.gone = True


async def _deleted(bucket: Bucket, written: Written, notes: Notes) -> None:
    """Delete the object: its version, or where that right is missing, the object as others see it."""
    if written.version and written.version != "null":
        answer = await bucket.ask(
            "DELETE", written.name, query=[("versionId", written.version)], phase="delete"
        )
        refused = await bucket.refused(answer)
        if refused is None:
            return
        notes.missing(
            f"the version that the round trip wrote stays: s3:DeleteObjectVersion ({_why(refused)})"
        )
    await bucket.good(await bucket.ask("DELETE", written.name, phase="delete"))


async def _delete_later(run: _Run, written: Written) -> None:
    notes = Notes(Context(run.notes.context.shared, 5.0))
    async with Web(run.target, run.address, run.params.port_used, run.params, notes) as web:
        await _deleted(Bucket(web, run.params, run.key), written, notes)


async def _sweep(run: _Run, prefix: str) -> None:
    """Delete what a monitor that was killed amid a round trip left behind."""
    try:
        page = await run.bucket.page(f"{prefix}muster-", PAGE, phase="sweep")
        for name in stale(page, prefix)[:SWEPT]:
            await run.bucket.good(await run.bucket.ask("DELETE", name, phase="sweep"))
    except ProtocolViolated:
        raise
    except Ending as ending:
        run.notes.missing(f"objects left by a monitor that was killed: {ending.detail[:200]}")


def stale(page: Page, prefix: str) -> list[str]:
    """Return the keys of round trips that were broken off over an hour before the store's own time."""
    if page.now is None:
        return []
    old = [thing.key for thing in page.things if page.now - thing.modified > STALE]
    return [key for key in old if OWN.fullmatch(key.removeprefix(prefix))]


def _same(got: bytes, body: bytes) -> bool:
    return digest_of(got) == digest_of(body)


async def _random(size: int) -> bytes:
    work: Any = os.urandom
    return await content.bounded(size, work, size)


PROBE = ProbeSpec(
    name="s3",
    family="middleware",
    summary="A bucket of an object store (S3 API): listing, the newest object, settings, put-get-delete.",
    params=S3Params,
    run=probe_s3,
    metrics=(
        CONNECT_MS, TLS_MS,
        MetricDef("list_ms", "ms", "lower", 0.001, "Listing the bucket."),
        MetricDef("settings_ms", "ms", "lower", 0.001, "Asking for versioning and encryption."),
        MetricDef("sweep_ms", "ms", "lower", 0.001, "Looking for what broken-off round trips left."),
        MetricDef("put_ms", "ms", "lower", 0.001, "Putting the object."),
        MetricDef("get_ms", "ms", "lower", 0.001, "Getting it back."),
        MetricDef("delete_ms", "ms", "lower", 0.001, "Deleting it."),
        MetricDef("round_trip_ms", "ms", "lower", 0.001, "Put, get (SHA-256 equal) and delete."),
        MetricDef("objects", "count", "none", 1, "Objects under `prefix`."),
        MetricDef("newest_age_s", "s", "lower", 1, "Age of the newest object under `prefix`, by the store's "
                  "own clock; none where there is no object."),
        MetricDef("newest_bytes", "bytes", "none", 1, "Its size."),
    ),
    facts=(
        FactDef("server", help="The Server field."),
        FactDef("versioning", help="enabled, suspended or off."),
        FactDef("encryption", help="The bucket's default: AES256, aws:kms..., or none."),
        FactDef("newest", help="Key of the newest object under `prefix`."),
        ADDRESS,
        NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "list", "settings", "sweep", "put", "get", "delete"),
    kinds=KINDS,
    default_timeout=15.0,
)  # fmt: skip
