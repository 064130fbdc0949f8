"""The probes of printers, sensors, meters, card hosts and hotlines before hostile servers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.conformance.hostile import UNRESOLVABLE, Row, held
from tests.conformance.network_rows import CONVERSATIONS, IPV6
from tests.servers.hostile import tcp_server, unanswering
from tests.servers.ports import closed_port

REGISTERS = [{"name": "x", "address": 0, "count": 125}, {"name": "y", "kind": "coil", "address": 0}]
PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "dlt645": ("dlt645", {"meters": ["1", "2"], "answer_within": 0.2}),
    "iso8583": ("iso8583", {}),
    "iso8583 digits": ("iso8583", {"framing": "ascii4", "bitmap": "ascii", "tpdu": "6000030000"}),
    "iso8583 tls": ("iso8583", {"tls": "on"}),
    "ipp": ("ipp", {}),
    "ipp page": ("ipp", {"test_page": True, "version": "2.0"}),
    "ipp tls": ("ipp", {"tls": "on"}),
    "modbus": ("modbus", {"registers": REGISTERS}),
    "modbus rtu": ("modbus", {"registers": REGISTERS, "framing": "rtu"}),
    "modbus tls": ("modbus", {"registers": REGISTERS, "tls": "on"}),
    "sip": ("sip", {"transport": "tcp"}),
    "sip tls": ("sip", {"transport": "tcp", "tls": "on"}),
}


def _rows() -> Iterator[Row]:
    for name, (probe, params) in PROBES.items():
        for address in ("127.0.0.1", IPV6):
            for situation, (handler, ends) in CONVERSATIONS.items():
                server = partial(tcp_server, handler, address)
                yield Row(probe, f"{name}-{situation}-{address}", frozenset(ends), server, address, params)
            closed, filtered = held(partial(closed_port, address)), held(partial(unanswering, address))
            yield Row(probe, f"{name}-closed-{address}", frozenset({"refused"}), closed, address, params)
            yield Row(probe, f"{name}-filtered-{address}", frozenset({"timeout"}), filtered, address, params)
        yield Row(probe, f"{name}-unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, params | {"port": 9})


PERIPHERALS = [*_rows()]
