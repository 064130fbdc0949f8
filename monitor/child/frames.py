"""Length-prefixed pickles between the daemon and its own child process. Never from anywhere else."""

from __future__ import annotations

import asyncio
import pickle
import struct
from typing import Any, BinaryIO

_HEAD = struct.Struct("<I")


def pack(message: Any) -> bytes:
    """Return one frame."""
    body = pickle.dumps(message, protocol=5)
    return _HEAD.pack(len(body)) + body


def write(stream: BinaryIO, message: Any) -> None:
    """Write one frame and flush."""
    stream.write(pack(message))
    stream.flush()


def read(stream: BinaryIO) -> Any:
    """Read one frame. Raises EOFError at the end."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    return pickle.loads(stream.read(_HEAD.unpack(head)[0]))  # noqa: S301 - our own child process


async def receive(reader: asyncio.StreamReader) -> Any:
    """Read one frame on the loop. Raises EOFError at the end."""
    try:
        (length,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
        return pickle.loads(await reader.readexactly(length))  # noqa: S301 - our own child process
    except asyncio.IncompleteReadError:
        raise EOFError from None
