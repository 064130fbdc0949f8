"""The probes of message brokers before hostile servers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.conformance.hostile import UNRESOLVABLE, Row, held
from tests.conformance.network_rows import CONVERSATIONS, IPV6
from tests.servers.hostile import tcp_server, unanswering
from tests.servers.ports import closed_port

LOGIN = {"user": "monitor", "password": "secret:key"}
PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "amqp": ("amqp", LOGIN),
    "amqp tls": ("amqp", LOGIN | {"tls": "on"}),
    "kafka": ("kafka", {}),
    "kafka login": ("kafka", LOGIN),
    "mqtt": ("mqtt", {}),
    "mqtt 5": ("mqtt", LOGIN | {"version": "5"}),
    "nats": ("nats", LOGIN),
    "nats tls": ("nats", LOGIN | {"tls": "on", "tls_first": True}),
    "stomp": ("stomp", LOGIN),
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
        port = {"port": 9}
        yield Row(probe, f"{name}-unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, params | port)


BROKERS = [*_rows()]
