"""Prometheus' text formats, against the parser and the writer of prometheus-client."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from probes._exposition import MAX_LINE, Malformed, Scan, parse_sample, selector

NAME = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True)
LABEL = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True).filter(lambda n: n != "__name__")
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('"\\\n{},= #'), max_size=20)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _line(name: str, labels: dict[str, str], value: float) -> str:
    body = ",".join(f'{k}="{_escaped(v)}"' for k, v in labels.items())
    shown = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))
    return f"{name}{{{body}}} {shown}" if labels else f"{name} {shown}"


@given(NAME, st.dictionaries(LABEL, TEXT, max_size=4), st.floats(), st.none() | st.integers(0, 2**42))
def test_what_is_written_is_read(name: str, labels: dict[str, str], value: float, at: int | None) -> None:
    line = _line(name, labels, value) + ("" if at is None else f" {at}")
    found, found_labels, sample = parse_sample(line)
    assert (found, found_labels, sample.at) == (name, labels, at)
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@given(NAME, st.dictionaries(LABEL, TEXT, max_size=4), st.floats(allow_nan=False))
def test_as_prometheus_client_reads_it(name: str, labels: dict[str, str], value: float) -> None:
    line = _line(name, labels, value)
    families = list(text_string_to_metric_families(line + "\n"))
    theirs = families[0].samples[0]
    ours, our_labels, sample = parse_sample(line)
    assert (ours, our_labels, sample.value) == (theirs.name, dict(theirs.labels), theirs.value)


@given(st.text(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_pieces_make_no_difference_and_no_text_a_crash(text: str, cuts: list[int]) -> None:
    text = f"# HELP a b\na 1\n{text}"

    def scanned(pieces: list[str]) -> object:
        scan = Scan(frozenset({selector("a")}))
        try:
            for piece in pieces:
                scan.feed(piece)
            return scan.close()
        except Malformed as error:
            return str(error)

    places = [0, *sorted(min(c, len(text)) for c in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert scanned(pieces) == scanned([text])


@pytest.mark.parametrize(
    ("text", "line", "fits"),
    [
        ("a", "a 1", True),
        ("a", 'a{x="1"} 1', True),
        ('a{x="1"}', 'a{x="1",y="2"} 1', True),
        ('a{x="1"}', 'a{x="2"} 1', False),
        ('a{x!="1"}', "a 1", True),
        ('a{x=""}', "a 1", True),
        ('a{x=~"1|2"}', 'a{x="2"} 1', True),
        ('a{x=~"1"}', 'a{x="11"} 1', False),
        ('a{x!~"lo|veth.*"}', 'a{x="veth12"} 1', False),
        ('a { x = "}" , y="b" }', 'a{x="}",y="b"} 1', True),
    ],
)
def test_selectors(text: str, line: str, fits: bool) -> None:
    scan = Scan(frozenset({selector(text)}))
    scan.feed(line + "\n")
    assert bool(scan.close()) is fits


@pytest.mark.parametrize(
    "text", ["", "1a", "a{", 'a{x="1"', "a{x=1}", 'a{x~"1"}', 'a{x=~"("}', "a b", "a{x}"]
)
def test_a_bad_selector_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"no selector|no label matcher|no regular expression"):
        selector(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("<html><body>", "not in Prometheus' text format"),
        ("\x00\x01\x02", "not in Prometheus' text format"),
        ("# HELP x\na one\n", "no sample"),
        ('a{x="1} 1\n', "no label"),
        ("a{x=1} 1\n", "no label"),
        ("a 1.2.3\n", "no number"),
        ("# x\n" + "y" * (MAX_LINE + 1), "a line is longer"),
    ],
)
def test_what_is_no_exposition(text: str, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        _scanned(text)


def _scanned(text: str) -> None:
    scan = Scan(frozenset({selector("a")}))
    scan.feed(text)
    scan.close()


def test_open_metrics_that_breaks_off() -> None:
    whole = '# TYPE a gauge\na 1 # {trace="x"} 1 2\n# EOF\n'
    scan = Scan(frozenset({selector("a")}), open_metrics=True)
    scan.feed(whole)
    assert scan.close()[selector("a")][0].value == 1
    broken = Scan(frozenset({selector("a")}), open_metrics=True)
    broken.feed(whole.removesuffix("# EOF\n"))
    with pytest.raises(Malformed, match="before its # EOF"):
        broken.close()


@pytest.mark.parametrize(
    "line",
    [
        "a1" + "1" * 60_000 + "x",
        "a{" + "}1" * 30_000,
        "a{" + '\\"' * 30_000,
        "a " + "1" * 60_000 + "x",
        "a" + " " * 60_000 + "x",
    ],
)
@pytest.mark.timeout(5)
def test_a_hostile_line_costs_little(line: str) -> None:
    with pytest.raises(Malformed):
        parse_sample(line)
