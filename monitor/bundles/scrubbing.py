"""The last look before a reading leaves the machine: what a check knows as a secret is nowhere in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pydantic import BaseModel

from probes._clean import without
from probes.api import Reading, SecretRef


def names_of(value: object) -> Iterator[str]:
    """Yield the names of the secrets in parameters, however deep."""
    if isinstance(value, SecretRef):
        yield str(value)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from names_of(getattr(value, name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from names_of(each)
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from names_of(each)


def scrubbed(reading: Reading, secrets: Iterable[str]) -> Reading:
    """Return a reading with "***" for each secret: a target may have said it back to us."""
    known = tuple(secrets)
    if not known:
        return reading
    return replace(
        reading,
        kind=without(reading.kind, known),
        detail=without(reading.detail, known),
        facts={without(name, known): without(value, known) for name, value in reading.facts.items()},
        metrics={without(name, known): value for name, value in reading.metrics.items()},
    )
