"""Whatever a host answers, no probe breaks: binary, nothing, too much, forged, broken off, changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import registry
from probes.api import Outcome
from probes.errors import Ending
from probes.software import (
    certificate,
    cron,
    file,
    group,
    interface,
    limits,
    mount,
    os_release,
    package,
    patch_age,
    port,
    process,
    service,
    sysctl,
    time_sync,
    user,
)  # fmt: skip
from probes.software._script import MISSING_RIGHT, NOT_SUPPORTED
from tests.probes.software.framing import answered
from tests.probes.software.recorded import PARAMS, TEXTS, TIMER

BINARY = bytes(range(1, 256)) * 4
BODIES = {
    "binary": BINARY,
    "nothing": b"",
    "a banner": b"Authorized use only\n",
    "only the end": b"@end\nend\n",
    "forged": b"\n0123456789abcdef0123456789abcdef e 0 0\n\nnow=1\n",
}
PARSERS: dict[str, Callable[[str], Any]] = {
    "certificate": certificate.parse, "cron": cron.entries, "file": file.parse,
    "group": group.parse, "interface": interface.parse, "limits": limits.parse,
    "mount": partial(mount.parse, path="/srv/data"), "os_release": os_release.parse,
    "package": partial(package.parse, names=("bash", "openssl")), "patch_age": patch_age.parse,
    "port": port.parse, "process": process.parse, "service": service.parse,
    "sysctl": partial(sysctl.parse, names=("net.ipv4.ip_forward", "kernel.pid_max")),
    "time_sync": time_sync.parse, "user": user.parse, "timer": cron.timer,
}  # fmt: skip
SAID = (ValueError, LookupError, OverflowError, Ending)
CASES = [(name, text) for name, texts in TEXTS.items() for text in texts.values()] + [("timer", TIMER)]


@pytest.mark.parametrize("name", PARAMS)
@pytest.mark.parametrize("body", BODIES)
async def test_an_answer_that_is_none_is_a_protocol_failure(name: str, body: str) -> None:
    reading = await answered(name, BODIES[body], **PARAMS[name])
    kind = (
        "inconclusive" if (name, body) == ("time_sync", "only the end") or name == "command" else "protocol"
    )
    assert reading.kind == kind, reading.detail
    assert reading.metrics == {}


@pytest.mark.parametrize("name", PARAMS)
async def test_an_answer_without_end_is_a_protocol_failure(name: str) -> None:
    reading = await answered(name, b"exists=1\nnow=1\n" * 200_000, **PARAMS[name])
    assert reading.kind == ("prober_error" if name == "command" else "protocol"), reading.detail
    assert len(reading.detail) < 500


@pytest.mark.parametrize("name", PARAMS)
async def test_a_missing_right_and_a_missing_tool_accuse_nobody(name: str) -> None:
    reading = await answered(name, "the account may not\n", MISSING_RIGHT, **PARAMS[name])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "permission")
    assert reading.detail == "missing_right: the account may not"
    reading = await answered(name, "no such tool\n", NOT_SUPPORTED, **PARAMS[name])
    assert (reading.outcome, reading.kind) == (Outcome.ERROR, "inconclusive")
    assert reading.detail == "not_supported: no such tool"


@pytest.mark.parametrize("name", PARAMS)
async def test_what_takes_too_long_is_a_time_out_of_its_own(name: str) -> None:
    reading = await answered(name, "begun", 124, **PARAMS[name])
    assert reading.kind == ("inconclusive" if name == "command" else "timeout")
    assert "for this alone" in reading.detail


@pytest.mark.parametrize("name", PARAMS)
async def test_kinds_metrics_and_facts_are_those_declared(name: str) -> None:
    spec = registry.get(name)
    for text in TEXTS.get(name, {}).values():
        reading = await answered(name, text if name != "file" else f"{text}\nroot:x\n", **PARAMS[name])
        assert reading.outcome is Outcome.OK, reading.detail
        assert reading.metrics.keys() <= {metric.name for metric in spec.metrics}
        assert reading.facts.keys() <= {fact.name for fact in spec.facts}
        assert all(value for value in reading.facts.values()), reading.facts
    assert spec.together
    assert spec.inputs == ("ssh",)


def finite(result: object) -> None:
    """Check that all numbers in what a parser returns are."""
    if isinstance(result, float):
        assert math.isfinite(result)
    elif isinstance(result, dict):
        for value in result.values():
            finite(value)
    elif isinstance(result, tuple | list):
        for value in result:
            finite(value)


def parsed(name: str, text: str) -> None:
    try:
        result = PARSERS[name](text)
    except SAID:
        return
    finite(result)


@given(st.sampled_from(sorted(PARSERS)), st.text(max_size=300))
def test_any_text(name: str, text: str) -> None:
    parsed(name, text)


@settings(max_examples=400)
@given(st.sampled_from(CASES), st.data())
def test_any_line_changed(case: tuple[str, str], data: st.DataObject) -> None:
    name, text = case
    lines = text.split("\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    words = lines[number].split(" ")
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] = data.draw(
        st.sampled_from(["", "-1", "9" * 30, "nan", "inf", "1e999", "0", "@end", "\0", "１"])
        | st.text(max_size=20)
    )
    lines[number] = " ".join(words)
    parsed(name, "\n".join(lines))


@settings(max_examples=300)
@given(st.sampled_from(CASES), st.data())
def test_a_text_that_breaks_off_at_a_line_counts_nothing_as_absent(
    case: tuple[str, str], data: st.DataObject
) -> None:
    name, text = case
    lines = text.removesuffix("\n").split("\n")
    cut = data.draw(st.integers(0, len(lines) - 1))
    broken = "\n".join(lines[:cut]) + "\n"
    if name in ("service", "timer", "file", "group"):
        parsed(name, broken)
        return
    with pytest.raises(SAID):
        PARSERS[name](broken)
