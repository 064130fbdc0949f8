"""The command `muster`. Thin: each command reads its options, calls one function, and renders."""

from monitor.cli.main import main

__all__ = ["main"]
