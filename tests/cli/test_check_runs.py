"""Which units `muster check` runs on, in which mode, and where the result goes; against real services."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import sys
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cli.yard import STATUS, VERDICTS, Yard, open_yard, verdicts

PYTHON = sys.executable


@pytest_asyncio.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with open_yard(tmp_path) as found:
        yield found


@pytest.mark.parametrize("unit", VERDICTS)
async def test_each_verdict_has_its_exit_status(yard: Yard, unit: str) -> None:
    status, document = await yard.run(unit)
    assert verdicts(document) == {unit: VERDICTS[unit]}
    assert status == STATUS[VERDICTS[unit]]


async def test_of_several_units_the_worst_decides(yard: Yard) -> None:
    """NOT_READY before UNKNOWN before CONDITIONAL before READY, whichever is named first."""
    assert (await yard.run())[0] == 3
    order = ["bad", "dark", "half", "good"]
    for one, two in itertools.combinations(order, 2):
        status, document = await yard.run(two, one, "--stored")
        assert status == STATUS[VERDICTS[one]]
        assert verdicts(document) == {one: VERDICTS[one], two: VERDICTS[two]}


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        (("half", "good"), "good half"),
        (("--subtree", "top"), "top good half bad dark"),
        (("--subtree", "half"), "half"),
        (("--wave", "w2"), "half bad"),
        (("--due-before", "2027-02-01"), "top good bad dark"),  # undated units are never left out
        (("--due-before", "2027-01-15"), "top bad"),  # before, not on
        (("--wave", "w1", "--due-before", "2027-02-01"), "good dark"),
        (("--subtree", "top", "--wave", "w2", "--due-before", "2027-02-01"), "bad"),
    ],
)
async def test_selection(yard: Yard, arguments: tuple[str, ...], chosen: str) -> None:
    _, document = await yard.run("--stored", *arguments)
    assert [unit["id"] for unit in document["units"]] == chosen.split()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--subtree", "tpo"), 'unknown unit "tpo"; did you mean "top"?'),
        (("good", "--wave", "w2"), "no unit is selected; widen --wave or --due-before"),
        (("good", "--due-before", "2026-01-01"), "no unit is selected; widen --wave or --due-before"),
        (("--format", "yaml"), "yaml"),
        (("-o", "missing/out.json"), "missing"),
        (("-i", "missing.yaml"), "missing.yaml"),
    ],
)
async def test_wrong_usage_is_2_with_the_message_on_standard_error(
    yard: Yard, arguments: tuple[str, ...], message: str
) -> None:
    form = () if "--format" in arguments else ("--format", "json")
    status, out, err = await yard.check("--stored", *arguments, *form)
    assert (status, out) == (2, ""), err
    assert message in " ".join(err.split())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("inventory.yaml", "version: 1\nunits:\n  - {id: a, nmae: x}\n", "inventory.yaml:3:"),
        ("waivers.yaml", "waivers: [", "waivers.yaml:"),
        ("waivers.yaml", "version: 1\nwaivers: [{id: w}]\n", "waivers.yaml:2:"),
        ("muster.toml", "[daemon]\nstat_dir = 'x'\n", 'did you mean "state_dir"?'),
    ],
)
async def test_bad_configuration_is_2_and_names_the_place(
    yard: Yard, file: str, text: str, message: str
) -> None:
    yard.write(file, text)
    status, out, err = await yard.check("--format", "json")
    assert (status, out) == (2, ""), err
    assert message in err
    assert not (yard.home / "state").exists()


@pytest.mark.parametrize("broken", ["no database", "newer"])
async def test_when_muster_itself_fails_it_is_1(yard: Yard, broken: str) -> None:
    state = yard.home / "state"
    state.mkdir()
    (state / "state.db").write_bytes(b"not a database" * 100 if broken == "no database" else b"")
    if broken == "newer":
        connection = sqlite3.connect(state / "state.db")
        connection.execute("PRAGMA user_version=9999")
        connection.close()
    status, out, err = await yard.check("good", "--format", "json")
    assert (status, out) == (1, ""), err
    assert err.startswith("muster: ")
    assert "Traceback" not in err


async def test_stored_probes_nothing_and_fresh_stores_what_it_probed(yard: Yard) -> None:
    status, document = await yard.run("good", "--stored")
    assert (status, document["mode"]) == (5, "stored")
    assert document["units"][0]["items"][0]["reason"] == "not_measured"
    status, document = await yard.run("good")
    assert (status, document["mode"]) == (0, "fresh")
    fresh = document["units"][0]["items"][0]
    assert fresh["vantage"] == "check"
    status, document = await yard.run("good", "--stored")
    assert status == 0
    assert document["units"][0]["items"][0] == fresh


async def test_a_fresh_run_probes_only_what_is_asked(yard: Yard) -> None:
    await yard.run("good")
    _, document = await yard.run("--stored")
    measured = {unit["id"] for unit in document["units"] if unit["coverage"] > 0}
    assert measured == {"good"}


@pytest.mark.parametrize("form", ["table", "junit"])
async def test_the_result_goes_to_a_file(yard: Yard, form: str) -> None:
    target = yard.home / "result"
    status, out, _ = await yard.check("bad", "--format", form, "-o", str(target))
    assert (status, out) == (3, "")
    text = target.read_text("utf-8")
    if form == "junit":
        assert ET.fromstring(text).get("failures") == "1"
    else:
        assert "NOT_READY" in text


async def test_junit(yard: Yard) -> None:
    status, out, _ = await yard.check("--format", "junit")
    assert status == 3
    root = ET.fromstring(out)
    assert {suite.get("name") for suite in root} == set(VERDICTS)
    assert len(root.findall("testsuite/testcase/failure")) == int(root.get("failures", "")) == 2
    assert len(root.findall("testsuite/testcase/error")) == int(root.get("errors", "")) == 1


async def test_a_summary_has_one_line_for_each_unit(yard: Yard) -> None:
    status, out, _ = await yard.check("--summary")
    assert status == 3
    assert "What to do" not in out
    assert all(out.count(f"({unit})") == 1 for unit in VERDICTS)


async def test_a_reader_that_goes_away_early_is_no_bug_of_ours(yard: Yard) -> None:
    command = (
        f"cd {yard.home} && {{ {PYTHON} -m monitor.cli check --stored --format json; echo $? >&2; }} | true"
    )
    process = await asyncio.create_subprocess_shell(command, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert b"bug" not in err
    assert b"Traceback" not in err
