"""What pages say, in English and Simplified Chinese: one table for each language, in `locale/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

LANGUAGES = ("en", "zh")
MAX_HEADER = 200


@cache
def table(language: str) -> Mapping[str, str]:
    """Return all texts of a language by key."""
    file = resources.files("monitor.web") / "locale" / f"{language}.json"
    found: dict[str, str] = json.loads(file.read_text("utf-8"))
    return found


class Texts:
    """The texts of one language. A text about `n` things may have forms of its own for 0 and 1."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._table = table(language)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of a key with its values put in; a key that is not there is its own text."""
        form = {0: "_0", 1: "_one"}.get(values.get("n"), "")  # type: ignore[call-overload]
        text = self._table.get(key + form) or self._table.get(key, "")
        return text.format_map(values) if text else key.rpartition(".")[2]

    def pick(self, english: str, chinese: str) -> str:
        """Return the text in this language, or the other where it has none."""
        return (chinese or english) if self.language == "zh" else (english or chinese)


def negotiate(wanted: str, header: str) -> str:
    """Return the language to use: the one asked for, else the first the browser prefers, else English."""
    if wanted in LANGUAGES:
        return wanted
    ranked = sorted((_ranked(part) for part in header[:MAX_HEADER].split(",")), key=lambda each: -each[0])
    for weight, tag in ranked:
        primary = tag.partition("-")[0]
        if weight > 0 and primary in LANGUAGES:
            return primary
    return LANGUAGES[0]


def _ranked(part: str) -> tuple[float, str]:
    """Return the weight and the tag of one range of Accept-Language (RFC 9110, 12.5.4)."""
    tag, _, parameter = part.strip().lower().partition(";")
    name, _, value = parameter.strip().partition("=")
    try:
        return (float(value) if name == "q" else 1.0, tag.strip())
    except ValueError:
        return (0.0, tag.strip())
