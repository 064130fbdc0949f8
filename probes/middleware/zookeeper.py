"""A ZooKeeper server: does it serve, its place in the ensemble, latency, load; a round trip where asked for.

By its four-letter words, each on a connection of its own as the server closes it, or by its AdminServer (3.5
and later) where `admin_port` is given. A word that `4lw.commands.whitelist` lacks is named in `not_told`;
3.8 always allows `srvr`.
"""

from __future__ import annotations

import secrets
from typing import Annotated

from pydantic import Field, model_validator

from probes._resolve import Address
from probes._service import (
    ADDRESS,
    KINDS,
    NOT_TOLD,
    TIMES,
    AccountParams,
    Notes,
    Port,
    address_of,
    talking,
)
from probes._web import Web
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed, PermissionMissing, ProtocolViolated
from probes.middleware import _zookeeper as words
from probes.middleware._zookeeper_jute import Session

LONGEST = 262_144
"""Bytes of one answer; `mntr` of 3.8 has 16 kB."""


class ZooKeeperParams(AccountParams):
    """Parameters of `zookeeper`."""

    port: Port = 2181
    """Where clients connect."""
    admin_port: Port | None = None
    """Port of the AdminServer, to be asked instead of four-letter words."""
    admin_path: Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=200)] = "/commands"
    """Where its commands are (`admin.commandURL`)."""
    round_trip: Annotated[str, Field(pattern=r"^/[!-~]*[!-.0-~]$", max_length=200)] | None = None
    """A node below which to make an ephemeral node `muster-...`, read it back and delete it."""
    user: str | None = Field(None, pattern=r"^[^:\r\n\x00]+$", max_length=256)
    """Account of the scheme `digest`, for the round trip."""

    @model_validator(mode="after")
    def _make_sense(self) -> ZooKeeperParams:
        if self.user is not None and self.round_trip is None:
            raise ValueError("user is only for the round trip; write round_trip: /PATH, or leave user out")
        return self


async def probe_zookeeper(target: Target, params: ZooKeeperParams, context: Context) -> Reading:
    """Ask one server of an ensemble.

    Raises `ExpectationFailed` (not_serving, or the round trip's no_such_node, read_only and quota),
    `PermissionMissing` (missing_right: no word is allowed, or the node is not the account's to write), and
    what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        ask = _words if params.admin_port is None else _admin
        said = await ask(target, address, params, notes)
        notes.metrics |= words.metrics(said)
        notes.facts |= words.facts(said)
        if params.round_trip is not None:
            await _round_trip(target, address, params, notes)
    return notes.reading()


async def _words(target: Target, address: Address, params: ZooKeeperParams, notes: Notes) -> dict[str, str]:
    said: dict[str, str] = {}
    closed: list[str] = []
    for word in words.WORDS:
        answer = await _word(word, target, address, params, notes)
        if words.refused(answer):
            closed.append(word)
            notes.missing(f"{word}: 4lw.commands.whitelist lacks it")
        elif word == "ruok":
            if answer.strip() != "imok":
                raise ProtocolViolated(f"the answer to ruok is {answer[:40]!r}")
        else:
            said |= (words.of_srvr if word == "srvr" else words.of_mntr)(answer)
    if not said:
        raise PermissionMissing(f"missing_right: 4lw.commands.whitelist lacks {', '.join(closed)}")
    return said


async def _word(word: str, target: Target, address: Address, params: ZooKeeperParams, notes: Notes) -> str:
    async with talking(target, address, params.port, params, notes) as talk:
        with notes.phase("query"):
            await talk.say(word.encode())
            return (await talk.rest(LONGEST)).decode("utf-8", "replace")


async def _admin(target: Target, address: Address, params: ZooKeeperParams, notes: Notes) -> dict[str, str]:
    assert params.admin_port is not None
    async with Web(target, address, params.admin_port, params, notes) as web:
        answer = await web.ask("GET", f"{params.admin_path}/monitor", limit=LONGEST)
    if answer.status in (401, 403):
        raise PermissionMissing(f"missing_right: HTTP {answer.status} for {params.admin_path}/monitor")
    if answer.status == 503:
        words.refused(words.NOT_SERVING)
    if answer.status != 200:
        raise ExpectationFailed(f"HTTP {answer.status} for {params.admin_path}/monitor")
    document = await answer.json()
    if not isinstance(document, dict):
        raise ProtocolViolated("the answer to monitor is no object")
    if isinstance(document.get("error"), str):
        words.refused(document["error"])
        raise ExpectationFailed(f"refused: {document['error'][:200]}")
    if "server_state" not in document:
        raise ProtocolViolated("no answer to monitor: it has no server_state")
    return {str(name): str(value) for name, value in document.items()}


async def _round_trip(target: Target, address: Address, params: ZooKeeperParams, notes: Notes) -> None:
    path, value = f"{params.round_trip}/muster-{secrets.token_hex(8)}", secrets.token_hex(8).encode()
    async with talking(target, address, params.port, params, notes) as talk:
        session = Session(talk)
        with notes.phase("login"):
            await session.open()
            if params.user is not None and params.password is not None:
                await session.login(params.user, notes.context.shared.secret(params.password))
        with notes.phase("round_trip"):
            await session.create(path, value, owned=params.user is not None)
            if await session.read(path) != value:
                raise ExpectationFailed("round trip: what was written is not what is read")
            await session.delete(path)
        await session.close()


PROBE = ProbeSpec(
    name="zookeeper",
    family="middleware",
    summary="A ZooKeeper server: its place in the ensemble, latency, load, and a round trip where asked for.",
    params=ZooKeeperParams,
    run=probe_zookeeper,
    metrics=(
        *TIMES,
        MetricDef("latency_avg_ms", "ms", "lower", 0.001, "Mean time of a request, by the server itself."),
        MetricDef("latency_max_ms", "ms", "lower", 0.001, "Longest time of a request."),
        MetricDef("outstanding", "count", "lower", 1, "Requests that wait."),
        MetricDef("znodes", "count", "none", 1, "Nodes."),
        MetricDef("ephemerals", "count", "none", 1, "Ephemeral nodes."),
        MetricDef("watches", "count", "none", 1, "Watches set."),
        MetricDef("data_bytes", "bytes", "none", 1, "Size of all nodes, roughly."),
        MetricDef("connections_used", "count", "none", 1, "Connections of clients."),
        MetricDef("connections_rejected", "count", "lower", 1, "Connections refused since the start."),
        MetricDef("logins_failed", "count", "lower", 1, "Logins refused since the start."),
        MetricDef("files_used", "count", "lower", 1, "Open files of the process."),
        MetricDef("files_max", "count", "none", 1, "Most files it may open."),
        MetricDef("files_used_pct", "%", "lower", 0.01, "Used of the most it may open."),
        MetricDef("followers", "count", "higher", 1, "Followers and observers; only the leader tells."),
        MetricDef("followers_synced", "count", "higher", 1, "Followers that keep up; only the leader tells."),
        MetricDef("followers_behind", "count", "lower", 1, "Followers that don't (observers count as such)."),
        MetricDef("pending_syncs", "count", "lower", 1, "Syncs of followers that wait, by the leader."),
    ),
    facts=(
        FactDef("mode", help="leader, follower, observer, standalone or read-only."),
        FactDef("version", "version", "Version of the server."), ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "query", "login", "round_trip"),
    kinds=KINDS,
)  # fmt: skip
