"""`http` against nginx and against servers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import re
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from probes._http_params import HttpParams, statuses
from probes.api import Context, Outcome, Reading
from probes.network.http import PROBE
from tests.probes.network.busy import busy_loop
from tests.probing import run_once, shared_here
from tests.servers.hostile import OK, says, tcp_server
from tests.servers.nginx import Nginx, nginx

READY = "准备就绪"


@pytest_asyncio.fixture
async def web(tmp_path: Path) -> AsyncIterator[Nginx]:
    async with nginx(tmp_path) as running:
        yield running


async def _get(web: Nginx, path: str = "/", host: str = "127.0.0.1", **params: Any) -> Reading:
    return await run_once("http", host, port=web.plain, path=path, **params)


async def _answered(answer: bytes, **params: Any) -> Reading:
    async with tcp_server(says(answer)) as port:
        return await run_once("http", "127.0.0.1", port=port, **params)


def _ok(body: bytes, *fields: bytes) -> bytes:
    return (
        OK + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_plain(web: Nginx, host: str) -> None:
    reading = await _get(web, host=host, body_matches="is here", body_lacks=["Exception", "Traceback"])
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert list(reading.phases) == ["resolve", "connect", "first_byte", "transfer"]
    assert reading.metrics["total_ms"] == pytest.approx(sum(reading.phases.values()))
    assert (reading.metrics["status"], reading.metrics["body_bytes"]) == (200, 15)
    assert reading.facts["server"].startswith("nginx/")
    assert reading.facts["address"] == host
    assert set(reading.metrics) <= {item.name for item in PROBE.metrics}
    assert set(reading.facts) <= {item.name for item in PROBE.facts}


async def test_https(web: Nginx) -> None:
    reading = await run_once(
        "http", "127.0.0.1", scheme="https", port=web.secure, ca=str(web.authority.file), host="localhost"
    )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["cert_days_left"] == pytest.approx(90, abs=0.1)
    assert reading.metrics["tls_ms"] > 0
    assert reading.facts["tls_version"] == "TLSv1.3"
    assert reading.facts["url"] == f"https://localhost:{web.secure}/"


async def test_a_certificate_nobody_signed_is_a_tls_failure(web: Nginx) -> None:
    reading = await run_once("http", "127.0.0.1", scheme="https", port=web.secure)
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "tls")
    assert reading.detail == "certificate: unable to get local issuer certificate"
    unverified = await run_once("http", "127.0.0.1", scheme="https", port=web.secure, verify=False)
    assert unverified.outcome is Outcome.OK


async def test_redirects_on_the_same_host_are_followed(web: Nginx) -> None:
    reading = await _get(web, "/moved")
    assert (reading.outcome, reading.metrics["redirects"]) == (Outcome.OK, 1)
    up = await _get(web, "/up", ca=str(web.authority.file))
    assert (up.outcome, up.facts["url"]) == (Outcome.OK, f"https://127.0.0.1:{web.secure}/")


async def test_a_redirect_elsewhere_is_never_followed(web: Nginx) -> None:
    reading = await _get(web, "/away")
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
    assert reading.detail.startswith(
        "redirects to http://other.example/, another host, which is not followed"
    )
    accepted = await _get(web, "/away", redirects=0, status=302)
    assert accepted.outcome is Outcome.OK


async def test_what_a_query_holds_is_not_shown() -> None:
    away = b"HTTP/1.1 302 F\r\nLocation: http://sso.example/in;jsessionid=1?ticket=s3cret\r\n\r\n"
    reading = await _answered(away, path="/start?key=s3cret")
    assert "s3cret" not in repr(reading)
    assert "jsessionid" not in repr(reading)
    assert "http://sso.example/in," in reading.detail


async def test_too_many_redirects(web: Nginx) -> None:
    reading = await _get(web, "/loop", redirects=3)
    assert reading.kind == "expectation"
    assert reading.detail.startswith("more than 3 redirects")


@pytest.mark.parametrize("location", [b"http://[", b"ftp://127.0.0.1/", b"http://127.0.0.1:99999/"])
async def test_a_redirect_to_nonsense(location: bytes) -> None:
    reading = await _answered(
        b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "protocol")
    assert "no address" in reading.detail


async def test_status(web: Nginx) -> None:
    reading = await _get(web, "/teapot")
    assert (reading.kind, reading.detail) == ("expectation", "status 418, expected 200-299")
    assert reading.metrics["status"] == 418
    assert (await _get(web, "/teapot", status=[200, "410-420"])).outcome is Outcome.OK
    assert (await _get(web, "/unavailable", status=503, body_matches="maintenance")).outcome is Outcome.OK


async def test_method_fields_and_body(web: Nginx) -> None:
    reading = await run_once(
        "http", "127.0.0.1", port=web.plain, path="/echo", method="POST", body="x", host="site.example",
        headers={"X-Test": "a b"}, body_matches=rf"^POST site\.example:{web.plain} a b muster$",
    )  # fmt: skip
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    head = await _get(web, method="HEAD")
    assert (head.outcome, head.metrics["body_bytes"]) == (Outcome.OK, 0)


async def test_logging_in_by_secrets_that_show_nowhere(web: Nginx) -> None:
    async with shared_here(secrets={"pw": "sesam", "tok": "tok-1"}) as shared:
        context = Context(shared, 5.0, trace=[])
        refused = await _get(web, "/login")
        basic = await _get(
            web,
            "/login",
            shared=shared,
            context=context,
            user="ops",
            password="secret:pw",
            body_matches="hello basic",
        )
        bearer = await _get(web, "/login", shared=shared, token="secret:tok", body_matches="hello bearer")
        missing = await _get(web, "/login", shared=shared, token="secret:gone")
    assert (refused.kind, basic.outcome, bearer.outcome) == ("expectation", Outcome.OK, Outcome.OK)
    assert (missing.outcome, missing.kind) == (Outcome.ERROR, "prober_error")
    shown = f"{basic!r} {context.trace!r}"
    assert "sesam" not in shown
    assert base64.b64encode(b"ops:sesam").decode() not in shown


async def test_a_server_that_says_credentials_again_does_not_bring_them_into_a_reading() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        (told,) = re.findall(rb"Authorization: (.*)\r", asked)
        writer.write(b"HTTP/1.1 200 OK\r\nServer: for " + told + b"\r\nContent-Type: x/" + told[-9:])
        writer.write(b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with tcp_server(echo) as port, shared_here(secrets={"t": "marker-77"}) as shared:
        good = await run_once("http", "127.0.0.1", port=port, shared=shared, token="secret:t")
        bad = await run_once("http", "127.0.0.1", port=port, shared=shared, token="secret:t", status=[204])
    assert (good.outcome, bad.kind) == (Outcome.OK, "expectation")
    assert good.facts["server"] == "for Bearer ***"
    assert "marker-77" not in f"{good!r} {bad!r}"


async def test_credentials_do_not_go_down_from_https_to_http(web: Nginx) -> None:
    seen: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(_ok(b""))
        await writer.drain()

    async with tcp_server(keep) as plain:
        down = b"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % plain
        pair = web.authority.issue("127.0.0.1", label="down")
        async with (
            tcp_server(says(down), tls=pair.server_context()) as port,
            shared_here(secrets={"t": "x1"}) as shared,
        ):
            reading = await run_once(
                "http", "127.0.0.1", scheme="https", port=port, ca=str(web.authority.file), shared=shared,
                token="secret:t",
            )  # fmt: skip
    assert reading.outcome is Outcome.OK
    assert b"Authorization" not in seen[0]


async def test_json(web: Nginx) -> None:
    reading = await _get(
        web, "/json", json_matches={"$.status": "UP"},
        extract={"used": "$.pool.used", "health": "$.status", "nodes": "$.nodes[*].n", "none": "$.gone"},
    )  # fmt: skip
    assert reading.outcome is Outcome.OK
    assert reading.metrics["used"] == 7
    assert (reading.facts["health"], reading.facts["nodes"]) == ("UP", '["a","b"]')
    assert "none" not in reading.metrics | reading.facts
    wrong = await _get(web, "/json", json_matches={"$.status": "DOWN"})
    assert (wrong.kind, wrong.detail) == ("expectation", "$.status is UP, expected DOWN")
    absent = await _get(web, "/json", json_matches={"$.gone": "DOWN"})
    assert absent.detail == "$.gone is nothing, expected DOWN"


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"[" * 100_000, b'{"a": NaN}', b"1" * 5000, b'"\xff\xfe', b'{"a": 1e999}', b"null"],
)
async def test_json_that_is_none_or_odd(body: bytes) -> None:
    reading = await _answered(_ok(body), json_matches={"$.a": 1}, extract={"a": "$.a"})
    assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")


async def test_numbers_no_double_can_hold_are_no_metric() -> None:
    reading = await _answered(_ok(b'{"a": %s, "b": true}' % (b"9" * 400)), extract={"a": "$.a", "b": "$.b"})
    assert (reading.outcome, reading.metrics["b"]) == (Outcome.OK, 1)
    assert "a" not in reading.metrics


async def test_body_patterns(web: Nginx) -> None:
    missing = await _get(web, body_matches="elsewhere")
    assert (missing.kind, missing.detail) == ("expectation", "the body does not match 'elsewhere'")
    unwanted = await _get(web, body_lacks="mus.er")
    assert (unwanted.kind, unwanted.detail) == ("expectation", "the body matches 'mus.er'")


async def test_reading_stops_at_the_limit_and_says_so(web: Nginx) -> None:
    reading = await _get(web, "/big", body_limit=100_000)
    assert (reading.outcome, reading.metrics["body_bytes"]) == (Outcome.OK, 100_000)
    assert reading.detail == "stopped after 100000 bytes of body"


@pytest.mark.parametrize("params", [{"body_matches": "y"}, {"body_lacks": "y"}, {"json_matches": {"$.a": 1}}])
async def test_what_lies_beyond_the_limit_is_not_known(web: Nginx, params: dict[str, Any]) -> None:
    reading = await _get(web, "/big", body_limit=100_000, **params)
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")


async def test_what_was_found_before_the_limit_holds(web: Nginx) -> None:
    assert (await _get(web, "/big", body_limit=1000, body_matches="^x+$")).outcome is Outcome.OK
    assert (await _get(web, "/big", body_limit=1000, body_lacks="x")).kind == "expectation"


async def test_a_pattern_that_would_run_away_is_stopped() -> None:
    reading = await _answered(_ok(b"a" * 3000 + b"!"), body_matches="(a|aa)+$")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert "took too long" in reading.detail


async def test_packed_bodies(web: Nginx) -> None:
    packed = await _get(web, "/gz", headers={"Accept-Encoding": "gzip"}, body_matches="^compressed page ")
    assert (packed.outcome, packed.detail) == (Outcome.OK, "")
    damaged = await _answered(_ok(b"no gzip", b"Content-Encoding: gzip"), body_matches="x")
    assert damaged.kind == "protocol"
    unknown = await _answered(_ok(b"?", b"Content-Encoding: br"), body_matches="x")
    assert (unknown.outcome, unknown.kind) == (Outcome.ERROR, "inconclusive")


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("gbk", "准备就绪".encode("gbk")),
        ("utf-8", "准备就绪".encode()),
        ("zlib", "准备就绪".encode()),
        ("", "准备就绪".encode()),
    ],
)
async def test_charsets(charset: str, raw: bytes) -> None:
    field = b"Content-Type: text/html; charset=" + charset.encode()
    assert (await _answered(_ok(raw, field), body_matches=f"^{READY}$")).outcome is Outcome.OK


async def test_interim_responses_are_passed_over() -> None:
    reading = await _answered(
        b"HTTP/1.1 103 Early Hints\r\nServer: early\r\n\r\n" + _ok(b"hello", b"Server: late")
    )
    assert (reading.outcome, reading.facts["server"]) == (Outcome.OK, "late")


async def test_a_proxy_only_where_the_check_names_one(web: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await _get(web)).outcome is Outcome.OK
    seen: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(_ok(b"from afar"))
        await writer.drain()

    async with tcp_server(proxy) as port:
        reading = await run_once(
            "http",
            "site.example",
            port=8080,
            path="/a?b=1",
            proxy=f"http://127.0.0.1:{port}",
            body_matches="afar",
        )
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert seen[0].startswith(b"GET http://site.example:8080/a?b=1 HTTP/1.1\r\nHost: site.example:8080\r\n")


async def test_https_goes_through_a_proxy_by_connect(web: Nginx) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % web.secure)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", web.secure)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        there = asyncio.create_task(relay(reader, far_writer))
        try:
            await relay(far_reader, writer)
        finally:
            there.cancel()
            far_writer.close()

    async with tcp_server(proxy) as port:
        reading = await run_once(
            "http", "localhost", scheme="https", port=web.secure, ca=str(web.authority.file),
            proxy=f"http://127.0.0.1:{port}",
        )  # fmt: skip
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 502 No\r\n\r\n", "inconclusive"),
        (b"HTTP/1.1 407 Who\r\n\r\n", "auth"),
        (b"", "inconclusive"),
    ],
)
async def test_a_proxys_fault_is_not_the_targets(answer: bytes, kind: str) -> None:
    async with tcp_server(says(answer)) as port:
        reading = await run_once("http", "x.example", scheme="https", proxy=f"http://127.0.0.1:{port}")
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, kind)


@pytest.mark.parametrize(
    ("params", "says_what"),
    [
        ({"status": "2xx"}, "no status code; write 200, or a range"),
        ({"status": "299-200"}, "no status code"),
        ({"status": []}, "at least 1"),
        ({"path": "no-slash"}, "pattern"),
        ({"path": "/a b"}, "pattern"),
        ({"headers": {"X": "a\r\nEvil: 1"}}, "pattern"),
        ({"headers": {"X Y": "a"}}, "pattern"),
        ({"headers": {"Host": "a"}}, "host is set by the probe"),
        ({"body_matches": "("}, "no regular expression"),
        ({"json_matches": {"nope": 1}}, "no JSONPath"),
        ({"extract": {"a": "$[?match(@.b, 'x+')]"}}, "no JSONPath"),
        ({"extract": {"status": "$.status"}}, "status is reported already"),
        ({"user": "me"}, "belong together"),
        ({"password": "hunter2", "user": "me"}, "inline password is refused"),
        ({"method": "HEAD", "body_matches": "x"}, "use GET"),
        ({"proxy": "proxy.example"}, "pattern"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_parameters_that_make_no_sense(params: dict[str, Any], says_what: str) -> None:
    with pytest.raises(ValidationError, match=says_what):
        HttpParams.model_validate(params)


def test_statuses() -> None:
    assert statuses(("200", "301-303")) == {200, 301, 302, 303}


def test_an_extracted_name_may_be_expected_and_any_other_may_not() -> None:
    assert PROBE.given({"extract": {"used": "$.used"}}).dynamic
    assert PROBE.given({"port": 80}) is PROBE
    assert not PROBE.dynamic


@pytest.mark.may_block
async def test_a_busy_loop_does_not_change_the_time_of_the_first_byte(web: Nginx) -> None:
    async def median() -> float:
        readings = [await _get(web, shared=shared) for _ in range(40)]
        return statistics.median(reading.metrics["first_byte_ms"] for reading in readings)

    async with shared_here() as shared:
        idle = await median()
        async with busy_loop():
            busy = await median()
    assert abs(busy - idle) < 1
