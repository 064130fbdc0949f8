"""What a refusal means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sinks.trouble import LONGEST_WAIT_S, Cause, trouble, wait

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
CONFLICT = json.dumps(
    {
        "code": "unprocessable entity",
        "message": "failure writing points to database: partial write: field type conflict: input field"
        ' "a" on measurement "m" is type float, already exists as type string dropped=1',
    }
)
ANSWERS = [
    (400, '{"code":"invalid","message":"unable to parse \'x\': missing fields"}', Cause.LINES),
    (422, CONFLICT, Cause.LINES),
    (422, '{"message":"partial write: points beyond retention policy dropped=3"}', Cause.LINES),
    (400, '{"error":"partial write of line protocol occurred","data":[{"line_number":2}]}', Cause.LINES),
    (400, '{"message":"bucket is required"}', Cause.REFUSED),
    (401, '{"code":"unauthorized","message":"unauthorized access"}', Cause.AUTH),
    (403, "", Cause.AUTH),
    (404, '{"code":"not found","message":"bucket \\"x\\" not found"}', Cause.MISSING),
    (413, "", Cause.TOO_LARGE),
    (429, "", Cause.THROTTLED),
    (500, '{"message":"write /var/lib/influxdb/wal: no space left on device"}', Cause.DISK_FULL),
    (500, "", Cause.SERVER),
    (502, "<html>", Cause.SERVER),
    (503, "", Cause.THROTTLED),
    (503, "storage is in read-only mode; check -storage.minFreeDiskSpaceBytes", Cause.DISK_FULL),
    (302, "", Cause.REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "cause"), ANSWERS)
def test_cause(status: int, body: str, cause: Cause) -> None:
    assert trouble(status, {}, body.encode(), ()).cause is cause


def test_lines_that_are_named_are_read() -> None:
    body = {
        "error": "partial write",
        "data": [{"line_number": 3, "error_message": "odd"}, {"line_number": 1}],
    }
    found = trouble(400, {}, json.dumps(body), ())
    assert found.lines == (1, 3)
    assert "odd" in found.text


def test_no_secret_is_in_the_text() -> None:
    found = trouble(401, {}, b"who is marker-token-5f2c?", ("marker-token-5f2c",))
    assert "marker" not in str(found)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("17", 17.0), ("99999", LONGEST_WAIT_S), ("-3", None), ("soon", None), (None, None),
        ("Tue, 24 Nov 2026 12:00:30 GMT", 30.0), ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0), ("1" * 100, None),
        ("Tue, 24 Nov 2027 12:00:30 GMT", LONGEST_WAIT_S), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert wait(value, NOW) == seconds


@given(st.integers(100, 599), st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_any_answer_is_some_trouble(status: int, body: str) -> None:
    found = trouble(status, {"Retry-After": body[:70]}, body.encode("utf-8", "replace"), ("secret",))
    assert len(found.text) <= 300
    assert found.text.isprintable()


@given(st.dictionaries(st.sampled_from(["message", "error", "data"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["line_number", "error_message"]), inner),
)))  # fmt: skip
def test_any_json_is_some_trouble(body: object) -> None:
    found = trouble(400, {}, json.dumps(body), ())
    assert all(number > 0 for number in found.lines)
