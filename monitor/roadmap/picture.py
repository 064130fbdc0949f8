"""The burn-down as a picture: SVG with attributes only, so that pages, mails and files may show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from monitor.roadmap.words import Language

FAILING, UNKNOWN, PLANNED = "#D55E00", "#7F7F7F", "#0072B2"
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 30, 26
_TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("Open blockers and majors by day", "每日未决否决项与重要项"),
    "failing": ("failing", "不通过"),
    "unknown": ("unknown", "未知"),
    "planned": ("as due dates say", "按计划"),
    "today": ("today", "今天"),
}
_HATCH = (
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
    f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="{UNKNOWN}" stroke-width="2"/></pattern></defs>'
)
Points = Sequence[Mapping[str, Any]]


def burndown(
    points: Points, planned: Points, language: Language = "en", width: int = 760, height: int = 240
) -> str:
    """Return the picture of `burndown` and `planned` of `muster.plan/1`; "" of nothing."""
    if not points and len(planned) < 2:
        return ""
    return _Drawing(points, planned, language, width, height).svg()


class _Drawing:
    def __init__(self, points: Points, planned: Points, language: Language, width: int, height: int) -> None:
        self._points, self._planned, self._zh = points, planned, language == "zh"
        self._width, self._height = width, height
        days = [date.fromisoformat(each["day"]) for each in (*points, *planned)]
        self._first, self._last = min(days), max(days)
        self._most = _round(max(each["open"] for each in (*points, *planned)))

    def svg(self) -> str:
        title = escape(self._text("title"))
        size = f'viewBox="0 0 {self._width} {self._height}" width="{self._width}" height="{self._height}"'
        font = 'font-family="sans-serif" font-size="11" fill="currentColor"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}" {font}>'
        parts = [*self._axes(), *self._areas(), *self._plan(), *self._legend()]
        return "".join((head, f"<title>{title}</title>", _HATCH, *parts, "</svg>"))

    def _text(self, key: str) -> str:
        return _TEXTS[key][self._zh]

    def _x(self, day: str) -> float:
        span = max(1, (self._last - self._first).days)
        share = (date.fromisoformat(day) - self._first).days / span
        return round(LEFT + share * (self._width - LEFT - RIGHT), 1)

    def _y(self, count: int) -> float:
        return round(TOP + (1 - count / self._most) * (self._height - TOP - BOTTOM), 1)

    def _axes(self) -> list[str]:
        lines = []
        for count in (0, self._most // 2, self._most):
            y = self._y(count)
            lines.append(
                f'<path d="M{LEFT} {y}H{self._width - RIGHT}" stroke="currentColor" stroke-opacity="0.2"/>'
                f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{count}</text>'
            )
        low = self._height - 8
        ends = ((self._first, "start", LEFT), (self._last, "end", self._width - RIGHT))
        lines += [f'<text x="{x}" y="{low}" text-anchor="{anchor}">{day}</text>' for day, anchor, x in ends]
        if self._points and self._points[-1]["day"] not in (str(self._first), str(self._last)):
            x = self._x(self._points[-1]["day"])
            lines.append(
                f'<path d="M{x} {TOP}V{self._height - BOTTOM}" stroke="currentColor" stroke-opacity="0.4"/>'
                f'<text x="{x}" y="{low}" text-anchor="middle">{self._text("today")}</text>'
            )
        return lines

    def _areas(self) -> list[str]:
        if not self._points:
            return []
        failing = [(self._x(each["day"]), self._y(each["failing"])) for each in self._points]
        both = [(self._x(each["day"]), self._y(each["open"])) for each in self._points]
        floor = [(x, self._y(0)) for x, _ in failing]
        solid = f'fill="{FAILING}" fill-opacity="0.7" stroke="{FAILING}"'
        return [
            f'<path d="{_area(both, failing)}" fill="url(#hatch)" stroke="{UNKNOWN}" class="unknown"/>',
            f'<path d="{_area(failing, floor)}" {solid} class="failing"/>',
        ]

    def _plan(self) -> list[str]:
        if len(self._planned) < 2:
            return []
        steps = "".join(f"H{self._x(each['day'])}V{self._y(each['open'])}" for each in self._planned[1:])
        first = self._planned[0]
        start = f"M{self._x(first['day'])} {self._y(first['open'])}"
        look = f'fill="none" stroke="{PLANNED}" stroke-width="2" stroke-dasharray="6 3"'
        return [f'<path d="{start}{steps}" {look} class="planned"/>']

    def _legend(self) -> list[str]:
        looks = (
            ("failing", f'fill="{FAILING}" fill-opacity="0.7"'),
            ("unknown", f'fill="url(#hatch)" stroke="{UNKNOWN}"'),
            ("planned", f'fill="none" stroke="{PLANNED}" stroke-width="2" stroke-dasharray="4 2"'),
        )
        return [
            f'<rect x="{LEFT + 150 * n}" y="8" width="16" height="10" {look}/>'
            f'<text x="{LEFT + 150 * n + 22}" y="17">{escape(self._text(name))}</text>'
            for n, (name, look) in enumerate(looks)
        ]


def _area(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    there = "L".join(f"{x} {y}" for x, y in upper)
    back = "L".join(f"{x} {y}" for x, y in reversed(lower))
    return f"M{there}L{back}Z"


def _round(most: int) -> int:
    """Return an even number that is at least `most`, for an axis with a middle."""
    step = 1
    while step * 10 <= most:
        step *= 10
    found = -(-most // step) * step
    return max(2, found + found % 2)
