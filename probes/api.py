"""The vocabulary every probe shares: what it declares, what it is given, what it gives back.

Imports nothing of ours, so that a third party's probe needs nothing but this module and `probes.errors`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo

if TYPE_CHECKING:
    from pathlib import Path

MAX_TEXT = 2000
"""Longest fact or detail kept, in characters: what a target sends is bounded before anything else sees it."""


class Outcome(StrEnum):
    """What became of one run: the target served, did not serve, could not be measured, or was not tried."""

    OK = "ok"
    FAILED = "failed"
    ERROR = "error"
    NOT_RUN = "not_run"

    @property
    def measured(self) -> bool:
        """Whether the target itself was measured, well or badly."""
        return self in (Outcome.OK, Outcome.FAILED)


@dataclass(slots=True)
class Reading:
    """What one run of a check gave.

    A probe fills the first block; the runner stamps the second. Times in `phases` are milliseconds in the
    order they were passed through; `metrics` are in each metric's declared unit.
    """

    outcome: Outcome
    kind: str = ""
    detail: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    phase: str = ""
    """The phase in which a run that is not ok ended (`Context.phase`)."""

    check: str = ""
    """`unit/asset/check`."""
    at: float = 0.0
    """When the run started, seconds since the epoch, UTC."""
    lag_ms: float = 0.0
    """From due to started: the monitor's own lateness."""
    duration_ms: float = 0.0
    vantage: str = ""

    @classmethod
    def ok(
        cls,
        metrics: dict[str, float] | None = None,
        facts: dict[str, str] | None = None,
        phases: dict[str, float] | None = None,
        detail: str = "",
    ) -> Reading:
        """Return a reading of a target that served."""
        return cls(Outcome.OK, "", clip(detail), metrics or {}, facts or {}, phases or {})


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` as one bounded, printable string; control characters become spaces."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


Better = Literal["lower", "higher", "none"]


Notice = Literal["", "latency", "loss", "rate"]


@dataclass(frozen=True, slots=True)
class MetricDef:
    """A number a probe reports.

    `unit` is one that `inventory.units` knows ("ms", "s", "%", "bytes", "bit/s", "count", "C", ...).
    `resolution` is the step to which the store may quantise it (None keeps the double).
    """

    name: str
    unit: str = "count"
    better: Better = "none"
    resolution: float | None = None
    help: str = ""
    notice: Notice = ""
    """How it is noticed that the metric of a channel gets worse, where nothing else is written."""


@dataclass(frozen=True, slots=True)
class FactDef:
    """A string a probe reports; `type` says how conditions on it compare (a version, a date, plain text)."""

    name: str
    type: Literal["text", "version", "datetime"] = "text"
    help: str = ""


class SecretRef(str):
    """The name of a secret. Resolved by `Context.secret` at the moment of use, and never kept."""

    __slots__ = ()


def _secret(value: object) -> SecretRef:
    if isinstance(value, SecretRef):
        return value
    if isinstance(value, str) and value.startswith("secret:") and len(value) > len("secret:"):
        return SecretRef(value.removeprefix("secret:"))
    msg = 'an inline password is refused; write "secret:NAME" and store it under that name'
    raise ValueError(msg)


Secret = Annotated[Any, BeforeValidator(_secret)]
"""A parameter that holds a secret: written `secret:NAME`, kept as a `SecretRef`, never as the value."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Field metadata: the number is in `unit`, and a text with a suffix ("5 s", "10 MiB") is converted to it.

    The converter comes with the validation context (`context={"quantity": convert}`), so that this module
    needs no parser of its own; without one only numbers are taken.
    """

    unit: str

    def __call__(self, value: object, info: ValidationInfo) -> object:
        """Convert a text with the converter of the validation context."""
        convert = (info.context or {}).get("quantity")
        return convert(value, self.unit) if isinstance(value, str) and convert else value


def _quantity(unit: str) -> BeforeValidator:
    return BeforeValidator(Quantity(unit).__call__)


Seconds = Annotated[float, _quantity("s")]
Bytes = Annotated[int, _quantity("bytes")]
BitsPerSecond = Annotated[float, _quantity("bit/s")]


class Params(BaseModel):
    """Base of every probe's parameters: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed: the asset's address, and which family of addresses may be used ("any", "4", "6")."""

    address: str
    family: Literal["any", "4", "6"] = "any"
    unit: str = ""
    asset: str = ""
    timezone: str = "UTC"
    """The unit's, an IANA name; of a run by hand UTC."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What the daemon's settings allow probes to do; defaults allow nothing dangerous."""

    vantage: str = "local"
    exec_allow: tuple[str, ...] = ()
    """Absolute paths (or `dir/*`) that `exec` may run."""
    known_hosts: Path | None = None
    """Host keys for SSH; None means the user's own file. Unknown hosts are refused, never added."""
    resolvers: tuple[str, ...] = ()
    """Name servers; empty means the system's."""
    control_name: str = ""
    """A name known to resolve: only when it does is a name that does not resolve the target's failure."""
    ssh_threads: int = 16
    icmp_rate: float = 20_000.0
    """Echo requests a second, of all checks together."""


class Shared(Protocol):
    """What all runs share: settings, secrets, and clients that are expensive to make (sockets, pools)."""

    settings: ProbeSettings

    def get(self, client: Callable[[Shared], T]) -> T:
        """Return the one instance of `client` (a class taking `Shared`), made on first use.

        Clients with `async def aclose(self)` are closed at shutdown, in reverse order.
        """

    def secret(self, ref: SecretRef) -> str:
        """Return the secret's value. Raises `probes.errors.ProberFault` when it is not to be found."""


class Link(Protocol):
    """Leave to put load on a link for one run: how much, and what is known of the link meanwhile.

    Directions are the unit's own: `up` is from the unit to the monitor's side, `down` towards the unit.
    Its methods may be called from any thread, and never wait.
    """

    max_bytes: int
    """How much this run may send and have sent to it, in all."""
    up_bps: float | None
    """Contracted rate in bit/s, None where the inventory does not say."""
    down_bps: float | None
    loss: float | None
    """Share of packets lately lost on the link as other checks saw it (0..1), None where none did."""
    rtt_ms: float | None
    """Round trip time lately seen by other checks, None where none did."""

    def spent(self, up: int, down: int) -> None:
        """Tell what was put on the link (bytes at the IP layer) since the last call."""

    def fill(self) -> None:
        """Tell that from now on the run fills the queue of its own line, since that is what it measures.

        Round trips that grow on that line end it no more. Its bytes and its time do, as before, and so do
        others who suffer on lines that it shares.
        """

    def hurt(self) -> str:
        """Return why the run must stop at once (others suffer, or its time is over), or an empty text."""


@dataclass(slots=True)
class Context:
    """What one run is given."""

    shared: Shared
    timeout: float
    """Seconds this run has in all. The runner enforces it; probes need no timer for the whole."""
    phase: str = ""
    """What the run is waiting for now; on a deadline it says where the time went."""
    link: Link | None = None
    """For a probe that `loads_link`, where the monitor keeps its budget; None in a run by hand."""
    started: float = field(default_factory=time.perf_counter)
    trace: list[tuple[float, str]] | None = None
    """Log of the run (seconds since start, text), only when someone asked (`muster probe --debug`)."""

    def log(self, text: str) -> None:
        """Note `text` for `--debug`; never a secret."""
        if self.trace is not None and len(self.trace) < 1000:
            self.trace.append((time.perf_counter() - self.started, clip(text)))

    @property
    def remaining(self) -> float:
        """Seconds left of the run's time, not below zero."""
        return max(0.0, self.timeout - (time.perf_counter() - self.started))


P = TypeVar("P", bound=Params)
RunFunction = Callable[[Target, Any, Context], Awaitable[Reading]]


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """The declaration of one probe, and the only thing the rest of the program knows of it.

    `kinds` are the outcome kinds it may give besides `ok` (documented and tested); `needs_address` is False
    for what measures the monitor's own machine; `dynamic` is True where metric names depend on the target
    (exec, exporter), so that an unknown name in an expectation is no load error; `names_in` are parameters
    that name further metrics or facts, so that a check which has one of them is dynamic; `inputs` names the
    asset-level blocks of the inventory (`ssh`, `snmp`, `hardware`) that the parameters take by that name.
    """

    name: str
    family: str
    summary: str
    params: type[Params]
    run: RunFunction
    metrics: tuple[MetricDef, ...] = ()
    facts: tuple[FactDef, ...] = ()
    phases: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    needs_address: bool = True
    dynamic: bool = False
    names_in: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    together: bool = False
    """Runs of one asset start at the same moment, so that they can share a connection and a command."""
    loads_link: bool = False
    """Whether a run puts so much on the link that budgets, windows and exclusive use apply to it."""
    default_every: float = 60.0
    default_timeout: float = 10.0

    def given(self, parameters: Mapping[str, Any]) -> ProbeSpec:
        """Return the declaration as these parameters (not yet validated) make it."""
        named = any(parameters.get(name) for name in self.names_in)
        return replace(self, dynamic=True) if named else self

    def metric(self, name: str) -> MetricDef | None:
        """Return the definition of a metric, or None."""
        return next((m for m in self.metrics if m.name == name), None)

    def fact(self, name: str) -> FactDef | None:
        """Return the definition of a fact, or None."""
        return next((f for f in self.facts if f.name == name), None)
