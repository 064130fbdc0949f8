"""Bodies within bounds, and bad lines found among good ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sinks import sending
from monitor.sinks.influx import Precision
from monitor.sinks.sending import Sender, bodies, halves
from monitor.sinks.trouble import Cause, Trouble


@dataclass
class Taker:
    """Takes lines unless they are bad; what was taken is kept."""

    bad: frozenset[str] = frozenset()
    names: bool = False
    """Whether it names the lines, as InfluxDB 3 does."""
    most: int = 10**9
    taken: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    async def write(self, body: bytes, precision: Precision = "ms") -> None:
        self.requests += 1
        if len(body) > self.most:
            raise Trouble(Cause.TOO_LARGE, "HTTP 413")
        lines = body.decode().split("\n")
        wrong = tuple(n for n, line in enumerate(lines, 1) if line in self.bad)
        if wrong:
            raise Trouble(Cause.LINES, "HTTP 400: unable to parse", lines=wrong if self.names else ())
        self.taken.update(lines)


@given(st.sets(st.integers(0, 60), max_size=8), st.booleans())
async def test_only_the_bad_lines_are_dropped(bad: set[int], names: bool) -> None:
    lines = [f"m v={n} {n}" for n in range(61)]
    taker = Taker(frozenset(lines[n] for n in bad), names)
    sender = Sender(taker)
    await sender.send("\n".join(lines).encode(), "live")
    assert taker.taken == Counter(line for n, line in enumerate(lines) if n not in bad)
    assert sender.sent.rejected == len(bad)
    assert sender.sent.points["live"] == 61 - len(bad)


async def test_one_bad_line_of_thousands_costs_few_requests(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"m v={n} {n}" for n in range(5000)]
    taker = Taker(frozenset(lines[n] for n in (17, 4711)))
    sender = Sender(taker)
    await sender.send("\n".join(lines).encode(), "live")
    assert sum(taker.taken.values()) == 4998
    assert taker.requests <= 4 * 13 + 2
    assert capsys.readouterr().out.count("refuses") == 1, "the same reason is logged once"


async def test_where_all_lines_are_bad_the_search_ends() -> None:
    lines = [f"m v={n} {n}" for n in range(5000)]
    taker = Taker(frozenset(lines))
    sender = Sender(taker)
    await sender.send("\n".join(lines).encode(), "live")
    assert sender.sent.rejected == 5000
    assert taker.requests < 3 * sending.MOST_SEARCHED


async def test_requests_shrink_where_they_are_too_large() -> None:
    lines = [f"m v={n} {n}" for n in range(1000)]
    taker = Taker(most=2000)
    sender = Sender(taker)
    await sender.send("\n".join(lines).encode(), "live")
    assert sum(taker.taken.values()) == 1000
    before = taker.requests
    await sender.send("\n".join(lines).encode(), "live")
    assert taker.requests - before <= 16, "it has learnt how large they may be"


async def test_a_line_that_is_too_large_alone_is_dropped() -> None:
    taker = Taker(most=100)
    sender = Sender(taker)
    await sender.send(b"\n".join([b"m v=1 1", b"m v=" + b"9" * 200, b"m v=2 2"]), "live")
    assert sorted(taker.taken) == ["m v=1 1", "m v=2 2"]
    assert sender.sent.rejected == 1


async def test_other_trouble_is_raised() -> None:
    class Down:
        async def write(self, body: bytes, precision: Precision = "ms") -> None:
            raise Trouble(Cause.UNREACHABLE, "refused")

    sender = Sender(Down())
    with pytest.raises(Trouble, match="refused"):
        await sender.send(b"m v=1 1", "live")
    assert sender.sent.troubles == {"unreachable": 1}


@given(st.lists(st.text("ab广", min_size=1, max_size=30)), st.integers(1, 9), st.integers(1, 80))
def test_bodies_hold_all_lines_in_order_within_bounds(lines: list[str], most: int, size: int) -> None:
    found = list(bodies(lines, most, size))
    assert [each.decode() for body in found for each in body.split(b"\n")] == lines
    for body in found:
        count = body.count(b"\n") + 1
        assert count <= most
        assert len(body) <= size or count == 1


def test_halves() -> None:
    assert halves(b"a\nb\nc") == [b"b\nc", b"a"]
