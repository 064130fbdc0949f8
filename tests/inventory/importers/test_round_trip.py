"""Whatever stands in an inventory comes back from a workbook, and from the YAML that an import prints."""

# ruff: noqa: E501 - one strategy a line

from __future__ import annotations

import string
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inventory._fields import SECRET_KEYS
from inventory.importers import export, table, writing, xlsx
from inventory.importers.draft import Draft, Item, Line
from inventory.load import load
from inventory.models import Inventory
from inventory.source import parse

SLUGS = st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True)
CHECK_IDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
CHARACTERS = st.characters(
    exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp"), exclude_characters="\ufeff"
)
WORDS = (
    st.text(CHARACTERS, min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda word: word and word not in SECRET_KEYS)
)
TEXTS = st.one_of(WORDS, st.sampled_from([
    "=1+1", "0123", "1e5", "true", "null", "~", "- a", "a: b", "a #b", "${x}", "$${x}", "{a", "[a", "'a", '"a', "@a", "a, b",
    "_x0041_", "2027-01-15", "12:30", "0x1F", "营业厅 一", "https://a/b", "a;b", "&a", "*a", "!a", "%a", "|", ">",
]))  # fmt: skip
SCALARS = st.one_of(
    TEXTS,
    st.integers(-(10**12), 10**12),
    st.booleans(),
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: x + 0.5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.from_regex(r"k_[a-z][a-z0-9_]{0,6}", fullmatch=True)
BLOCKS = st.dictionaries(
    KEYS | st.sampled_from(["user", "port", "cpu_cores", "memory", "version"]), VALUES, max_size=4
)
DATES = st.integers(0, 3000).map(lambda days: (date(2025, 1, 1) + timedelta(days)).isoformat())
RATES = st.one_of(st.sampled_from(["20 Mbit/s", "512 kbit/s", "1.5 Gbit/s"]), st.floats(1, 1e12))


def optional(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


def merged(
    required: dict[str, st.SearchStrategy[Any]], **keys: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=keys)


EXPECT = st.dictionaries(KEYS, VALUES, min_size=1, max_size=2)
CHECKS = st.builds(
    lambda own, parameters: {**parameters, **own},
    merged(
        {"probe": CHECK_IDS}, every=st.floats(10, 9000) | st.just("90 s"), timeout=st.floats(0.001, 9),
        retries=st.integers(0, 10), enabled=st.booleans(), windows=st.lists(TEXTS, max_size=2), expect=EXPECT,
        degradation=st.dictionaries(KEYS, st.sampled_from(["off", "low"]), max_size=2),
    ),
    st.dictionaries(KEYS, VALUES, max_size=3),
)  # fmt: skip
PLAIN = {
    "name_zh": TEXTS, "tags": st.lists(TEXTS, max_size=3, min_size=1), "depends_on": st.just([]),
    "ssh": BLOCKS, "snmp": BLOCKS, "hardware": BLOCKS, "expect": EXPECT, "role": TEXTS,
    "family": st.sampled_from(["4", "6"]), "address": st.sampled_from(["10.1.2.3", "2001:db8::1", "a.example", "主机"]),
    "checks": st.lists(CHECKS, max_size=2, unique_by=lambda each: each["probe"]),
}  # fmt: skip
ASSETS = st.one_of(
    merged({"id": SLUGS, "kind": st.sampled_from(["host", "interface"])}, name=TEXTS, **PLAIN),
    merged(
        {"id": SLUGS, "kind": st.just("channel")}, **PLAIN,
        contracted=merged({"provider": TEXTS}, down=RATES, up=RATES, circuit=TEXTS),
    ),
)  # fmt: skip
MAILS = st.lists(st.just("ops@gd.example") | st.just("it@gz.example"), min_size=1, max_size=2)
UNITS = merged(
    {"id": SLUGS, "name": TEXTS, "level": st.sampled_from(["province", "hall"])},
    name_zh=TEXTS, timezone=st.just("Asia/Shanghai"), profile=SLUGS, release=SLUGS, wave=TEXTS,
    location=st.fixed_dictionaries({"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)}),
    go_live=DATES, gates=st.dictionaries(SLUGS.filter(lambda name: name != "go-live"), DATES, min_size=1, max_size=2),
    tags=st.lists(TEXTS, min_size=1, max_size=3), contacts=merged({"tier1": MAILS}, tier3=MAILS),
    functions=st.dictionaries(SLUGS, st.fixed_dictionaries({"users": st.floats(0, 1e6)}), max_size=2),
    bulk=st.lists(SLUGS, min_size=1, max_size=2), realtime=st.lists(SLUGS, max_size=2, unique=True),
    network=merged({"rtt": st.floats(0.001, 2)}, mss=st.integers(200, 9000), carries=st.just("below")),
    assets=st.lists(ASSETS, max_size=3, unique_by=lambda each: each["id"]),
)  # fmt: skip
FILES = st.fixed_dictionaries(
    {"units": st.lists(UNITS, min_size=1, max_size=3, unique_by=lambda each: each["id"])},
    optional={"timezone": st.just("Asia/Shanghai"), "defaults": st.dictionaries(SLUGS, EXPECT, max_size=2)},
)
HERE = Line("here", 1)


def drafted(data: dict[str, Any]) -> Draft:
    """Return the draft that holds just this."""
    units = []
    for unit in data["units"]:
        assets = [
            Item(
                {k: v for k, v in asset.items() if k != "checks"},
                HERE,
                [Item(c, HERE) for c in asset.get("checks", ())],
            )
            for asset in unit.get("assets", ())
        ]
        units.append(
            Item({k: v for k, v in unit.items() if k != "assets"}, HERE, assets, ["a note\nof two lines"])
        )
    return Draft(units, {key: value for key, value in data.items() if key != "units"})


def through_yaml(draft: Draft) -> Inventory:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "inventory.yaml")
        file.write_text(writing.written(draft, ["by a test"]), "utf-8")
        return load(file)


@given(FILES)
@settings(max_examples=50)
def test_yaml_is_read_as_it_was_meant(data: dict[str, Any]) -> None:
    draft = drafted(data)
    assert through_yaml(draft) == draft.finish()


@given(FILES)
@settings(max_examples=25)
def test_a_workbook_holds_the_whole_inventory(data: dict[str, Any]) -> None:
    whole = drafted(data).finish()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "units.xlsx")
        xlsx.write(file, export.rows(whole))
        again = table.read(xlsx.tables(file))
    assert again.finish() == whole
    assert through_yaml(again) == whole


@given(VALUES)
def test_a_value_in_one_line_is_the_same_value(value: Any) -> None:
    found = parse(f"{{a: {writing.flow(value, variables=False)}}}".encode(), "x")[0].data
    assert found == {"a": value}


def test_every_printable_character_survives() -> None:
    text = "".join(chr(code) for code in range(0x20, 0x3000) if chr(code) not in string.whitespace)
    assert parse(f"a: {writing.scalar(text, variables=False)}".encode(), "x")[0].data == {"a": text}
