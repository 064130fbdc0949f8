"""CSV files: of which encoding, of which delimiter, and their rows with the lines they begin in."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from inventory.importers.table import MAX_COLUMNS, Row, Table
from inventory.problems import ConfigError, Problem

MAX_BYTES = 64 * 1024 * 1024
DELIMITERS = ",;\t"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", ""),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


def table(path: Path) -> tuple[Table, str]:
    """Return a file's rows and the encoding to tell of ("" for UTF-8). Raises ConfigError."""
    text, encoding = decoded(content(path), path.name)
    return Table(path.name, "", _rows(text, path.name), lambda row, _: f"line {row}"), encoding


def content(path: Path, most: int = MAX_BYTES) -> bytes:
    """Return what a file holds. Raises ConfigError for one that can't be read or is too large."""
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([Problem(str(path), 1, 1, "", f"the file can't be read: {reason}")]) from None
    if len(found) > most:
        message, hint = f"the file is over {most // 1024 // 1024} MiB", "split it"
        raise ConfigError([Problem(str(path), 1, 1, "", message, hint)])
    return found


def decoded(data: bytes, file: str) -> tuple[str, str]:
    """Return a text and the name of its encoding, "" for UTF-8: a mark, else UTF-8, else GB18030.

    A text of GB18030 is hardly ever valid UTF-8 by chance, since its pairs of octets are none of UTF-8's.
    Raises ConfigError.
    """
    for mark, codec, name in _BOMS:
        if data.startswith(mark):
            return _decoded(data, codec, name or "UTF-8", file), name
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _decoded(data, "gb18030", "GB18030", file), "GB18030"
    return _decoded(data, "utf-8", "UTF-8", file), ""


def _decoded(data: bytes, codec: str, name: str, file: str) -> str:
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        also = "neither UTF-8 nor GB18030" if name == "GB18030" else f"no {name}"
        message = f"byte 0x{data[error.start]:02x} is {also}"
        raise ConfigError([Problem(file, line, 1, "", message, "save the file as UTF-8")]) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError([Problem(file, line, 1, "", "a NUL character", "this is no CSV file; save as CSV")])
    return text


def _rows(text: str, file: str) -> Iterator[Row]:
    """Yield each record with the line it begins in. Raises ConfigError."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for record in reader:
            yield begins, record[: MAX_COLUMNS + 1]
            begins = reader.line_num + 1
    except csv.Error as error:
        hint = "put texts that hold the delimiter or quotes in quotes, and double the quotes in them"
        raise ConfigError([Problem(file, begins, 1, "", f"no CSV: {error}", hint)]) from None
