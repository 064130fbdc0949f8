"""What reports are made of: sheets, each a topic with its rows; HTML, PDF, XLSX and Markdown show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monitor.readiness.verdict import Status, Verdict
from monitor.reports.look import STATUSES, VERDICTS, Language
from monitor.roadmap.words import STATUS

Tone = Literal["", "good", "warn", "bad", "none"]
"""How a cell is coloured; it always has a sign or a word, too."""
TONES = {
    Verdict.READY: "good", Verdict.CONDITIONAL: "warn", Verdict.NOT_READY: "bad", Verdict.UNKNOWN: "none",
    Status.PASS: "good", Status.WAIVED: "warn", Status.FAIL: "bad", Status.UNKNOWN: "none",
    Status.NOT_APPLICABLE: "none",
}  # fmt: skip
_OUTLOOK: dict[str, tuple[str, Tone]] = {
    "on_track": ("✔", "good"), "at_risk": ("◐", "warn"), "late": ("✖", "bad"), "undated": ("?", "none"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: `text` is shown; a number is written to workbooks as one, in `form` of theirs."""

    text: str
    number: float | None = None
    tone: Tone = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `width` in characters, for workbooks."""

    title: str
    width: int = 14
    right: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """One topic. `note` says what the figures are of, and is shown with them."""

    id: str
    title: str
    note: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str = ""
    """What stands instead of rows where there are none."""


def words(*texts: str | None) -> list[Cell]:
    """Return cells of text."""
    return [Cell(text or "") for text in texts]


def count(value: float | None, tone: Tone = "", form: str = "0") -> Cell:
    """Return a cell of a number; "–" for none."""
    if value is None:
        return Cell("–")
    return Cell(f"{value:.6g}", float(value), tone if value else "", form)


def share(value: float | None) -> Cell:
    """Return a cell of a share from 0 to 1."""
    return Cell("–") if value is None else Cell(f"{value:.1%}", value, "", "0.0%")


def verdict(value: str | None, language: Language) -> Cell:
    """Return a verdict's cell; "–" where it is not known what it was."""
    if not value:
        return Cell("–")
    token = VERDICTS[Verdict(value)]
    return Cell(f"{token.sign} {token.word(language)}", None, _tone(Verdict(value)))


def status(value: str, language: Language) -> Cell:
    """Return the cell of an item's status; "–" where nothing judges it."""
    if not value:
        return Cell("–")
    token = STATUSES[Status(value)]
    return Cell(f"{token.sign} {token.word(language)}", None, _tone(Status(value)))


def outlook(value: str | None, language: Language) -> Cell:
    """Return the cell of a forecast."""
    key = value or "undated"
    sign, tone = _OUTLOOK[key]
    return Cell(f"{sign} {STATUS[key][language == 'zh']}", None, tone)


def _tone(value: Verdict | Status) -> Tone:
    found: Tone = TONES[value]  # type: ignore[assignment]
    return found


def titles(language: Language, *columns: tuple[str, str, int]) -> list[Column]:
    """Return columns by (English, Chinese, width); a negative width stands to the right."""
    return [Column(zh if language == "zh" else en, abs(wide), wide < 0) for en, zh, wide in columns]
