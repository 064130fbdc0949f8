"""Who asks over the daemon's socket: the user of the operating system at its other end, as the kernel says.

Nobody proves who they are to Muster itself until there are accounts, so every name says `unauthenticated`.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Mapping

UNAUTHENTICATED = " (unauthenticated)"
MOST_NAME = 40
_UCRED = struct.Struct("iII")
"""`struct ucred`: process, user, group."""


def uid_of(connection: socket.socket) -> int:
    """Return the user who opened a connection (SO_PEERCRED, unix(7)); nothing of it comes from the peer."""
    found: int = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))[1]
    return found


def actor_of(uid: int, claimed: str, own: int) -> str:
    """Return who acts, such as `li (unauthenticated)` or `root for it.zhang (unauthenticated)`.

    Whom a peer claims to act for counts where it is root or the daemon's `own` user. May wait for the
    directory service that knows the names of users.
    """
    name = _name(uid)
    whom = claimed.removesuffix(UNAUTHENTICATED).removeprefix(f"{name} for ")
    whom = "".join(each for each in whom if each.isprintable()).strip()[:MOST_NAME]
    acts_for = f" for {whom}" if whom and whom != name and uid in (0, own) else ""
    return f"{name}{acts_for}{UNAUTHENTICATED}"


def ourselves(environment: Mapping[str, str]) -> str:
    """Return who acts in this process; under sudo, for whom, too."""
    uid = os.getuid()
    return actor_of(uid, environment.get("SUDO_USER", ""), 0)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"
