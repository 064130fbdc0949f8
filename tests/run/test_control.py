"""The daemon's socket: who asks is found out, not believed, and whatever fails is answered."""

from __future__ import annotations

import asyncio
import os
import pwd
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from monitor.control.peer import actor_of
from monitor.control.requests import Requests
from monitor.control.socket import ControlError, ControlServer, ask
from monitor.reload import Reloader

ME = pwd.getpwuid(os.getuid()).pw_name
CLIENT = """
import os, socket, sys
uid = int(sys.argv[2])
if uid != os.getuid():
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
peer.sendall(b'{"do": "who", "actor": "it.zhang (unauthenticated)"}\\n')
print(peer.makefile().readline())
"""


async def who(request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    yield {"actor": request["actor"]}


async def broken(request: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    yield {"first": True}
    raise sqlite3.OperationalError("no such table: secret")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory that any user may enter."""
    with tempfile.TemporaryDirectory(prefix="muster") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
async def path(folder: Path) -> AsyncIterator[Path]:
    server = ControlServer(folder / "s", {"who": who, "broken": broken})
    await server.start()
    yield folder / "s"
    await server.stop()


async def answers(path: Path, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [answer async for answer in ask(path, request)]


async def said(path: Path, uid: int) -> str:
    """Return whom a client of a user is taken for, that claims to be it.zhang."""
    command = [sys.executable, "-c", CLIENT, str(path), str(uid)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_the_daemons_own_user_acts_for_somebody(path: Path) -> None:
    assert f'"{ME} for it.zhang (unauthenticated)"' in await said(path, os.getuid())
    assert await answers(path, {"do": "who"}) == [{"actor": f"{ME} (unauthenticated)"}]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
async def test_another_user_is_not_believed(path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(path, 0, nobody.pw_uid)
    assert path.stat().st_mode & 0o777 == 0o660
    assert '"nobody (unauthenticated)"' in await said(path, nobody.pw_uid)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can ask as another user")
async def test_a_user_of_a_large_number_is_who_they_are(path: Path) -> None:
    path.chmod(0o666)
    assert '"uid:3000000000 (unauthenticated)"' in await said(path, 3_000_000_000)


def test_a_claim_counts_for_root_and_the_daemons_user_alone() -> None:
    assert actor_of(0, "it.zhang", 1234) == "root for it.zhang (unauthenticated)"
    assert actor_of(987654, "it.zhang", 987654) == "uid:987654 for it.zhang (unauthenticated)"
    assert actor_of(987654, "it.zhang", 1234) == "uid:987654 (unauthenticated)"
    assert actor_of(0, "root (unauthenticated)", 0) == "root (unauthenticated)"
    again = actor_of(0, "root for it.zhang (unauthenticated)", 0)
    assert again == "root for it.zhang (unauthenticated)", "what a command says of itself is said once"
    assert actor_of(0, "a\n\x1b[1mb" + "c" * 99, 0) == f"root for a[1mb{'c' * 35} (unauthenticated)"


async def test_whatever_fails_is_answered_and_the_next_request_is_served(path: Path) -> None:
    with pytest.raises(
        ControlError, match=r"^the daemon could not do this: OperationalError; its log says more$"
    ):
        await answers(path, {"do": "broken"})
    assert await answers(path, {"do": "who"}) == [{"actor": f"{ME} (unauthenticated)"}]


class Failing:
    """Units of a child that answers nonsense."""

    def __init__(self, owed: bool) -> None:
        self.reloader = Reloader(*cast("Any", [None] * 7))
        self.reloader._owed = owed
        self.error = ""

    async def reload(self) -> int:
        raise MemoryError

    def excuse(self, error: Exception) -> str:
        return self.reloader.excuse(error)


@pytest.mark.parametrize(
    ("owed", "left"), [(False, "the old configuration stays"), (True, "applied by half, to be tried again")]
)
async def test_a_reload_that_fails_in_no_known_way_says_what_is_left(owed: bool, left: str) -> None:
    requests = Requests(*cast("Any", [None, None, Failing(owed), *[None] * 5]))
    with pytest.raises(ControlError, match=f"^could not reload, {left}: MemoryError$"):
        [answer async for answer in requests.reload({})]
