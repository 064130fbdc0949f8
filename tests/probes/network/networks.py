"""Simulated networks that lose, repeat, reorder, lie and complain: each answers one packet at a time."""

from __future__ import annotations

from collections.abc import Iterable

from tests.servers.namespace import Answer, echo_reply, icmp_error, is_echo_request, sequence


def every_other_lost(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet) and sequence(packet) % 2:
        yield 0, echo_reply(packet)


def twice(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        yield from ((0, echo_reply(packet)), (0, echo_reply(packet)))


def swapped(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        yield (0.03 if sequence(packet) == 1 else 0), echo_reply(packet)


def foreign_and_broken(packet: bytes) -> Iterable[Answer]:
    """Everything that is not the answer, and no answer."""
    if not is_echo_request(packet):
        return
    good = bytearray(echo_reply(packet))
    yield 0, echo_reply(packet, source="10.99.0.200")
    for at in (24, 30, 60):  # the identifier, the key, the padding: the checksum is wrong in each case
        good[at] ^= 0xFF
        yield 0, bytes(good)
        good[at] ^= 0xFF
    yield 0, bytes(good[:25])
    yield 0, b"\x45" + bytes(30)


def no_host(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        router = "10.99.0.254" if packet[0] >> 4 == 4 else "fd99::254"
        yield 0, icmp_error(packet, router, *((3, 1) if packet[0] >> 4 == 4 else (1, 3)))


def no_host_quoting_little(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        yield 0, icmp_error(packet, "10.99.0.254", 3, 1, quoted=28)


def too_far(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        yield 0, icmp_error(packet, "10.99.0.254", 11, 0)


def error_about_somebody_else(packet: bytes) -> Iterable[Answer]:
    if is_echo_request(packet):
        other = bytearray(packet)
        other[28] ^= 0xFF
        yield 0, icmp_error(bytes(other), "10.99.0.254", 3, 1)


def silence(packet: bytes) -> Iterable[Answer]:
    return ()
