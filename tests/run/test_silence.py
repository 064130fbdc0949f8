"""Whether a whole unit has gone silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.silence import Watched, silent_units
from monitor.state import CheckState, silent

NOW = 10_000.0


def watched(last: float, every: float = 60.0, floor: float = 0.0) -> Watched:
    return Watched(CheckState("u/a/c", attempted_at=last), every, 10.0, floor)


def test_a_unit_is_silent_when_all_of_its_checks_are() -> None:
    units = {
        "gone": [watched(NOW - 500), watched(NOW - 400)],
        "half": [watched(NOW - 500), watched(NOW - 5)],
        "slow": [watched(NOW - 500, every=3600)],
        "new": [watched(0.0, floor=NOW - 10)],
        "never": [watched(0.0, floor=NOW - 900)],
        "empty": [],
    }
    assert silent_units(units, NOW) == {"gone": NOW - 400, "never": 0.0}


CHECKS = st.lists(
    st.builds(watched, st.floats(0, NOW + 100), st.floats(1, 900), st.floats(0, NOW)), max_size=5
)


@given(st.dictionaries(st.text(max_size=3), CHECKS))
def test_it_agrees_with_the_silence_of_each_check(units: dict[str, list[Watched]]) -> None:
    found = silent_units(units, NOW)
    for unit, checks in units.items():
        every = all(silent(state, every, timeout, NOW, floor) for state, every, timeout, floor in checks)
        assert (unit in found) is (every and bool(checks))
        assert 0 <= found.get(unit, 0.0) <= NOW
