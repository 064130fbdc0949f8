"""From packets that did not come to loss events (pure)."""

from __future__ import annotations

from collections.abc import Container, Sequence


def loss_events(sent_ns: Sequence[int], came: Container[int], rtt_ns: int) -> int:
    """Count loss events: losses within a round trip of the first of an event belong to it (RFC 5348, 5.2).

    `sent_ns` is when each packet left, `came` the numbers of those that arrived. With an unknown round trip
    time (0) each loss is an event of its own, so that a dead link never passes for one with a single loss.
    """
    events, began = 0, 0
    for number, at in enumerate(sent_ns):
        if number not in came and (not events or at - began > rtt_ns):
            events, began = events + 1, at
    return events
