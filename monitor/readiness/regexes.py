"""Regular expressions over text that targets send: what could run away is refused, or not applied.

Python's engine backtracks and has no time limit. So the worst number of its steps is bounded from the
pattern: c * n ** d for a text of n characters, where d counts the repeats that may each stop anywhere
(and one more where the search may start anywhere). A pattern for which even short texts are too much
(nested repeats) is a configuration error; a text longer than the pattern can bear is not judged.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MAX_STEPS = 4_000_000
"""Steps one match may take at worst: about 40 ms."""
MAX_PATTERN = 300
LEAST_TEXT = 64
"""A pattern must bear texts of at least this many characters."""
MAX_TEXT = 4096


class ExpectationError(ValueError):
    """A condition that can't be taken; the message says what to write instead."""


_WIDE = 32
_ONE = {ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN, ops.AT}
_REPEATS = {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}
Cost = tuple[int, int]
"""(c, d): at most c * n ** d ways through."""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> tuple[re.Pattern[str], int]:
    """Return the pattern and the longest text it may be applied to. Raises `ExpectationError`."""
    if len(pattern) > MAX_PATTERN:
        raise ExpectationError(f"the pattern is longer than {MAX_PATTERN} characters; shorten it")
    try:
        expression = re.compile(pattern)
        tree = list(_parser.parse(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise ExpectationError(f"not a regular expression: {error}") from None
    ways, degree = _sequence(tree)
    limit = _longest(ways, degree + (not _anchored(tree)))
    if limit < LEAST_TEXT:
        raise ExpectationError(
            "the pattern has too many repeats that could run away; anchor it with ^ or use fewer of * + {}"
        )
    return expression, limit


def _longest(ways: int, degree: int) -> int:
    if ways > MAX_STEPS:
        return 0
    return MAX_TEXT if degree == 0 else min(MAX_TEXT, int((MAX_STEPS / ways) ** (1 / degree)))


def _anchored(tree: list[Any]) -> bool:
    return bool(tree) and tree[0][0] is ops.AT and tree[0][1] in (ops.AT_BEGINNING, ops.AT_BEGINNING_STRING)


def _sequence(tree: Any) -> Cost:
    ways, degree = 1, 0
    for op, argument in tree:
        c, d = _cost(op, argument)
        ways, degree = min(ways * c, MAX_STEPS + 1), degree + d
    return ways, degree


def _cost(op: Any, argument: Any) -> Cost:
    if op in _ONE:
        return 1, 0
    if op in _REPEATS:
        return _repeat(*argument)
    if op is ops.SUBPATTERN:
        return _sequence(argument[3])
    if op is ops.ATOMIC_GROUP:
        return _sequence(argument)
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        return _sequence(argument[1])
    if op is ops.BRANCH:
        costs = [_sequence(branch) for branch in argument[1]]
        return sum(c for c, _ in costs), max(d for _, d in costs)
    raise ExpectationError(
        "back-references and conditional groups are not supported in a pattern; leave them out"
    )


def _repeat(low: int, high: int, body: Any) -> Cost:
    ways, degree = _sequence(body)
    simple = (ways, degree) == (1, 0)
    if high is ops.MAXREPEAT or high - low > _WIDE:
        if not simple:
            raise ExpectationError(
                "a repeat inside a repeat, or a choice inside one, could run away; write it without nesting"
            )
        return 1, 1
    if simple:
        return high - low + 1, 0
    return int(min((high - low + 1) * float(ways) ** min(high, 64), MAX_STEPS + 1)), degree * high
