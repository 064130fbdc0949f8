"""What a machine should have, against what it has, wherever that was read. Pure.

A difference is told in one line for people; what is expected and could not be read is no difference, and no
evidence either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from probes.api import BitsPerSecond, Bytes, Params, clip

RESERVED = 0.10
"""Share of memory, and of disk space, that firmware, kernel and file systems may keep for themselves."""
MOST = 256
"""Disks or network interfaces of one machine that are looked at."""
SHOWN = 12


class DiskParams(Params):
    """Disks of one kind that must be there."""

    count: int = Field(1, ge=1, le=64, description="How many of them.")
    size: Bytes | None = Field(None, gt=0, description="The least each must have; 10 % may be missing.")
    model: str | None = Field(None, min_length=1, description="Part of the model's name.")
    serial: str | None = Field(None, min_length=1, description="The serial number, whole.")


class NicParams(Params):
    """Network interfaces of one kind that must be there."""

    count: int = Field(1, ge=1, le=64, description="How many of them.")
    speed: BitsPerSecond | None = Field(None, gt=0, description="The least speed each must run at now.")
    mac: str | None = Field(None, min_length=1, description="The hardware address.")


class HardwareParams(Params):
    """The hardware that is expected: amounts are the least, texts are compared without case."""

    cpu_cores: int | None = Field(None, ge=1, description="Physical cores; of a virtual machine, processors.")
    cpu_threads: int | None = Field(None, ge=1, description="Logical processors.")
    cpu_model: str | None = Field(None, min_length=1, description="Part of the processor's model name.")
    memory: Bytes | None = Field(None, gt=0, description="Memory; 10 % may be missing.")
    memory_modules: int | None = Field(None, ge=1, description="Memory modules that are fitted.")
    disk: Bytes | None = Field(None, gt=0, description="All real file systems together; 10 % may be missing.")
    disks: tuple[DiskParams, ...] = Field(
        (), max_length=64, description="Physical disks: `{count, size, model, serial}` each."
    )
    nics: int | Annotated[tuple[NicParams, ...], Field(max_length=64)] | None = Field(
        None,
        description="Network interfaces with a hardware address: how many, or `{count, speed, mac}` each.",
    )
    macs: tuple[str, ...] = Field((), description="Hardware addresses that must be there.")
    architecture: str | None = Field(None, min_length=1, description="As uname has it, e.g. x86_64.")
    vendor: str | None = Field(None, min_length=1, description="Part of the maker's name.")
    product: str | None = Field(None, min_length=1, description="Part of the model's name.")
    serial: str | None = Field(None, min_length=1, description="The serial number, whole.")


@dataclass(frozen=True, slots=True)
class Drive:
    """A physical disk; `size` in bytes. None is what could not be read."""

    name: str
    size: int | None = None
    model: str | None = None
    serial: str | None = None

    def __str__(self) -> str:
        size = None if self.size is None else gigabytes(self.size)
        serial = self.serial and f"serial {self.serial}"
        return " ".join(word for word in (self.name, size, self.model, serial) if word)


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface; `speed` in bit/s. None is what could not be read."""

    name: str
    mac: str | None = None
    speed: float | None = None

    def __str__(self) -> str:
        speed = None if self.speed is None else megabits(self.speed)
        return " ".join(word for word in (self.name, self.mac, speed) if word)


@dataclass(slots=True)
class Found:
    """What a machine has. None, or absent from `texts`, is what could not be read."""

    cores: int | None = None
    threads: int | None = None
    memory: int | None = None
    memory_modules: int | None = None
    file_systems: int | None = None
    """Bytes of all real file systems."""
    drives: Sequence[Drive] | None = None
    nics: Sequence[Nic] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    """cpu_model, architecture, vendor, product."""
    serials: Sequence[str] = ()
    """The machine's serial number, by all the names its maker has for it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`mismatches` are texts for people; `unreadable` names what was expected and could not be read."""

    mismatches: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def count(self) -> int | None:
        """Mismatches; None where none was found but not all could be read: that is no evidence."""
        return len(self.mismatches) if self.mismatches or not self.unreadable else None

    def report(self) -> tuple[dict[str, float], dict[str, str]]:
        """Return it as metrics and facts."""
        metrics = {} if self.count is None else {"hardware_mismatches": float(self.count)}
        facts = {"hardware_differences": clip("; ".join(self.mismatches)) or "none"}
        if self.unreadable:
            facts["hardware_unreadable"] = ", ".join(self.unreadable)
        return metrics, facts


Row = tuple[str, str, str | None, bool]
"""Name, what is wanted, what there is (None: not to be read), whether it fits."""


def against(expected: HardwareParams, found: Found) -> Comparison:
    """Compare a machine with what is expected of it."""
    lines: list[str] = []
    unreadable: list[str] = []
    for name, want, have, fits in (
        *_rows(expected, found),
        *_disks(expected, found),
        *_nics(expected, found),
    ):
        if have is None:
            unreadable.append(name)
        elif not fits:
            lines.append(clip(f"{name}: expected {want}, found {have}", 300))
    return Comparison(tuple(lines), tuple(dict.fromkeys(unreadable)))


def gigabytes(size: int) -> str:
    """Return a size as it stands on a disk."""
    return f"{size / 1e12:.2f} TB" if size >= 1e12 else f"{size / 1e9:.0f} GB"


def megabits(speed: float) -> str:
    """Return a speed as it stands on an interface."""
    return f"{speed / 1e9:g} Gbit/s" if speed >= 1e9 else f"{speed / 1e6:g} Mbit/s"


def plain_mac(text: str) -> str:
    """Return a hardware address in one way of writing."""
    return text.lower().replace("-", ":")


def _rows(expected: HardwareParams, found: Found) -> list[Row]:
    texts = found.texts
    rows: list[Row | None] = [
        _least("cpu_cores", expected.cpu_cores, found.cores),
        _least("cpu_threads", expected.cpu_threads, found.threads),
        _size("memory", expected.memory, found.memory),
        _least("memory_modules", expected.memory_modules, found.memory_modules),
        _size("disk", expected.disk, found.file_systems),
        *(_mac(mac, found) for mac in expected.macs),
        *(
            _part(name, getattr(expected, name), texts.get(name))
            for name in ("cpu_model", "vendor", "product")
        ),
        _whole(
            "architecture", expected.architecture, [text for text in (texts.get("architecture"),) if text]
        ),
        _whole("serial", expected.serial, found.serials),
    ]
    return [row for row in rows if row is not None]


def _least(name: str, want: int | None, have: int | None) -> Row | None:
    if want is None:
        return None
    return name, str(want), None if have is None else str(have), (have or 0) >= want


def _size(name: str, want: int | None, have: int | None) -> Row | None:
    if want is None:
        return None
    shown = None if have is None else f"{have / 2**30:.1f} GiB"
    return name, f"{want / 2**30:.1f} GiB", shown, (have or 0) >= want * (1 - RESERVED)


def _mac(want: str, found: Found) -> Row:
    macs = sorted(plain_mac(nic.mac) for nic in found.nics or () if nic.mac)
    return "mac", plain_mac(want), ", ".join(macs) or None, plain_mac(want) in macs


def _part(name: str, want: str | None, have: str | None) -> Row | None:
    return None if want is None else (name, want, have, want.lower() in (have or "").lower())


def _whole(name: str, want: str | None, have: Sequence[str]) -> Row | None:
    if want is None:
        return None
    return name, want, " or ".join(have) or None, want.lower() in {each.lower() for each in have}


def _disks(expected: HardwareParams, found: Found) -> list[Row]:
    kinds = [(each.count, _described_disk(each), _disk_fits(each)) for each in expected.disks]
    return _matched("disks", kinds, found.drives)


def _nics(expected: HardwareParams, found: Found) -> list[Row]:
    if expected.nics is None or isinstance(expected.nics, int):
        count = len(found.nics) if found.nics else None
        row = _least("nics", expected.nics, count)
        return [] if row is None else [row]
    kinds = [(each.count, _described_nic(each), _nic_fits(each)) for each in expected.nics]
    return _matched("nics", kinds, found.nics)


def _described_disk(want: DiskParams) -> str:
    size = None if want.size is None else gigabytes(want.size)
    return " ".join(word for word in (size, want.model, want.serial and f"serial {want.serial}") if word)


def _described_nic(want: NicParams) -> str:
    speed = None if want.speed is None else megabits(want.speed)
    return " ".join(word for word in (want.mac and plain_mac(want.mac), speed) if word)


def _all(tests: Sequence[bool | None]) -> bool | None:
    """Return whether all hold; None where that can't be told."""
    return False if False in tests else None if None in tests else True


def _disk_fits(want: DiskParams) -> Callable[[Drive], bool | None]:
    def fits(drive: Drive) -> bool | None:
        tests: list[bool | None] = []
        if want.size is not None:
            tests.append(None if drive.size is None else drive.size >= want.size * (1 - RESERVED))
        if want.model is not None:
            tests.append(None if drive.model is None else want.model.lower() in drive.model.lower())
        if want.serial is not None:
            tests.append(None if drive.serial is None else want.serial.lower() == drive.serial.lower())
        return _all(tests)

    return fits


def _nic_fits(want: NicParams) -> Callable[[Nic], bool | None]:
    def fits(nic: Nic) -> bool | None:
        tests: list[bool | None] = []
        if want.mac is not None:
            tests.append(None if nic.mac is None else plain_mac(want.mac) == plain_mac(nic.mac))
        if want.speed is not None:
            tests.append(None if nic.speed is None else nic.speed >= want.speed)
        return _all(tests)

    return fits


def _matched(
    name: str, kinds: Sequence[tuple[int, str, Callable[..., bool | None]]], found: Sequence[object] | None
) -> list[Row]:
    """Return a row for each kind: each of what was found serves one that is expected, and one only."""
    if found is None:
        return [(name, "", None, False)] if kinds else []
    there = list(found)[:MOST]
    slots = [kind for kind, (count, _, _) in enumerate(kinds) for _ in range(count)]
    answers = [[fits(each) for each in there] for _, _, fits in kinds]
    sure = _served(slots, [[answer is True for answer in row] for row in answers])
    perhaps = _served(slots, [[answer is not False for answer in row] for row in answers])
    rows: list[Row] = []
    for kind, (count, described, _) in enumerate(kinds):
        have, might = sure.count(kind), perhaps.count(kind)
        want = f"{count} x {described}".rstrip(" x") if described else str(count)
        shown = f"{have} of them among {_shown(there)}"
        rows.append((name, want, None if have < count <= might else shown, have >= count))
    return rows


def _shown(there: Sequence[object]) -> str:
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    return "[" + ", ".join(map(str, there[:SHOWN])) + more + "]"


def _served(slots: Sequence[int], fits: Sequence[Sequence[bool]]) -> list[int]:
    """Return the kinds of the slots that can be served at once (a largest matching, Kuhn's algorithm)."""
    owner: dict[int, int] = {}

    def place(slot: int, seen: set[int]) -> bool:
        for index, fit in enumerate(fits[slots[slot]]):
            if fit and index not in seen:
                seen.add(index)
                if index not in owner or place(owner[index], seen):
                    owner[index] = slot
                    return True
        return False

    for slot in range(len(slots)):
        place(slot, set())
    return [slots[slot] for slot in owner.values()]
