"""The parser: what was changed shows, what is malformed is refused, and nothing breaks it."""

from __future__ import annotations

import base64
import json
import zipfile
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.bundles import bundle
from monitor.bundles.bundle import NotTaken, made, read
from monitor.bundles.clocks import clock_of
from probes.api import Outcome, Reading

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
AT = 1_795_500_000.0
HEAD: dict[str, Any] = {
    "gate": "go-live", "unit": "hall", "unit_digest": "sha256:" + "0" * 64, "checklists": [], "version": "1",
    "vantage": "site:hall", "host": "laptop", "actor": "li", "clock": {"offset_s": 0.25, "check": "a/b/ntp"},
    "started_at": AT, "finished_at": AT + 9, "nonce": "ab" * 16,
}  # fmt: skip


def reading(check: str = "hall/pc1/icmp", **more: Any) -> Reading:
    found = Reading(Outcome.OK, metrics={"rtt_ms": 12.5}, facts={"name": "前台"}, phases={"send": 1.0})
    found.check, found.at, found.vantage = check, AT + 1, "check"
    for name, value in more.items():
        setattr(found, name, value)
    return found


def text(*readings: Reading, **head: Any) -> str:
    return made({**HEAD, **head}, readings or (reading(),), KEY)


def code(given: str) -> str:
    with pytest.raises(NotTaken) as caught:
        read(given)
    return caught.value.code


def test_what_is_made_is_read() -> None:
    found = read(text())
    [one] = found.readings
    assert (one.metrics, one.facts, one.at, one.vantage) == (
        {"rtt_ms": 12.5},
        {"name": "前台"},
        AT + 1,
        "site:hall",
    )
    assert found.key == bundle.public(KEY.public_key())
    assert found.manifest.clock.offset_s == 0.25


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_shows(data: st.DataObject) -> None:
    whole = text(reading(), reading("hall/pc1/tcp"))
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda each: each != whole[place]))
    assert code(whole[:place] + other + whole[place + 1 :]) in ("tampered", "malformed")


def test_lines_left_out_swapped_or_of_another_bundle_show() -> None:
    one, two = (
        text(reading(), reading("hall/pc1/tcp")).splitlines(True),
        text(reading(at=AT + 2)).splitlines(True),
    )
    for lines in (
        [one[0], one[1], one[3]],
        [one[0], one[2], one[1], one[3]],
        [one[0], *two[1:2], one[2], one[3]],
    ):
        assert code("".join(lines)) == "tampered"
    assert code("".join([two[0], *two[1:2], one[3]])) == "tampered"


def test_another_key_on_the_same_manifest_does_not_fit() -> None:
    lines = text().splitlines(True)
    last = json.loads(lines[-1])
    last["key"] = bundle.public(Ed25519PrivateKey.generate().public_key())
    assert code("".join([*lines[:-1], json.dumps(last) + "\n"])) == "tampered"


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused(given_text: str) -> None:
    assert code(given_text) in ("malformed", "tampered")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(key=st.sampled_from([*HEAD, "more"]), value=JSON)
@settings(max_examples=200, deadline=None)
def test_a_signed_manifest_of_anything_is_read_or_refused(key: str, value: Any) -> None:
    """Whoever has a key may sign what they like: it is malformed, or it is a bundle."""
    raw = json.loads(text().splitlines()[0])
    head = json.dumps({**raw, key: value}) + "\n"
    whole = signed(head, text().splitlines(True)[1:-1])
    try:
        assert read(whole).manifest.model_dump(by_alias=True)[key] == value
    except NotTaken as error:
        assert error.code in ("malformed", "tampered")  # noqa: PT017 - either is right


def signed(head: str, lines: list[str]) -> str:
    signature = KEY.sign(bundle._message(bundle._digest(head)))
    last = {"key": bundle.public(KEY.public_key()), "signature": base64.b64encode(signature).decode()}
    return "".join([head, *lines, json.dumps(last) + "\n"])


def row(line: str) -> str:
    """Return a bundle whose one reading is this line, signed."""
    raw = json.loads(text().splitlines()[0])
    raw |= {"readings": 1, "readings_digest": bundle._digest(line + "\n")}
    return signed(json.dumps(raw) + "\n", [line + "\n"])


GOOD = text().splitlines()[1]


@pytest.mark.parametrize(
    "line",
    [
        GOOD.replace("12.5", "1e999"), GOOD.replace("12.5", "NaN"), GOOD.replace("12.5", "-Infinity"),
        GOOD.replace("12.5", "9" * 5000), GOOD.replace('"outcome":"ok"', '"outcome":"READY"'),
        GOOD.replace('"kind":""', '"kind":"","kind":"x"'), GOOD.replace('"kind"', '"path"'),
        GOOD.replace('{"rtt_ms":12.5}', "[" * 50_000 + "]" * 50_000), GOOD.replace("1795500001.0", "-1"),
        GOOD.replace("1795500001.0", "1e300"), GOOD.replace('"metrics":{', '"vantage":"hub","metrics":{'),
        GOOD.replace('{"rtt_ms":12.5}', json.dumps({f"m{i}": 1 for i in range(3000)})), "[]", "",
        GOOD.replace("12.5", '"12.5"'), GOOD.replace("12.5", "true"),
    ],
)  # fmt: skip
def test_a_signed_reading_that_is_none_is_malformed(line: str) -> None:
    assert code(row(line)) == "malformed"


def test_a_good_line_is_a_reading() -> None:
    assert len(read(row(GOOD)).readings) == 1


def test_duplicates_and_sizes() -> None:
    assert code(text(reading(), reading())) == "malformed"
    assert code("x" * (bundle.MOST_BYTES + 1)) == "malformed"
    assert code("{}\n" * (bundle.MOST_READINGS + 3)) == "malformed"
    lines = text().splitlines(True)
    assert code("".join([lines[0], " " * bundle.MOST_LINE + lines[1], lines[2]])) == "malformed"


def test_an_archive_is_no_bundle() -> None:
    """There is nothing to unpack: a bomb, or a name that climbs out, does nothing."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/cron.d/x", "0" * 10_000_000)
    assert code(packed.getvalue().decode("latin-1")) == "malformed"


@pytest.mark.parametrize("name", ["../x", "a b", "", "x" * 41, "hub\n"])
def test_a_vantage_is_a_plain_name(name: str) -> None:
    assert code(text(vantage=f"site:{name}")) == "malformed"
    assert code(text(vantage="hub")) == "malformed"


def ntp(
    check: str, offset_ms: float, delay_ms: float, stratum: float = 2, name: str = "offset_ms"
) -> Reading:
    return reading(check, metrics={name: offset_ms, "delay_ms": delay_ms, "stratum": stratum})


def test_the_clock_is_that_of_the_nearest_server() -> None:
    checks = frozenset({"a/b/ntp", "c/d/ntp"})
    near, far = ntp("a/b/ntp", 250, 2), ntp("c/d/ntp", 300, 40)
    assert clock_of([far, near], checks).model_dump() == {"offset_s": 0.25, "check": "a/b/ntp"}
    assert clock_of([ntp("a/b/ntp", 9000, 2, name="offset_unsynchronised_ms")], checks).offset_s == 9.0
    assert clock_of([near, ntp("c/d/ntp", 5000, 40)], checks).offset_s is None, "they disagree"
    assert clock_of([ntp("a/b/ntp", 1, 2, stratum=16)], checks).offset_s is None
    assert clock_of([ntp("x/y/icmp", 1, 2)], checks).offset_s is None, "no time server"
    assert clock_of([], checks).offset_s is None
