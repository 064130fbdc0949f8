"""Strict YAML: what values become, what is refused, and where it says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from inventory.problems import did_you_mean
from inventory.source import MAX_BYTES, ConfigError, Locator, Place, Problem, parse, read, validate


def data(text: str) -> Any:
    return parse(text.encode(), "f.yaml")[0].data


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("yes", "yes"),
        ("off", "off"),
        ("12:30:45", "12:30:45"),
        ("2027-01-15", "2027-01-15"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("10.1.2.3", "10.1.2.3"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("! 5", "5"),
        ("=", "="),
        ("٣", "٣"),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    found = data(f"a: {text}\n")["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(data("a: .nan")["a"])


def test_keys_are_text() -> None:
    found = data("1: a\ntrue: b\nnull: c\n2027-01-15: d\n010: e\n")
    assert found == {"1": "a", "true": "b", "null": "c", "2027-01-15": "d", "010": "e"}


def test_several_documents_and_empty_ones() -> None:
    documents = parse(b"a: 1\n---\n---\nb: 2\n...\n", "f.yaml")
    assert [document.data for document in documents] == [{"a": 1}, {"b": 2}]
    assert str(documents[1].problem(("b",), "wrong")) == "f.yaml:4:1: b: wrong"


def test_byte_order_mark() -> None:
    assert data("\ufeffa: 1\n") == {"a": 1}


def test_aliases_share() -> None:
    found = data("a: &x [1, 2]\nb: *x\nc: &y text\nd: *y\n")
    assert found["b"] is found["a"]
    assert found["d"] == "text"


def test_position_of_the_deepest_part_that_exists() -> None:
    document = parse("单位:\n  - {id: a, 名: x}\n  - id: b\n".encode(), "f.yaml")[0]
    assert str(document.problem(("单位", 0, "名"), "m", "s")) == "f.yaml:2:13: 单位[0].名: m; s"
    assert str(document.problem(("单位", 1, "nothing", 5), "m")) == "f.yaml:3:5: 单位[1].nothing[5]: m"
    assert str(document.problem((), "m")) == "f.yaml:1:1: m"
    assert str(document.problem(("单位", 9), "m")) == "f.yaml:1:1: 单位[9]: m"


def test_all_duplicates_at_once() -> None:
    assert problems("a: 1\na: 2\nb: {c: 1, c: [1, {d: 1, d: 2}]}\n") == [
        "f.yaml:2:1: a: duplicate key, first given in line 1; remove one of the two",
        "f.yaml:3:11: b.c: duplicate key, first given in line 3; remove one of the two",
        "f.yaml:3:25: b.c[1].d: duplicate key, first given in line 3; remove one of the two",
    ]


def test_deep_flow_ends_early() -> None:
    assert problems("[" * 100_000) == ["f.yaml:1:65: nested deeper than 64"]


def test_recursive_alias() -> None:
    assert problems("a: &x [*x]\n") == [
        'f.yaml:1:8: unknown anchor "x"; an anchor is defined before it is used'
    ]


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the file can't be read: no such file or directory"):
        read(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="the file can't be read: is a directory"):
        read(tmp_path)
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigError, match="the file is over 256 MiB; split it into a directory"):
        read(large)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: dict[str, Inner]
    either: Inner | list[Inner] | None = None


def test_validation_explains() -> None:
    document = parse(b"x:\n  inner:\n    one: {sise: 3, kind: c}\n  either: {size: x}\n", "f.yaml")[0]
    with pytest.raises(ConfigError) as caught:
        validate(document, Outer, ("x",))
    texts = [str(problem) for problem in caught.value.problems]
    assert texts[:3] == [
        "f.yaml:3:5: x.inner.one.size: a required key is missing",
        'f.yaml:3:11: x.inner.one.sise: unknown key; did you mean "size"?',
        'f.yaml:3:20: x.inner.one.kind: unknown value "c"; known are a, b',
    ]
    assert "f.yaml:4:12: x.either.size: must be a whole number" in texts


def test_locator_reads_again(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n---\nb:\n  - c\n")
    locator = Locator()
    assert locator.position(Place(str(file), 1, ("b", 0))) == f"{file}:4"
    gone = locator.problem(Place(str(tmp_path / "gone"), 0, ("x",)), "wrong")
    assert (gone.line, gone.key) == (1, "x")


def test_did_you_mean() -> None:
    assert did_you_mean("adress", ["address", "role"]) == 'did you mean "address"?'
    assert did_you_mean("HOST", ["host"]) == 'did you mean "host"?'
    assert did_you_mean("zzz", ["b", "a"]) == "known are a, b"
    assert did_you_mean("zzz", [str(i) for i in range(100)]) == ""
    assert did_you_mean("zzz", []) == ""


def test_problems_sort_by_place() -> None:
    found = ConfigError(
        [Problem("b", 1, 1, "", "m"), Problem("a", 2, 1, "", "m"), Problem("a", 2, 1, "", "m")]
    )
    assert [problem.file for problem in found.problems] == ["a", "b"]


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(content: bytes) -> None:
    assert _parsed_or_refused(content)


@given(st.text(alphabet=" \n\t-:{}[]&*!|>'\"#%@`,?~<=aA0.\\\u00e9中\r", max_size=80))
def test_any_punctuation_parses_or_is_refused(text: str) -> None:
    assert _parsed_or_refused(text.encode())


def _parsed_or_refused(content: bytes) -> bool:
    try:
        return bool(parse(content, "f.yaml"))
    except ConfigError as error:
        return bool(error.problems) and all(each.line >= 1 and each.column >= 1 for each in error.problems)


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"], exclude_characters="\ufeff"), max_size=12
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | FLOATS | TEXTS
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)


@given(PLAIN.filter(lambda value: value is not None))
def test_json_is_read_as_json(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if '"<<"' not in text:
        assert _same(data(text), value)


def _same(found: Any, value: Any) -> bool:
    if isinstance(value, dict):
        return list(map(str, found)) == list(value) and all(map(_same, found.values(), value.values()))
    if isinstance(value, list):
        return len(found) == len(value) and all(map(_same, found, value))
    return type(found) is type(value) and bool(found == value)
