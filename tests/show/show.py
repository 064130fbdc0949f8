"""What Shows have in common: peers that run on private ports of loopback, and what Muster is told of them."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from monitor import checking
from monitor.place import place
from monitor.readiness.results import UnitResult
from monitor.readiness.selection import Selection

T = TypeVar("T")


@dataclass
class Show:
    """One unit: `home` is where its files are, the stack ends its peers, variables fill in its inventory."""

    here: ClassVar[Path]
    """Where its inventory, profiles, checklists and manifests lie."""
    home: Path
    stack: AsyncExitStack
    variables: dict[str, object] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Path:
        """The settings that Muster is started with."""
        return self.home / "muster.toml"

    def directory(self, name: str) -> Path:
        """Make a directory for a server."""
        made = self.home / name
        made.mkdir()
        return made

    def secret(self, name: str, value: str = "") -> str:
        """Make a secret that the inventory may name."""
        self.secrets[name] = value or f"marker-{secrets.token_hex(8)}"
        return self.secrets[name]

    def port(self, name: str) -> int:
        """Return the port of a server, by its variable."""
        found = self.variables[f"{name}_port"]
        assert isinstance(found, int)
        return found

    async def enter(self, manager: AbstractContextManager[T]) -> T:
        """Enter what blocks, in a thread; the stack leaves it so, too."""
        entered = await asyncio.to_thread(manager.__enter__)
        self.stack.push_async_callback(asyncio.to_thread, manager.__exit__, None, None, None)
        return entered

    async def start(self, *parts: Callable[[], Awaitable[None]]) -> None:
        """Start its parts side by side, and raise what one of them raised once all have ended."""
        ended = await asyncio.gather(*(part() for part in parts), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def check(self) -> UnitResult:
        """Return the unit's result by a fresh `muster check`."""
        where = place(self.settings)
        run = await asyncio.to_thread(
            checking.check_now, where, Selection(), "fresh", lambda _done, _all: None
        )
        return run.units[0]

    def set_up(self, known_hosts: Path | None = None) -> None:
        """Write the settings."""
        names = [name for name in ("profiles", "checklists", "releases") if (self.here / name).exists()]
        lines = [
            "[daemon]", 'state_dir = "state"', 'inventory = "inventory"', 'secrets = "secrets.yaml"',
            *(f'{name} = "{self.here / name}"' for name in names),
            *(["[probes]", f'known_hosts = "{known_hosts}"'] if known_hosts else []),
        ]  # fmt: skip
        self.settings.write_text("\n".join([*lines, ""]))

    def write(self) -> None:
        """Write the inventory with the ports that the servers have, and the secrets."""
        self.variables["address"] = "127.0.0.1"
        inventory = self.home / "inventory"
        inventory.mkdir(exist_ok=True)
        shutil.copy(self.here / "inventory.yaml", inventory)
        document = {"version": 1, "vars": self.variables}
        (inventory / "variables.yaml").write_text(json.dumps(document))
        kept = self.home / "secrets.yaml"
        kept.touch(mode=0o600)
        kept.write_text(json.dumps({"version": 1, "secrets": self.secrets}))
