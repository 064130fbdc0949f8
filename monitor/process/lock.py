"""One daemon per state directory, by a lock the kernel drops when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Locked(RuntimeError):  # noqa: N818 - reads better where it is raised
    """Another process holds the state directory."""


class StateLock:
    """The lock file of a state directory, held from `take` to `release`."""

    def __init__(self, state_dir: Path, name: str = "lock") -> None:
        self.path = state_dir / name
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock, making the directory where needed. Raises Locked with the holder's process id."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "?"
            os.close(descriptor)
            msg = f"{self.path.parent} is in use by process {holder}: stop it, or use another --state-dir"
            raise Locked(msg) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
