"""One SSH connection: the blocking part, for threads only.

paramiko reads a banner without end, and packets of any announced size, into memory; so it gets the socket
through a guard that counts what comes in. Nagle is off: paramiko leaves it on, which costs 40 ms a command.
"""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paramiko

from probes._known_hosts import HostKey, KnownHosts, Trust, host_name
from probes.api import clip
from probes.errors import (
    Ending,
    Inconclusive,
    OwnLoginFailed,
    PermissionMissing,
    ProberFault,
    ProtocolViolated,
    TimedOut,
    from_oserror,
)

LOGIN_BYTES = 256 * 1024
"""What a server may send before it is logged in to: banner, key exchange, the login's own messages."""
HEAD_BYTES = 200
COMMAND_BYTES = 8 * 1024 * 1024
"""What a connection may deliver from the start of one command to the start of the next."""
COMMAND_WINDOW, FLOW_WINDOW = 1 << 20, 1 << 22
"""What may be on its way in a channel, in bytes: a flow's is enough for 300 Mbit/s at 100 ms."""
FLOW_BYTES_MORE = 1 << 20
"""What a flow's connection may deliver beside the flow itself."""
FLOW_BLOCK = bytes(32_768)
MAX_OUTPUT = 2 * 1024 * 1024
"""Longest output of one command that is kept, in bytes, of standard output and standard error each."""
IDLE_POLL_S = 5.0
"""How often paramiko's reader wakes on a quiet connection; its own 0.1 s costs a core for 1,000 hosts."""
REFUSED_SHARE = 0.5
"""Share of a command's time in which a refused channel is asked for again."""
REFUSED_PAUSE_S = 0.02
USER_TIMEOUT_MS = 30_000


class Closed(Exception):  # noqa: N818 - says what happened
    """The connection broke before the command was given to the host: it may be given again."""


class TooMuch(OSError):  # noqa: N818 - says what happened
    """The peer sent more than the guard lets in. Needs a number, or paramiko's thread dies of it."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in where; `key` is the private key's text. Values of secrets: never shown."""

    host: str
    port: int
    user: str
    family: str = "any"
    key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class Output:
    """What a command gave; `status` is -1 where the host told none (killed by a signal)."""

    stdout: bytes
    stderr: bytes
    status: int
    truncated: bool = False


class GuardedSocket:
    """A socket that fails once more than `left` bytes came in."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.left = LOGIN_BYTES
        self.receive: Callable[[socket.socket, int], bytes] = socket.socket.recv
        """How it is received; whoever wants to know when what came puts something else here."""
        self.head = b""
        """The first bytes that came: some servers say there why they close."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def recv(self, size: int) -> bytes:
        """Receive as a socket does. Raises `TooMuch`."""
        if self.left <= 0:
            raise TooMuch(errno.EMSGSIZE, "it sends without end")
        data = self.receive(self._socket, min(size, 65536))
        self.left -= len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        return data


class Session:
    """A connection of its own to one host; every method but `abort` blocks."""

    def __init__(self, sock: socket.socket, login: Login) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket, self._login = sock, login
        self._guard = GuardedSocket(sock)
        self._transport: paramiko.Transport | None = None
        self._deadline = 0.0

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known."""
        return self._transport is not None and self._transport.is_active()

    def handshake(self, known: KnownHosts, source: str, timeout: float) -> None:
        """Exchange keys and check the host's key against those of the file `source`. Raises an `Ending`."""
        login, self._deadline = self._login, time.monotonic() + timeout
        sock: Any = self._guard
        self._transport = transport = paramiko.Transport(sock)
        transport.daemon = True
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
        wanted = _algorithms(known.keys(login.host, login.port))
        options = transport.get_security_options()
        options.key_types = [kind for kind in options.key_types if kind in wanted] or options.key_types
        try:
            transport.start_client(timeout=timeout)
            key = transport.get_remote_server_key()
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._broken("handshake", error) from None
        _verify(known, source, login, HostKey(key.get_name(), key.asbytes()))

    def log_in(self) -> None:
        """Log in with the key, then the password, as far as given. Raises an `Ending`."""
        login, transport = self._login, self._transport
        assert transport is not None
        try:
            more = transport.auth_publickey(login.user, _private_key(login)) if login.key else ["password"]
            if more and login.password:
                more = transport.auth_password(login.user, login.password)
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise OwnLoginFailed(clip(f"user {login.user}: {login.host} only takes {allowed}")) from None
        except paramiko.AuthenticationException as error:
            if not transport.is_active() or time.monotonic() >= self._deadline:
                raise self._broken("login", error) from None
            raise OwnLoginFailed(f"{login.host} refused the login of user {login.user}") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._broken("login", error) from None
        if more:
            raise OwnLoginFailed(f"user {login.user}: {login.host} wants {', '.join(more)} as well")
        self._socket.settimeout(IDLE_POLL_S)
        transport.set_keepalive(30)

    @property
    def sock(self) -> socket.socket:
        """The connection's socket, to ask the kernel about it."""
        return self._socket

    def receive_by(self, receive: Callable[[socket.socket, int], bytes]) -> None:
        """Have what comes received by `receive`, in a thread of paramiko's."""
        self._guard.receive = receive

    def open(
        self, timeout: float, incoming: int = COMMAND_BYTES, window: int = COMMAND_WINDOW
    ) -> paramiko.Channel:
        """Open a channel for one command that may have so many bytes delivered.

        Raises `Closed`, or `ProtocolViolated` where it stays refused.

        A host frees a session a little after its command has ended, so that quick successors are refused
        (MaxSessions): that is of our own making, and they are asked for again.
        """
        assert self._transport is not None
        self._guard.left = max(self._guard.left, incoming)
        deadline = time.monotonic() + timeout * REFUSED_SHARE
        while True:
            try:
                return self._transport.open_session(window_size=window, timeout=timeout)
            except (paramiko.SSHException, EOFError, OSError) as error:
                if not self.alive:
                    raise Closed(str(error)) from None
                if time.monotonic() >= deadline:
                    raise ProtocolViolated(clip(f"it opens no channel: {error}", 200)) from None
                time.sleep(REFUSED_PAUSE_S)

    def _broken(self, phase: str, error: Exception) -> Ending:
        if self._guard.left <= 0:
            return ProtocolViolated(f"{phase}: it sent {LOGIN_BYTES} bytes and no SSH {phase}")
        if time.monotonic() >= self._deadline:
            return TimedOut(f"{phase}: no answer in time")
        if isinstance(error, OSError):
            return from_oserror(error, phase)
        if b"Not allowed at this time" in self._guard.head:
            return Inconclusive("the host turns this monitor away for a while, after failed logins")
        said = clip(self._guard.head.decode("utf-8", "replace").strip())
        if said and not said.startswith("SSH-"):
            return ProtocolViolated(f"{phase}: it said {said!r}")
        return ProtocolViolated(f"{phase}: {clip(str(error), 200) or 'it closed the connection'}")

    def abort(self) -> None:
        """Break the connection off; never blocks, and ends whatever waits on it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Have the connection reset as it is closed, so that the host stops sending at once."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))

    def close(self) -> None:
        """Close the connection and wait for its reader to end."""
        self.abort()
        if self._transport is not None:
            self._transport.close()
        self._socket.close()


class Command:
    """One command: `run` in one thread, `cancel` from another. `took_ms` is timed in the thread itself.

    The end of standard input is never sent, so that the command must end without it: paramiko may send it
    after the channel's close, whereupon sshd drops the whole connection and all that runs over it.
    """

    def __init__(self, command: str, stdin: bytes = b"") -> None:
        self._command, self._stdin = command, stdin
        self._channel: paramiko.Channel | None = None
        self._cancelled = False
        self.took_ms = 0.0

    def run(self, session: Session, timeout: float) -> Output:
        """Give the command to a session and return all of its output.

        Raises `Closed` while it can be given again, else `ProtocolViolated` or `TimedOut`.
        """
        start = time.monotonic()
        self._channel = channel = self._opened(session, timeout)
        if self._cancelled:
            channel.close()
        try:
            output = self._exchange(channel, start + timeout)
        except TimeoutError:
            raise TimedOut(f"the command did not end within {timeout:.1f} s") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise ProtocolViolated(clip(f"the connection broke: {error or 'end of file'}")) from None
        finally:
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                channel.close()
        if output.status == -1 and not session.alive:
            raise ProtocolViolated("the connection broke before the command ended")
        self.took_ms = (time.monotonic() - start) * 1000
        return output

    def cancel(self) -> None:
        """Close the command's channel, so that `run` ends."""
        self._cancelled = True
        if self._channel is not None:
            self._channel.close()

    def _opened(self, session: Session, timeout: float) -> paramiko.Channel:
        return session.open(timeout)

    def _exchange(self, channel: paramiko.Channel, deadline: float) -> Output:
        channel.settimeout(_left(deadline))
        channel.exec_command(self._command)
        _send(channel, self._stdin)
        stdout, stderr, truncated = _drain(channel, deadline)
        if truncated or not channel.status_event.wait(_left(deadline)):
            return Output(stdout, stderr, -1, truncated)
        return Output(stdout, stderr, channel.exit_status)


class Flow(Command):
    """A command that only moves bytes: its output is counted (`came`) and dropped, or it is sent zeros."""

    def __init__(self, command: str, most: int, *, sends: bool) -> None:
        super().__init__(command)
        self._most, self._sends = most, sends
        self.came = 0

    def _opened(self, session: Session, timeout: float) -> paramiko.Channel:
        return session.open(timeout, self._most + FLOW_BYTES_MORE + self._most // 50, FLOW_WINDOW)

    def _exchange(self, channel: paramiko.Channel, deadline: float) -> Output:
        channel.settimeout(_left(deadline))
        channel.exec_command(self._command)
        if self._sends:
            for _ in range(-(-self._most // len(FLOW_BLOCK))):
                channel.sendall(FLOW_BLOCK)
                channel.settimeout(_left(deadline))
            return Output(b"", b"", 0)
        while data := channel.recv(FLOW_WINDOW):
            self.came += len(data)
            channel.settimeout(_left(deadline))
        channel.status_event.wait(_left(deadline))
        said = channel.recv_stderr(2000) if channel.recv_stderr_ready() else b""
        return Output(b"", said, channel.exit_status)


def _send(channel: paramiko.Channel, stdin: bytes) -> None:
    """Give a command its input; one that ended without reading it is told by its output."""
    try:
        channel.sendall(stdin)
    except TimeoutError:
        raise
    except OSError:
        if not channel.closed:
            raise


def _drain(channel: paramiko.Channel, deadline: float) -> tuple[bytes, bytes, bool]:
    stdout, stderr = bytearray(), bytearray()
    while data := channel.recv(65536):
        stdout += data
        while channel.recv_stderr_ready():
            stderr += channel.recv_stderr(65536)
        if len(stdout) > MAX_OUTPUT or len(stderr) > MAX_OUTPUT:
            return bytes(stdout[:MAX_OUTPUT]), bytes(stderr[:MAX_OUTPUT]), True
        channel.settimeout(_left(deadline))
    while len(stderr) < MAX_OUTPUT and (data := channel.recv_stderr(65536)):
        stderr += data
        channel.settimeout(_left(deadline))
    return bytes(stdout), bytes(stderr), False


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _algorithms(keys: list[HostKey]) -> set[str]:
    """Return the host key algorithms that prove one of the known keys, so that no other key is offered."""
    types = {key.type for key in keys}
    return types | ({"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in types else set())


def _verify(known: KnownHosts, source: str, login: Login, offered: HostKey) -> None:
    trust = known.trust(login.host, login.port, offered)
    what = f"{offered.type} {offered.fingerprint}"
    if trust is Trust.UNKNOWN:
        line = f"{host_name(login.host, login.port)} {offered.text}"
        msg = f"the host key ({what}) is not known; verify it with the host, then add to {source}: {line}"
        raise PermissionMissing(msg)
    if trust is Trust.CHANGED:
        expected = ", ".join(key.fingerprint for key in known.keys(login.host, login.port))
        msg = f"the host key is not the known one: expected {expected} ({source}), offered {what}"
        raise ProtocolViolated(msg)
    if trust is Trust.REVOKED:
        raise ProtocolViolated(f"the host key {what} is revoked in {source}")


def _private_key(login: Login) -> paramiko.PKey:
    secret = login.passphrase or None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(login.key), secret)
        except paramiko.PasswordRequiredException:
            raise ProberFault('the private key is encrypted; give its passphrase as "secret:NAME"') from None
        except (paramiko.SSHException, ValueError, IndexError, TypeError):
            continue
    raise ProberFault("the secret holds no private key in OpenSSH or PEM form (or its passphrase is wrong)")
