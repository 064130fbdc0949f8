"""What a device shows by SNMP: asking for it, and numbers and texts as devices write them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager

from probes._service import ADDRESS, NOT_TOLD, QUERY_MS, Notes
from probes._snmp import NO_SUCH, OverSnmp, Snmp, Value, key, snmp
from probes.api import Context, FactDef, Target, clip
from probes.errors import Inconclusive, OwnLoginFailed, ProtocolViolated

__all__ = [
    "ADDRESS", "DESCRIPTION", "NOT_TOLD", "PHASES", "QUERY_MS", "SYSTEM", "Shown", "asking", "below",
    "not_shown", "number", "said", "shown", "system", "within",
]  # fmt: skip

LONGEST_TEXT = 200
NOTHING = ("n/a", "na", "none", "null", "unknown", "not available", "not specified", "unspecified",
           "to be filled by o.e.m.", "default string", "-")  # fmt: skip
"""What devices write where they know nothing."""
SYSTEM = "1.3.6.1.2.1.1"
PHASES = ("resolve", "login", "query")
DESCRIPTION = FactDef("description", help="What the agent says it is (sysDescr).")
Shown = dict[str, Value]
"""Objects by their whole names."""
_DIGITS = re.compile(r"\s*([+-]?\d{1,18}(?:\.\d{1,9})?)\b")


@asynccontextmanager
async def asking(target: Target, params: OverSnmp, context: Context) -> AsyncIterator[tuple[Snmp, Notes]]:
    """Open the way to one agent, with what is learnt of it. An ending gets all of that."""
    notes = Notes(context)
    with notes.kept():
        async with snmp(target, params.snmp, context) as agent:
            try:
                yield agent, notes
            finally:
                notes.phases |= agent.phases
                notes.facts = agent.facts | notes.facts
    notes.metrics["query_ms"] = notes.phases["query"]


async def system(agent: Snmp, notes: Notes) -> dict[str, str]:
    """Ask who it is: `description`, `object_id`, `name`; what it does not say is left out."""
    names = {"description": f"{SYSTEM}.1.0", "object_id": f"{SYSTEM}.2.0", "name": f"{SYSTEM}.5.0"}
    values = await agent.get(names.values())
    told = {name: said(values[oid]) for name, oid in names.items()}
    if told["description"]:
        notes.facts["description"] = told["description"]
    return {name: text for name, text in told.items() if text}


async def shown(agent: Snmp, trees: Iterable[str], notes: Notes, limit: int = 2000) -> Shown:
    """Return what there is below each of `trees`, at most `limit` objects of each; further ones are named.

    A tree that the agent can't walk through (an error status, names out of order) is named, and left out.
    """
    found: Shown = {}
    for tree in trees:
        try:
            pairs = await agent.walk(tree, limit)
        except (ProtocolViolated, OwnLoginFailed) as ending:
            if ending.detail.split(":")[0] not in ("agent_error", "order", "missing_right"):
                raise
            notes.missing(f"{tree}: {ending.detail}")
            continue
        if len(pairs) >= limit:
            notes.missing(f"{tree}: only its first {limit} objects were read")
        found |= dict(pairs)
    return found


def below(values: Mapping[str, Value], base: str) -> Iterator[tuple[str, Value]]:
    """Yield what follows `base` in the name of each object, and the object's value, in their order."""
    prefix = f"{base}."
    rows = [(oid[len(prefix) :], value) for oid, value in values.items() if oid.startswith(prefix)]
    yield from sorted(rows, key=lambda row: key(row[0]))


def number(value: Value | None) -> float | None:
    """Return the number that `value` is or begins with, None where it is none."""
    if isinstance(value, bytes):
        match = _DIGITS.match(said(value))
        return float(match[1]) if match else None
    if value is None or value is NO_SUCH or isinstance(value, str):
        return None
    return float(value)


def within(value: Value | None, least: float, most: float, scale: float = 1.0) -> float | None:
    """Return `value` times `scale` where that can be; codes such as -1, 255 or 2147483647 are None."""
    found = number(value)
    return None if found is None or not least <= found * scale <= most else found * scale


def said(value: Value | None) -> str:
    """Return a text on one line without blanks around it: UTF-8, or GB 18030, else hexadecimal digits.

    What only says that nothing is known is an empty text.
    """
    if value is None or value is NO_SUCH:
        return ""
    text = _decoded(value) if isinstance(value, bytes) else str(value)
    text = clip(" ".join(text.split()), LONGEST_TEXT)
    return "" if text.lower() in NOTHING else text


def _decoded(octets: bytes) -> str:
    octets = octets.split(b"\0", 1)[0].rstrip(b"\xff") if octets[:1].isalnum() else octets.rstrip(b"\0\xff")
    for encoding in ("utf-8", "gb18030"):
        try:
            text = octets.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(letter.isprintable() or letter.isspace() for letter in text):
            return text
    return octets[:64].hex(":")


def not_shown(what: str, told: Mapping[str, str], why: str = "") -> Inconclusive:
    """Return the ending of a run to which the agent answered, but showed nothing of `what`.

    `why` says what the device is instead, where that could be seen.
    """
    who = told.get("description") or told.get("object_id") or "a device that does not say what it is"
    reason = why or "the device has none in the MIBs that are read, or this account's view hides it"
    return Inconclusive(f"not_shown: nothing of {what}: {reason} ({clip(who, 80)})")
