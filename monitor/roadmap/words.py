"""What a forecast says, in English and Chinese. Pure."""

# ruff: noqa: E501 - a table of Chinese texts, whose characters count twice

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from monitor.roadmap.forecast import Reason

Language = Literal["en", "zh"]
_TEXTS: Mapping[str, tuple[str, str]] = {
    "date_passed": ("the date {day} has passed, by {n} workday{s}, and it is not signed", "已过上线日期 {day}（{n} 个工作日），且未签署"),
    "dates_after": ("what is open will be done by {day}, {n} workday{s} too late", "待办事项 {day} 才能完成，晚 {n} 个工作日"),
    "unowned": ("{n} open blocker{s} or major{s} without an owner and a date", "{n} 个未决的否决项或重要项没有责任人和日期"),
    "overdue": ("{n} row{s} past the due date and still open", "{n} 项已过期仍未解决"),
    "verdict": ("nothing is open, and yet it is not ready: see its verdict", "没有未决事项，但仍未就绪：请看结论"),
    "regressed": ("it has regressed or drifted since it was signed", "签署后出现退化或变更"),
    "waiver_ends": ("{n} waiver{s} will have ended by the go-live date, the first on {day}", "{n} 个豁免在上线前到期，最早 {day}"),
    "thin": ("only {n} workday{s} of slack", "仅余 {n} 个工作日"),
    "undated": ("it has no go-live date", "没有上线日期"),
    "stale": ("its evidence has expired since it was judged", "判定后证据已过期"),
    "signed": ("it is signed", "已签署"),
    "ready": ("nothing is open", "没有未决事项"),
    "dates_hold": ("what is open will be done by {day}, {n} workday{s} before", "待办事项 {day} 完成，提前 {n} 个工作日"),
}  # fmt: skip
STATUS: Mapping[str, tuple[str, str]] = {
    "on_track": ("on track", "按期"), "at_risk": ("at risk", "有风险"), "late": ("late", "延误"),
    "undated": ("no date", "无日期"),
}  # fmt: skip
LEVELS: Mapping[str, tuple[str, str, str]] = {
    "hall": ("hall", "halls", "营业厅"), "county": ("county", "counties", "县公司"),
    "municipal": ("bureau", "bureaus", "市公司"), "province": ("province", "provinces", "省公司"),
    "": ("unit", "units", "单位"),
}  # fmt: skip


def said(reason: Reason, language: Language = "en") -> str:
    """Return a reason in words."""
    text = _TEXTS[reason.code][language == "zh"]
    plural = "" if reason.n == 1 else "s"
    return text.format(n=reason.n, s=plural, day=reason.day.isoformat() if reason.day else "")


def counted(n: int, level: str, language: Language = "en") -> str:
    """Return how many units, by what they are: `112 halls`."""
    one, many, chinese = LEVELS.get(level, LEVELS[""])
    return f"{n} 个{chinese}" if language == "zh" else f"{n} {one if n == 1 else many}"
