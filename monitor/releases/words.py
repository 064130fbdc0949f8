"""What is said of a drift, in English and Simplified Chinese."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from monitor.releases.drift import Drift, Standing
from monitor.reports.look import Language

_STEPS = {
    ("behind", "en"): "{n} release{s} behind", ("behind", "zh"): "落后 {n} 个版本",
    ("ahead", "en"): "{n} release{s} ahead", ("ahead", "zh"): "超前 {n} 个版本",
}  # fmt: skip
_LOOSE = {
    ("behind", "en"): "older, in no release", ("behind", "zh"): "版本偏旧，不属于任何发布",
    ("ahead", "en"): "newer, in no release", ("ahead", "zh"): "版本偏新，不属于任何发布",
    ("none", "en"): "in no release", ("none", "zh"): "不属于任何发布",
    ("beside", "en"): "on another line of releases", ("beside", "zh"): "属于另一发布分支",
}  # fmt: skip
_REBUILT = {"en": "other checksum", "zh": "校验和不同"}
_SINCE = {"en": "since {at}", "zh": "自 {at} 起"}


def told(drift: Drift, zone: str, language: Language = "en") -> str:
    """Return such as `1 release behind (marketing-2.3), since 2027-01-03 10:22 +0800`."""
    parts = [standing(drift.standing, language) or _differs(drift, language)]
    if drift.since is not None:
        parts.append(_SINCE[language].format(at=moment(drift.since, zone)))
    return ("，" if language == "zh" else ", ").join(parts)


def standing(found: Standing, language: Language = "en") -> str:
    """Return how far the found release is; empty where the version is right or not known."""
    rebuilt = f"{'，' if language == 'zh' else ', '}{_REBUILT[language]}" if found.rebuilt else ""
    name = f" ({found.release})" if language == "en" else f"（{found.release}）"
    where = name if found.release else ""
    if found.direction in ("same", "unknown"):
        return _REBUILT[language] if found.rebuilt else ""
    if found.steps:
        text = _STEPS[found.direction, language].format(n=found.steps, s="" if found.steps == 1 else "s")
        return f"{text}{where}{rebuilt}"
    return f"{_LOOSE[found.direction, language]}{where}{rebuilt}"


def short(found: Standing) -> str:
    """Return the standing for a cell: an arrow, and by how many releases where that is known."""
    arrow = {"behind": "↓", "ahead": "↑", "beside": "⇄"}.get(found.direction, "≠")
    return f"{arrow}{found.steps or ''}"


def _differs(drift: Drift, language: Language) -> str:
    names = ", ".join(drift.differs)
    return (f"{names} 与发布清单不符" if language == "zh" else f"{names} not as released").strip()


def moment(at: float, zone: str) -> str:
    """Return a time in a zone, with its offset."""
    return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %z")
