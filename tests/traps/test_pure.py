"""What is decided of traps without any: kinds, rates, settings, and bytes of anybody."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.traps import engine
from monitor.traps.admission import BURST, Admission, Bucket, plain
from monitor.traps.engine import Engine, User
from monitor.traps.kinds import ALL, ASKING, kind
from monitor.traps.settings import TrapSettings
from tests.run.jobs import job


@pytest.mark.parametrize(
    ("oid", "expected"),
    [
        ("1.3.6.1.6.3.1.1.5.1", "cold_start"),
        ("1.3.6.1.6.3.1.1.5.2", "warm_start"),
        ("1.3.6.1.6.3.1.1.5.4", "link_up"),
        ("1.3.6.1.2.1.33.2.1", "ups_on_battery"),
        ("1.3.6.1.2.1.33.2.0.1", "ups_on_battery"),
        ("1.3.6.1.2.1.33.2.3", "ups"),
        ("1.3.6.1.4.1.318.0.5", "ups_on_battery"),
        ("1.3.6.1.4.1.318.0.9", "ups"),
        ("1.3.6.1.4.1.3180.1", "other"),
        ("1.3.6.1.4.1.2011.6.174.2.1", "ups"),
        ("", "other"),
    ],
)
def test_kinds(oid: str, expected: str) -> None:
    assert kind(oid) == expected
    assert expected in ALL


def test_what_asks() -> None:
    assert sorted(ASKING) == ["cold_start", "link_down", "link_up", "ups", "ups_on_battery", "warm_start"]


@given(st.lists(st.floats(0, 5), max_size=60), st.floats(0.5, 20))
def test_a_bucket_gives_no_more_than_its_rate(pauses: list[float], rate: float) -> None:
    bucket, now, given_out = Bucket(rate, max(1.0, rate * BURST), 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now)
    assert given_out <= max(1.0, rate * BURST) + rate * now + 1e-6


def test_addresses_in_any_way_of_writing() -> None:
    assert plain("::ffff:10.0.0.1") == plain("10.0.0.1") == "10.0.0.1"
    assert plain("[FE80::1%eth0]") == "fe80::1"
    assert plain("router.example") is None
    admission = Admission(1, 10, 0.0)
    jobs = [
        job("gz/a/icmp", address="10.0.0.1"),
        job("gz/a/tcp", address="10.0.0.1"),
        job("gz/b/x", address="10.0.0.1"),
    ]
    admission.adopt([*jobs, job("gz/c/x", address="name.example")])
    assert admission.assets == {"10.0.0.1": ("gz/a", "gz/b")}
    assert [admission.reason("10.0.0.1", 100, 0.0) for _ in range(5)] == [""] * 4 + ["source_rate"]
    assert admission.reason("10.0.0.1", 100_000, 9.0) == "too_large"
    assert admission.reason("10.0.0.2", 100, 9.0) == "unknown_source"
    admission.adopt([])
    assert not admission._sources


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"listen": "127.0.0.1:1162"}, "somebody to believe"),
        ({"listen": ":1162", "communities": ["secret:c"]}, "address:port"),
        ({"listen": "1162", "communities": ["secret:c"]}, "address:port"),
        ({"listen": "127.0.0.1:1162", "communities": ["public"]}, "inline password"),
        ({"users": [{"user": "a", "engine_ids": [], "auth": "SHA1", "auth_key": "secret:a"}]}, "engine_ids"),
        ({"users": [{"user": "u", "engine_ids": ["80"], "auth": "MD5", "auth_key": "secret:k"}]}, "engine_"),
        ({"users": [{"user": "a", "engine_ids": ["0x8000000001"]}]}, "auth"),
        ({"users": [{"user": "a", "engine_ids": ["8000000001"], "auth": "SHA1", "auth_key": "secret:a",
                     "priv": "AES128"}]}, "priv and priv_key"),
        ({"queue": 0}, "queue"),
    ],
)  # fmt: skip
def test_settings_that_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        TrapSettings.model_validate(settings)
    assert "public" not in str(caught.value)


ENGINE = Engine(["sesam"], [User("ops", ("8000000001020304",), "SHA256", "a-pass-phrase", None, None)])


@given(st.binary(max_size=400))
def test_bytes_of_anybody_are_malformed_or_refused(data: bytes) -> None:
    assert ENGINE.read(data, ("192.0.2.1", 162)) in (("", "malformed"), ("", "refused"))


TRAP = bytes.fromhex(
    "30440201010405736573616da738020409e3b45b020100020100302a300f06082b0601020101030043035e5aaf"
    "3017060a2b06010603010104010006092b0601060301010503"
)
"""A linkDown as snmptrap sends it."""


@given(st.data())
def test_a_trap_in_which_bytes_are_changed_ends_well(data: st.DataObject) -> None:
    trap = bytearray(TRAP)
    for _ in range(data.draw(st.integers(0, 4))):
        trap[data.draw(st.integers(0, len(trap) - 1))] = data.draw(st.integers(0, 255))
    oid, reason = ENGINE.read(bytes(trap), ("192.0.2.1", 162))
    assert (not oid and reason in ("malformed", "refused")) or (oid and not reason)


def test_the_engine_is_made_anew_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RENEWED", 3)
    own = Engine(["sesam"], [])
    built, start = own._engine, time.monotonic()
    answers = {own.read(TRAP, ("192.0.2.1", 162)) for _ in range(5)}
    assert own._engine is not built
    assert answers == {("1.3.6.1.6.3.1.1.5.3", "")}
    assert time.monotonic() - start < 10
