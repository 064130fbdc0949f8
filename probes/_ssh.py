"""SSH connections that are kept and shared: one per host, port and user, in a bounded pool of threads.

One login at a time per host and at most one a second (sshd's MaxStartups); runs that wait for the same login
share its outcome. A connection found broken before a command was given is opened again once. A command that
is given up leaves its connection to those who still use it, and to nobody else: the next run logs in afresh.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import Field, model_validator

from probes._known_hosts import KnownFile
from probes._resolve import Address, resolve
from probes._ssh_session import Closed, Command, Flow, Login, Output, Session
from probes.api import Context, Params, Secret, Shared, Target
from probes.errors import NotRun, ProtocolViolated, TimedOut

IDLE_S = 300.0
"""A connection unused for so long is closed."""
SWEEP_S = 30.0
MAX_CONNECTIONS = 2000
"""Each costs a thread and about 0.1 MB; over it, the longest idle is closed first."""
MAX_COMMANDS = 6
"""Commands at a time over one connection; sshd's MaxSessions is 10."""
LOGIN_GAP_S = 1.0
"""Least time between two logins at one host."""
QUEUE_SHARE = 0.8
"""Share of a run's time that it waits for a place of ours; then it is `not_run(overload)`."""

T = TypeVar("T")
Place = tuple[str, int]


class SshParams(Params):
    """How to log in to a host; `key`, `passphrase` and `password` are secrets."""

    user: str = Field(min_length=1, max_length=64, description="The account to log in with.")
    port: int = Field(22, ge=1, le=65535, description="The port of sshd.")
    key: Secret | None = Field(None, description="The private key's text, in OpenSSH or PEM form.")
    passphrase: Secret | None = Field(None, description="What the private key is encrypted with.")
    password: Secret | None = Field(None, description="The password, after or instead of the key.")

    @model_validator(mode="after")
    def _has_means(self) -> SshParams:
        if self.key is None and self.password is None:
            msg = 'give a key or a password, e.g. key: "secret:hall_ssh"'
            raise ValueError(msg)
        return self


@dataclass(slots=True)
class Result:
    """A command's output, with the phases it took (resolve to login only where it was logged in anew)."""

    output: Output
    phases: dict[str, float]


@dataclass(slots=True)
class Connection:
    """A kept connection and who uses it now."""

    session: Session
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_COMMANDS))
    users: int = 0
    used: float = field(default_factory=time.monotonic)
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Own:
    """A connection that is shared with nobody, and the phases of its login in ms."""

    session: Session
    phases: dict[str, float]


@dataclass(slots=True)
class Opening:
    """A login under way, its own context, and the runs that wait for it."""

    own: Context
    task: asyncio.Task[Connection] | None = None
    waiters: list[Context] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)

    def enter(self, phase: str) -> None:
        """Say what all who wait are waiting for now."""
        for context in (self.own, *self.waiters):
            context.phase = phase
        self.own.log(phase)


class SshPool:
    """The one pool of a process; a client for `Shared.get`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._size = max(1, shared.settings.ssh_threads)
        self._threads = ThreadPoolExecutor(self._size, "ssh")
        self._closers = ThreadPoolExecutor(2, "ssh-close")
        self._free = asyncio.Semaphore(self._size)
        self._connections: dict[Login, Connection] = {}
        self._openings: dict[Login, Opening] = {}
        self._turns: dict[Place, asyncio.Lock] = {}
        self._last_login: dict[Place, float] = {}
        self._known = KnownFile(shared.settings.known_hosts)
        self._sweeping: asyncio.TimerHandle | None = None
        self.abandoned = 0
        """Threads whose run was given up and that have not ended; they keep their place in the pool."""
        self.logins = 0
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)

    @property
    def open_connections(self) -> int:
        """Connections that are kept now."""
        return len(self._connections)

    async def run(
        self, target: Target, params: SshParams, command: str, context: Context, stdin: bytes = b""
    ) -> Result:
        """Run one command and return its output.

        Raises an `Ending`: what the connection, the host key, the login or the command came to. Where it is
        cancelled, the command loses its channel (and is told so by a closed output).
        """
        login, phases, work = self._login(target, params), dict[str, float](), Command(command, stdin)
        for attempt in (1, 2):
            connection = self._connections.get(login)
            if connection is None or not connection.session.alive:
                connection = await self._opened(login, target, context, phases)
            try:
                output = await self._command(login, connection, work, context)
                phases["command"] = work.took_ms
                return Result(output, phases)
            except Closed as error:
                self._retire(login, connection)
                context.log(f"the connection is broken: {error}")
                if attempt == 2 or "login" in phases:
                    raise ProtocolViolated(f"the connection broke right after the login: {error}") from None
        raise AssertionError  # pragma: no cover

    @asynccontextmanager
    async def own(self, target: Target, params: SshParams, context: Context) -> AsyncIterator[Own]:
        """Log in over a connection that is shared with nobody, and reset it at the end, so that all stops.

        Raises an `Ending`, as `run` does.
        """
        login, opening = self._login(target, params), Opening(context)
        session = await self._logged_in(login, target, opening)
        try:
            yield Own(session, opening.phases)
        finally:
            session.reset()
            self._close(session)

    async def move(self, session: Session, flow: Flow, context: Context) -> Output:
        """Run a flow over a connection of one's own. Raises an `Ending`."""
        return await self.work(session, flow.run, context, "transfer")

    async def work(
        self, session: Session, work: Callable[[Session, float], T], context: Context, phase: str
    ) -> T:
        """Do `work`, which blocks for so many seconds at most, over a connection of one's own.

        Where it is cancelled, the connection is broken off. Raises an `Ending`.
        """
        await self._thread(context)
        context.phase, timeout = phase, context.remaining
        try:
            return await self._blocking(lambda: work(session, timeout), session.abort)
        except Closed as error:
            raise ProtocolViolated(f"the connection broke right after the login: {error}") from None

    async def aclose(self) -> None:
        """Close all connections and end all threads."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        tasks = [opening.task for opening in self._openings.values() if opening.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for login, connection in list(self._connections.items()):
            connection.session.abort()
            self._retire(login, connection)
        for pool in (self._threads, self._closers):
            await asyncio.to_thread(pool.shutdown)

    def _login(self, target: Target, params: SshParams) -> Login:
        def secret(ref: Any) -> str:
            return "" if ref is None else self._shared.secret(ref)

        return Login(
            target.address, params.port, params.user, target.family,
            secret(params.key), secret(params.passphrase), secret(params.password),
        )  # fmt: skip

    async def _opened(
        self, login: Login, target: Target, context: Context, phases: dict[str, float]
    ) -> Connection:
        """Join the login that is under way, or start one; the last who waits takes it down with him."""
        opening = self._openings.get(login)
        if opening is None:
            own = Context(self._shared, context.remaining, trace=context.trace, started=context.started)
            opening = self._openings[login] = Opening(own)
            opening.task = asyncio.create_task(self._open(login, target, opening))
            opening.task.add_done_callback(lambda _: self._openings.pop(login, None))
        assert opening.task is not None
        context.phase = opening.own.phase or "queued"
        opening.waiters.append(context)
        try:
            connection = await asyncio.shield(opening.task)
        finally:
            opening.waiters.remove(context)
            if not opening.waiters:
                opening.task.cancel()
        phases.update(opening.phases)
        return connection

    async def _open(self, login: Login, target: Target, opening: Opening) -> Connection:
        return self._keep(login, Connection(await self._logged_in(login, target, opening)))

    async def _logged_in(self, login: Login, target: Target, opening: Opening) -> Session:
        """Log in when it is the host's turn. Raises an `Ending` and OSError."""
        place = (login.host, login.port)
        async with self._turns.setdefault(place, asyncio.Lock()):
            opening.enter("queued")
            await asyncio.sleep(self._last_login.get(place, 0.0) + LOGIN_GAP_S - time.monotonic())
            opening.enter("resolve")
            address, opening.phases["resolve"] = await resolve(target, opening.own)
            self._last_login[place] = time.monotonic()
            session = Session(await _connected(address, login.port, opening), login)
            try:
                await self._log_in(session, opening)
            except BaseException:
                self._close(session)
                raise
        return session

    async def _log_in(self, session: Session, opening: Opening) -> None:
        known = await self._known.read()
        await self._thread(opening.own)
        opening.enter("handshake")
        start, timeout = time.perf_counter(), opening.own.remaining
        await self._blocking(lambda: session.handshake(known, str(self._known.path), timeout), session.abort)
        opening.phases["handshake"] = _milliseconds_since(start)
        await self._thread(opening.own)
        opening.enter("login")
        start = time.perf_counter()
        await self._blocking(session.log_in, session.abort)
        opening.phases["login"] = _milliseconds_since(start)
        self.logins += 1

    async def _command(self, login: Login, connection: Connection, work: Command, context: Context) -> Output:
        connection.users += 1
        try:
            async with await _place(connection.slots, context, "commands on this connection"):
                await self._thread(context)
                context.phase = "command"
                session, timeout = connection.session, context.remaining
                give_up = partial(self._give_up, login, connection, work)
                return await self._blocking(lambda: work.run(session, timeout), give_up)
        except (TimedOut, asyncio.CancelledError):  # both deadlines are the same moment: either may be first
            if context.phase == "command":
                self._retire(login, connection)
            raise
        finally:
            connection.users -= 1
            connection.used = time.monotonic()
            if connection.retired and not connection.users:
                self._close(connection.session)

    def _give_up(self, login: Login, connection: Connection, work: Command) -> None:
        self._retire(login, connection)
        if connection.users == 1:
            connection.session.abort()
        else:
            self._closers.submit(work.cancel)

    async def _thread(self, context: Context) -> None:
        """Take a thread's place in the pool; `_blocking` gives it back when the thread is done."""
        await _place(self._free, context, "SSH threads")

    async def _blocking(self, work: Callable[[], T], abort: Callable[[], None]) -> T:
        inner = asyncio.get_running_loop().run_in_executor(self._threads, work)
        inner.add_done_callback(self._thread_done)
        try:
            return await asyncio.shield(inner)
        except asyncio.CancelledError:
            if not inner.done():
                self.abandoned += 1
                inner.add_done_callback(self._abandoned_done)
                abort()
            raise

    def _thread_done(self, done: asyncio.Future[Any]) -> None:
        self._free.release()
        if not done.cancelled():
            done.exception()

    def _abandoned_done(self, _: asyncio.Future[Any]) -> None:
        self.abandoned -= 1

    def _keep(self, login: Login, connection: Connection) -> Connection:
        if len(self._connections) >= MAX_CONNECTIONS:
            idle = [(c.used, key) for key, c in self._connections.items() if not c.users]
            if not idle:
                self._close(connection.session)
                raise NotRun("overload", f"{MAX_CONNECTIONS} SSH connections are in use")
            _, oldest = min(idle, key=lambda pair: pair[0])
            self._retire(oldest, self._connections[oldest])
        self._connections[login] = connection
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
        return connection

    def _retire(self, login: Login, connection: Connection) -> None:
        if self._connections.get(login) is connection:
            del self._connections[login]
        connection.retired = True
        if not connection.users:
            self._close(connection.session)

    def _close(self, session: Session) -> None:
        session.abort()
        self._closers.submit(session.close)

    def _sweep(self) -> None:
        now = time.monotonic()
        for login, connection in list(self._connections.items()):
            if not connection.users and (now - connection.used > IDLE_S or not connection.session.alive):
                self._retire(login, connection)
        for place in [p for p, last in self._last_login.items() if now - last > IDLE_S]:
            del self._last_login[place]
            if not self._turns[place].locked():
                del self._turns[place]
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)


class _Held:
    """A place in a semaphore, given back on leaving."""

    def __init__(self, semaphore: asyncio.Semaphore) -> None:
        self._semaphore = semaphore

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        self._semaphore.release()


async def _place(semaphore: asyncio.Semaphore, context: Context, what: str) -> _Held:
    context.phase = "queued"
    try:
        async with asyncio.timeout(context.remaining * QUEUE_SHARE):
            await semaphore.acquire()
    except TimeoutError:
        raise NotRun("overload", f"all {what} are busy") from None
    return _Held(semaphore)


async def _connected(address: Address, port: int, opening: Opening) -> socket.socket:
    opening.enter("connect")
    start = time.perf_counter()
    sock = socket.socket(address.af, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr(port))
    except BaseException:
        sock.close()
        raise
    opening.phases["connect"] = _milliseconds_since(start)
    return sock


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
