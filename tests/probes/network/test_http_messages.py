"""The parsers of `http` fed with anything, in any pieces."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import _http_body as content
from probes._http import MAX_HEAD, Response, request
from probes._patterns import found
from probes.errors import Inconclusive, ProtocolViolated
from tests.servers.hostile import OK

HEADS = [
    OK,
    b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 204 No\r\n",
    b"HTTP/1.1 100 C\r\n\r\n",
    b"HTTP/1.1 101 S\r\n",
    b"",
]
FIELDS = [
    b"Content-Length: 5\r\n", b"Content-Length: 4\r\n", b"Content-Length: x\r\n", b": n\r\n", b"X\r\n", b"",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b" folded\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
]  # fmt: skip
BODIES = [
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhel",
    b"ffffffffffffffff\r\n",
    b"0\r\nX: 1\r\n\r\n",
    b"\0" * 20,
    b"",
]
PIECES = st.lists(st.binary(max_size=60), max_size=20)
METHODS = st.sampled_from(["GET", "HEAD", "CONNECT"])


def _read(
    pieces: list[bytes], method: str = "GET", limit: int = 100, *, keep: bool = True
) -> Response | None:
    """Feed the pieces, then the end; return the response, or None for a violation of the protocol."""
    try:
        return _fed(Response(method, limit, keep=True), pieces)
    except ProtocolViolated:
        return None


def _fed(response: Response, pieces: list[bytes]) -> Response:
    for piece in pieces:
        response.feed(piece)
    response.end()
    return response


def _check(response: Response | None, limit: int = 100) -> None:
    if response is not None:
        assert response.done
        assert response.head_done
        assert 100 <= response.status <= 999
        assert len(response.body) == response.body_bytes <= limit


@given(PIECES, METHODS)
def test_anything_is_a_response_or_a_violation(pieces: list[bytes], method: str) -> None:
    _check(_read(pieces, method))


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


SHAPED = st.builds(
    lambda head, fields, end, body: head + b"".join(fields) + end + body,
    st.sampled_from(HEADS), st.lists(st.sampled_from(FIELDS), max_size=4),
    st.sampled_from([b"\r\n", b"\n", b""]), st.sampled_from(BODIES),
)  # fmt: skip
CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@given(SHAPED, CUTS, METHODS)
def test_the_pieces_do_not_matter(data: bytes, cuts: list[int], method: str) -> None:
    whole, pieced = _read([data], method), _read(_cut(data, cuts), method)
    _check(whole)
    assert (whole is None) is (pieced is None)
    if whole is not None and pieced is not None:
        assert (whole.status, whole.fields, whole.body) == (pieced.status, pieced.fields, pieced.body)


@given(SHAPED, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3), CUTS)
def test_damage_is_survived(data: bytes, damage: list[tuple[int, int]], cuts: list[int]) -> None:
    damaged = bytearray(data)
    for place, value in damage:
        if damaged:
            damaged[place % len(damaged)] = value
    _check(_read(_cut(bytes(damaged), cuts)))


@given(st.binary(max_size=300), CUTS, st.integers(0, 300))
def test_a_body_comes_through_whole_or_cut_at_the_limit(body: bytes, cuts: list[int], limit: int) -> None:
    data = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
    response = _read(_cut(data, cuts), limit=limit)
    assert response is not None
    assert response.body == body[:limit]
    assert response.truncated is (len(body) > limit)


@given(st.binary(min_size=1, max_size=300), CUTS)
def test_a_body_in_chunks(body: bytes, cuts: list[int]) -> None:
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in _cut(body, cuts) if piece)
    response = _read([OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n"], limit=1000)
    assert response is not None
    assert response.body == body


@pytest.mark.parametrize(
    ("answer", "violation"),
    [
        (b"", "closed before a response"),
        (OK + b"X: ", "closed amid the header fields"),
        (OK + b"Content-Length: 9\r\n\r\nshort", "closed amid the body, after 5 bytes"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "closed amid the body, after 3 bytes"),
        (b"SSH-2.0-x\r\n", "no valid HTTP response"),
        (OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n", "no valid HTTP response"),
        (OK + b"X: y\r\n" * 300 + b"\r\n", "more than 256 header fields"),
        (b"HTTP/1.1 100 C\r\n\r\n" * 9, "more than 8 interim responses"),
        (OK + b"X" * (MAX_HEAD + 1), "more than 65536 bytes and no end"),
    ],
)
def test_violations_say_what_is_wrong(answer: bytes, violation: str) -> None:
    with pytest.raises(ProtocolViolated, match=violation):
        _fed(Response("GET", 100, keep=True), [answer[at : at + 4096] for at in range(0, len(answer), 4096)])


def test_what_follows_a_response_is_not_looked_at() -> None:
    response = _read([OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n"])
    assert response is not None
    assert (response.status, bytes(response.body)) == (200, b"ok")


def test_a_request() -> None:
    assert (
        request("POST", "/a", [("Host", "x")], b"hi")
        == b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    )


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "x-gzip"]))
def test_unpacking_anything(data: bytes, encoding: str) -> None:
    try:
        body, _ = content.unpacked(data, encoding, 1000)
    except ProtocolViolated:
        return
    assert len(body) <= 1000


def test_a_bomb_is_cut() -> None:
    body, cut = content.unpacked(gzip.compress(bytes(10_000_000)), "gzip", 1000)
    assert (len(body), cut) == (1000, True)
    assert content.unpacked(zlib.compress(b"ok"), "deflate", 1000) == (b"ok", False)


@given(st.binary(max_size=100), st.text(max_size=30))
def test_any_body_is_text(body: bytes, content_type: str) -> None:
    assert isinstance(content.text_of(body, f"text/html; charset={content_type}"), str)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["$", "$.a", "$..b", "$[0]", "$[*]", "$..*", "$[?@.a > 1]", "$.a[-1:]"]))
def test_any_document_under_any_path(document: Any, query: str) -> None:
    for value in content.values(content.parsed(json.dumps(document)), query):
        assert len(content.as_fact(value)) <= 2000
        assert content.same(value, value)
        number = content.as_number(value)
        assert number is None or isinstance(number, float)


@given(st.text(max_size=60))
def test_any_text_is_json_or_a_violation(text: str) -> None:
    try:
        content.parsed(text)
    except ProtocolViolated as violation:
        assert violation.detail.startswith("the body is no JSON")  # noqa: PT017 - no exception is fine, too


def test_true_is_not_one() -> None:
    assert not content.same(True, 1)
    assert content.same(1, 1.0)


def test_a_pattern_that_runs_away_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="took too long"):
        found("(a|aa)+$", "a" * 5000 + "!")
