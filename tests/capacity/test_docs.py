"""docs/capacity.md is executed: its files load, its table is what the model gives, no key is left out."""

from __future__ import annotations

import re
from pathlib import Path

from monitor.capacity.derive import derive
from monitor.capacity.functions import DIRECTIONS, Bulk, Function, Network, Realtime, load
from monitor.paths import shipped
from tests.capacity import example

SHIPPED = load([shipped("config") / "functions"])


def test_the_example_from_its_files_is_the_example(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(example.FUNCTIONS, "utf-8")
    found = example.of(example.UNIT, "gz-tianhe", load([tmp_path / "f.yaml"]))
    assert found is not None
    assert sorted(each.id for each in found.uses) == sorted(example.USED)
    ours, theirs = derive(found), example.derivation()
    for each in DIRECTIONS:
        assert abs(ours.sides[each].required / theirs.sides[each].required - 1) < 1e-9
    by_shipped = example.of(example.UNIT, "gz-tianhe", SHIPPED)
    assert by_shipped is not None
    assert derive(by_shipped).sides["up"].required == ours.sides["up"].required


def test_the_table_of_the_example() -> None:
    found = example.derivation()
    rows = {cells[0]: cells[1:] for cells in re.findall(
        r"^\| ([a-z-]+) \| (\d+) \| ([\d.]+) \| ([\d.]+/[\d.]+) \| ([\d.]+) \|$", example.DOC, re.MULTILINE
    )}  # fmt: skip
    assert rows.keys() == example.USED.keys()
    for need in found.functions:
        rates = "/".join(f"{need.rates[each] / 1e6:.2f}" for each in DIRECTIONS)
        ceiling = f"{found.ceilings[need.id] * 1000:.1f}"
        assert rows[need.id] == (str(need.round_trips), f"{need.budget:.3f}", rates, ceiling)


def test_every_key_is_explained() -> None:
    for model in (Function, Bulk, Realtime, Network):
        for key in model.__dataclass_fields__:
            assert f"`{key}`" in example.DOC, key
