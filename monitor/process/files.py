"""Files that are followed: told when one of them changes, also when an editor puts a new one in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import watchfiles

DEBOUNCE_MS = 400


async def changes(paths: Iterable[Path]) -> AsyncIterator[None]:
    """Yield each time something changes at or below some paths; changes within moments count once."""
    watched = [path.resolve() for path in paths]
    folders = {path if path.is_dir() else path.parent for path in watched}

    def ours(_: watchfiles.Change, name: str) -> bool:
        return any(Path(name).is_relative_to(path) for path in watched)

    if folders:
        async for _ in watchfiles.awatch(
            *folders, watch_filter=ours, debounce=DEBOUNCE_MS, raise_interrupt=False
        ):
            yield
