"""The form of `muster capacity explain --format json` (`muster.capacity/1`); keys may be added to it.

Rates are bit/s at the IP layer, `up` is from the unit to the data centre. None stands for what is not known,
or for no bandwidth that would suffice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Rate = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class DirectionDocument(_Part):
    """One direction: steps 1, 4, 5 and 6."""

    mean_bps: Rate
    transactions_bps: Rate
    bulk_bps: Rate
    realtime_bps: Rate
    capacity_bps: Rate
    minimum_bps: Rate
    required_bps: Rate
    binding: str


class FunctionDocument(_Part):
    """One function: what it asks for, and steps 2, 3, 4 and 7."""

    id: str
    name: str
    name_zh: str
    users: Rate
    tx_per_user_hour: Rate
    target_s: Rate
    server_p95_s: Rate
    request_p95_bytes: Rate
    response_p95_bytes: Rate
    round_trips: int
    budget_s: float
    """Not above zero: no bandwidth suffices."""
    budget_up_s: float
    budget_down_s: float
    up_bps: Rate | None
    down_bps: Rate | None
    rtt_max_ms: Rate
    simulated_p95_s: Rate | None
    """The response time in the simulation on a link of `capacity_bps`."""
    source: str


class StreamDocument(_Part):
    """A real-time function: its rate of all streams each way, and what it bears (step 9)."""

    id: str
    name: str
    name_zh: str
    streams: int
    rate_bps: Rate
    one_way_ms: Rate
    jitter_ms: Rate
    loss_max: Share
    source: str


class NetworkDocument(_Part):
    """What holds for all functions of the unit."""

    rtt_ms: Rate
    mss: int
    overhead: Rate
    headroom: Share


class LossDocument(_Part):
    """Step 8."""

    rate_bps: Rate
    window_packets: int
    packets_per_loss: Rate
    binding: str
    mathis_bps: Rate
    """What one loss-based TCP connection reaches at this share of lost packets, time-outs left aside."""
    pftk_bps: Rate
    """The same with time-outs (RFC 3819, section 8.5)."""


class RequirementDocument(_Part):
    """What a channel must deliver, step by step."""

    up: DirectionDocument
    down: DirectionDocument
    rtt_max_ms: Rate
    rtt_binding: str
    loss_max: Share
    impossible: str
    """Why no channel would do, empty where one does."""
    minimum_factor: Rate | None
    """Of the formula's capacity: with so much the simulation meets every target; above 1: it was raised."""
    loss: LossDocument
    network: NetworkDocument
    functions: tuple[FunctionDocument, ...]
    realtime: tuple[StreamDocument, ...]


class WhatIfDocument(RequirementDocument):
    """What would be required, and of what."""

    asked: str


class ContractedDocument(_Part):
    """What the carrier promises in one direction beside what is required."""

    bps: Rate | None
    short_bps: Rate | None
    """How much is missing, 0 where it is enough, None where the inventory says no rate."""


class MeasuredDocument(_Part):
    """The round trip time that was measured, and what would be required with it in the formulas."""

    check: str
    rtt_p95_ms: Rate
    readings: int
    hours: Rate
    requirement: RequirementDocument


class ChannelDocument(_Part):
    """One channel of the unit."""

    asset: str
    role: str
    provider: str
    up: ContractedDocument
    down: ContractedDocument
    measured: MeasuredDocument | None


class CapacityDocument(RequirementDocument):
    """One unit: the present requirement, and what it is compared with."""

    schema_: Literal["muster.capacity/1"] = Field(alias="schema")
    unit: str
    name: str
    name_zh: str
    assumptions: tuple[str, ...]
    channels: tuple[ChannelDocument, ...]
    what_if: WhatIfDocument | None
