"""The channel requirement of each unit, by its business functions; cheap to ask again."""

from __future__ import annotations

from monitor.capacity.need import Need


class Requirements:
    """What every unit's functions require of its channel.

    Units with the same functions share one derivation and one simulation. Used from one thread.
    """

    def need(self, unit: str) -> Need | None:  # noqa: ARG002 - the model follows
        """Return the requirement of a unit, None where it names no functions (which is not zero)."""
        return None

    def digest(self, unit: str) -> str:  # noqa: ARG002 - the model follows
        """Return the digest of all that the unit's requirement follows from, empty without functions.

        Belongs to what a unit's own digest is made of: another design RTT is another requirement.
        """
        return ""
