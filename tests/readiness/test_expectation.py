"""The language of `expect`: every form, every refusal, and its algebra."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.paths import shipped
from monitor.readiness import regexes, requirement, versions
from monitor.readiness.checklists import load_calendars
from monitor.readiness.conditions import Compare, Statistic, conjunction, disjunction
from monitor.readiness.expectation import Condition, Definition, ExpectationError, Truth, parse
from probes.api import FactDef, MetricDef

RTT = MetricDef("rtt_ms", unit="ms", better="lower")
RATE = MetricDef("tcp_up_bps", unit="bit/s", better="higher")
LOSS = MetricDef("loss_pct", unit="%", better="lower")
SIZE = MetricDef("memory", unit="bytes")
PCT = MetricDef("used", unit="%")
TEXT = FactDef("charset")
VERSION = FactDef("version", type="version")
WHEN = FactDef("not_after", type="datetime")
CALENDARS = load_calendars([shipped("config") / "calendars"])
PASS, FAIL, UNKNOWN = Truth.PASS, Truth.FAIL, Truth.UNKNOWN
truths = st.sampled_from(Truth)
finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)


@pytest.mark.parametrize(
    ("raw", "metric", "value", "truth"),
    [
        ("<= 40", RTT, 40.0, PASS),
        ("<= 40", RTT, 40.1, FAIL),
        ("<=40ms", RTT, 39.0, PASS),
        ("<= 0.04 s", RTT, 40.0, PASS),
        ("< 1 min", RTT, 59_999.0, PASS),
        (">= 8 GiB", SIZE, 8 * 2.0**30, PASS),
        (">= 8 GB", SIZE, 7.9e9, FAIL),
        ("!= 0", RTT, 0.0, FAIL),
        ("== 5", RTT, 5.0, PASS),
        (200, RTT, 200.0, PASS),
        ("200", RTT, 201.0, FAIL),
        ("between 18 and 27", PCT, 18.0, PASS),
        ("between 18 % and 27 %", PCT, 27.0, PASS),
        ("between 18 and 27", PCT, 27.01, FAIL),
        ("in [1, 2]", RTT, 2.0, PASS),
        ("in [1, 2]", RTT, 3.0, FAIL),
        ("<= 40", RTT, None, UNKNOWN),
        ("<= 40", RTT, math.nan, UNKNOWN),
        ("<= 40", RTT, math.inf, UNKNOWN),
        ("<= 40", RTT, "fast", UNKNOWN),
        ("UTF8", TEXT, "UTF8", PASS),
        ("UTF8", TEXT, "UTF8MB4", FAIL),
        ("Vlan5", TEXT, "Vlan5554", FAIL),
        ("!= UTF8", TEXT, "GBK", PASS),
        ("== UTF8", TEXT, "GBK", FAIL),
        ("in [UTF8, GB18030]", TEXT, "GB18030", PASS),
        ('in ["UTF8", GB18030]', TEXT, "UTF8", PASS),
        ("in [UTF8, GB18030]", TEXT, "UTF", FAIL),
        ("contains GB", TEXT, "GB18030", PASS),
        ("contains gb", TEXT, "GB18030", FAIL),
        ("/^8\\./", TEXT, "8.0.36", PASS),
        ("/^8\\./", TEXT, "18.0", FAIL),
        ("/8/", TEXT, None, UNKNOWN),
        (">= 3", TEXT, "4", PASS),
        (">= 3", TEXT, "four", UNKNOWN),
        (True, TEXT, "true", PASS),
        (15, VERSION, "15", PASS),
        (">= 15.3", VERSION, "15.3 (Debian 15.3-1.pgdg120+1)", PASS),
        (">= 15.3", VERSION, "15.10", PASS),
        (">= 15.3", VERSION, "9.6", FAIL),
        ("<= 15", VERSION, "15.0.0", PASS),
        (">= 15", VERSION, "15rc1", FAIL),
        ("> 9.6p1", VERSION, "9.6p2", PASS),
        ("== 8.0.36", VERSION, "8.0.36+build5", PASS),
        (">= 15", VERSION, "unknown build", UNKNOWN),
        (">= 15", VERSION, "", UNKNOWN),
        (">= 15", VERSION, 15.0, UNKNOWN),
        (">= 2027-01-31", WHEN, "2027-02-01T00:00:00+08:00", PASS),
        (">= 2027-01-31", WHEN, "2027-01-30T23:00:00Z", FAIL),
        (">= 2027-01-31", WHEN, "soon", UNKNOWN),
        ("OK", None, "OK", PASS),
        ("7", None, 7.0, PASS),
        (7, None, 8.0, FAIL),
        ("<= 7", None, 6.0, PASS),
        ("!= 7", None, 7.0, FAIL),
        ({"all": [">= 1", "<= 5"]}, RTT, 3.0, PASS),
        ({"all": [">= 1", "<= 5"]}, RTT, 6.0, FAIL),
        ({"any": ["< 1", "> 5"]}, RTT, 6.0, PASS),
        ({"not": "> 5"}, RTT, 6.0, FAIL),
        ({"not": "> 5"}, RTT, None, UNKNOWN),
        ("<= requirement", RTT, 1.0, UNKNOWN),
        ({"p95": "<= 40", "over": "24h"}, RTT, 1.0, UNKNOWN),
    ],
)
def test_judges(raw: object, metric: Definition, value: float | str | None, truth: Truth) -> None:
    assert parse(raw, metric=metric).judge(value) is truth


@pytest.mark.parametrize(
    ("raw", "metric", "message"),
    [
        ("", RTT, "an empty expectation asserts nothing; write a condition"),
        (None, RTT, "an empty expectation asserts nothing"),
        ({}, RTT, "an empty mapping is no condition"),
        ({"all": []}, RTT, '"all" of nothing asserts nothing'),
        ({"any": "x"}, RTT, '"any" of nothing asserts nothing'),
        ("<=", RTT, 'nothing is compared with; write "<= 40"'),
        ("fast", RTT, 'not a duration: "fast"; write for example "5 min"'),
        ("<= 40 furlongs", RTT, '"furlongs" is no unit of a duration'),
        ("<= nan", RTT, 'not a duration: "nan"'),
        ("between 27 and 18", RTT, 'write the smaller first: "between 18 and 27"'),
        ("in []", RTT, "an empty list or element matches nothing"),
        ("in [a,,b]", TEXT, "an empty list or element matches nothing"),
        ([1, 2], RTT, 'a list is no condition; write "in [a, b]"'),
        (True, RTT, "true is no number; write 1"),
        (15.1, VERSION, 'put it in quotes: "15.1"'),
        (">= fifteen", VERSION, '"fifteen" is no version'),
        (">= soon", WHEN, '"soon" is no date'),
        ("/x/", RTT, "rtt_ms is a number"),
        ("contains 4", RTT, "rtt_ms is a number"),
        ("/(/", TEXT, "not a regular expression"),
        ("//", TEXT, "an empty pattern matches everything"),
        ("/(a+)+b/", TEXT, "a repeat inside a repeat"),
        ("/(a|a)*b/", TEXT, "a choice inside one"),
        ("/.*.*.*.*x/", TEXT, "too many repeats that could run away"),
        ("/(a)\\1/", TEXT, "back-references"),
        ("== requirement", RTT, 'write "<= requirement"'),
        (">= requirement", RTT, 'rtt_ms is the better the less it is; write "<= requirement"'),
        ("<= requirement", RATE, 'tcp_up_bps is the better the more it is; write ">= requirement"'),
        ("> requirement", LOSS, 'loss_pct is the better the less it is; write "<= requirement"'),
        ({"p50": "<= requirement", "over": "24h"}, RTT, 'write {p95: "<= requirement", over: 24h}'),
        ({"p95": ">= requirement", "over": "24h"}, RATE, 'write {q05: ">= requirement", over: 24h}'),
        ({"max": ">= requirement", "over": "24h"}, RATE, "max hides the tail that the requirement is about"),
        (
            {"p95": "<= 40", "over": "24h", "calendar": "counter-hour"},
            RTT,
            'unknown calendar "counter-hour"; did you mean "counter-hours"?',
        ),
        ({"p95": "<= 40", "calendar": "counter-hours"}, RTT, "a statistic needs its window"),
        ({"calendar": "counter-hours", "over": "24h"}, RTT, "a window without a statistic asserts nothing"),
        ("<= requirement", TEXT, "a requirement bounds a metric"),
        ({"mean": "<= 40", "over": "24h"}, RTT, "a mean is never judged"),
        ({"avg": "<= 40"}, RTT, "a statistic needs its window"),
        ({"p95": "<= 40"}, RTT, "a statistic needs its window"),
        ({"p951": "<= 40", "over": "24h"}, RTT, '"p951" is no statistic'),
        ({"p00": "<= 40", "over": "24h"}, RTT, '"p00" is no statistic'),
        ({"over": "24h"}, RTT, "a window without a statistic asserts nothing"),
        ({"p95": "<= 40", "over": "0s"}, RTT, "is no window"),
        ({"p95": "<= 40", "over": "1 parsec"}, RTT, "parsec"),
        ({"p95": "== 40", "over": "24h"}, RTT, "p95 is judged by its bounds"),
        ({"p95": {"not": "<= 40"}, "over": "24h"}, RTT, "nested"),
        ({"p95": "<= 40", "over": "24h"}, TEXT, "a statistic needs numbers"),
        ({"nope": 1}, RTT, "nope is no condition"),
        (10**400, RTT, "out of range"),
        ("x" * 1001, TEXT, "longer than 1000"),
    ],
)
def test_refuses(raw: object, metric: Definition, message: str) -> None:
    with pytest.raises(ExpectationError) as caught:
        parse(raw, metric=metric, calendars=CALENDARS)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "metric", "text"),
    [
        ("<= 0.0583 s", RTT, "<= 58.3"),
        ({"p95": "<= 58.3", "over": "24h"}, RTT, "p95 <= 58.3 over 24h"),
        ({"p95": "<= requirement", "over": "24h"}, RTT, "p95 <= requirement over 24h"),
        ({"p50": "<= 5", "max": "<= 9", "over": "1h"}, RTT, "(p50 <= 5 over 1h and max <= 9 over 1h)"),
        ("UTF8", TEXT, "= UTF8"),
        ("!= UTF8", TEXT, "!= UTF8"),
        ("in [a, b]", TEXT, "in [a, b]"),
        ({"not": "contains x"}, TEXT, "not contains x"),
        ("/^8/", TEXT, "matches /^8/"),
        ("between 18 and 27", PCT, "between 18 and 27"),
        ({"any": ["< 1", "> 5"]}, RTT, "(< 1 or > 5)"),
        (">= 15.3", VERSION, ">= 15.3"),
    ],
)
def test_renders(raw: object, metric: Definition, text: str) -> None:
    assert str(parse(raw, metric=metric)) == text


def test_a_window_may_be_of_a_calendar_s_open_hours() -> None:
    written = {"p95": "<= 40", "q05": ">= 1", "over": "24h", "calendar": "counter-hours"}
    condition = parse(written, metric=RTT, calendars=CALENDARS)
    text = "(p95 <= 40 over 24h of counter-hours and q05 >= 1 over 24h of counter-hours)"
    assert str(condition) == text
    assert condition.reach == pytest.approx(24 / 38 * 7 * 86400)
    always = parse({"p95": "<= 40", "over": "24h", "calendar": "24x7"}, metric=RTT)
    assert always == parse({"p95": "<= 40", "over": "24h"}, metric=RTT)
    assert str(always) == "p95 <= 40 over 24h"


def test_a_calendar_that_is_never_open_reaches_back_for_ever() -> None:
    never = replace(CALENDARS["counter-hours"], week=((),) * 7)
    written = {"p95": "<= 40", "over": "1h", "calendar": "counter-hours"}
    assert parse(written, metric=RTT, calendars={"counter-hours": never}).reach == math.inf


@pytest.mark.parametrize(
    ("metric", "kind"),
    [
        (RTT, "rtt"),
        (MetricDef("rtt_p95_ms", "ms"), "rtt"),
        (RATE, "rate"),
        (MetricDef("capacity_down_bps", "bit/s"), "rate"),
        (MetricDef("transfer_down_bps", "bit/s"), "rate"),
        (MetricDef("throughput_bps", "bit/s"), None),
        (LOSS, "loss"),
        (MetricDef("loss_down_pct", "%"), "loss"),
        (PCT, None),
        (MetricDef("jitter_ms", "ms"), None),
        (MetricDef("rtt_load_ratio", "count"), None),
        (None, None),
    ],
)
def test_what_a_requirement_bounds(metric: MetricDef | None, kind: str | None) -> None:
    assert requirement.kind_of(metric) == kind


def test_the_lower_bound_of_a_rate_has_a_name_of_its_own() -> None:
    assert requirement.at_least("capacity_up_bps") == "capacity_up_at_least_bps"


def test_a_second_statistic_does_not_replace_the_first() -> None:
    condition = parse({"p50": "<= 5", "p95": "<= 40", "over": "24h"}, metric=RTT)
    assert [part.name for part in condition.parts() if isinstance(part, Statistic)] == ["p50", "p95"]


@pytest.mark.parametrize("raw", ["<= requirement", {"p95": "<= 4", "over": "1h"}, {"not": "<= requirement"}])
def test_what_needs_a_window_or_the_model_is_not_instant(raw: object) -> None:
    assert not parse(raw, metric=RTT).instant
    assert not parse({"all": ["<= 4", raw]}, metric=RTT).instant
    assert parse({"all": ["<= 4", {"not": "> 3"}]}, metric=RTT).instant


def test_equal_texts_make_equal_hashable_conditions() -> None:
    one, two = (parse({"all": ["<= 1 s", "!= 0"]}, metric=RTT) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert one == parse({"all": ["<= 1000", "!= 0"]}, metric=RTT)


@given(op=st.sampled_from(["<=", "<", ">=", ">", "==", "!="]), bound=finite, value=finite)
def test_comparison_is_python_s(op: str, bound: float, value: float) -> None:
    expected = eval(f"{value!r} {op} {bound!r}")
    assert parse(f"{op} {bound!r}", metric=RTT).judge(value) is (PASS if expected else FAIL)


@given(bound=finite, value=st.one_of(finite, st.none(), st.just(math.nan)))
def test_not_of_a_comparison_is_its_complement(bound: float, value: float | None) -> None:
    assert parse({"not": f"<= {bound!r}"}, metric=RTT).judge(value) is Compare(">", bound).judge(value)


@given(st.lists(truths, min_size=1, max_size=5))
def test_kleene(several: list[Truth]) -> None:
    order = {FAIL: 0, UNKNOWN: 1, PASS: 2}
    assert conjunction(several) is min(several, key=order.__getitem__)
    assert disjunction(several) is max(several, key=order.__getitem__)


def test_nothing_is_unknown() -> None:
    assert conjunction([]) is UNKNOWN
    assert disjunction([]) is UNKNOWN


def test_a_truth_is_no_boolean() -> None:
    with pytest.raises(TypeError):
        bool(PASS)


json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
              st.sampled_from(["<= 1", "p95", "all", "/a+/", "in [a]", "<= requirement"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["all", "any", "not", "p95", "over", "x"]), inner, max_size=3),
    ),
    max_leaves=10,
)  # fmt: skip
values = st.one_of(st.none(), st.floats(), st.text(max_size=40))


@given(raw=json, metric=st.sampled_from([RTT, SIZE, TEXT, VERSION, WHEN, None]), value=values)
def test_anything_is_a_condition_or_a_message(
    raw: Any, metric: Definition, value: float | str | None
) -> None:
    try:
        condition = parse(raw, metric=metric)
    except ExpectationError:
        return
    assert isinstance(condition, Condition)
    assert condition.judge(value) in Truth
    assert condition.judge(None) is UNKNOWN
    assert hash(condition) == hash(parse(raw, metric=metric))
    assert str(condition)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4)
)
def test_versions_order_as_their_numbers(a: list[int], b: list[int]) -> None:
    width = max(len(a), len(b))
    pad = [tuple(x + [0] * (width - len(x))) for x in (a, b)]
    one, two = (versions.parse("v" + ".".join(map(str, x))) for x in (a, b))
    assert one is not None
    assert two is not None
    assert (one < two, one == two) == (pad[0] < pad[1], pad[0] == pad[1])


@pytest.mark.parametrize(
    "ordered", [["1.0~beta2", "1.0rc1", "1.0", "1.0p1", "1.0-1", "1.0-28"], ["2.9.9", "2.10", "10"]]
)
def test_versions_order(ordered: list[str]) -> None:
    found = [versions.parse(text) for text in ordered]
    assert None not in found
    assert found == sorted(found, key=lambda v: v or ((), ()))


@pytest.mark.parametrize("pattern", ["^[a-z]*[a-z]*!$", "[a-z]*x", ".*a.*b", "(a?){5}!", "^(?:aa?){4}!"])
def test_the_worst_text_of_a_pattern_stays_bounded(pattern: str) -> None:
    expression, longest = regexes.compiled(pattern)
    start = time.thread_time()
    assert expression.search("a" * longest) is None
    assert time.thread_time() - start < 0.5


def test_a_text_too_long_for_its_pattern_is_unknown() -> None:
    assert parse("/.*a.*b/", metric=TEXT).judge("a" * 2000) is UNKNOWN
    assert parse("/^8[.]/", metric=TEXT).judge("8." + "a" * 2000) is PASS
