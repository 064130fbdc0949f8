"""The board as data: tree, filters, pages, and the item that stands in most units' way."""

from __future__ import annotations

from monitor.store.verdicts import BoardRow, summary
from monitor.web import board
from monitor.web.board import Filters, build
from tests.web.views import GATE, card, item, judged

NOW = 1_900_000_000.0
CARDS = [
    card("hall-b", "Hall B", parent="bureau"),
    card("bureau", "Bureau", "供电局"),
    card("hall-a", "Hall A", parent="bureau"),
    card("other", "Other", gates={GATE: "2030-03-18"}),
    card("lost", "Lost", parent="not-there"),
]


def _row(unit: str, verdict: str, *failing: str) -> BoardRow:
    items = [item(key, "fail", expires_at=None) for key in failing]
    return summary(unit, NOW, judged(unit, verdict, *items, item("ok", expires_at=None)))


ROWS = [
    _row("bureau", "READY"),
    _row("hall-a", "NOT_READY", "x", "y"),
    _row("hall-b", "NOT_READY", "y"),
    _row("gone", "NOT_READY", "x"),
]


def test_the_tree_is_shown_parents_first_and_nobody_gets_lost() -> None:
    made = build(CARDS, ROWS, GATE, NOW, Filters())
    shown = [(line.card.id, line.depth, line.verdict) for line in made.lines]
    assert shown == [
        ("bureau", 0, "READY"), ("hall-b", 1, "NOT_READY"), ("hall-a", 1, "NOT_READY"),
        ("other", 0, "UNKNOWN"), ("lost", 0, "UNKNOWN"),
    ]  # fmt: skip
    assert made.counts == {"NOT_READY": 2, "UNKNOWN": 2, "CONDITIONAL": 0, "READY": 1}
    assert made.lines[0].below == {"NOT_READY": 2}


def test_what_fails_in_most_units_is_named() -> None:
    most = build(CARDS, ROWS, GATE, NOW, Filters()).most
    assert most is not None
    assert (most.title, most.units, most.status) == ("Item y", 2, "fail")
    assert board.most([_row("bureau", "READY")]) is None


def test_where_nothing_fails_the_unknown_is_named() -> None:
    row = summary("u", NOW, judged("u", "UNKNOWN", item("drill", "unknown", reason="not_attested")))
    most = board.most([row])
    assert most is not None
    assert (most.title, most.status) == ("Item drill", "unknown")


def test_filters_choose_lines_and_keep_the_counts() -> None:
    def chosen(**filters: str) -> list[str]:
        return [line.card.id for line in build(CARDS, ROWS, GATE, NOW, Filters(**filters)).lines]  # type: ignore[arg-type]

    assert chosen(verdict="NOT_READY") == ["hall-b", "hall-a"]
    assert chosen(text="供电") == ["bureau"]
    assert chosen(text="HALL a") == ["hall-a"]
    assert chosen(under="bureau") == ["bureau", "hall-b", "hall-a"]
    assert build(CARDS, ROWS, GATE, NOW, Filters(verdict="READY")).total == len(CARDS)
    assert build(CARDS, ROWS, GATE, NOW, Filters(under="bureau")).total == 3


def test_days_are_counted_in_the_units_zone() -> None:
    made = build(CARDS, ROWS, GATE, NOW, Filters(text="other"))
    due = made.lines[0].due
    assert due is not None
    assert (due.date, due.days) == ("2030-03-18", 0)  # 2030-03-17 17:46 UTC is the 18th in Shanghai


def test_many_units_come_in_pages_and_a_page_too_far_is_the_last() -> None:
    cards = [card(f"u{number}", f"Unit {number}") for number in range(450)]
    first = build(cards, [], GATE, NOW, Filters())
    last = build(cards, [], GATE, NOW, Filters(page=99))
    assert (first.first, first.last, first.matching) == (1, 200, 450)
    assert (last.first, last.last) == (401, 450)
    assert build([], [], GATE, NOW, Filters()).lines == []
