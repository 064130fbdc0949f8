"""What keeps the daemon from being reached."""

from __future__ import annotations


class CannotListen(Exception):  # noqa: N818 - what is the matter, not whose fault it is
    """The address of the settings can't be listened on."""
