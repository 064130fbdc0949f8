"""A test page as PWG Raster (PWG 5102.4): white with one black bar, some hundred bytes long. Pure."""

from __future__ import annotations

import re
import struct
from typing import Literal

Kind = Literal["sgray_8", "black_1", "srgb_8"]
KINDS: dict[Kind, tuple[int, int, int, bytes, bytes]] = {
    "sgray_8": (18, 8, 1, b"\xff", b"\x00"),
    "black_1": (3, 1, 1, b"\x00", b"\xff"),
    "srgb_8": (19, 8, 3, b"\xff\xff\xff", b"\x00\x00\x00"),
}
"""Colour space, bits a colour, colours, and the units of white and black."""
A4_MM = (210.0, 297.0)
BAR_MM = (20.0, 25.0)
_SIZE = re.compile(r"_(\d{1,5}(?:\.\d{1,4})?)x(\d{1,5}(?:\.\d{1,4})?)(mm|in)$")
SIZES_MM = (20.0, 2000.0)


def size_mm(media: str) -> tuple[float, float]:
    """Return width and height that the name of a medium ends with (PWG 5101.1); A4 where it has none."""
    match = _SIZE.search(media)
    if match is None:
        return A4_MM
    unit = 25.4 if match[3] == "in" else 1.0
    width, height = float(match[1]) * unit, float(match[2]) * unit
    low, high = SIZES_MM
    return (width, height) if low <= width <= high and low <= height <= high else A4_MM


def page(kind: Kind, dpi: int, size: tuple[float, float], media: str = "") -> bytes:
    """Return a document of one page; `size` in mm."""
    space, bits, colours, white, black = KINDS[kind]
    width, height = (round(length / 25.4 * dpi) for length in size)
    line = (width * bits * colours + 7) // 8
    units = line // len(white)
    top, bottom = (min(height, round(mm / 25.4 * dpi)) for mm in BAR_MM)
    header = bytearray(1796)
    header[0:9] = b"PwgRaster"
    for at, value in (
        (276, dpi), (280, dpi), (340, 1),
        (352, round(size[0] / 25.4 * 72)), (356, round(size[1] / 25.4 * 72)),
        (372, width), (376, height), (384, bits), (388, bits * colours), (392, line), (400, space),
        (420, colours), (452, 1), (456, 1), (460, 1), (472, width), (476, height),
    ):  # fmt: skip
        struct.pack_into(">I", header, at, value)
    name = media.encode("ascii", "replace")[:63]
    header[1732 : 1732 + len(name)] = name
    bands = ((top, white), (bottom - top, black), (height - bottom, white))
    return b"RaS2" + bytes(header) + b"".join(_band(lines, units, unit) for lines, unit in bands)


def _band(lines: int, units: int, unit: bytes) -> bytes:
    whole, rest = divmod(units, 128)
    row = (b"\x7f" + unit) * whole + (bytes([rest - 1]) + unit if rest else b"")
    many, few = divmod(lines, 256)
    return (b"\xff" + row) * many + (bytes([few - 1]) + row if few else b"")
