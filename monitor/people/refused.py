"""What people are told where they can't have what they ask for."""

from __future__ import annotations


class Refused(ValueError):  # noqa: N818 - reads better where it is raised
    """What is asked for can't be done; the text says why, and what to write instead."""
