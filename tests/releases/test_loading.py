"""Manifests as files: what bad input gets, what a good one comes to, and what is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor.cli.common import CONFIG_ERROR
from monitor.paths import shipped
from monitor.releases.drift import Lineage
from monitor.releases.loading import load
from monitor.releases.manifest import PREFIX
from tests.cli.running import muster
from tests.readiness.world import Registry
from tests.releases.world import RELEASES, Yard

CORPUS = Path(__file__).parents[1] / "bad_configs" / "_releases"
CASES = sorted(path.stem for path in CORPUS.glob("*.yaml"))


def complaint(case: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load([CORPUS / f"{case}.yaml"], registry=Registry())
    return f"{caught.value}\n".replace(f"{CORPUS}/", "")


@pytest.mark.parametrize("case", CASES)
def test_exact_message(case: str) -> None:
    assert complaint(case) == (CORPUS / f"{case}.expected").read_text("utf-8")


def test_the_corpus_is_complete() -> None:
    assert {path.stem for path in CORPUS.glob("*.expected")} == set(CASES)
    assert len(CASES) >= 6


def test_conditions_come_in_order(yard: Yard) -> None:
    component = yard.known()["r3"].components["billing"]
    assert [f"{name} {condition}" for name, condition in component.item.expect] == [
        "version = 2.10", "sum = cc", "charset = UTF8",
    ]  # fmt: skip
    assert [name for name, _ in component.identity] == ["version", "sum"]
    assert (component.item.id, component.item.sources) == (f"{PREFIX}billing", ("release r3",))


@pytest.mark.parametrize(
    ("select", "category"),
    [
        ("{kind: host}", "system-software"),
        ("{kind: database}", "database"),
        ("{kind: [host, database]}", "application"),
        ("{tags: [x]}", "application"),
        ("{tags: [x]}, category: security", "security"),
    ],
)
def test_the_category_follows_the_kind(yard: Yard, select: str, category: str) -> None:
    yard.releases = RELEASES.replace("{kind: application, tags: [billing]}", select)
    assert yard.known()["r3"].components["billing"].item.category == category


def test_a_later_directory_replaces(tmp_path: Path, yard: Yard) -> None:
    yard.known()
    own = tmp_path / "own"
    own.mkdir()
    (own / "r2.yaml").write_text(RELEASES.split("---\n")[1].replace("2.0", "2.5"), "utf-8")
    found = load([tmp_path / "releases", own], registry=Registry())
    assert found["r2"].components["billing"].version == "2.5"
    assert len(found) == 5


def test_a_directory_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        load([tmp_path / "absent"])


def test_the_order_of_releases(yard: Yard) -> None:
    known = yard.known()
    around = [(each.id, direction, steps) for each, direction, steps in Lineage(known).around(known["r2"])]
    assert around == [
        ("r2", "same", 0), ("r1", "behind", 1), ("r3", "ahead", 1), ("r2-fix", "ahead", 1),
        ("r4", "ahead", 2),
    ]  # fmt: skip


def test_the_shipped_releases_load() -> None:
    found = load([shipped("config") / "releases"])
    assert found["marketing-2.4"].follows == "marketing-2.3"
    assert found.keys() == {"marketing-2.3", "marketing-2.4"}
    assert set(found["marketing-2.3"].components) < set(found["marketing-2.4"].components)
    items = [each.item for release in found.values() for each in release.components.values()]
    assert all(item.title and item.title_zh and item.remediation and item.remediation_zh for item in items)


async def test_a_unit_that_should_run_what_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text('[daemon]\nstate_dir = "s"\ninventory = "i.yaml"\nreleases = "r"\n')
    (tmp_path / "r").mkdir()
    (tmp_path / "r/bad.yaml").write_text((CORPUS / "severity.yaml").read_text("utf-8"), "utf-8")
    inventory = "version: 1\nunits:\n  - {id: hall, name: Hall, level: hall, release: marketing-2.5}\n"
    (tmp_path / "i.yaml").write_text(inventory, "utf-8")
    status, out, err = await muster("versions", "-c", str(tmp_path / "muster.toml"))
    assert (status, out) == (CONFIG_ERROR, "")
    assert 'r/bad.yaml:5:77: components[0].severity: unknown value "fatal"' in err
    (tmp_path / "r/bad.yaml").unlink()
    for command in (
        ("versions",),
        ("check", "--stored"),
        ("inventory", "show", "hall"),
        ("inventory", "validate"),
    ):
        status, _, err = await muster(*command, "-c", str(tmp_path / "muster.toml"))
        assert status == CONFIG_ERROR
        assert (
            'i.yaml:3:41: units[0].release: unknown release "marketing-2.5"; did you mean "marketing-2.'
            in err
        )
