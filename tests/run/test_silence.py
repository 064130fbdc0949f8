"""Whether a whole unit has gone silent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.incidents.silence import Watched, silent_units
from monitor.state import CheckState, silent

NOW = 10_000.0


def watched(last: float, every: float = 60.0, floor: float = 0.0) -> Watched:
    return Watched(CheckState("u/a/c", attempted_at=last), every, 10.0, floor)


def test_a_unit_is_silent_when_none_of_its_checks_is_attempted() -> None:
    units = {
        "gone": [watched(NOW - 500), watched(NOW - 400)],
        "half": [watched(NOW - 500), watched(NOW - 5)],
        "hourly": [watched(NOW - 500, every=3600)],
        "hourly too": [watched(NOW - 900, every=3600), watched(NOW - 131)],
        "lately attempted hourly": [watched(NOW - 100, every=3600), watched(NOW - 900)],
        "new": [watched(0.0, floor=NOW - 10)],
        "never": [watched(0.0, floor=NOW - 900)],
        "set back": [watched(NOW + 50, floor=NOW - 10)],
        "empty": [],
    }
    assert silent_units(units, NOW) == {"gone": NOW - 400, "hourly too": NOW - 131, "never": NOW - 900}


CHECKS = st.lists(
    st.builds(watched, st.floats(0, NOW + 100), st.floats(1, 900), st.floats(0, NOW)), max_size=5
)


@given(CHECKS)
def test_where_every_check_is_silent_the_unit_is(checks: list[Watched]) -> None:
    found = silent_units({"u": checks}, NOW)
    every = [silent(state, every, timeout, NOW, floor) for state, every, timeout, floor in checks]
    if checks and all(every):
        assert "u" in found
    if not any(every):
        assert found == {}
    assert all(0 <= last <= NOW for last in found.values())
