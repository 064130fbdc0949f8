"""How a detector's state is written down: a kind, a version, the numbers, a checksum; little-endian."""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Sequence
from typing import Any

_HEADER = struct.Struct("<2sBB")
UNREADABLE = (struct.error, ValueError, IndexError, OverflowError)
"""What content that was not written by `seal` raises when it is read."""
_CHECK = struct.Struct("<I")


def seal(kind: bytes, version: int, content: bytes) -> bytes:
    """Return the content with its kind (two letters), version and checksum."""
    body = _HEADER.pack(kind, version, 0) + content
    return body + _CHECK.pack(zlib.crc32(body))


def unseal(kind: bytes, version: int, data: bytes) -> bytes | None:
    """Return the content, or None where it is not of that kind and version, or damaged."""
    body, check = data[: -_CHECK.size], data[-_CHECK.size :]
    if len(body) < _HEADER.size or _CHECK.pack(zlib.crc32(body)) != check:
        return None
    return body[_HEADER.size :] if _HEADER.unpack_from(body)[:2] == (kind, version) else None


def unseal_any(kind: bytes, version: int, data: bytes, grown: tuple[int, int]) -> bytes | None:
    """Return the content of this version, or of the one before it: that lacked `grown`.

    `grown` is offset and size of what is zero then.
    """
    content = unseal(kind, version, data)
    if content is None and (older := unseal(kind, version - 1, data)) is not None:
        offset, size = grown
        return older[:offset] + bytes(size) + older[offset:]
    return content


def pack_arrays(arrays: Sequence[array[float] | array[int]]) -> bytes:
    """Return each array's length and items."""
    return b"".join(struct.pack(f"<H{len(items)}{items.typecode}", len(items), *items) for items in arrays)


def unpack_arrays(codes: str, data: bytes, offset: int) -> list[array[Any]]:
    """Return arrays of these type codes, which end where the data ends; struct.error or ValueError if not."""
    arrays: list[array[Any]] = []
    for code in codes:
        (count,) = struct.unpack_from("<H", data, offset)
        items = struct.Struct(f"<{count}{code}")
        arrays.append(array(code, items.unpack_from(data, offset + 2)))
        offset += 2 + items.size
    if offset != len(data):
        raise ValueError("more data than arrays")
    return arrays
