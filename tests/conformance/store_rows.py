"""The probes of object stores, search clusters and Oracle before hostile servers.

`odbc` is not here: what its drivers have open while they hang is theirs (tests/probes/database/test_odbc.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.conformance.hostile import UNRESOLVABLE, Row, held
from tests.conformance.network_rows import CONVERSATIONS, IPV6
from tests.servers import hostile
from tests.servers.hostile import tcp_server, unanswering
from tests.servers.ports import closed_port

KEY = {"bucket": "data", "access_key": "a", "secret_key": "secret:key"}
LOGIN = {"user": "monitor", "password": "secret:key"}
PROBES: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("s3", KEY | {"tls": "off", "round_trip": "muster/"}),
    "s3 tls": ("s3", KEY),
    "elasticsearch": ("elasticsearch", LOGIN | {"index": "logs"}),
    "elasticsearch tls": ("elasticsearch", LOGIN | {"tls": "on"}),
    "oracle": ("oracle", LOGIN | {"database": "billing"}),
    "oracle tls": ("oracle", LOGIN | {"database": "billing", "tls": "on"}),
}
HTTP_SLOW = {"slow_loris", "slow_body"}


def _rows() -> Iterator[Row]:
    for name, (probe, params) in PROBES.items():
        for address in ("127.0.0.1", IPV6):
            for situation, (handler, ends) in CONVERSATIONS.items():
                server = partial(tcp_server, handler, address)
                may = frozenset(ends | ({"timeout"} if probe == "oracle" else set()))  # packets may be split
                yield Row(probe, f"{name}-{situation}-{address}", may, server, address, params)
            closed, filtered = held(partial(closed_port, address)), held(partial(unanswering, address))
            yield Row(probe, f"{name}-closed-{address}", frozenset({"refused"}), closed, address, params)
            yield Row(probe, f"{name}-filtered-{address}", frozenset({"timeout"}), filtered, address, params)
        yield Row(probe, f"{name}-unresolvable", frozenset({"dns"}), None, UNRESOLVABLE, params | {"port": 9})


def _http() -> Iterator[Row]:
    for name in ("s3", "elasticsearch"):
        probe, params = PROBES[name]
        for situation, handler in hostile.HTTP.items():
            ends = {"timeout"} if situation in HTTP_SLOW else {"protocol", "expectation", "timeout"}
            server = partial(tcp_server, handler)
            yield Row(probe, f"{name}-http-{situation}", frozenset(ends), server, params=params)


STORES = [*_rows(), *_http()]
