"""The daemon's socket, `STATE/muster.sock`: commands that probe or change something go through it.

One JSON object a line each way. A request is `{"do": NAME, ...}`; the answers are any number of objects and a
last one with `"end": true` (or `"error"`). Who may open the socket file (mode 0660) may use it; the
`actor` of a request is the one that `peer` finds at the other end, whatever the request says.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from monitor.control.peer import actor_of, uid_of
from monitor.process.log import fault

log = structlog.get_logger("control")
MAX_LINE = 16 * 1024 * 1024
Handler = Callable[[Mapping[str, Any]], AsyncIterator[Mapping[str, Any]]]


class ControlError(Exception):
    """The request can't be carried out; the text goes to the one who asked."""


class NoDaemon(ControlError):  # noqa: N818 - reads better where it is raised
    """No daemon listens on this state directory."""


class ControlServer:
    """Answers requests by the handler of their name."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path, self._handlers = path, handlers
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen; a socket file left by a dead daemon is replaced (the directory is locked)."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            with _short(self._path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=MAX_LINE)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and remove the socket file."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            uid = uid_of(writer.get_extra_info("socket"))
            line = await reader.readline()
            async for answer in self._answers(line, uid):
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _answers(self, line: bytes, uid: int) -> AsyncIterator[Mapping[str, Any]]:
        try:
            request = json.loads(line)
            handler = self._handlers[request["do"]]
            claimed = str(request.get("actor") or "")
        except (ValueError, KeyError, TypeError):
            yield {"error": f"no such request; there are {', '.join(sorted(self._handlers))}"}
            return
        try:
            actor = await asyncio.to_thread(actor_of, uid, claimed, os.geteuid())
            async for answer in handler({**request, "actor": actor}):
                yield answer
        except ControlError as error:
            yield {"error": str(error)}
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and told to the one who asked
            log.error("a request failed", request=request["do"], **fault(error))
            yield {"error": f"the daemon could not do this: {type(error).__name__}; its log says more"}
        else:
            yield {"end": True}


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Give a path of a socket that fits into its 107 bytes, however deep it lies (unix(7), proc(5))."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


async def ask(path: Path, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Send a request to a running daemon and yield its answers.

    Raises NoDaemon where none listens, ControlError with what the daemon says against it.
    """
    try:
        with _short(path) as short:
            reader, writer = await asyncio.open_unix_connection(short, limit=MAX_LINE)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NoDaemon(f"no daemon listens on {path}") from None
    except PermissionError:
        msg = f"not allowed to open {path}: run as the daemon's user, or join its group"
        raise ControlError(msg) from None
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        async for line in reader:
            answer = json.loads(line)
            if "error" in answer:
                raise ControlError(answer["error"])
            if answer.get("end"):
                return
            yield answer
        raise ControlError("the daemon went away in the middle of an answer")
    finally:
        writer.close()
