"""The probes of hosts before hostile servers: exporter, and over SSH host, exec and one of software."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from probes.api import ProbeSettings
from tests.conformance.hostile import UNRESOLVABLE, Row, held
from tests.servers import hostile
from tests.servers.hostile import forever, says, tcp_server, unanswering
from tests.servers.ports import closed_port

IPV6 = "::1"
SSH = {"user": "nobody", "key": "secret:key"}
SETTINGS = ProbeSettings(control_name="localhost", exec_allow=("/bin/true",))
PROBES: dict[str, tuple[dict[str, Any], str]] = {
    "exporter": ({"metrics": {"load1": "node_load1"}}, ""),
    "host": ({"ssh": SSH}, "ssh"),
    "throughput": ({"method": "ssh", "ssh": SSH}, "ssh"),
    "service": ({"service": "ssh", "ssh": SSH}, "ssh"),
    "exec": ({"command": ["/bin/true"], "via": "ssh", "ssh": SSH}, "ssh"),
}
CONVERSATIONS = {
    "silent": (hostile.silent, {"timeout"}),
    "garbage": (hostile.garbage, {"protocol"}),
    "garbage kept open": (hostile.garbage_kept_open, {"protocol", "timeout"}),
    "endless": (hostile.endless, {"protocol"}),
    "reset": (hostile.resets, {"protocol", "timeout"}),
    "closes": (hostile.closes, {"protocol"}),
}
SSH_TALK = {
    "banner and silence": (says(b"SSH-2.0-x\r\n", hold=True), {"timeout"}),
    "banner and garbage": (says(b"SSH-2.0-x\r\n", hostile.GARBAGE, hold=True), {"protocol", "timeout"}),
    "banner and a huge packet": (
        forever(b"SSH-2.0-x\r\n\x7f\xff\xff\xf0", lambda _: b"x" * 65536),
        {"protocol"},
    ),
    "lines without end": (forever(b"", lambda n: b"line %d\r\n" % n), {"protocol"}),
    "old protocol": (says(b"SSH-1.5-x\r\n", hold=True), {"protocol"}),
}
HTTP_SLOW = {"slow_loris", "slow_body", "endless_interim"}
"""Not wrong so far: interim answers may be many, and a slow sender may yet come to an end."""


def _row(probe: str, situation: str, ends: set[str], server: Any, address: str = "127.0.0.1") -> Row:
    params, block = PROBES[probe]
    return Row(probe, situation, frozenset(ends), server, address, params, SETTINGS, block)


def _rows() -> Iterator[Row]:
    for probe in PROBES:
        for address in ("127.0.0.1", IPV6):
            for situation, (handler, ends) in CONVERSATIONS.items():
                server = partial(tcp_server, handler, address)
                yield _row(probe, f"{situation}-{address}", ends, server, address)
            closed, filtered = held(partial(closed_port, address)), held(partial(unanswering, address))
            yield _row(probe, f"closed-{address}", {"refused"}, closed, address)
            yield _row(probe, f"filtered-{address}", {"timeout"}, filtered, address)
        yield _row(probe, "unresolvable", {"dns"}, None, UNRESOLVABLE)


def _ssh() -> Iterator[Row]:
    for probe in ("host", "exec", "service", "throughput"):
        for situation, (handler, ends) in SSH_TALK.items():
            yield _row(probe, situation, ends, partial(tcp_server, handler))


def _http() -> Iterator[Row]:
    for situation, handler in hostile.HTTP.items():
        ends = {"timeout"} if situation in HTTP_SLOW else {"protocol", "expectation"}
        yield _row("exporter", f"http-{situation}", ends, partial(tcp_server, handler))


HOST = [*_rows(), *_ssh(), *_http()]
