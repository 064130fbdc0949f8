"""A comparison and a history for people: the sentence, then what changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

KINDS = {
    "en": {"worse": "worse", "better": "better", "appeared": "new", "went": "gone", "other": "other"},
    "zh": {"worse": "变差", "better": "变好", "appeared": "新增", "went": "消失", "other": "其他"},
}
SIGNS = {"worse": "✖", "better": "✔", "appeared": "+", "went": "-", "other": "·"}
_HEAD = {"en": "compared with {what} ({at}): {counts}", "zh": "与 {what}（{at}）相比：{counts}"}
_NONE = {"en": "nothing changed", "zh": "没有变化"}
_NOT_THERE = {"en": "no earlier result to compare with", "zh": "没有可比较的较早结果"}
_GONE = {"en": "no longer in the inventory: {}", "zh": "已不在清单中：{}"}
_CHANGED = {
    "en": "the unit or what is asked of it was changed since: muster history {} shows how",
    "zh": "单位或其检查要求此后有改动：muster history {} 可查看",
}


def lines(diff: Mapping[str, Any], language: str) -> Iterator[str]:
    """Yield a comparison as plain lines."""
    words, previous = KINDS[language], diff["previous"]
    counts = ", ".join(f"{n} {words[kind]}" for kind, n in diff["counts"].items() if n) or _NONE[language]
    yield _HEAD[language].format(what=previous["what"], at=previous["at"] or "?", counts=counts)
    for unit in diff["units"]:
        yield from _unit(unit, language)
    if diff["gone"]:
        yield _GONE[language].format(", ".join(diff["gone"]))


def _unit(unit: Mapping[str, Any], language: str) -> Iterator[str]:
    name = unit["name_zh"] if language == "zh" and unit["name_zh"] else unit["name"]
    if unit["before"] is None:
        yield f"{name} ({unit['id']}): {_NOT_THERE[language]}"
        return
    if unit["before"] != unit["verdict"] or unit["items"]:
        yield f"{name} ({unit['id']}): {unit['before']} -> {unit['verdict']}"
    if unit["unit_changed"]:
        yield "  " + _CHANGED[language].format(unit["id"])
    for item in unit["items"]:
        yield "  " + _item(item, language)


def _item(item: Mapping[str, Any], language: str) -> str:
    row = f"{item['id']} ({item['asset']})" if item["asset"] else item["id"]
    before, after = (item[side]["status"] if item[side] else "-" for side in ("before", "after"))
    actual = (item["after"] or item["before"])["actual"]
    text = f"{SIGNS[item['change']]} {KINDS[language][item['change']]}: {row}: {before} -> {after}"
    return f"{text} ({actual})" if actual else text


def text_of(diff: Mapping[str, Any], language: str) -> str:
    """Return a comparison as text that UTF-8 can hold."""
    return "\n".join(lines(diff, language)).encode("utf-8", "replace").decode() + "\n"


def add_to(output: Path, diff: Mapping[str, Any], language: str) -> None:
    """Append a comparison to a file that has the run."""
    with output.open("a", encoding="utf-8") as file:
        file.write("\n" + text_of(diff, language))


def history_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield a unit's history as plain lines, newest first."""
    for change in document["changes"]:
        by = f"run {change['run']}" if change["run"] else "daemon"
        yield f"{change['at']}  ({by})"
        yield from (f"  {_row(row)}" for row in change["items"])
        yield from _files(change)
    if not document["changes"]:
        yield "nothing is kept of this"


def _row(row: Mapping[str, Any]) -> str:
    name = f"{row['id']} ({row['asset']})" if row["asset"] else row["id"]
    why = ": ".join(each for each in (row["reason"], row["actual"]) if each)
    return f"{name}: {row['before'] or '-'} -> {row['status'] or '-'}" + (f" ({why})" if why else "")


def _files(change: Mapping[str, Any]) -> Iterable[str]:
    if change["unit_changed"]:
        yield "  the unit, its checks or what it is asked changed:"
    for each in change["differences"] or ():
        yield f"    {each['path']}: {_side(each['before'])} -> {_side(each['after'])}"
    if change["unit_changed"] and change["differences"] is None:
        yield "    how is not kept"


def _side(value: str | None) -> str:
    return "nothing" if value is None else value
