"""Business functions: what each asks of the network and how soon it must answer (`config/functions`).

    version: 1
    network: {mss: 1400, overhead: 1.10, headroom: 0.25, rtt: 25 ms}
    functions:
      pos: {tx_per_user_hour: 20, turns: 1, request: {mean: 0.5 kB}, response: {mean: 0.5 kB},
            target: 2 s, server: {mean: 0.8 s}, source: "assumption"}
    bulk:
      meter-upload: {direction: up, bytes: 20 MB, period: 10 min}
    realtime:
      hotline-voice: {rate: 87 kbit/s, one_way: 100 ms, jitter: 50 ms, loss: 0.1 %}

kB and MB are decimal. A later file's entry replaces an earlier file's of the same name; of `network` each
key by itself. Sizes are of the application; `overhead` adds what the protocols below it take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from inventory._fields import BitsPerSecond, Bytes, Percent, Seconds, Slug, Version
from inventory.load import files
from inventory.problems import ConfigError, Problem
from inventory.source import Document, read, validate
from inventory.units import render
from monitor.capacity.gamma import LARGEST_RATIO, SERVER_SHAPE, SIZE_SHAPE, ratio

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down")
"""Up is from the unit to the data centre, down towards the unit."""
Kind = Literal["functions", "bulk", "realtime"]
KINDS: tuple[Kind, ...] = ("functions", "bulk", "realtime")
ASSUMPTION = "assumption"
_STRICT = ConfigDict(extra="forbid")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Size:
    """Bytes one transaction sends in a direction; without a p95 that of a gamma distribution of shape 2."""

    mean: Bytes
    p95: Bytes | None = None

    @property
    def high(self) -> float:
        """The 95th percentile, bytes."""
        return self.p95 or self.mean * ratio(SIZE_SHAPE)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Server:
    """Seconds the server itself takes; without a p95 that of a gamma distribution of shape 4."""

    mean: Seconds
    p95: Seconds | None = None

    @property
    def high(self) -> float:
        """The 95th percentile, seconds."""
        return self.p95 or self.mean * ratio(SERVER_SHAPE)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Function:
    """A business function whose users wait for an answer; at the target's time 95 % have one."""

    name: str = ""
    name_zh: str = ""
    tx_per_user_hour: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
    """Transactions that one user makes in a busy hour."""
    turns: Annotated[int, Field(ge=1, le=1000, strict=True)]
    """Round trips of the application in one transaction."""
    setup_round_trips: Annotated[int, Field(ge=0, le=10, strict=True)] = 2
    """Round trips that open the connection: 2 (TCP, TLS 1.3), 3 with TLS 1.2, 0 where it stays open."""
    request: Size
    response: Size
    target: Seconds
    server: Server
    source: str = ASSUMPTION

    def size(self, direction: Direction) -> Size:
        """Return what a transaction sends in a direction."""
        return self.request if direction == "up" else self.response


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Bulk:
    """A transfer for which nobody waits: so many bytes, once in each period."""

    name: str = ""
    name_zh: str = ""
    direction: Direction
    bytes: Bytes
    period: Seconds
    source: str = ASSUMPTION


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Realtime:
    """A rate that is reserved both ways, and what the stream bears (ITU-T Y.1541, class 0, by default)."""

    name: str = ""
    name_zh: str = ""
    rate: BitsPerSecond
    one_way: Seconds = 0.1
    jitter: Seconds = 0.05
    loss: Percent = 0.1
    source: str = ASSUMPTION


Named = Function | Bulk | Realtime


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Network:
    """What holds for all functions: segment size in bytes, factors, and the design round trip time in s."""

    mss: Annotated[int, Field(ge=200, le=9000, strict=True)] = 1400
    overhead: Annotated[float, Field(ge=1, le=3, strict=True)] = 1.10
    headroom: Annotated[float, Field(ge=0, le=0.9, strict=True)] = 0.25
    rtt: Seconds = 0.025


class NetworkFile(BaseModel):
    """The network block of a file; what it leaves out is as an earlier file or the default says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mss: Annotated[int, Field(ge=200, le=9000, strict=True)] | None = None
    overhead: Annotated[float, Field(ge=1, le=3, strict=True)] | None = None
    headroom: Annotated[float, Field(ge=0, le=0.9, strict=True)] | None = None
    rtt: Seconds | None = None


class FunctionsFile(BaseModel):
    """One file of business functions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Version
    network: NetworkFile = NetworkFile()
    functions: dict[Slug, Function] = {}
    bulk: dict[Slug, Bulk] = {}
    realtime: dict[Slug, Realtime] = {}


@plain_dataclass(frozen=True, slots=True)
class Functions:
    """All business functions there are."""

    network: Network = field(default_factory=Network)
    functions: Mapping[str, Function] = field(default_factory=dict)
    bulk: Mapping[str, Bulk] = field(default_factory=dict)
    realtime: Mapping[str, Realtime] = field(default_factory=dict)

    def known(self, kind: Kind) -> Mapping[str, Named]:
        """Return what there is of a kind, by name."""
        found: dict[Kind, Mapping[str, Named]] = {
            "functions": self.functions, "bulk": self.bulk, "realtime": self.realtime,
        }  # fmt: skip
        return found[kind]


def load(paths: Sequence[Path]) -> Functions:
    """Return the functions of some files or directories, the most general first.

    Raises ConfigError with everything that is wrong in any of them.
    """
    problems: list[Problem] = []
    known: dict[Kind, dict[str, Named]] = {kind: {} for kind in KINDS}
    network: dict[str, float] = {}
    for path in paths:
        layer = _Layer(problems)
        for file in files(path):
            layer.read(file)
        for kind in KINDS:
            known[kind] |= layer.known[kind]
        network |= layer.network
    if problems:
        raise ConfigError(problems)
    return Functions(Network(**network), **known)  # type: ignore[arg-type]


class _Layer:
    """What the files of one path say, each thing once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.known: dict[Kind, dict[str, Named]] = {kind: {} for kind in KINDS}
        self.network: dict[str, float] = {}
        self._problems = problems
        self._first: dict[tuple[str, str], str] = {}

    def read(self, path: Path) -> None:
        """Take a file's documents in, and note what is wrong with them."""
        try:
            for document in read(path):
                self._take(document)
        except ConfigError as error:
            self._problems += error.problems

    def _take(self, document: Document) -> None:
        try:
            written = validate(document, FunctionsFile)
        except ConfigError as error:
            self._problems += error.problems
            return
        self._problems += _wrong(document, written)
        for key, value in written.network.model_dump(exclude_none=True).items():
            self._once(document, "network", key)
            self.network[key] = value
        for kind in KINDS:
            found: Mapping[str, Named] = getattr(written, kind)
            for key, each in found.items():
                self._once(document, kind, key)
                self.known[kind][key] = each

    def _once(self, document: Document, block: str, key: str) -> None:
        if first := self._first.get((block, key)):
            text = f"is already given in {first}"
            self._problems.append(document.problem((block, key), text, "write it in one place"))
        self._first.setdefault((block, key), document.file)


def _wrong(document: Document, written: FunctionsFile) -> Iterator[Problem]:
    """Yield what no channel could mend, and what the model can't stand for."""
    for key, function in written.functions.items():
        at = ("functions", key)
        for name, given in (
            ("request", function.request), ("response", function.response), ("server", function.server),
        ):  # fmt: skip
            if wrong := _spread(given.mean, given.p95):
                yield document.problem((*at, name, "p95"), *wrong)
        if function.server.high >= function.target:
            takes, target = render(function.server.high, "s"), render(function.target, "s")
            text = f"the server alone takes {takes} (p95), and the target is {target}: no channel can meet it"
            place = "p95" if function.server.p95 else "mean"
            yield document.problem(
                (*at, "server", place), text, "raise the target, or make the server faster first"
            )


def _spread(mean: float, high: float | None) -> tuple[str, str] | None:
    if high is None:
        return None
    if high < mean:
        return "the 95th percentile is below the mean", "write the larger of the two as p95"
    if high > LARGEST_RATIO * mean:
        text = f"the 95th percentile is over {LARGEST_RATIO:g} times the mean, which no one kind of work has"
        return text, "write two functions, one for the small and one for the large"
    return None
