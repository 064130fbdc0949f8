"""A process of its own that draws one series: JSON on standard input, PNG on standard output.

    {"check", "metric", "unit", "zone", "language", "start", "until", "began", "over", "op", "bound",
     "times": [s], "values": [number or null], "failed": [s]}

It bounds its own memory and processor time, so that nothing a series holds can hurt the daemon. Exit status
3 where matplotlib is missing.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

MOST_MEMORY = 1 << 31
MOST_SECONDS = 20
MISSING = 3
SIZE_IN, DPI = (4.8, 2.5), 200
BLUE, RED, DARK, GREY = "#0072B2", "#D55E00", "#1B1F23", "#57606A"
FONTS = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei")
WORDS = {
    "en": {"required": "required", "failed": "failed", "incident": "incident", "none": "nothing measured"},
    "zh": {"required": "要求", "failed": "失败", "incident": "事件", "none": "无检测数据"},
}
_STEPS = {"bit/s": ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")), "bytes": ((1e9, "GB"), (1e6, "MB"))}


def bound() -> None:
    """Limit this process, and let others go first."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    os.nice(10)


def main() -> int:
    """Draw what is asked for."""
    bound()
    try:
        import matplotlib  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        return MISSING
    matplotlib.use("Agg")
    draw(json.load(sys.stdin), sys.stdout.buffer)
    return 0


def draw(asked: dict[str, Any], out: BinaryIO) -> None:
    """Write the picture."""
    from matplotlib import rcParams  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    chinese = asked["language"] == "zh" and _chinese()
    words = WORDS["zh" if chinese else "en"]
    rcParams["text.parse_math"] = False
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    _series(axes, asked, words)
    _axes(axes, asked)
    figure.savefig(out, format="png", metadata={"Software": None})


def _chinese() -> bool:
    """Choose a font that has Chinese, where there is one."""
    from matplotlib import font_manager, rcParams  # noqa: PLC0415

    names = {each.name for each in font_manager.fontManager.ttflist}
    found = [name for name in FONTS if name in names] or sorted(n for n in names if "Sans CJK" in n)
    if found:
        rcParams["font.family"] = [found[0], "DejaVu Sans"]
    return bool(found)


def _series(axes: Any, asked: dict[str, Any], words: dict[str, str]) -> None:
    factor, unit = scale(asked)
    values = [None if value is None else value / factor for value in asked["values"]]
    end = asked["until"] if asked["over"] is None else asked["over"]
    began = max(asked["began"], asked["start"])
    axes.axvspan(_day(began), _day(end), color=RED, alpha=0.18, linewidth=0, label=words["incident"])
    line = [float("nan") if value is None else value for value in values]
    times = [_day(at) for at in asked["times"]]
    axes.plot(times, line, color=BLUE, linewidth=1.4, marker=".", markersize=1.6)
    if asked["op"]:
        required = f"{words['required']} {asked['op']} {asked['bound'] / factor:.4g} {unit}"
        axes.axhline(asked["bound"] / factor, color=DARK, linewidth=1.2, linestyle="--", label=required)
    _range(axes, [value for value in values if value is not None], asked, factor)
    if asked["failed"]:
        marks = [_day(at) for at in asked["failed"]]
        axes.plot(
            marks, [0.03] * len(marks), "x", color=RED, markersize=4, transform=axes.get_xaxis_transform(),
            label=words["failed"], clip_on=False,
        )  # fmt: skip
    if not any(value is not None for value in values):
        axes.text(0.5, 0.5, words["none"], transform=axes.transAxes, ha="center", color=GREY, fontsize=11)
    axes.set_title(f"{asked['check']}  {asked['metric']} ({unit})", fontsize=9, loc="left", color=DARK)


def _range(axes: Any, values: list[float], asked: dict[str, Any], factor: float) -> None:
    """Show the values and the requirement, from zero where that is not far away."""
    shown = [*values, *([asked["bound"] / factor] if asked["op"] else [])] or [0.0, 1.0]
    low, high = min(shown), max(shown)
    near_zero = 0 <= low <= high / 2
    room = (high - low) * 0.12 or abs(high) * 0.1 or 1.0
    axes.set_ylim(0.0 if near_zero else low - room, high + room)


def _axes(axes: Any, asked: dict[str, Any]) -> None:
    from matplotlib import dates as untyped  # noqa: PLC0415

    dates: Any = untyped
    zone = ZoneInfo(asked["zone"])
    axes.set_xlim(_day(asked["start"]), _day(asked["until"]))
    axes.xaxis.set_major_locator(dates.HourLocator(tz=zone))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M", tz=zone))
    day = datetime.fromtimestamp(asked["until"], zone)
    axes.set_xlabel(f"{day:%Y-%m-%d %z}", fontsize=8, color=GREY, loc="right", labelpad=1)
    axes.tick_params(labelsize=9, colors=GREY, length=2)
    axes.grid(visible=True, color="#E5E8EB", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.figure.legend(loc="outside lower left", ncols=3, fontsize=8, frameon=False, handlelength=1.6)


def scale(asked: dict[str, Any]) -> tuple[float, str]:
    """Return by what the values are divided for people, and the unit that gives."""
    known = [abs(value) for value in asked["values"] if value is not None]
    largest = max([*known, abs(asked["bound"])], default=0.0)
    steps = _STEPS.get(asked["unit"], ())
    return next(((size, unit) for size, unit in steps if largest >= size), (1.0, asked["unit"]))


def _day(at: float) -> float:
    """Return seconds since the epoch as matplotlib counts: days."""
    return at / 86400.0


if __name__ == "__main__":
    sys.exit(main())
