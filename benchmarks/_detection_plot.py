"""Delay and share found against false alarms, drawn as an SVG file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks._detection_scoring import Score

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 420, 60, 50
LEAST, MOST = 0.02, 500.0
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#7F7F7F", "#B8A000")


def draw(curves: Mapping[str, Sequence[Score]], path: Path) -> None:
    """Write share found over false alarms per link-month (logarithmic), a line for each detector."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="12">',
        '<g font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>',
    ]
    parts += [_text(_x(mark), HEIGHT - BOTTOM + 18, f"{mark:g}", "middle") for mark in (0.1, 1, 10, 100)]
    parts += [_text(LEFT - 8, _y(share), f"{share:g}", "end") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts.append(_text(WIDTH / 2, HEIGHT - 10, "false alarms per link-month", "middle"))
    parts.append(_text(LEFT - 40, 16, "found", "start"))
    frame = f"M{LEFT},{_y(1)}V{_y(0)}H{WIDTH - 190}"
    parts.append(f'<path d="{frame}" fill="none" stroke="#888"/>')
    for index, (name, scores) in enumerate(curves.items()):
        parts.append(_line(name, scores, COLOURS[index % len(COLOURS)], 30 + 18 * index))
    path.write_text("".join(parts) + "</g></svg>\n", "utf-8")


def _line(name: str, scores: Sequence[Score], colour: str, height: float) -> str:
    points = [(_x(score.false_a_month), _y(score.share)) for score in scores]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    label = f'<text x="{WIDTH - 180}" y="{height}" fill="{colour}">{name}</text>'
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{label}'


def _x(false: float) -> float:
    share = math.log(max(false, LEAST) / LEAST) / math.log(MOST / LEAST)
    return LEFT + share * (WIDTH - 190 - LEFT)


def _y(share: float) -> float:
    return (1 - share) * (HEIGHT - BOTTOM - 20) + 20


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
