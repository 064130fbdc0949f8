"""Where the shipped files are: in the wheel under `monitor/_data`, in a checkout beside the packages."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """Return the directory `config` or `dashboards` as shipped. Raises FileNotFoundError."""
    here = Path(__file__).resolve().parent
    for candidate in (here / "_data" / name, here.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the shipped directory {name} is missing: reinstall muster-monitor")
