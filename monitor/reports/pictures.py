"""Pictures of a report as inline SVG: heat map, link quality; `monitor.roadmap.picture` has the burn-down.

Pure. Only attributes, no styles or scripts; each figure has its sign or its number, never colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from monitor.readiness.verdict import Verdict
from monitor.reports.look import CATEGORIES, GREEN, GREY, RED, VERDICTS, Language
from probes.api import clip

Rows = Sequence[Mapping[str, Any]]
CELL, LINE, NAME_WIDTH, WIDTH = 52, 18, 190, 760
MOST_UNITS, MOST_LINKS = 30, 24
_LATIN = 6.2
"""Pixels of a narrow letter; Chinese ones are twice as wide."""
_ORDER = [Verdict.NOT_READY, Verdict.UNKNOWN, Verdict.CONDITIONAL, Verdict.READY]


def heat_map(units: Rows, language: Language = "en") -> str:
    """Return units x categories with the verdict of each, the worst units first; "" of nothing."""
    shown = sorted(units, key=lambda unit: (_ORDER.index(Verdict(unit["verdict"])), unit["id"]))[:MOST_UNITS]
    if not shown:
        return ""
    columns = [name for name in CATEGORIES if any(name in unit["categories"] for unit in shown)]
    height = 46 + LINE * len(shown)
    width = NAME_WIDTH + CELL * (len(columns) + 1) + 4
    title = "各单位各类别的结论" if language == "zh" else "Verdicts by unit and category"
    heads = [("结论" if language == "zh" else "all"), *(_short(name, language) for name in columns)]
    parts = [
        f'<text x="{NAME_WIDTH + CELL * n + CELL / 2 - 1}" y="38" text-anchor="middle">{escape(head)}</text>'
        for n, head in enumerate(heads)
    ]
    for n, unit in enumerate(shown):
        parts += _line(unit, columns, 46 + LINE * n, language)
    return _svg(title, width, height, parts)


def _line(unit: Mapping[str, Any], columns: Sequence[str], y: int, language: Language) -> list[str]:
    found = [unit["verdict"], *(unit["categories"].get(name, "") for name in columns)]
    label = _fitting(_named(unit, language), NAME_WIDTH - 8)
    parts = [f'<text x="{NAME_WIDTH - 6}" y="{y + 13}" text-anchor="end">{escape(label)}</text>']
    for n, verdict in enumerate(found):
        x = NAME_WIDTH + CELL * n
        token = VERDICTS[Verdict(verdict)] if verdict else None
        fill = token.colour if token else "#F2F4F6"
        parts.append(f'<rect x="{x}" y="{y}" width="{CELL - 2}" height="{LINE - 2}" fill="{fill}"/>')
        if token:
            middle = x + CELL / 2 - 1
            parts.append(
                f'<text x="{middle}" y="{y + 13}" text-anchor="middle" fill="#ffffff" font-weight="bold">'
                f"{token.sign}</text>"
            )
    return parts


def link_quality(rows: Rows, language: Language = "en") -> str:
    """Return each link's figure against its requirement, those that fall short first; "" of nothing."""
    shown = [row for row in rows if _needed(row) or row["state"] == "NO_DATA"]
    shown = sorted(shown, key=_load, reverse=True)[:MOST_LINKS]
    if not shown:
        return ""
    title = (
        "链路质量相对需求（无需求者按合同；100 % 为上限）"
        if language == "zh"
        else "Link quality against requirement, or contract where nothing is required"
    )
    start, full = NAME_WIDTH + 90, 300
    bottom = 46 + LINE * len(shown)
    needed = "需求" if language == "zh" else "required"
    parts = [
        f'<path d="M{start + full} 30V{bottom}" stroke="currentColor" stroke-dasharray="4 3"/>',
        f'<text x="{start + full}" y="26" text-anchor="middle">{needed}</text>',
    ]
    for n, row in enumerate(shown):
        parts += _bar(row, 36 + LINE * n, start, full, language)
    return _svg(title, WIDTH, bottom + 4, parts)


def _needed(row: Mapping[str, Any]) -> float | None:
    """Return what is required, or of a rate what is contracted where nothing is required."""
    found: float | None = row["requirement"] or row["contract"]
    return found


def _load(row: Mapping[str, Any]) -> float:
    """Return how much of what is allowed a figure takes: over 1 falls short; no data comes first."""
    value, needed = row["value"], _needed(row)
    if value is None or not needed:
        return float("inf")
    if row["measure"] in ("up", "down"):
        return float(needed) / float(value) if value > 0 else float("inf")
    return float(value) / float(needed)


def _bar(row: Mapping[str, Any], y: int, start: int, full: int, language: Language) -> list[str]:
    label = _fitting(f"{_named(row, language)}/{row['asset']}", NAME_WIDTH + 30)
    head = f'<text x="{start - 56}" y="{y + 13}" text-anchor="end">{escape(label)}</text>'
    kind = f'<text x="{start - 50}" y="{y + 13}">{escape(row["measure"] or "?")}</text>'
    load = _load(row)
    if row["value"] is None:
        size = f'width="{full}" height="{LINE - 5}"'
        text = "无数据" if language == "zh" else "NO_DATA"
        return [
            head, kind,
            f'<rect x="{start}" y="{y + 1}" {size} fill="none" stroke="{GREY}" stroke-dasharray="3 3"/>',
            f'<text x="{start + 6}" y="{y + 13}">? {text}</text>',
        ]  # fmt: skip
    long = round(min(1.25, load) * full, 1)
    sign, fill = ("✖", RED) if load > 1 else ("?", GREY) if row["state"] else ("✔", GREEN)
    thin = f", {row['coverage']:.0%}" if row["state"] else ""
    said = f"{sign} {min(load, 99.99):.0%}, n = {row['n']}{thin}"
    return [
        head, kind, f'<rect x="{start}" y="{y + 1}" width="{long}" height="{LINE - 5}" fill="{fill}"/>',
        f'<text x="{start + full * 1.25 + 6}" y="{y + 13}">{said}</text>',
    ]  # fmt: skip


def _named(row: Mapping[str, Any], language: Language) -> str:
    return clip((row["name_zh"] if language == "zh" else "") or row["name"])


def _short(name: str, language: Language) -> str:
    return CATEGORIES[name] if language == "zh" else name.replace("system-software", "system")[:9]


def _fitting(text: str, room: float) -> str:
    wide = 0.0
    for place, letter in enumerate(text):
        wide += _LATIN * (2 if ord(letter) > 0x2E80 else 1)
        if wide > room:
            return text[: max(1, place - 1)] + "…"
    return text


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    font = 'font-family="Noto Sans CJK SC, DejaVu Sans, sans-serif" font-size="11" fill="currentColor"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}" {font}>'
    name = f'<title>{escape(title)}</title><text x="4" y="14" font-weight="bold">{escape(title)}</text>'
    return "".join((head, name, *parts, "</svg>"))
