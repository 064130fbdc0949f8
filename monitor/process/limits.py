"""What the system grants this process."""

from __future__ import annotations

import resource


def raise_file_limit() -> None:
    """Open as many files as the system lets this user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
