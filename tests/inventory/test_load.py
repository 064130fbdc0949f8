"""From files to an inventory: merging, variables, inheritance; and nothing but ConfigError comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory import load
from inventory.models import Inventory
from inventory.problems import ConfigError
from inventory.variables import substitute
from monitor import plan
from tests.inventory.probes import Registry

HEAD = "version: 1\n"


def written(directory: Path, **files: str) -> Inventory:
    """Write files (`a__b` is a/b.yaml) and load the directory."""
    for name, text in files.items():
        path = directory / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return load.load(directory)


def unit(key: str, level: str = "hall", *lines: str) -> str:
    return f"  - id: {key}\n    name: {key}\n    level: {level}\n" + "".join(
        f"    {line}\n" for line in lines
    )


def test_files_of_a_directory_are_merged_in_order(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not read")
    (tmp_path / ".hidden.yaml").write_text(": broken [")
    inventory = written(
        tmp_path,
        b=HEAD + "units:\n" + unit("b", "hall", "parent: a"),
        a__gz=HEAD + "units:\n" + unit("a", "municipal") + "---\n" + HEAD + "units:\n" + unit("c"),
        common=HEAD + "timezone: Asia/Shanghai\nvars: {x: 1}\ndefaults: {tcp: {every: 5s}}\n",
    )
    assert [each.id for each in inventory] == ["a", "c", "b"]
    assert inventory.places["c"].document == 1
    assert inventory.timezone("b") == "Asia/Shanghai"
    assert inventory.defaults == {"tcp": {"every": "5s"}}


def test_empty_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.yaml file in this directory; write inventory.yaml"):
        load.load(tmp_path)


def test_tree(tmp_path: Path) -> None:
    text = (
        HEAD
        + "units:\n"
        + unit("hall", "hall", "parent: county")
        + unit("gd", "province", "timezone: Asia/Hong_Kong", "contacts: {tier1: [p1@x.y], tier2: [p2@x.y]}")
        + unit("county", "county", "parent: gd", "contacts: {tier1: [c1@x.y]}", "timezone: Asia/Shanghai")
        + unit("other")
    )
    inventory = written(tmp_path, a=text)
    assert [each.id for each in inventory.subtree("gd")] == ["gd", "county", "hall"]
    assert [each.id for each in inventory.ancestors("hall")] == ["county", "gd"]
    assert inventory.children == {"county": ("hall",), "gd": ("county",)}
    assert inventory.timezone("hall") == "Asia/Shanghai"
    assert inventory.timezone("gd") == "Asia/Hong_Kong"
    assert inventory.timezone("other") == "UTC"
    assert inventory.contacts("hall", "tier1") == ("c1@x.y",)
    assert inventory.contacts("hall", "tier2") == ("p2@x.y",)
    assert inventory.contacts("hall", "tier3") == ()


def test_gates(tmp_path: Path) -> None:
    text = unit("a", "hall", "go_live: 2027-01-15") + unit("b", "hall", "gates: {rehearsal: 2026-12-20}")
    inventory = written(tmp_path, a=HEAD + "units:\n" + text)
    assert inventory.units["a"].due() == date(2027, 1, 15)
    assert inventory.units["a"].due("rehearsal") is None
    assert inventory.units["b"].due() is None
    assert inventory.units["b"].due("rehearsal") == date(2026, 12, 20)


def test_dependencies(tmp_path: Path) -> None:
    assets = """assets:
      - {id: up, kind: channel, depends_on: [b/core]}
      - {id: back, kind: channel}
      - {id: pc, kind: host}
      - {id: free, kind: host, depends_on: []}
      - {id: app, kind: application, depends_on: [pc]}"""
    other = "assets: [{id: core, kind: channel}]"
    inventory = written(tmp_path, a=HEAD + "units:\n" + unit("a", "hall", assets) + unit("b", "hall", other))
    assert inventory.depends_on("a", "up") == (("b", "core"),)
    assert inventory.depends_on("a", "back") == ()
    assert inventory.depends_on("a", "pc") == (("a", "up"), ("a", "back"))
    assert inventory.depends_on("a", "free") == ()
    assert inventory.depends_on("a", "app") == (("a", "pc"),)
    with pytest.raises(KeyError, match="a/nothing"):
        inventory.depends_on("a", "nothing")


def test_two_rings_are_told_once_each(tmp_path: Path) -> None:
    def channel(key: str, on: str) -> str:
        return f"      - {{id: {key}, kind: channel, depends_on: [{on}]}}"

    assets = "\n".join(
        ["assets:", channel("a", "b"), channel("b", "a"), channel("c", "d"), channel("d", "c")]
    )
    with pytest.raises(ConfigError) as caught:
        written(tmp_path, a=HEAD + "units:\n" + unit("u", "hall", assets))
    assert [problem.message for problem in caught.value.problems] == [
        "depends on itself: u/a > u/b > u/a",
        "depends on itself: u/c > u/d > u/c",
    ]


def test_values(tmp_path: Path) -> None:
    asset = """assets:
      - id: up
        kind: channel
        address: "2001:db8::1%eth0"
        family: 6
        contracted: {down: 20 Mbit/s, up: 1000, provider: x}
        checks: [{probe: tcp, port: 22, every: 5 min, timeout: 500 ms, retries: 2, extra: {a: [1]}}]"""
    found = written(tmp_path, a=HEAD + "units:\n" + unit("a", "hall", asset)).units["a"].asset("up")
    assert found is not None
    assert found.contracted is not None
    assert (found.address, found.family) == ("2001:db8::1%eth0", "6")
    assert (found.contracted.down, found.contracted.up) == (20e6, 1000.0)
    check = found.checks[0]
    assert (check.key, check.every, check.timeout, check.retries, check.enabled) == (
        "tcp",
        300.0,
        0.5,
        2,
        None,
    )
    assert check.parameters == {"port": 22, "extra": {"a": [1]}}
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.id = "other"  # type: ignore[misc]


def test_variables(tmp_path: Path) -> None:
    common = HEAD + "vars: {domain: gd.example, port: 8443, on: true, part: 0.5}\n"
    asset = """assets:
      - id: x
        kind: host
        address: "h.${domain}"
        checks:
          - {probe: tcp, port: "${port}", enabled: "${on}", note: "${port}/${on}/${part}/$${port}"}"""
    inventory = written(tmp_path, a=common, b=HEAD + "units:\n" + unit("a", "hall", asset))
    found = inventory.units["a"].assets[0]
    assert found.address == "h.gd.example"
    assert found.checks[0].enabled is True
    assert found.checks[0].parameters == {"port": 8443, "note": "8443/true/0.5/${port}"}


NAMES = st.sampled_from(["a", "b", "unknown"])
PIECES = st.sampled_from(["${a}", "${b}", "$${", "${", "$", "{", "}", "x", "${unknown}"])


@given(st.lists(PIECES, max_size=6).map("".join))
def test_any_text_with_dollars(text: str) -> None:
    data = {"t": text}
    wrong = list(substitute(data, {"a": "1", "b": 2}, lambda path, message, hint: (path, message)))  # type: ignore[arg-type,return-value]
    bad = text.replace("$${", "#")
    assert bool(wrong) == ("${unknown}" in bad or "${" in bad.replace("${a}", "#").replace("${b}", "#"))


def test_inventory_of_this_form_is_never_mutated_by_planning(tmp_path: Path) -> None:
    asset = "assets: [{id: x, kind: host, address: h, checks: [{probe: tcp, port: 22}]}]"
    inventory = written(tmp_path, a=HEAD + "units:\n" + unit("a", "hall", asset))
    before = repr(inventory)
    plan.build(inventory, {}, registry=Registry())
    assert repr(inventory) == before


WORDS = st.sampled_from(
    [
        "a",
        "b",
        "a/b",
        "host",
        "channel",
        "hall",
        "county",
        "tcp",
        "web",
        "${x}",
        "5 min",
        "secret:k",
        "<= 4",
        "",
        "A b",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 70000) | st.floats(allow_nan=True) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


def some(
    required: Mapping[str, st.SearchStrategy[Any]], keys: list[str]
) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings that mostly have the right form, and sometimes any."""
    optional = st.dictionaries(st.sampled_from(keys) | WORDS, VALUES, max_size=3)
    return st.tuples(st.fixed_dictionaries(dict(required)), optional).map(lambda pair: {**pair[0], **pair[1]})


CHECKS = some(
    {"probe": st.sampled_from(["tcp", "web", "shell", "no"])}, ["id", "port", "every", "timeout", "expect"]
)
ASSETS = some(
    {
        "id": st.sampled_from(["a", "b", "c"]),
        "kind": st.sampled_from(["host", "channel"]),
        "address": st.sampled_from(["h", "::1"]),
        "checks": st.lists(CHECKS, max_size=2),
    },
    ["depends_on", "shares", "expect", "ssh", "role", "tags"],
)
UNITS = some(
    {
        "id": st.sampled_from(["a", "b", "c"]),
        "name": WORDS,
        "level": st.sampled_from(["hall", "county"]),
        "assets": st.lists(ASSETS, max_size=2),
    },
    ["parent", "profile", "gates", "contacts", "timezone", "functions"],
)
FILES = some({"version": st.just(1), "units": st.lists(UNITS, max_size=3)}, ["vars", "defaults", "timezone"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(FILES | VALUES)
def test_any_structure_loads_and_plans_or_is_refused(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "i.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        _, _, made = plan.read(file, [], registry=Registry())
    except ConfigError as error:
        assert error.problems  # noqa: PT017
        assert all(problem.line >= 1 for problem in error.problems)  # noqa: PT017
    else:
        assert all(key == job.id for key, job in made.jobs.items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"version: 1\nunits: {text}".encode())
)
def test_any_bytes_load_or_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "i.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load.load(file)
