"""What simulations came to, kept by the digest of their inputs: in memory, and in a file where one is given.

The file is a cache: what can't be read is computed again, and where nothing can be written nothing is.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.capacity.simulate import MODEL

MAX_ENTRIES = 2000
MAX_BYTES = 1024 * 1024
FILE = "capacity.json"
"""Its name in the state directory."""


class Cache:
    """Factors by digest; None in the file stands for no capacity at all (infinity)."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known = _read(file) if file else {}

    def get(self, digest: str) -> float | None:
        """Return the factor, None where it is not known."""
        return self._known.get(digest)

    def put(self, digest: str, factor: float) -> None:
        """Keep a factor; of too many the oldest go."""
        self._known[digest] = factor
        while len(self._known) > MAX_ENTRIES:
            del self._known[next(iter(self._known))]
        if self._file and self._file.parent.is_dir():
            with suppress(OSError):
                _write(self._file, self._known)


class _File(BaseModel):
    """What the file holds; of another version of the model nothing counts."""

    model_config = ConfigDict(extra="forbid")

    model: Literal[1]
    factors: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)] | None]


def _read(file: Path) -> dict[str, float]:
    try:
        if file.stat().st_size > MAX_BYTES:
            return {}
        found = _File.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return {key: math.inf if value is None else value for key, value in found.factors.items()}


def _write(file: Path, known: dict[str, float]) -> None:
    """Put a new file in the old one's place, so that no reader sees half of it."""
    factors = {key: None if math.isinf(value) else value for key, value in known.items()}
    content = _File(model=MODEL, factors=factors).model_dump_json()
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False) as new:
        try:
            new.write(content)
            new.close()
            os.replace(new.name, file)  # noqa: PTH105 - of a name
        except OSError:
            os.unlink(new.name)  # noqa: PTH108 - of a name
            raise
