"""What FTP servers answer: refusals, lists of all kinds, and bytes of anybody."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from aioftp.common import ThrottleStreamIO
from hypothesis import given
from hypothesis import strategies as st

from probes._resolve import Address
from probes._service import Notes
from probes.api import Context
from probes.errors import Ending
from probes.interface._ftp import Ftp, Place, _Client, refusal, worded
from probes.interface._ftp_lists import moment
from tests.probing import SharedHere

MARKER = "marker-Pa55/w0rd+9"
ADDRESS = Address("127.0.0.1", "4")


@pytest.mark.parametrize(
    ("what", "code", "said", "kind", "word"),
    [
        ("put x", "452", "Insufficient storage", "expectation", "disk_full: put x: 452"),
        ("put x", "552", "Quota exceeded", "expectation", "disk_full"),
        ("put x", "451", "No space left on device", "expectation", "disk_full"),
        ("put x", "553", "Could not create file.", "permission", "missing_right"),
        ("put x", "550", "x: Permission denied", "permission", "missing_right"),
        ("put x", "522", "SSL connection failed: session reuse required", "expectation", "tls_required"),
        ("login", "530", "Non-anonymous sessions must use encryption.", "expectation", "tls_required"),
        (
            "login",
            "530",
            "Sorry, the maximum number of clients (1) has been reached",
            "expectation",
            "too_many",
        ),
        ("login", "421", "There are too many connected users", "expectation", "too_many_connections"),
        ("login", "530", "Login incorrect.", "auth", "wrong_password"),
        ("get x", "550", "Failed to open file.", "expectation", "get x: 550"),
        ("list x", "550", "x: Permission denied", "permission", "missing_right"),
        ("tls", "502", "Command not implemented.", "expectation", "TLS is not offered"),
        ("put x", "4x1", "what", "protocol", "put x: it says"),
    ],
)
def test_what_refusals_stand_for(what: str, code: str, said: str, kind: str, word: str) -> None:
    ending = refusal(what, code, said)
    assert (ending.kind, ending.detail[: len(word)]) == (kind, word)


class _Deaf(asyncio.Transport):
    """A connection into which everything may be said."""

    def write(self, data: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def is_closing(self) -> bool:
        return True


WORDS = [
    b"220 ",
    b"230 ",
    b"331 ",
    b"213 ",
    b"20270115060000",
    b"-",
    b"\r\n",
    b"\n",
    b"230-x\n",
    b"99",
    b"\xff",
]


@given(st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=40).map(b"".join))
def test_answers_of_anybody_end_well(data: bytes) -> None:
    async def asked() -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        protocol = asyncio.StreamReaderProtocol(reader)
        protocol.connection_made(_Deaf())
        writer = asyncio.StreamWriter(_Deaf(), protocol, reader, loop)
        context = Context(shared, 1.0)
        client = _Client(Place(ADDRESS, 21, "x"), Notes(context))
        client._stream = ThrottleStreamIO(reader, writer)
        served = Ftp(client, Notes(context), (MARKER,))
        with contextlib.suppress(Ending, ConnectionError):
            await served.log_in("a", "b")
            await served.entry("/x")

    shared = SharedHere()
    asyncio.run(asked())


@given(st.text(max_size=60).map(str.encode) | st.binary(max_size=60), st.booleans())
def test_lists_of_anybody_end_well(line: bytes, exact: bool) -> None:
    client = _Client(Place(ADDRESS, 21, "x"), Notes(Context(SharedHere(), 1.0)))
    with contextlib.suppress(Ending), worded("list", ()):
        Ftp(client, Notes(Context(SharedHere(), 1.0)), ())._entry(line, exact=exact)


@pytest.mark.parametrize(
    ("line", "exact", "name", "size"),
    [
        (b"type=file;size=12;modify=20270115060000; a b.csv\r\n", True, "a b.csv", 12),
        (b"type=dir;modify=20270115060000; old\r\n", True, None, 0),
        (b"-rw-r--r--    1 ftp  ftp   12 Jan 15 06:00 a b.csv\r\n", False, "a b.csv", 12),
        (b"01-15-27  06:00AM                   12 a.csv\r\n", False, "a.csv", 12),
        (b"01-15-2027  06:00PM       <DIR>          old\r\n", False, None, 0),
        (b"01/15/2027  06:00 AM                 12 a.csv\r\n", False, "a.csv", 12),
        (b"drwxr-xr-x    2 ftp  ftp 4096 Jan 15 06:00 old\r\n", False, None, 0),
        (b"total 8\r\n", False, None, 0),
    ],
)
def test_lines_of_lists(line: bytes, exact: bool, name: str | None, size: int) -> None:
    client = _Client(Place(ADDRESS, 21, "x"), Notes(Context(SharedHere(), 1.0)))
    entry = Ftp(client, Notes(Context(SharedHere(), 1.0)), ())._entry(line, exact=exact)
    assert (entry and entry.name) == name
    assert entry is None or (entry.size, entry.modified is not None) == (size, True)


@given(st.text(max_size=30))
def test_times_of_anybody(text: str) -> None:
    assert moment(text) is None or text[:14].isdecimal()


def test_a_time_of_rfc_3659() -> None:
    assert moment("20270115060000.250") == moment("20270115060000") == 1_799_992_800
