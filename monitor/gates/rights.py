"""Who may do what where: users of the operating system with a role over a subtree of units. Pure.

Who is not in the settings may state what an operator states, and ask; never approve or sign. There are no
accounts yet, so nobody has proved who they are: every name says `unauthenticated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.control.peer import UNAUTHENTICATED

Role = Literal["viewer", "operator", "approver", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "approver", "admin")
"""From the least to the most."""
UNMAPPED: Role = "operator"


class Right(BaseModel):
    """One `[[rights]]` of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: Annotated[str, Field(min_length=1, max_length=40)]
    """A user of the operating system."""
    role: Role
    unit: Annotated[str, Field(max_length=100)] = ""
    """The unit that it holds for, with all below it; everywhere where nothing is written."""


def person(actor: str) -> str:
    """Return who acts, without the account that acts for them: `root for li (unauthenticated)` is `li`."""
    return actor.removesuffix(UNAUTHENTICATED).rpartition(" for ")[2].strip().casefold()


def role_of(actor: str, line: Sequence[str], rights: Iterable[Right]) -> Role:
    """Return the highest role of an actor at a unit; `line` is the unit and those above it.

    Who has rights elsewhere only is a viewer here.
    """
    own = [each for each in rights if each.user.casefold() == person(actor)]
    if not own:
        return UNMAPPED
    here = [each.role for each in own if not each.unit or each.unit in line]
    return max(here, key=ROLES.index, default="viewer")


def at_least(role: Role, needed: Role) -> bool:
    """Tell whether a role includes another."""
    return ROLES.index(role) >= ROLES.index(needed)
