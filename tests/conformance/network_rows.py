"""The probes that ask over a network before hostile servers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.conformance.hostile import UNRESOLVABLE, Row, held
from tests.servers import hostile
from tests.servers.hostile import tcp_server, udp_flood, udp_server, unanswering
from tests.servers.ports import closed_port

IPV6 = "::1"
TCP_PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "tcp": ("tcp", {}),
    "tcp banner": ("tcp", {"expect_banner": "^220 "}),
    "http": ("http", {}),
    "https": ("http", {"scheme": "https"}),
    "http body": ("http", {"body_matches": "needle", "body_lacks": "Exception"}),
    "tls": ("tls", {}),
    "tls smtp": ("tls", {"starttls": "smtp"}),
    "tls imap": ("tls", {"starttls": "imap"}),
    "tls ldap": ("tls", {"starttls": "ldap"}),
    "dns tcp": ("dns", {"name": "www.example", "transport": "tcp"}),
    "exporter": ("exporter", {"metrics": {"load1": "node_load1"}}),
    "exporter tls": ("exporter", {"metrics": {"load1": "node_load1"}, "tls": True}),
}
UDP_PROBES: dict[str, dict[str, Any]] = {"dns": {"name": "www.example"}, "ntp": {}, "sip": {}}

CONVERSATIONS = {
    "silent": (hostile.silent, {"timeout"}),
    "garbage": (hostile.garbage, {"protocol", "tls", "expectation"}),
    "garbage kept open": (hostile.garbage_kept_open, {"protocol", "tls", "expectation", "timeout"}),
    "endless": (hostile.endless, {"protocol", "tls", "expectation"}),
    "reset": (hostile.resets, {"protocol", "timeout"}),
    "closes": (hostile.closes, {"protocol", "tls"}),
}


def _ends(probe: str, params: dict[str, Any], ends: set[str]) -> frozenset[str]:
    """A tcp check without a banner ends when the connection stands, whatever comes after."""
    return frozenset({"ok"} if probe == "tcp" and not params else ends)


def _conversations() -> Iterator[Row]:
    for name, (probe, params) in TCP_PROBES.items():
        for situation, (handler, ends) in CONVERSATIONS.items():
            for address in ("127.0.0.1", IPV6):
                yield Row(
                    probe, f"{name}-{situation}-{address}", _ends(probe, params, ends),
                    partial(tcp_server, handler, address), address, params,
                )  # fmt: skip


def _connections() -> Iterator[Row]:
    for name, (probe, params) in TCP_PROBES.items():
        for address in ("127.0.0.1", IPV6):
            closed, filtered = held(partial(closed_port, address)), held(partial(unanswering, address))
            yield Row(probe, f"{name}-closed-{address}", frozenset({"refused"}), closed, address, params)
            yield Row(probe, f"{name}-filtered-{address}", frozenset({"timeout"}), filtered, address, params)
        port = {} if "port" in params else {"port": 9}
        yield Row(probe, f"{name}-unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, params | port)


HTTP_OK = {"endless_body", "long_body", "switching"}
"""Not wrong: reading stops at the limit, after the length that was announced, or with the head."""
HTTP_SLOW = {"slow_loris", "slow_body"}


def _http() -> Iterator[Row]:
    for situation, handler in hostile.HTTP.items():
        ends = {"timeout"} if situation in HTTP_SLOW else {"protocol"}
        if situation in HTTP_OK:
            ends = {"ok", "expectation"}
        if situation == "endless_chunks":
            ends = {"ok"}
        yield Row("http", situation, frozenset(ends), partial(tcp_server, handler))
    wanted = {"body_matches": "needle"}
    body, chunks = hostile.HTTP["endless_body"], hostile.HTTP["endless_chunks"]
    unknown = frozenset({"inconclusive"})
    yield Row("http", "endless body searched", unknown, partial(tcp_server, body), params=wanted)
    yield Row("http", "endless chunks searched", unknown, partial(tcp_server, chunks), params=wanted)


@contextmanager
def _silent_udp(address: str) -> Iterator[int]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as held_open:
        held_open.bind((address, 0))
        yield held_open.getsockname()[1]


@contextmanager
def _closed_udp(address: str) -> Iterator[int]:
    with _silent_udp(address) as port:
        pass
    yield port


def _udp() -> Iterator[Row]:
    for probe, params in UDP_PROBES.items():
        for address in ("127.0.0.1", IPV6):
            echo = partial(udp_server, lambda data: [data], address)
            noise = partial(udp_server, lambda data: [hostile.GARBAGE[:100], b"", b"\0" * 48], address)
            large = partial(udp_server, lambda data: [hostile.GARBAGE * 20], address)
            for situation, ends, server in (
                ("closed", "refused", held(partial(_closed_udp, address))),
                ("silent", "timeout", held(partial(_silent_udp, address))),
                ("garbage", "protocol", noise),
                ("echo", "protocol", echo),
                ("large", "protocol", large),
                ("endless", "protocol", partial(udp_flood, address)),
            ):
                yield Row(probe, f"{situation}-{address}", frozenset({ends}), server, address, params)
        yield Row(probe, "unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, params)


def _icmp() -> Iterator[Row]:
    once = {"count": 1}
    yield Row("icmp", "unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, once)
    yield Row("icmp", "IPv6", frozenset({"ok", "permission"}), None, IPV6, once)


NETWORK = [*_conversations(), *_connections(), *_http(), *_udp(), *_icmp()]
