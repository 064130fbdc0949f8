"""What iperf3 (3.1 or newer) writes with `--json`: figures, or an error that stands for an ending (pure)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from probes.errors import (
    Ending,
    Inconclusive,
    NotRun,
    OwnLoginFailed,
    ProberFault,
    ProtocolViolated,
    Refused,
    TimedOut,
    Unreachable,
)

HEADERS = {"4": 52, "6": 72}
"""IP and TCP headers of a segment with time stamps, in bytes."""
USUAL_MSS = 1448
_ENDINGS: tuple[tuple[str, type[Ending]], ...] = (
    ("connection refused", Refused),
    ("timed out", TimedOut),
    ("operation now in progress", TimedOut),
    ("no route to host", Unreachable),
    ("unreachable", Unreachable),
    ("authorization failed", OwnLoginFailed),
    ("control socket has closed", ProtocolViolated),
    ("control message", ProtocolViolated),
    ("connection reset", ProtocolViolated),
    ("broken pipe", ProtocolViolated),
    ("unable to receive", ProtocolViolated),
    ("unable to send", ProtocolViolated),
    ("too many open files", ProberFault),
    ("cannot allocate", ProberFault),
)


@dataclass(frozen=True, slots=True)
class Transfer:
    """One direction: TCP goodput in bit/s at the receiver, seconds, and bytes at the IP layer (estimated).

    `rtt_ms` is the longest round trip that the sender saw (smoothed, looked at now and then), None where the
    other side was the sender.
    """

    goodput_bps: float
    seconds: float
    ip_bytes: int
    retransmits: int | None
    rtt_ms: float | None
    version: str
    congestion: str


def transfer_of(text: bytes, family: str) -> Transfer:
    """Return the figures of a report. Raises the `Ending` of its error, `ProtocolViolated`, `ProberFault`."""
    try:
        report = json.loads(text)
    except ValueError:
        raise ProberFault("iperf3 wrote no JSON") from None
    if not isinstance(report, dict):
        raise ProberFault("iperf3 wrote no JSON object")
    if error := report.get("error"):
        raise ending_of(str(error))
    try:
        return _transfer(report, family)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise ProtocolViolated("the report of iperf3 has no sum of what was received") from None


def ending_of(text: str) -> Ending:
    """Return the ending for iperf3's error text; one that is not known is nobody's fault."""
    lowered = text.lower()
    if "busy" in lowered:
        return NotRun("busy", f"iperf3: {text}")
    kind = next((kind for words, kind in _ENDINGS if words in lowered), Inconclusive)
    return kind(f"iperf3: {text}")


def _transfer(report: dict[str, Any], family: str) -> Transfer:
    end = report["end"]
    received, sent = end["sum_received"], end["sum_sent"]
    goodput, seconds = _number(received["bits_per_second"]), _number(received["seconds"])
    retransmits = sent.get("retransmits")
    mss = int(report["start"].get("tcp_mss_default") or USUAL_MSS)
    payload = _number(max(sent["bytes"], received["bytes"]))
    return Transfer(
        goodput,
        seconds,
        int(payload + math.ceil(payload / mss) * HEADERS[family]),
        None if retransmits is None else int(retransmits),
        _rtt(end["streams"][0].get("sender", {})),
        str(report["start"].get("version", "")).removeprefix("iperf ")[:40],
        str(end.get("sender_tcp_congestion", ""))[:40],
    )


def _rtt(sender: dict[str, Any]) -> float | None:
    return _number(sender["max_rtt"]) / 1000 if sender.get("max_rtt") else None


def _number(value: float) -> float:
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(value)
    return number
