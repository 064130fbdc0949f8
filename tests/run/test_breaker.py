"""A dead target costs one time-out, and a filtered port beside a healthy host costs nobody anything."""

from __future__ import annotations

from monitor.breaker import OPENS_AFTER, SKIPS, Breaker
from probes.api import Outcome, Reading
from tests.run.jobs import job

ICMP, SSH, HTTP = job("u/a/icmp", every=30), job("u/a/ssh", every=60), job("u/a/http", every=60)


def silent(phase: str = "connect") -> Reading:
    return Reading(Outcome.FAILED, "timeout", phase=phase)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        breaker.note(ICMP, silent("echo"))
        breaker.note(SSH, silent())
    return breaker


def test_it_opens_for_a_target_where_nobody_answers_and_the_most_frequent_check_goes_on() -> None:
    breaker = opened()
    assert breaker.open == 1
    assert breaker.blocked_by(ICMP) is None
    assert breaker.blocked_by(HTTP) == "u/a/icmp"


def test_every_blocked_check_still_tries_the_fifth_time() -> None:
    breaker = opened()
    tries = [breaker.blocked_by(HTTP) is None for _ in range(2 * (SKIPS + 1))]
    assert tries == ([False] * SKIPS + [True]) * 2


def test_one_silent_check_alone_never_opens_it() -> None:
    breaker = Breaker()
    for _ in range(20):
        breaker.note(ICMP, silent("echo"))
    assert breaker.blocked_by(HTTP) is None


def test_any_answer_closes_it_even_a_refusal() -> None:
    for answer in (Reading.ok(), Reading(Outcome.FAILED, "refused"), silent("first_byte")):
        breaker = opened()
        breaker.note(HTTP, answer)
        assert breaker.open == 0


def test_devices_of_the_monitors_own_machine_fail_each_for_itself() -> None:
    breaker = Breaker()
    devices = [job(f"u/{name}/serial", address="local") for name in ("scale", "display")]
    for _ in range(2 * OPENS_AFTER):
        for device in devices:
            breaker.note(device, Reading(Outcome.FAILED, "unreachable", phase="connect"))
    assert breaker.open == 0
    assert breaker.blocked_by(job("u/reader/pcsc", address="local")) is None


def test_our_own_errors_neither_open_nor_close_it() -> None:
    breaker = opened()
    breaker.note(ICMP, Reading(Outcome.ERROR, "prober_error"))
    breaker.note(ICMP, Reading(Outcome.NOT_RUN, "overload"))
    assert breaker.open == 1
    fresh = Breaker()
    for _ in range(10):
        fresh.note(ICMP, Reading(Outcome.ERROR, "prober_error"))
        fresh.note(SSH, Reading(Outcome.ERROR, "prober_error"))
    assert fresh.open == 0


def test_checks_that_run_together_made_one_attempt() -> None:
    together = [job(f"u/a/c{n}", every=60, together=True) for n in range(20)]
    breaker = Breaker()
    for round_ in range(OPENS_AFTER):
        assert breaker.open == 0, "one attempt that nobody answered is not twenty"
        for number, each in enumerate(together):
            reading = silent()
            reading.at = 1000 + 60 * round_ + number * 0.001
            breaker.note(each, reading)
    assert breaker.open == 1
    assert breaker.blocked_by(together[7]) == "u/a/c0"
