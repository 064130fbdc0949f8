"""Texts of servers and drivers, before they go into a detail or a log: without credentials, and bounded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from probes.api import clip

LONGEST = 300
"""Characters that are left of a text."""
READ = 20_000
"""Characters that are looked at."""
SHORTEST = 4
"""A piece of base64 shorter than this says nothing of a secret, and is in every other word."""


def cleaned(text: str, secrets: Iterable[str]) -> str:
    """Return `text` on one line of at most 300 characters, every occurrence of each secret as "***".

    A secret is found as it is, as Python or JSON writes it, URL-encoded, and in base64 wherever it stands in
    what was encoded.
    """
    forms = sorted({form for secret in secrets if secret for form in _forms(secret)}, key=len, reverse=True)
    line = " ".join(clip(_without(forms, text[:READ]), READ).split())
    return clip(_without(forms, line), LONGEST)


def without(text: str, secrets: Iterable[str]) -> str:
    """Return `text`, whole, with every occurrence of each secret as "***", found as `cleaned` finds it."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    return _without(sorted(forms, key=len, reverse=True), text)


def _without(forms: Iterable[str], text: str) -> str:
    for form in forms:
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, repr(secret)[1:-1], quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    data = secret.encode()
    for before in range(3):
        yield from _encoded(data, before)


def _encoded(data: bytes, before: int) -> Iterator[str]:
    """Yield the characters that `data` has in base64 for certain, `before` bytes after a whole triple."""
    whole = base64.b64encode(bytes(before) + data).decode()
    first, last = (0, 2, 3)[before], (before + len(data)) * 8 // 6
    core = whole[first:last]
    if len(core) >= SHORTEST:
        yield core
        yield core.replace("+", "-").replace("/", "_")
