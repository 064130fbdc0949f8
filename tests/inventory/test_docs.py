"""The examples in the documentation are loaded and planned with the real probes; the schemas are current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inventory import schema
from inventory.secrets import Secrets
from inventory.source import parse
from monitor import plan

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "inventory.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", DOC.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def kind(example: str) -> str:
    keys = parse(example.encode(), "example")[0].data
    return "inventory" if "units" in keys else "secrets" if "secrets" in keys else "profile"


def test_there_are_examples_of_all_kinds() -> None:
    assert {kind(example) for example in EXAMPLES} == {"inventory", "secrets", "profile"}


@pytest.mark.parametrize("example", [example for example in EXAMPLES if kind(example) == "inventory"])
def test_inventory_example_makes_jobs(tmp_path: Path, example: str) -> None:
    for index, each in enumerate(EXAMPLES):
        if kind(each) == "profile":
            (tmp_path / f"profile{index}.yaml").write_text(each, encoding="utf-8")
    file = tmp_path / "inventory.txt"
    file.write_text(example, encoding="utf-8")
    inventory, _, made = plan.read(file, [tmp_path])
    assert made.jobs or not any(unit.assets for unit in inventory)
    assert not made.uncovered


def test_secrets_example(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.touch(mode=0o600)
    file.write_text(next(example for example in EXAMPLES if kind(example) == "secrets"))
    assert Secrets(file, {}).get("hall_ssh").startswith("-----BEGIN")


@pytest.mark.parametrize("name", sorted(schema.MODELS))
def test_schema_is_current(name: str) -> None:
    text = (ROOT / "docs" / "schema" / name).read_text(encoding="utf-8")
    assert text == schema.render(schema.MODELS[name]), "run: python -m inventory.schema"


def test_every_key_is_documented() -> None:
    text = DOC.read_text(encoding="utf-8")
    for model in schema.MODELS.values():
        found = schema.schema(model)
        for properties in (found, *found["$defs"].values()):
            for key in properties.get("properties", {}):
                assert re.search(rf"[`{{ ]{re.escape(key)}[`:]", text), f"{key} is not explained"
