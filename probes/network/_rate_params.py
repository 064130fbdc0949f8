"""What `throughput` takes and reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes._ssh import SshParams
from probes.api import BitsPerSecond, Bytes, FactDef, MetricDef, Notice, Params, Seconds, Secret
from probes.network._reflect_wire import PORT

Method = Literal["reflector", "http", "ssh", "icmp"]
Direction = Literal["up", "down"]
BOTH: tuple[Direction, Direction] = ("down", "up")
LEAST_BPS, MOST_BPS = 64e3, 1e9
LOW_PRIORITY = 8
"""CS1 (RFC 3662)."""


class ThroughputParams(Params):
    """Parameters of `throughput`."""

    method: Method | Literal["auto"] = "auto"
    """How to measure. `auto`: by the reflector where a secret is given, else by HTTP where a url is, else by
    ICMP echoes. `ssh`: through a pipe to a command of ours on the asset."""
    directions: Literal["both", "up", "down"] = "both"
    """Which to measure: up is from the unit to the monitor's side."""
    up: Annotated[BitsPerSecond, Field(ge=LEAST_BPS, le=MOST_BPS)] | None = None
    """Nominal rate up; what the inventory says is contracted where not given."""
    down: Annotated[BitsPerSecond, Field(ge=LEAST_BPS, le=MOST_BPS)] | None = None
    """Nominal rate down; what the inventory says is contracted where not given."""
    max_bytes: Annotated[Bytes, Field(ge=10_000, le=1_000_000_000)] | None = None
    """Most that trains may put on the link in one direction; 5 % of a 5 s transfer at the nominal rate where
    not given (10 % up to 2.5 Mbit/s, 1 MB without a nominal rate)."""
    transfer: Literal["no", "confirm", "always"] = "confirm"
    """A TCP transfer, stopped once its rate settles: never, where the trains could not decide or the link is
    below its nominal rate, or always."""
    transfer_bytes: Annotated[Bytes, Field(ge=100_000, le=1_000_000_000)] | None = None
    """Most that such a transfer may put on the link; 2 s at the nominal rate where not given (5 s by ssh, 1 s
    more than `loaded`), 2.5 MB without one."""
    loaded: Annotated[Seconds, Field(ge=1, le=10)] | None = None
    """Hold each transfer (`transfer: always`, by Reno, so that the queue fills) for at least this long, with
    echoes beside it: the round trip time under load. A second of echoes at rest comes before."""
    dscp: Annotated[int, Field(ge=0, le=63)] = LOW_PRIORITY
    """Differentiated services code point of trains (the reflector answers with the same); 8 is CS1, lower
    than best effort."""
    port: Annotated[int, Field(ge=1, le=65535)] = PORT
    """Port of the reflector, UDP and TCP."""
    secret: Secret | None = None
    """The master secret from which the reflectors' keys are derived."""
    derived: bool = True
    """False where the secret is the unit's own key, as `muster reflect --make-key` writes it."""
    key_of: str = ""
    """The unit whose key the reflector holds; the asset's own unit where not given."""
    url: Annotated[str, Field(pattern=r"^http://[^\s/?#@]+(/[^\s#]*)?$", max_length=2000)] | None = None
    """`http://HOST[:PORT]/PATH` of something large on the asset; HOST is only what the request names, the
    connection goes to the asset's address."""

    ssh: SshParams | None = None
    """How to log in, for `method: ssh`."""

    @model_validator(mode="after")
    def _have_means(self) -> ThroughputParams:
        if self.method == "reflector" and self.secret is None:
            raise ValueError("method reflector needs the secret it shares with the reflector")
        if self.method == "http" and self.url is None:
            raise ValueError("method http needs the url of something large")
        if self.method == "ssh" and self.ssh is None:
            raise ValueError('method ssh needs an ssh block, e.g. ssh: {user: ops, key: "secret:hall_ssh"}')
        if self.how in ("http", "icmp") and self.directions == "down":
            raise ValueError(f"method {self.how} can't measure down alone; a reflector or ssh can")
        if self.loaded is not None and (self.how != "reflector" or self.transfer != "always"):
            raise ValueError("loaded needs a reflector (its secret) and transfer: always")
        return self

    @property
    def how(self) -> Method:
        """The method that is used."""
        if self.method != "auto":
            return self.method
        return "reflector" if self.secret is not None else "http" if self.url is not None else "icmp"

    @property
    def wanted(self) -> tuple[Direction, ...]:
        """The directions to measure, in the order in which that is done."""
        return BOTH if self.directions == "both" else (self.directions,)


def _directions(
    name: str, unit: str, better: Literal["lower", "higher", "none"], text: str, notice: Notice = ""
) -> list[MetricDef]:
    return [
        MetricDef(name.format(way), unit, better, 1.0 if unit != "ms" else 0.01, text.format(way), notice)
        for way in ("up", "down")
    ]


METRICS = (
    *_directions("capacity_{}_bps", "bit/s", "higher", "What the line can carry {}, at the IP layer.",
                 "rate"),
    *_directions("capacity_{}_at_least_bps", "bit/s", "higher",
                 "It carries at least this {}; how much more was not decided."),
    *_directions("burst_{}_bps", "bit/s", "none",
                 "The fastest that a train came {}: perhaps on burst credit, so not what can be sustained."),
    *_directions("tcp_{}_bps", "bit/s", "higher",
                 "Expected of one loss-based TCP connection {}: capacity, or less by loss and RTT."),
    *_directions("tcp_{}_at_least_bps", "bit/s", "higher",
                 "The same {} where the line carries more than was decided, and loss leaves more, too."),
    *_directions("transfer_{}_bps", "bit/s", "higher", "Goodput of a TCP transfer {}, once it had settled."),
    *_directions("queue_{}_ms", "ms", "lower", "The longest queueing that trains were seen to add {}."),
    MetricDef("capacity_both_at_least_bps", "bit/s", "higher", 1.0,
              "ICMP: what the slower direction carries at least."),
    MetricDef("loss_up_pct", "%", "lower", 0.01, "Lost up of the trains that did not exceed the capacity."),
    MetricDef("loss_down_pct", "%", "lower", 0.01, "The same down."),
    MetricDef("loss_events_up", "count", "lower", 1, "Spans of loss up in those trains, a round trip apart."),
    MetricDef("loss_events_down", "count", "lower", 1, "The same down."),
    *_directions("rtt_loaded_{}_ms", "ms", "lower",
                 "Median round trip of the echoes beside a transfer {} that filled the line; a lost echo is "
                 "slower than all."),
    MetricDef("rtt_loaded_ms", "ms", "lower", 0.001, "The worse of them, where all asked for are known."),
    MetricDef("rtt_idle_ms", "ms", "lower", 0.001, "Median of the same line at rest, right before."),
    MetricDef("rtt_load_ratio", "count", "lower", 0.001, "`rtt_loaded_ms` / `rtt_idle_ms`."),
    MetricDef("loss_loaded_pct", "%", "lower", 0.01, "Echoes lost beside the transfers, both ways."),
    MetricDef("rtt_ms", "ms", "lower", 0.001, "Round trip time of the run's own questions."),
    MetricDef("sent_bytes", "bytes", "none", 1, "Sent by the run in all, at the IP layer."),
    MetricDef("received_bytes", "bytes", "none", 1, "Sent to the run in all, at the IP layer."),
    MetricDef("trains", "count", "none", 1, "Trains that were sent."),
)  # fmt: skip
FACTS = (
    FactDef("method", help="reflector, http, ssh or icmp."),
    FactDef("decided_up", help="exact, at_least or undecided."),
    FactDef("decided_down", help="The same down."),
    FactDef("why_up", help="What decided it, or what kept it from being decided."),
    FactDef("why_down", help="The same down."),
    FactDef("transfer_up", help="Why a TCP transfer gave no rate."),
    FactDef("transfer_down", help="The same down."),
    FactDef("under_load", help="How full transfers held the line, or why no round trip under load is given."),
    FactDef("tcp", help="Why no expected TCP rate is given: without a known loss it would be a guess."),
    FactDef("address", help="The address that was asked."),
    FactDef("family", help="4 or 6."),
)
