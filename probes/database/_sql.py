"""The vocabulary of every probe of a database: parameters, names of metrics and facts, how one is asked.

An engine brings two things: how a `Session` is opened, and its `Question`s (name, query, pure function from
the table to an `Answer`). `survey` does the rest: select 1, the round trip, each question on its own, so that
a missing right leaves out what it forbids and nothing else, and says so in the fact `not_told`.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import Field

from probes._certificates import TlsParams
from probes._clean import cleaned
from probes.api import Context, Params, Reading, Seconds, Secret, Target, clip
from probes.database._sql_parameters import Setting
from probes.database._sql_refusal import OLD_OR_FORBIDDEN, Refusal
from probes.errors import Ending, ExpectationFailed, TimedOut, from_oserror

MOST_ROWS = 10_000
"""Rows of a query without a limit that are kept."""
GRACE_S = 0.3
"""What a server may take longer than asked for to end a query, and what is kept for the end of the run."""
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a table that is not as the engine's documents say makes of the function that reads it."""
_NO_CELL, _MANY = "the query gave no value", "the query gave several rows, of which none is known to count"
CLOCKS_APART_S = 60
"""How far the clock of what made a backup may be ahead of the database's."""
NOTHING = "none"
"""What a fact says that lists exceptions where there are none."""


class RoundTrip(Params):
    """A row written, read and deleted in one transaction, in a table made for nothing else."""

    table: Annotated[
        str, Field(max_length=128, pattern=r"^([A-Za-z_][A-Za-z0-9_$]*\.){0,2}(muster|MUSTER)[A-Za-z0-9_]*$")
    ]
    """The table, with a column `token` of 64 characters; its name begins with `muster`."""


class ServerParams(TlsParams):
    """How TLS is asked for."""

    tls: Literal["off", "on"] = "off"
    """Whether TLS is spoken; it is never tried and done without."""

    async def tls_context(self) -> ssl.SSLContext | None:
        """Return the kept context, or None without TLS. Raises `ProberFault` for files that are no use."""
        return None if self.tls == "off" else await self.context()

    def tls_name(self, target: Target) -> str:
        """Return the name that the server's certificate must carry."""
        return self.server_name or target.address.removeprefix("[").removesuffix("]")


class DatabaseParams(ServerParams):
    """How a database is reached and asked; each engine sets its own `port`."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Port of the server."""
    database: Annotated[str, Field(min_length=1, max_length=128)]
    """Name of the database (of the service, where the engine calls it so)."""
    user: Annotated[str, Field(min_length=1, max_length=128)]
    """The monitor's account."""
    password: Secret | None = None
    """The account's password."""
    query_timeout: Annotated[Seconds, Field(gt=0, le=300)] = 5.0
    """Longest time for one query; the server ends what takes longer."""

    def secrets(self, context: Context) -> tuple[str, ...]:
        """Return the values that must not be shown. Raises `ProberFault` for a missing one."""
        return () if self.password is None else (context.shared.secret(self.password),)


class SurveyParams(DatabaseParams):
    """What is asked of a database besides its state."""

    parameters: dict[str, Setting] = Field(default_factory=dict)
    """What the server's parameters should be, by name."""
    schema_version: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """A query that gives the schema's version in one cell."""
    backup_age: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    """A query that gives the age of the newest good backup in one cell, in seconds."""
    round_trip: RoundTrip | None = None
    """Whether a row is written, read and deleted, and in which table."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a query gave: at most as many rows as were asked for; `more` says that there were others."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False

    def cell(self) -> object:
        """Return the first column of the first row, or None."""
        return self.rows[0][0] if self.rows and self.columns else None

    def first(self) -> dict[str, Any]:
        """Return the first row by the columns' names in lower case, empty where there is no row."""
        return dict(zip(self._names(), self.rows[0], strict=True)) if self.rows else {}

    def records(self) -> list[dict[str, Any]]:
        """Return all rows by the columns' names in lower case."""
        return [dict(zip(self._names(), row, strict=True)) for row in self.rows]

    def _names(self) -> list[str]:
        return [column.lower() for column in self.columns]


class Session(Protocol):
    """A connection with an engine that has let the account in.

    Both ways of asking raise `Refusal` (the engine answered no), OSError (the connection broke off) and
    nothing else of the driver's. The server itself ends a query after `query_timeout`.
    """

    begin: str
    """The statement that begins a transaction which may write; empty where one begins by itself."""

    async def rows(self, query: str, limit: int | None = None) -> Table:
        """Return the rows of a query, which may read only.

        With a limit the server sends hardly more than that; without one it is a question of ours, which gives
        few, and what is beyond `MOST_ROWS` is dropped.
        """

    async def execute(self, statement: str) -> None:
        """Do a statement whose rows nobody asks for."""

    async def aclose(self) -> None:
        """Close: at once where a statement is under way, and safe when the run is cancelled."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question's rows say; `not_told` names what they leave open, and why."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    not_told: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that an engine is asked.

    `name` is what is left out where no answer is had (metrics and facts, as `not_told` names them), `grant`
    the right that the query needs. Where an answer `must` be had, a query that is refused for another reason
    than a missing right or an old version ends the run.
    """

    name: str
    query: str
    read: Callable[[Table], Answer]
    grant: str = ""
    must: bool = False


@dataclass(slots=True)
class Findings:
    """What a run has learnt until now."""

    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    not_told: list[str] = field(default_factory=list)

    def passed(self, phase: str, ms: float) -> None:
        """Note the time of a phase, as a metric as well where there is one for it."""
        self.phases[phase] = self.phases.get(phase, 0.0) + ms
        if phase in ("connect", "tls", "login"):
            self.metrics[f"{phase}_ms"] = ms

    def take(self, answer: Answer) -> None:
        """Take an answer in."""
        self.metrics |= answer.metrics
        self.facts |= {name: clip(text) for name, text in answer.facts.items()}
        self.not_told += answer.not_told

    def left_out(self, question: Question, refusal: Refusal) -> None:
        """Note that a question was not answered."""
        grant = f" (needs {question.grant})" if question.grant and refusal.word == "missing_right" else ""
        self.not_told.append(f"{question.name}: {refusal}{grant}")

    def reading(self) -> Reading:
        """Return the reading of a run that went well."""
        told = {"not_told": clip("; ".join(self.not_told) or NOTHING)}
        return Reading.ok(self.metrics, self.facts | told, self.phases)

    def with_all(self, ending: Ending) -> Ending:
        """Return `ending` with what was learnt before."""
        told = {"not_told": clip("; ".join(self.not_told))} if self.not_told else {}
        ending.metrics, ending.facts, ending.phases = self.metrics, self.facts | told, self.phases
        return ending


P_contra = TypeVar("P_contra", bound=DatabaseParams, contravariant=True)
S_co = TypeVar("S_co", bound=Session, covariant=True)
S = TypeVar("S", bound=Session)
D = TypeVar("D", bound=DatabaseParams)
V = TypeVar("V", bound=SurveyParams)


class Opener(Protocol[P_contra, S_co]):
    """How an engine opens a session: one attempt, phases noted in `findings`, nothing left open on failure.

    Raises `Refusal`, `MissingDriver`, OSError and the endings of resolving the name.
    """

    async def __call__(
        self, target: Target, params: P_contra, context: Context, findings: Findings
    ) -> S_co: ...


async def survey(
    open_session: Opener[V, S],
    questions: Callable[[V], Iterable[Question]],
    target: Target,
    params: V,
    context: Context,
    smallest: str = "select 1",
) -> Reading:
    """Ask all that an engine's probe asks: `smallest` is the query that is timed.

    After the engine's own questions come those of the check itself (`asked_for`). Raises
    `Ending` with what was measured until then.
    """

    async def ask_all(session: S, findings: Findings) -> None:
        await select_one(session, findings, context, smallest)
        if params.round_trip is not None:
            await round_trip(session, params.round_trip.table, findings, context)
        everything = (*questions(params), *asked_for(params))
        await ask(session, everything, findings, params, context)

    return await within_session(open_session, ask_all, target, params, context)


async def within_session(
    open_session: Opener[D, S],
    use: Callable[[S, Findings], Awaitable[None]],
    target: Target,
    params: D,
    context: Context,
) -> Reading:
    """Open a session, use it, close it. Raises `Ending` with what was measured until then."""
    findings = Findings()
    with ending_with(findings, context, params.secrets):
        session = await open_session(target, params, context, findings)
        try:
            await use(session, findings)
        finally:
            await session.aclose()
    return findings.reading()


@contextmanager
def ending_with(
    findings: Findings, context: Context, hidden: Callable[[Context], Iterable[str]] = lambda _: ()
) -> Iterator[None]:
    """Have whatever ends the block early carry what was learnt until then.

    Raises `Ending`; the text of an OSError, which may be a driver's, shows nothing of what is `hidden`.
    """
    try:
        yield
    except Refusal as refusal:
        raise findings.with_all(refusal.ending()) from None
    except Ending as ending:
        raise findings.with_all(ending) from None
    except OSError as error:
        broken = from_oserror(error, context.phase)
        broken.detail = cleaned(broken.detail, hidden(context))
        raise findings.with_all(broken) from None


async def select_one(session: Session, findings: Findings, context: Context, query: str = "select 1") -> None:
    """Time the smallest query there is: metric `select_ms`."""
    context.phase = "query"
    started = time.perf_counter()
    await session.execute(query)
    findings.metrics["select_ms"] = (time.perf_counter() - started) * 1000
    findings.passed("query", findings.metrics["select_ms"])


async def round_trip(session: Session, table: str, findings: Findings, context: Context) -> None:
    """Write, read and delete a row in one transaction: metric `round_trip_ms`, the commit included.

    The commit goes to disk, though nothing is left: neither by it nor by a run that breaks off.
    """
    context.phase = "query"
    token = f"muster-{secrets.token_hex(16)}"
    started = time.perf_counter()
    if session.begin:
        await session.execute(session.begin)
    await session.execute(f"insert into {table} (token) values ('{token}')")  # noqa: S608 - a checked name
    found = await session.rows(f"select token from {table} where token = '{token}'")  # noqa: S608
    await session.execute(f"delete from {table} where token = '{token}'")  # noqa: S608
    await session.execute("commit")
    took_ms = (time.perf_counter() - started) * 1000
    if [str(row[0]).strip() for row in found.rows] != [token]:
        raise ExpectationFailed(f"lost_row: {table} did not give back the row that was written")
    findings.metrics["round_trip_ms"] = took_ms
    findings.passed("query", took_ms)


async def ask(
    session: Session,
    questions: Iterable[Question],
    findings: Findings,
    params: DatabaseParams,
    context: Context,
) -> None:
    """Ask each question on its own; what is refused, or has no time left, is named in `not_told`.

    Raises what `Question.must` says, and OSError. A server that does not end a query in time itself is asked
    no more.
    """
    context.phase = "query"
    started = time.perf_counter()
    for question in questions:
        seconds = min(params.query_timeout + GRACE_S, context.remaining - GRACE_S)
        if seconds <= 0:
            findings.left_out(question, Refusal("slow_query", "no time was left to ask"))
            continue
        try:
            findings.take(await _answer(session, question, seconds))
        except Refusal as refusal:
            if question.must and refusal.word not in OLD_OR_FORBIDDEN:
                raise refusal.of_query() from None
            old = refusal.word == "no_such_table"
            findings.left_out(question, Refusal("version_too_old", refusal.said) if old else refusal)
    findings.passed("query", (time.perf_counter() - started) * 1000)


async def _answer(session: Session, question: Question, seconds: float) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            table = await session.rows(question.query)
    except TimeoutError:
        raise TimedOut(f"slow_query: {question.name} had no answer within {seconds:.1f} s") from None
    try:
        return question.read(table)
    except UNREADABLE as error:
        raise Refusal("query_refused", f"an answer that can't be read ({type(error).__name__})") from None


def asked_for(params: SurveyParams) -> Iterator[Question]:
    """Yield the questions that the check itself brings, the same for every engine."""
    grant = "the right to read what the query names"
    if params.schema_version is not None:
        yield Question("schema_version", params.schema_version, _schema_version, grant, must=True)
    if params.backup_age is not None:
        yield Question("backup_age_s", params.backup_age, _backup_age, grant, must=True)


def _schema_version(table: Table) -> Answer:
    cell = table.cell()
    if cell is None or len(table.rows) > 1:
        return Answer(not_told=(f"schema_version: {_NO_CELL if cell is None else _MANY}",))
    return Answer(facts={"schema_version": str(cell)})


def _backup_age(table: Table) -> Answer:
    """Read the age; one that is none, or lies far in the future, says nothing of a backup."""
    cell: Any = table.cell()
    if cell is None or len(table.rows) > 1:
        why = f"{_NO_CELL}: no backup is known" if cell is None else _MANY
        return Answer(not_told=(f"backup_age_s: {why}",))
    age = float(cell)
    if not math.isfinite(age) or age < -CLOCKS_APART_S:
        return Answer(not_told=(f"backup_age_s: {age:g} s is no age",))
    return Answer({"backup_age_s": max(0.0, age)})


def of_limit(used: float, limit: float) -> dict[str, float]:
    """Return the metrics of connections in use, of those that ordinary accounts may have."""
    shares = {"connections_used_pct": 100 * used / limit} if limit > 0 else {}
    return {"connections_used": float(used), "connections_max": float(limit)} | shares
