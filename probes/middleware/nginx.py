"""nginx by its own count (ngx_http_stub_status_module): connections, requests, and what was dropped.

Tengine's page, with one column more, is read too; the API of NGINX Plus is not.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    Notes,
    Port,
    address_of,
)
from probes._web import Web, WebParams, refuse
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target, clip
from probes.errors import ProtocolViolated
from probes.middleware._counters import Sample, grown

LONGEST = 8192
COUNTERS = ("accepted", "handled", "requests")
_PAGE = re.compile(
    r"Active connections:\s*(?P<connections_active>\d{1,18})\s+"
    r"server accepts handled requests[^\n]*\n"
    r"\s*(?P<accepted>\d{1,18})\s+(?P<handled>\d{1,18})\s+(?P<requests>\d{1,18})\b[^\n]*\n"
    r"\s*Reading:\s*(?P<reading>\d{1,18})\s+Writing:\s*(?P<writing>\d{1,18})"
    r"\s+Waiting:\s*(?P<waiting>\d{1,18})"
)
_SERVER = re.compile(r"(?:nginx|Tengine|openresty)/(\d[\d.]*)")


class NginxParams(WebParams):
    """Parameters of `nginx`."""

    port: Port | None = None
    """Where it listens; by default 80, or 443 with TLS."""
    path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=500)] = "/nginx_status"
    """Path of the page (`stub_status`)."""
    host: Annotated[str, Field(pattern=r"^[^\s/:@]+$", max_length=253)] | None = None
    """The site's name for the Host field, where the page is on a site of its own."""


async def probe_nginx(target: Target, params: NginxParams, context: Context) -> Reading:
    """Read the page of one server.

    Raises `OwnLoginFailed`, `PermissionMissing` (its `allow` leaves the monitor out), `ExpectationFailed`
    (another status), `ProtocolViolated` (no such page), and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        port = params.port or (443 if params.tls == "on" else 80)
        async with Web(target, address, port, params, notes) as web:
            now = await _read(web, params, notes)
            key = ("nginx", target.address, port, params.path)
            change = await grown(key, now, context, lambda: _read(web, params, notes))
    if change is None:
        notes.missing("requests_per_s, dropped_per_s: they take two runs, or a second to spare")
    else:
        seconds, by = change
        notes.metrics["requests_per_s"] = by["requests"] / seconds
        notes.metrics["dropped_per_s"] = max(0.0, by["accepted"] - by["handled"]) / seconds
    return notes.reading()


async def _read(web: Web, params: NginxParams, notes: Notes) -> Sample:
    fields = params.login(notes.context)
    if params.host is not None:
        fields.append(("Host", params.host))
    answer = await web.ask("GET", params.path, fields=fields, limit=LONGEST)
    notes.facts |= server(answer.field("server"))
    refuse(answer, params.path, params.secrets(notes.context))
    figures = page(answer.text())
    notes.metrics |= figures | {"dropped": max(0.0, figures["accepted"] - figures["handled"])}
    return Sample({name: figures[name] for name in COUNTERS})


def page(text: str) -> dict[str, float]:
    """Return the figures of the page. Raises `ProtocolViolated` where it is another one."""
    match = _PAGE.search(text)
    if match is None:
        raise ProtocolViolated(f"no page of stub_status: {clip(text, 80)!r}")
    return {name: float(value) for name, value in match.groupdict().items()}


def server(field: str) -> dict[str, str]:
    """Return what the Server field says; with `server_tokens off` it says no version."""
    match = _SERVER.search(field)
    found = {"server": field} if field else {}
    return found | {"version": match[1]} if match else found


PROBE = ProbeSpec(
    name="nginx",
    family="middleware",
    summary="nginx by its stub_status page: connections, requests a second, and what was dropped.",
    params=NginxParams,
    run=probe_nginx,
    metrics=(
        CONNECT_MS, TLS_MS, QUERY_MS,
        MetricDef("connections_active", "count", "lower", 1, "Open connections of clients."),
        MetricDef("reading", "count", "none", 1, "Connections whose request is being read."),
        MetricDef("writing", "count", "none", 1, "Connections that are being answered."),
        MetricDef("waiting", "count", "none", 1, "Connections kept open between requests."),
        MetricDef("accepted", "count", "none", 1, "Connections accepted since the start."),
        MetricDef("handled", "count", "none", 1, "Connections handled since the start."),
        MetricDef("requests", "count", "none", 1, "Requests since the start."),
        MetricDef("dropped", "count", "lower", 1,
                  "Accepted and not handled since the start: it ran out of something (worker_connections)."),
        MetricDef("requests_per_s", "count", "none", 0.001, "Requests a second since the run before."),
        MetricDef("dropped_per_s", "count", "lower", 0.001, "Dropped a second since the run before."),
    ),
    facts=(
        FactDef("server", help="The Server field."),
        FactDef("version", "version", "Version in it, where it tells one."), ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "query"),
    kinds=KINDS,
)  # fmt: skip
