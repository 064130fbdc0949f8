"""How an incident is opened: the decision with the rule behind it, and how often its root did so lately."""

from __future__ import annotations

from collections import deque

from monitor.incidents.incident import Member, Open
from monitor.incidents.topology import Finding, How, View
from monitor.incidents.topology_record import Recorder
from monitor.incidents.troubles import HOUR_S, Timing, Trouble, plain
from monitor.state import State


class Openings:
    """When the incidents of roots were opened within the last hour."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = {}

    def note(self, root: str, now: float) -> int:
        """Note an opening; return how many there were within the hour, with this one."""
        times = self._times.setdefault(root, deque(maxlen=32))
        while times and times[0] < now - HOUR_S:
            times.popleft()
        times.append(now)
        return len(times)


def opening(
    view: View, trouble: Trouble, finding: Finding, member: Member, now: float, timing: Timing, damped: bool,
    follows: str,
) -> Open:  # fmt: skip
    """Return what opens the incident of a root, by the trouble it was found from."""
    state = trouble.belief
    rule = Recorder(view).record(state, finding, timing.hold, timing.patient(trouble, now))
    cause = State.UNKNOWN if finding.how is How.UNDECIDED else plain(state.state)
    kind = finding.how.value if finding.how in (How.UNDECIDED, How.INFERRED) else state.kind
    return Open(finding.root, cause, kind, state.detail, state.since, rule, member, now, damped, follows)
