"""A virtual address: who answers behind it, how often nobody does, and whether sessions stay where they are.

Each request has a connection of its own, one after the other. Which member answered is what the answer says
(`member_by`). Members can be asked directly, too, and HAProxy for its own view of them.
"""

from __future__ import annotations

import time
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from probes._http_params import FieldName, JsonPath, Text, statuses
from probes._patterns import Pattern
from probes._resolve import Address, resolve
from probes._service import ADDRESS, KINDS, NOT_TOLD, Notes, Port, ServiceParams, address_of
from probes._sockets import own_deadline
from probes._web import Answer, Fields, Web, WebParams, refuse
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Seconds, Secret, Target
from probes.errors import Ending, ExpectationFailed, TargetFailed
from probes.middleware import _balancer as view
from probes.middleware._balancer import Tally, Who

BODY = 65_536
STATS = 4 * 1_048_576
Path = Annotated[str, Field(pattern=r"^/[!-~]*$", max_length=2048)]


class MemberBy(Params):
    """Where an answer names the member that gave it."""

    header: FieldName | None = None
    """Name of a header field."""
    cookie: FieldName | None = None
    """Name of a cookie that the answer sets."""
    body: Pattern | None = None
    """Pattern in the body; its first group, or all of it."""
    json_path: JsonPath | None = None
    """JSONPath in the body."""

    @model_validator(mode="after")
    def _one(self) -> MemberBy:
        if sum(value is not None for value in (self.header, self.cookie, self.body, self.json_path)) != 1:
            raise ValueError("member_by takes one of header, cookie, body and json_path")
        return self

    @property
    def who(self) -> Who:
        """The same, for `_balancer`."""
        return Who(self.header, self.cookie, self.body, self.json_path)


class Member(Params):
    """A member that is asked directly."""

    address: Annotated[str, Field(min_length=1, max_length=253)]
    """Its address."""
    port: Port
    """Its port."""
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """What answers call it; by default what its own answer says by `member_by`."""


class BalancerParams(ServiceParams):
    """Parameters of `load_balancer`."""

    port: Port | None = None
    """Port of the virtual address; by default 80, or 443 with TLS."""
    path: Path = "/"
    """Path and query that are asked for."""
    host: Annotated[str, Field(pattern=r"^[^\s/:@]+$", max_length=253)] | None = None
    """The site's name for the Host field; by default the target's address."""
    headers: dict[FieldName, Text] = Field(default_factory=dict)
    """Header fields to send."""
    status: Annotated[tuple[str, ...], Field(min_length=1)] = ("200-299",)
    """Right status codes and ranges."""
    requests: Annotated[int, Field(ge=1, le=200)] = 20
    """Requests without a session."""
    request_timeout: Annotated[Seconds, Field(gt=0, le=30)] = 3.0
    """Longest wait for one of them."""
    member_by: MemberBy | None = None
    """Where an answer names the member that gave it."""
    stickiness: Literal["off", "cookie", "address"] = "off"
    """What keeps a session on its member: the cookies of a first answer, or the client's address."""
    follow_ups: Annotated[int, Field(ge=1, le=200)] = 10
    """Requests with the first answer's cookies."""
    members: Annotated[tuple[Member, ...], Field(max_length=50)] = ()
    """Members to ask directly, once each."""
    stats_url: Annotated[str, Field(pattern=r"^https?://[^\s/@]+/[!-~]*$", max_length=500)] | None = None
    """HAProxy's statistics as CSV, e.g. `http://10.0.0.5:8404/stats;csv`."""
    stats_user: str | None = Field(None, pattern=r"^[^:\r\n\x00]+$", max_length=256)
    """Account for the statistics."""
    stats_password: Secret | None = None
    """Its password."""
    backend: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The backend to look at in the statistics; by default all."""

    @field_validator("status", mode="before")
    @classmethod
    def _status_as_text(cls, value: object) -> object:
        return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]

    @field_validator("status")
    @classmethod
    def _status_is_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        statuses(value)
        return value

    @field_validator("stats_url")
    @classmethod
    def _port_is_read(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).hostname is None:
            raise ValueError("stats_url names no host")
        _ = None if value is None else urlsplit(value).port
        return value

    @model_validator(mode="after")
    def _make_sense(self) -> BalancerParams:
        if self.stickiness != "off" and self.member_by is None:
            raise ValueError("stickiness needs member_by, to tell one member from another")
        if (self.stats_user is None) != (self.stats_password is None):
            raise ValueError("stats_user and stats_password belong together")
        if self.stats_url is None and (self.stats_user or self.backend):
            raise ValueError("stats_user and backend are for stats_url, which is missing")
        return self

    @property
    def who(self) -> Who | None:
        """Where an answer names its member, if it is to."""
        return None if self.member_by is None else self.member_by.who


class _Run:
    """One run: requests, and what came of them."""

    def __init__(self, target: Target, params: BalancerParams, notes: Notes) -> None:
        self._target, self._params, self._notes = target, params, notes
        self._port = params.port or (443 if params.tls == "on" else 80)
        self._end = own_deadline(notes.context)
        self._last: Ending | None = None
        self.first: tuple[str, list[str]] | None = None
        """The first right answer's member and its cookies."""

    async def requests(self, address: Address, count: int, fields: Fields = ()) -> Tally:
        """Make requests until so many are made or time is up; raises only what is no fault of the target."""
        tally = Tally()
        for _ in range(count):
            if not self.in_time:
                break
            await self._request(address, fields, tally)
        return tally

    @property
    def in_time(self) -> bool:
        """Whether there is time for another request; the first of a run is made in any case."""
        begun = self.first is not None or self._last is not None
        return not begun or time.perf_counter() + self._params.request_timeout <= self._end

    async def _request(self, address: Address, fields: Fields, tally: Tally) -> None:
        start = time.perf_counter()
        try:
            answer = await self.ask(self._target, address, self._port, fields)
            name = "" if self._params.who is None else view.member(answer, self._params.who)
        except TargetFailed as ending:
            self._last = ending
            tally.failures[_cause(ending)] += 1
            return
        tally.take(name, (time.perf_counter() - start) * 1000)
        if self.first is None:
            self.first = name, answer.cookies

    async def ask(self, target: Target, address: Address, port: int, fields: Fields = ()) -> Answer:
        """Make one request on a connection of its own. Raises `Ending` for all but a right answer."""
        params, notes = self._params, Notes(self._notes.context)
        until = min(self._end, time.perf_counter() + params.request_timeout)
        own = [*params.headers.items(), *fields, ("Connection", "close")]
        if params.host is not None:
            own.append(("Host", params.host))
        with notes.kept():
            async with Web(target, address, port, params, notes, until) as web:
                answer = await web.ask("GET", params.path, fields=own, limit=BODY)
        self._notes.metrics.setdefault("connect_ms", notes.metrics["connect_ms"])
        if answer.status not in statuses(params.status):
            raise ExpectationFailed(f"status {answer.status}, expected {', '.join(params.status)}")
        return answer

    def failed(self) -> Ending:
        """Return why nothing was answered."""
        assert self._last is not None
        return self._last


def _cause(ending: Ending) -> str:
    return ending.detail.split(",")[0] if ending.detail.startswith("status ") else ending.kind


async def probe_load_balancer(target: Target, params: BalancerParams, context: Context) -> Reading:
    """Make requests to a virtual address, then follow a session, ask members and the balancer.

    Raises what the last request came to where none was answered rightly, `ExpectationFailed` where no answer
    names a member or the balancer does not tell, and what is no fault of the target at once.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        run = _Run(target, params, notes)
        with notes.phase("requests", told=False):
            tally = await run.requests(address, params.requests)
        notes.metrics |= tally.metrics(named=params.member_by is not None)
        notes.facts |= tally.facts()
        if run.first is None:
            raise run.failed()
        if params.member_by is not None and not tally.members:
            raise ExpectationFailed("member_by: no answer names a member")
        if params.stickiness != "off":
            await _stickiness(run, run.first, address, params, tally, notes)
        if params.members:
            await _members(run, params, tally, notes)
        if params.stats_url is not None:
            await _statistics(params.stats_url, params, notes)
    return notes.reading()


async def _stickiness(
    run: _Run,
    first: tuple[str, list[str]],
    address: Address,
    params: BalancerParams,
    tally: Tally,
    notes: Notes,
) -> None:
    name, cookies = first
    followed = tally
    if params.stickiness == "cookie":
        field = view.cookie_field(cookies)
        if not field:
            notes.missing("sticky_pct: the first answer sets no cookie that can be given back")
            return
        with notes.phase("follow", told=False):
            followed = await run.requests(address, params.follow_ups, [("Cookie", field)])
        notes.facts["followed"] = view.counted(followed.members + followed.failures)
    share = view.sticky_pct(name, followed)
    if share is None:
        why = "the answers that follow name no member" if followed.unnamed else "too few requests followed"
        notes.missing(f"sticky_pct: {why}")
    else:
        notes.metrics["sticky_pct"] = share
        notes.facts["sticky_to"] = name


async def _members(run: _Run, params: BalancerParams, tally: Tally, notes: Notes) -> None:
    healthy: list[str] = []
    down: list[str] = []
    with notes.phase("members", told=False):
        for member in params.members:
            if not run.in_time:
                break
            await _member(run, member, params, notes, healthy, down)
    if down:
        notes.facts["members_failed"] = ", ".join(down)
    if len(healthy) + len(down) < len(params.members):
        notes.missing("members_healthy, members_unused: there was no time to ask all members")
        return
    notes.metrics["members_healthy"] = float(len(healthy))
    if params.member_by is None or params.stickiness == "address":
        notes.missing("members_unused: it takes member_by, and requests that are not bound to one member")
        return
    idle = view.unused(healthy, tally.members)
    notes.metrics["members_unused"] = float(len(idle))
    if idle:
        notes.facts["members_unused_names"] = ", ".join(idle)


async def _member(
    run: _Run, member: Member, params: BalancerParams, notes: Notes, healthy: list[str], down: list[str]
) -> None:
    target = Target(member.address)
    try:
        address, _ = await resolve(target, notes.context)
        answer = await run.ask(target, address, member.port)
    except TargetFailed as ending:
        down.append(f"{member.name or member.address}:{member.port} {_cause(ending)}")
        return
    named = "" if params.who is None else view.member(answer, params.who)
    healthy.append(member.name or named or f"{member.address}:{member.port}")


async def _statistics(url: str, params: BalancerParams, notes: Notes) -> None:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    login = WebParams.model_construct(
        tls="on" if secure else "off",
        ca=params.ca,
        verify=params.verify,
        user=params.stats_user,
        password=params.stats_password,
    )
    target = Target(parts.hostname or "")
    address, _ = await resolve(target, notes.context)
    own = Notes(notes.context)
    path = url.partition("://")[2].partition("/")[2]
    with notes.phase("statistics", told=False), own.kept():
        async with Web(target, address, parts.port or (443 if secure else 80), login, own) as web:
            fields = login.login(notes.context)
            answer = await web.ask("GET", f"/{path}", fields=fields, limit=STATS, phase="statistics")
        refuse(answer, "the statistics", login.secrets(notes.context))
        rows = view.haproxy(answer.text(), params.backend)
    if not rows:
        raise ExpectationFailed(f"the statistics name no server of {params.backend or 'any backend'}")
    metrics, facts = view.of_rows(rows)
    notes.metrics |= metrics
    notes.facts |= facts


PROBE = ProbeSpec(
    name="load_balancer",
    family="middleware",
    summary="A virtual address: which members answer, how many requests fail, and whether sessions stick.",
    params=BalancerParams,
    run=probe_load_balancer,
    metrics=(
        MetricDef("connect_ms", "ms", "lower", 0.001, "TCP handshake of the first request, by the kernel."),
        MetricDef("request_ms", "ms", "lower", 0.001, "Median of the requests, connecting included."),
        MetricDef("requests", "count", "none", 1, "Requests made without a session."),
        MetricDef("failed_pct", "%", "lower", 0.01, "Of them without a right answer."),
        MetricDef("members_seen", "count", "higher", 1, "Different members that answered them."),
        MetricDef("unnamed", "count", "lower", 1, "Right answers that name no member."),
        MetricDef("sticky_pct", "%", "higher", 0.01, "Follow-ups that reached the first one's member."),
        MetricDef("members_healthy", "count", "higher", 1, "Members that answer rightly, asked directly."),
        MetricDef("members_unused", "count", "lower", 1, "Healthy members that never answered a request."),
        MetricDef("members_up", "count", "higher", 1, "Members whose checks pass, by the balancer's word."),
        MetricDef("members_down", "count", "lower", 1, "Members not up, nor unchecked, by its word."),
        MetricDef("members_unchecked", "count", "lower", 1, "Members that the balancer does not check."),
        MetricDef("queued", "count", "lower", 1, "Requests that wait for a member, by its word."),
        MetricDef("sessions", "count", "none", 1, "Sessions with members, by its word."),
    ),
    facts=(
        FactDef("members", help="Who answered how often."),
        FactDef("failures", help="What failed how often."),
        FactDef("sticky_to", help="The member of the first answer."),
        FactDef("followed", help="Who answered the follow-ups how often."),
        FactDef("members_failed", help="Members that don't answer rightly when asked directly, and why."),
        FactDef("members_unused_names", help="Healthy members that never answered a request."),
        FactDef("balancer_says", help="Members that are not up, by the balancer's word."), ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "requests", "follow", "members", "statistics"),
    kinds=KINDS,
    default_every=300.0,
    default_timeout=60.0,
)  # fmt: skip
