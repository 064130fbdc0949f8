"""s3 against moto's server: round trips, rights, versions, lists, and what a broken-off run leaves."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from probes.api import Context, Outcome, Reading
from probes.middleware import s3 as module
from probes.middleware._s3 import Bucket, Page
from probes.middleware._s3_answers import Thing
from tests.probes.middleware.watched import MARKER, run_watched
from tests.probing import run_once, shared_here
from tests.servers.certificates import Authority
from tests.servers.hostile import endless, garbage, says, silent, tcp_server
from tests.servers.ports import closed_port
from tests.servers.s3 import Account, Store, s3_store, secured

DOCUMENTED = (
    (["s3:ListBucket", "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration"], ["arn:aws:s3:::data*"]),
    (
        ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:DeleteObjectVersion"],
        ["arn:aws:s3:::data*/muster/*"],
    ),
)
"""The policy of docs/middleware.md."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with s3_store(tmp_path_factory.mktemp("s3")) as running:
        await asyncio.to_thread(_fill, running)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def monitor(store: Store) -> Account:
    return await store.account("monitor", *DOCUMENTED)


def _fill(running: Store) -> None:
    client = running.client()
    for bucket in ("data", "data-versions"):
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket="data-versions", VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_encryption(
        Bucket="data-versions",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    client.put_object(Bucket="data", Key="backup/2027 + 01.dump", Body=b"x" * 321)


async def _asked(store: Store, account: Account, /, **params: Any) -> Reading:
    given: dict[str, Any] = {
        "port": store.port,
        "tls": "off",
        "bucket": "data",
        "access_key": account.access_key,
    } | params
    async with shared_here(secrets={"key": account.secret_key}) as shared:
        return await run_once("s3", "127.0.0.1", shared=shared, secret_key="secret:key", **given)


async def test_a_round_trip(store: Store, monitor: Account) -> None:
    reading = await _asked(store, monitor, round_trip="muster/", size=1_000_000)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    trip = sum(reading.metrics[f"{phase}_ms"] for phase in ("put", "get", "delete"))
    assert reading.metrics["round_trip_ms"] == pytest.approx(trip)
    assert reading.facts["versioning"] == "off"
    assert reading.facts["encryption"] in ("none", "AES256")
    assert "not_told" not in reading.facts
    assert set(reading.phases) == {"resolve", "connect", "list", "settings", "sweep", "put", "get", "delete"}
    assert await store.keys("data") == ["backup/2027 + 01.dump"]
    assert {*reading.metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}


async def test_a_bucket_with_versions_keeps_none_of_a_round_trip(store: Store, monitor: Account) -> None:
    reading = await _asked(store, monitor, bucket="data-versions", round_trip="muster/", size=10)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.facts["versioning"], reading.facts["encryption"]) == ("enabled", "AES256")
    assert await store.keys("data-versions") == []


async def test_without_the_right_to_delete_a_version_it_says_so(store: Store) -> None:
    listing, (actions, on) = DOCUMENTED
    account = await store.account("no-versions", listing, (actions[:-1], on))
    reading = await _asked(store, account, bucket="data-versions", round_trip="muster/other/", size=10)
    assert reading.outcome is Outcome.OK
    assert "s3:DeleteObjectVersion (AccessDenied)" in reading.facts["not_told"]


async def test_the_newest_object(store: Store, monitor: Account) -> None:
    reading = await _asked(store, monitor, prefix="backup/")
    none = await _asked(store, monitor, prefix="other/")
    assert reading.metrics["objects"] == 1
    assert reading.metrics["newest_bytes"] == 321
    assert 0 <= reading.metrics["newest_age_s"] < 300
    assert reading.facts["newest"] == "backup/2027 + 01.dump"
    assert none.metrics["objects"] == 0
    assert "newest_age_s" not in none.metrics


async def test_a_list_goes_over_pages(
    store: Store, monitor: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        for number in range(7):
            store.client().put_object(Bucket="data", Key=f"many/{number}", Body=b"")

    def empty() -> None:
        for number in range(7):
            store.client().delete_object(Bucket="data", Key=f"many/{number}")

    await asyncio.to_thread(fill)
    monkeypatch.setattr(module, "PAGE", 2)
    try:
        whole = await _asked(store, monitor, prefix="many/")
        monkeypatch.setattr(module, "MAX_PAGES", 3)
        cut = await _asked(store, monitor, prefix="many/")
    finally:
        await asyncio.to_thread(empty)
    assert whole.metrics["objects"] == 7
    assert "objects" not in cut.metrics
    assert cut.facts["not_told"].startswith("objects, newest_age_s: over 6 objects")


async def test_a_wrong_key(store: Store, monitor: Account, caplog: pytest.LogCaptureFixture) -> None:
    ask: dict[str, Any] = {"port": store.port, "tls": "off", "bucket": "data", "secret_key": "secret:pw"}
    wrong = await run_watched(caplog, "s3", **ask, access_key=monitor.access_key)
    unknown = await run_watched(caplog, "s3", **ask, access_key="AKIAUNKNOWN")
    assert (wrong.outcome, wrong.kind) == (Outcome.ERROR, "auth")
    assert wrong.detail.startswith("wrong_password: HTTP 403 SignatureDoesNotMatch")
    assert (unknown.outcome, unknown.kind) == (Outcome.ERROR, "auth")
    assert unknown.detail.startswith("wrong_password: HTTP 403 InvalidAccessKeyId")


async def test_missing_rights(store: Store, monitor: Account) -> None:
    nothing = await store.account("nothing", (["s3:ListAllMyBuckets"], ["*"]))
    refused = await _asked(store, nothing)
    elsewhere = await _asked(store, monitor, round_trip="other/")
    only_list = await store.account("only-list", (["s3:ListBucket"], ["*"]))
    little = await _asked(store, only_list)
    assert (refused.outcome, refused.kind) == (Outcome.ERROR, "permission")
    assert refused.detail.startswith("missing_right: HTTP 403 AccessDenied")
    assert (elsewhere.kind, elsewhere.phase) == ("permission", "put")
    assert "list_ms" in elsewhere.metrics
    assert little.outcome is Outcome.OK
    assert "s3:GetBucketVersioning (AccessDenied)" in little.facts["not_told"]
    assert "versioning" not in little.facts


async def test_no_such_bucket(store: Store) -> None:
    reading = await _asked(store, store.admin, bucket="absent")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith("no_such_bucket: HTTP 404 NoSuchBucket")


async def test_tls_is_verified(store: Store, monitor: Account, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with secured(store.port, authority.issue("127.0.0.1")) as port:
        good = await _asked(store, monitor, port=port, tls="on", ca=str(authority.file))
        bad = await _asked(store, monitor, port=port, tls="on")
    assert (good.outcome, good.detail) == (Outcome.OK, "")
    assert good.metrics["tls_ms"] > 0
    assert (bad.outcome, bad.kind) == (Outcome.FAILED, "tls")


async def test_a_run_that_is_cancelled_leaves_nothing(
    store: Store, monitor: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, put = Bucket.ask, asyncio.Event()

    async def slow(self: Bucket, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "GET" and kwargs["phase"] == "get":
            put.set()
            await asyncio.sleep(60)
        return await ask(self, method, *args, **kwargs)

    monkeypatch.setattr(Bucket, "ask", slow)
    run = asyncio.create_task(_asked(store, monitor, bucket="data-versions", round_trip="muster/gone/"))
    async with asyncio.timeout(10):
        await put.wait()
    assert [key for key in await store.keys("data-versions") if key.startswith("muster/gone/")]
    run.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await run
    assert not [key for key in await store.keys("data-versions") if key.startswith("muster/gone/")]


async def test_what_a_killed_monitor_left_is_deleted(
    store: Store, monitor: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, other = f"muster/swept/muster-{'0' * 16}", "muster/swept/muster-report"

    def leave() -> None:
        for key in (left, other):
            store.client().put_object(Bucket="data", Key=key, Body=b"")

    await asyncio.to_thread(leave)
    young = await _asked(store, monitor, round_trip="muster/swept/", size=1)
    kept = await store.keys("data")
    monkeypatch.setattr(module, "STALE", dt.timedelta(seconds=-60))
    old = await _asked(store, monitor, round_trip="muster/swept/", size=1)
    assert (young.outcome, old.outcome) == (Outcome.OK, Outcome.OK)
    assert left in kept
    keys = await store.keys("data")
    assert left not in keys
    assert other in keys
    await asyncio.to_thread(lambda: store.client().delete_object(Bucket="data", Key=other))


def test_only_what_is_old_and_ours_is_stale() -> None:
    now = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
    own, young, other = f"p/muster-{'a' * 16}", f"p/muster-{'b' * 16}", "p/muster-2026"
    things = [
        Thing(own, 1, now - dt.timedelta(hours=2)),
        Thing(young, 1, now),
        Thing(other, 1, now.min.replace(tzinfo=dt.UTC)),
    ]
    assert module.stale(Page(things, "", now), "p/") == [own]
    assert module.stale(Page(things, "", None), "p/") == []


@contextlib.asynccontextmanager
async def _answering(answers: dict[tuple[str, str], web.Response]) -> AsyncIterator[int]:
    """Answer by method and path (`PUT /data/...` by its bucket), else with an empty list."""

    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        found = answers.get((request.method, request.query_string.partition("=")[0]))
        return web.Response(body=found.body, status=found.status) if found else web.Response(text=empty)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _error(code: str, status: int) -> web.Response:
    return web.Response(text=f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>", status=status)


@pytest.mark.parametrize(
    ("code", "status", "outcome", "kind", "word"),
    [
        ("XMinioStorageFull", 507, Outcome.FAILED, "expectation", "disk_full: "),
        ("QuotaExceeded", 403, Outcome.FAILED, "expectation", "disk_full: "),
        ("SlowDown", 503, Outcome.FAILED, "expectation", "busy: "),
        ("RequestTimeTooSkewed", 403, Outcome.ERROR, "inconclusive", "clock_skew: "),
        ("AuthorizationHeaderMalformed", 400, Outcome.ERROR, "prober_error", "wrong_region: "),
        ("InternalError", 500, Outcome.FAILED, "expectation", "HTTP 500 InternalError"),
    ],
)
async def test_refusals_that_moto_does_not_give(
    code: str, status: int, outcome: Outcome, kind: str, word: str
) -> None:
    """Recorded codes: full stores, throttling, skewed clocks and regions are not to be had of moto."""
    async with _answering({("PUT", ""): _error(code, status)}) as port:
        reading = await run_once("s3", "127.0.0.1", port=port, tls="off", bucket="data", round_trip="muster/")
    assert (reading.outcome, reading.kind) == (outcome, kind)
    assert reading.detail.startswith(word)
    assert reading.phase == "put"


async def test_another_object_comes_back() -> None:
    other = web.Response(body=b"x" * 10)
    async with _answering({("GET", ""): other, ("PUT", ""): web.Response()}) as port:
        reading = await run_once(
            "s3", "127.0.0.1", port=port, tls="off", bucket="data", round_trip="muster/", size=10
        )
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail == "round trip: 10 bytes were put, 10 bytes that differ came"


async def test_the_token_of_a_temporary_key_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = web.Response(
        text=f"<Error><Code>InvalidToken</Code><Message>{MARKER}?</Message></Error>", status=400
    )
    async with _answering({("GET", "encoding-type"): echo}) as port:
        reading = await run_watched(
            caplog, "s3", port=port, tls="off", bucket="data", access_key="a", secret_key="secret:pw",
            session_token="secret:pw",
        )  # fmt: skip
    assert reading.detail == "wrong_password: HTTP 400 InvalidToken: ***?"


async def test_nobody_listens() -> None:
    with closed_port() as port:
        reading = await run_once("s3", "127.0.0.1", port=port, tls="off", bucket="data")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "refused")


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (silent, "timeout"),
        (garbage, "protocol"),
        (endless, "protocol"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "protocol"),
        (says(b"HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\nhello"), "permission"),
    ],
)
async def test_servers_that_are_something_else(handler: Any, kind: str) -> None:
    async with tcp_server(handler) as port, shared_here() as shared:
        context = Context(shared, 1.0)
        reading = await run_once(
            "s3", "127.0.0.1", context=context, timeout=1.0, shared=shared, port=port, tls="off", bucket="b"
        )
    assert reading.kind == kind
