"""What a body says: its encoding undone, its text searched, its JSON read; all of it bounded.

A body is the target's, so that nothing in it may hold the loop: patterns have a time limit (`_patterns`), and
long bodies are searched in a thread.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NoReturn, ParamSpec, TypeVar

import jsonpath

from probes.api import clip
from probes.errors import Inconclusive, ProtocolViolated

SHORT = 8192
"""Bodies up to this many bytes are looked at in the loop."""
CHARSETS = {
    "ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252", "gbk", "gb2312", "gb18030", "big5", "utf-16",
    "utf-16-le", "utf-16-be", "shift_jis", "euc_jp", "euc_kr",
}  # fmt: skip
"""Text encodings that are decoded (by Python's names): plain tables, none of which can run away."""

_paths = jsonpath.JSONPathEnvironment(strict=True)
for _name in ("match", "search"):
    del _paths.function_extensions[_name]

P = ParamSpec("P")
R = TypeVar("R")


async def bounded(size: int, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Do `work`, in a thread where the body of `size` bytes is long."""
    if size <= SHORT:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def unpacked(body: bytes, encoding: str, limit: int) -> tuple[bytes, bool]:
    """Return the body without its Content-Encoding, and whether `limit` cut it off.

    Raises `ProtocolViolated` for damaged data, `Inconclusive` for an encoding that can't be read here.
    """
    if encoding in ("", "identity"):
        return body, False
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Inconclusive(
            f"the body's encoding {encoding[:40]} can't be read; send Accept-Encoding: identity"
        )
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        return unpacker.decompress(body, limit), bool(unpacker.unconsumed_tail)
    except zlib.error as error:
        raise ProtocolViolated(f"the {encoding} body is damaged: {error}") from None


def text_of(body: bytes, content_type: str) -> str:
    """Return the body as text, by its charset where that is known, else as UTF-8; never fails."""
    _, _, after = content_type.lower().partition("charset=")
    charset = after.split(";")[0].strip().strip("\"'") or "utf-8"
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = "utf-8"
    return body.decode(name if name in CHARSETS else "utf-8", "replace")


@lru_cache(maxsize=1024)
def path(text: str) -> jsonpath.JSONPath:
    """Compile a JSONPath (RFC 9535, without match() and search()). Raises ValueError."""
    try:
        compiled = _paths.compile(text)
    except (jsonpath.JSONPathError, ValueError) as error:
        raise ValueError(f"no JSONPath: {str(error).splitlines()[0]}") from None
    if not isinstance(compiled, jsonpath.JSONPath):
        raise ValueError("no JSONPath: write one query")  # noqa: TRY004 - pydantic wants a ValueError
    return compiled


def parsed(text: str) -> Any:
    """Read JSON (RFC 8259). Raises `ProtocolViolated`."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProtocolViolated(f"the body is no JSON: {why}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def values(document: Any, query: str) -> list[Any]:
    """Return what `query` selects. Raises `ProtocolViolated` where the document is too deep for it."""
    try:
        return path(query).findall(document)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise ProtocolViolated(f"{query} can't be applied: {type(error).__name__}") from None


def same(value: Any, wanted: Any) -> bool:
    """Whether two JSON values are equal, where true is not 1."""
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def as_fact(value: Any) -> str:
    """Return a JSON value as a fact: texts bare, everything else as JSON, bounded."""
    bare = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return clip(bare)


def as_number(value: Any) -> float | None:
    """Return a JSON number (true is 1, false 0) as a metric, or None."""
    if not isinstance(value, bool | int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None
