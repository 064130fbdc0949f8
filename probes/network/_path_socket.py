"""The ICMP socket of one run of `path`: its own, so that the kernel can filter for it.

A raw socket gets a copy of every ICMP packet of the machine, those of thousands of other checks included:
a filter in the kernel (classic BPF) lets only answers to this run through. Where raw sockets are not allowed
an unprivileged ping socket does, with the errors off its error queue; these quote no IP header, so that
marks can't be seen then.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterator

from probes._kernel_clock import stamp_ns
from probes._resolve import Address
from probes.network._icmp_channel import (
    CONTROL_ROOM,
    EXTENDED_ERROR,
    INT,
    IP_RECVERR,
    IPV6_RECVERR,
    LARGEST,
    Channel,
)
from probes.network._icmp_packet import (
    ECHO_REPLY,
    ECHO_REPLY6,
    HEADER,
    IPV6_HEADER,
    KEY_SIZE,
    QUOTE_AT,
)
from probes.network._path_packet import (
    IPV4_HEADER,
    Answer,
    Identity,
    echo_request,
    error,
    parse4,
    parse6,
)

SO_ATTACH_FILTER = 26
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE = 10, 23, 3
"""linux/in.h, linux/in6.h: set DF, and pay no heed to the path MTU that the kernel believes in."""
IDENT_AT = 4
INSTRUCTION = struct.Struct("@HBBI")
PROGRAM = struct.Struct("@HP")
LOAD_INDEX_MSH, LOAD_INDEX, LOAD_BYTE, LOAD_HALF, JUMP_EQUAL, RETURN = 0xB1, 0x01, 0x50, 0x48, 0x15, 0x06
"""linux/filter.h: ldxb 4*([k]&0xf), ldx #k, ldb [x+k], ldh [x+k], jeq #k, ret #k."""


class PathChannel(Channel):
    """Sends the packets of one run and yields what comes back for them."""

    def __init__(self, address: Address) -> None:
        """Open the socket. Raises `PermissionMissing`, and OSError when out of descriptors."""
        super().__init__(address.family)
        self.identity = Identity(int.from_bytes(os.urandom(2), "big"), os.urandom(KEY_SIZE), address.host)
        self._sockaddr = address.sockaddr(0)
        try:
            self._prepare()
        except OSError:
            self.close()
            raise

    def _prepare(self) -> None:
        if self._v4:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        else:
            self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
        if self.raw:
            program = answers_only(self.family, self.identity.ident)
            code = ctypes.create_string_buffer(program, len(program))
            packed = PROGRAM.pack(len(program) // INSTRUCTION.size, ctypes.addressof(code))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, packed)

    def request(self, sequence: int, size: int, ttl: int, dscp: int) -> int:
        """Send one packet of `size` bytes (IP header included); return `time.perf_counter_ns` before it.

        Raises OSError (EMSGSIZE: larger than our own interface takes; no route; our queue is full).
        """
        level = socket.IPPROTO_IP if self._v4 else socket.IPPROTO_IPV6
        hops = socket.IP_TTL if self._v4 else socket.IPV6_HOPLIMIT
        mark = socket.IP_TOS if self._v4 else socket.IPV6_TCLASS
        control = [(level, hops, INT.pack(ttl)), (level, mark, INT.pack(dscp << 2))]
        return self.send(echo_request(self.family, self.identity, sequence, size), self._sockaddr, control)

    def answers(self, limit: int) -> Iterator[Answer]:
        """Yield what has arrived for this run, of at most `limit` datagrams."""
        for _ in range(limit):
            try:
                data, ancillary, _, source = self._socket.recvmsg(LARGEST, CONTROL_ROOM)
            except BlockingIOError:
                return
            except OSError:
                yield from self._errors()
                continue
            answer = self._answer(data, str(source[0]).partition("%")[0], stamp_ns(ancillary))
            if answer is not None:
                yield answer

    def _answer(self, data: bytes, source: str, stamp: int) -> Answer | None:
        if self.raw:
            return (parse4 if self._v4 else parse6)(data, source, stamp, self.identity)
        if (
            len(data) < HEADER.size + KEY_SIZE
            or data[HEADER.size : HEADER.size + KEY_SIZE] != self.identity.key
        ):
            return None
        sequence = int.from_bytes(data[6:8], "big")
        return Answer(sequence, source, stamp, "reply") if source == self.identity.host else None

    def _errors(self) -> Iterator[Answer]:
        """Yield what is on a ping socket's error queue: the quote begins with the echo's own header there."""
        with contextlib.suppress(OSError):
            while True:
                quote, ancillary, _, _ = self._socket.recvmsg(LARGEST, CONTROL_ROOM, socket.MSG_ERRQUEUE)
                answer = self._error(quote, ancillary)
                if answer is not None:
                    yield answer

    def _error(self, quote: bytes, ancillary: list[tuple[int, int, bytes]]) -> Answer | None:
        wanted = (socket.IPPROTO_IP, IP_RECVERR) if self._v4 else (socket.IPPROTO_IPV6, IPV6_RECVERR)
        for level, number, data in ancillary:
            if (level, number) == wanted and len(data) >= EXTENDED_ERROR.size and len(quote) >= HEADER.size:
                _, _, kind, code, _, mtu, _ = EXTENDED_ERROR.unpack_from(data)
                sequence = int.from_bytes(quote[6:8], "big")
                source = _offender(data[EXTENDED_ERROR.size :], v4=self._v4)
                return error(self.family, kind, code, mtu, source, stamp_ns(ancillary), sequence, None)
        return None


def _offender(sockaddr: bytes, *, v4: bool) -> str:
    """Return the address of the node that complained."""
    start, end, family = (4, 8, socket.AF_INET) if v4 else (8, 24, socket.AF_INET6)
    return socket.inet_ntop(family, sockaddr[start:end]) if len(sockaddr) >= end else ""


def answers_only(family: str, ident: int) -> bytes:
    """Return the filter that passes echo replies and quotes with this identifier, and nothing else."""
    v4 = family == "4"
    quoted_at = QUOTE_AT + (IPV4_HEADER if v4 else IPV6_HEADER) + IDENT_AT
    program = (
        (LOAD_INDEX_MSH if v4 else LOAD_INDEX, 0, 0, 0),
        (LOAD_BYTE, 0, 0, 0),
        (JUMP_EQUAL, 2, 0, ECHO_REPLY if v4 else ECHO_REPLY6),
        (LOAD_HALF, 0, 0, quoted_at),
        (JUMP_EQUAL, 2, 3, ident),
        (LOAD_HALF, 0, 0, IDENT_AT),
        (JUMP_EQUAL, 0, 1, ident),
        (RETURN, 0, 0, 0xFFFF_FFFF),
        (RETURN, 0, 0, 0),
    )
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in program)
