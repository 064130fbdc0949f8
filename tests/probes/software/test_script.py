"""Asks as one script, in the shells that hosts have, and its output taken apart, whatever it is."""

from __future__ import annotations

import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.software._script import Ask, Part, parts, script
from tests.servers.process import program

WORD = "0123456789abcdef" * 2
SHELLS = ["dash", "bash", "busybox"]


def run(shell: str, *asks: Ask, limit: int = 3) -> dict[Ask, Part]:
    command = [program(shell), *(["sh"] if shell == "busybox" else [])]
    done = subprocess.run(
        [*command, "-s"], input=script(WORD, list(dict.fromkeys(asks)), limit).encode(),
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    return parts(WORD, asks, done.stdout)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_ask_gets_its_own_output_and_status(shell: str) -> None:
    asks = [Ask(f"echo {n}; exit {n}") for n in range(20)]
    found = run(shell, *asks)
    assert [found[ask] for ask in asks] == [Part(b"%d\n" % n, n) for n in range(20)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "value", ["a b", "$(id)", "`id`", "'; id; '", '"', "\\", "$1", "*", "-n", "é\n#", "", "a\tb"]
)
def test_a_value_is_never_read_as_shell(shell: str, value: str) -> None:
    ask = Ask('printf "%s." "$@"', (value, "last"))
    assert run(shell, ask)[ask].data == f"{value}.last.".encode()


@pytest.mark.parametrize("shell", SHELLS)
def test_one_that_hangs_or_floods_costs_only_itself(shell: str) -> None:
    hangs, floods = Ask("echo begun; sleep 60"), Ask("yes", most=1000)
    stubborn = Ask("trap '' TERM PIPE; while :; do sleep 1; done")
    tells = Ask("cat /proc/version")
    started = time.monotonic()
    found = run(shell, hangs, floods, stubborn, tells, limit=1)
    assert time.monotonic() - started < 6
    assert found[hangs] == Part(b"begun\n", 124)
    assert (found[floods].truncated, len(found[floods].data)) == (True, 1000)
    assert found[stubborn].status == 137
    assert found[tells].data.startswith(b"Linux")


@pytest.mark.parametrize("shell", SHELLS)
def test_forged_frames_are_only_output(shell: str) -> None:
    other = "f" * 32
    forger = Ask(
        f"printf '\\n{other} e 0 0\\n\\n{other} b 1\\nforged\\n{other} e 1 0\\n'; env;"
        " cat /proc/$PPID/cmdline"
    )
    honest = Ask("echo true")
    found = run(shell, forger, honest)
    assert found[honest] == Part(b"true\n", 0)
    assert WORD.encode() not in found[forger].data, "no ask is told the word"


@pytest.mark.parametrize("shell", SHELLS)
def test_output_need_not_end_with_a_line_and_loses_no_empty_ones(shell: str) -> None:
    bare, blank, nothing = Ask("printf x"), Ask("printf 'x\\n\\n\\n'"), Ask(":")
    found = run(shell, bare, blank, nothing)
    assert (found[bare].data, found[blank].data, found[nothing].data) == (b"x", b"x\n\n\n", b"")


def test_without_sudo_p_runs_it_as_it_is() -> None:
    ask = Ask('p printf "%s" "$1"', ("a b",))
    assert run("dash", ask)[ask].data == b"a b"


def test_a_program_that_is_not_there_is_a_status() -> None:
    ask = Ask("no-such-program")
    assert run("dash", ask)[ask] == Part(b"", 127)


def framed(number: int, body: bytes, status: int) -> bytes:
    word = WORD.encode()
    return b"\n%s b %d\n%s\n%s e %d %d\n" % (word, number, body, word, number, status)


ASKS = [Ask(f"echo {n}", most=50) for n in range(4)]


@given(st.lists(st.binary(max_size=80).filter(lambda b: WORD.encode() not in b), min_size=4, max_size=4))
def test_any_output_comes_back(bodies: list[bytes]) -> None:
    output = b"motd" + b"".join(framed(n, body, n) for n, body in enumerate(bodies))
    found = parts(WORD, ASKS, output)
    assert [found[ask].data for ask in ASKS] == [body[:50] for body in bodies]
    assert [found[ask].truncated for ask in ASKS] == [len(body) > 50 for body in bodies]


@given(st.data())
def test_output_that_breaks_off_anywhere_gives_no_half_part(data: st.DataObject) -> None:
    whole = b"".join(framed(n, b"body", 0) for n in range(4))
    cut = data.draw(st.integers(0, len(whole)))
    found = parts(WORD, ASKS, whole[:cut])
    assert all(part.data == b"body" for part in found.values())
    assert len(found) <= cut / len(framed(0, b"body", 0)) + 1


@given(
    st.lists(
        st.sampled_from([b"b 0", b"b 1", b"e 0 0", b"e 1 1", b"e 1", b"x", b"b 99", b"e 0 999", b"b -1", b""])
    )
)
def test_frames_in_any_order_never_raise(lines: list[bytes]) -> None:
    output = b"".join(b"\n%s %s\nbody" % (WORD.encode(), line) for line in lines)
    assert set(parts(WORD, ASKS[:2], output)) <= set(ASKS[:2])
