"""The examples in docs/discipline.md do what it says; its figures are those of the code."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from monitor.discipline import budget, discipline, vitals
from monitor.discipline.admission import Sight, refusal
from monitor.discipline.links import Lines
from monitor.discipline.rules import Rules
from monitor.discipline.turnstile import Turnstile
from monitor.settings import load
from tests.discipline.world import written

DOC = (Path(__file__).parents[2] / "docs" / "discipline.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def rows(first: str) -> list[list[str]]:
    """Return the cells of the table whose head begins so."""
    table = DOC.partition(f"| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_the_example_inventory_has_the_lines_of_the_table(tmp_path: Path) -> None:
    inventory = written(tmp_path / "i.yaml", block("yaml"))
    lines = Lines(inventory)
    table = rows("asset")
    assert len(table) == 3
    routes = {asset: lines.route(*asset.split("/")) for asset, _, _ in table}
    for asset, names, sizes in table:
        assert ", ".join(line.id for line in routes[asset].lines) == names
        assert ", ".join(str(Rules().day_bytes(line)) for line in routes[asset].lines) == sizes
    turnstile = Turnstile()
    tickets = [turnstile.enter(line.id for line in route.lines) for route in routes.values()]
    assert [ticket.ready for ticket in tickets] == [True, False, True]


def test_the_settings_shown_are_the_defaults_but_for_the_windows(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(block("toml"), "utf-8")
    shown = load(file).test_rules()
    assert len(shown.windows) == 2
    assert replace(shown, windows=()) == Rules() == load(None).test_rules()


def test_each_reason_is_told() -> None:
    for reason in discipline.REASONS:
        assert f"`not_run({reason})`" in DOC
    at_limit = [Sight("a", Rules().use_limit)]
    assert refusal(Rules(), at_limit) is None, "above 70 %, not at it"


def test_the_figures_are_those_of_the_code() -> None:
    for words in (
        f"Above {Rules().use_limit:.0f} %", f"usual plus {vitals.ADDED_MS:.0f} ms",
        f"(at most {vitals.KEPT}\nare kept)",
        f"the last {budget.KEPT_DAYS} are kept", f"({budget.LEAST_BYTES // 1000} kB",
        f"in {budget.LEAST_TEST_S} s)",
        f"within {discipline.USE_AGE_S / 60:.0f} minutes",
    ):  # fmt: skip
        assert words in DOC, words
    assert vitals.FACTOR == 2
    assert vitals.LEAST_USUAL == 5
    assert discipline.GRACE_S == 1
