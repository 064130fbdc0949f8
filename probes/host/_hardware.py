"""What a machine should have, against what it has. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from probes.api import Bytes, Params, clip
from probes.host._snapshot import Snapshot

RESERVED = 0.10
"""Share of memory, and of disk space, that firmware, kernel and file systems may keep for themselves."""


class HardwareParams(Params):
    """The hardware that is expected: amounts are the least, texts are compared without case."""

    cpu_cores: int | None = Field(None, ge=1, description="Physical cores; of a virtual machine, processors.")
    cpu_threads: int | None = Field(None, ge=1, description="Logical processors.")
    cpu_model: str | None = Field(None, min_length=1, description="Part of the processor's model name.")
    memory: Bytes | None = Field(None, gt=0, description="Memory; 10 % may be missing.")
    disk: Bytes | None = Field(None, gt=0, description="All real file systems together; 10 % may be missing.")
    nics: int | None = Field(None, ge=1, description="Network interfaces with a hardware address.")
    macs: tuple[str, ...] = Field((), description="Hardware addresses that must be there.")
    architecture: str | None = Field(None, min_length=1, description="As uname has it, e.g. x86_64.")
    vendor: str | None = Field(None, min_length=1, description="Part of the maker's name.")
    product: str | None = Field(None, min_length=1, description="Part of the model's name.")
    serial: str | None = Field(None, min_length=1, description="The serial number, whole.")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`mismatches` are texts for people; `unreadable` names what was expected and could not be read."""

    mismatches: tuple[str, ...]
    unreadable: tuple[str, ...]

    @property
    def count(self) -> int | None:
        """Mismatches; None where none was found but not all could be read: that is no evidence."""
        return len(self.mismatches) if self.mismatches or not self.unreadable else None


def compare(expected: HardwareParams, found: Snapshot) -> Comparison:
    """Compare a machine with what is expected of it."""
    lines: list[str] = []
    unreadable: list[str] = []
    for name, want, have, fits in _rows(expected, found):
        if have is None:
            unreadable.append(name)
        elif not fits:
            lines.append(clip(f"{name}: expected {want}, found {have}", 200))
    return Comparison(tuple(lines), tuple(unreadable))


Row = tuple[str, str, str | None, bool]


def _rows(expected: HardwareParams, found: Snapshot) -> list[Row]:
    virtual = found.facts.get("virtualization", "none") not in ("", "none")
    disk = sum(d.total for d in found.disks) if found.disks else None
    nics = len(found.macs) or None
    rows: list[Row | None] = [
        _least("cpu_cores", expected.cpu_cores, found.threads if virtual else found.cores),
        _least("cpu_threads", expected.cpu_threads, found.threads),
        _size("memory", expected.memory, found.memory_total),
        _size("disk", expected.disk, disk),
        _least("nics", expected.nics, nics),
        *(_mac(mac, found) for mac in expected.macs),
        *(_part(name, getattr(expected, name), found) for name in ("cpu_model", "vendor", "product")),
        *(_whole(name, getattr(expected, name), found) for name in ("architecture", "serial")),
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


def _mac(want: str, found: Snapshot) -> Row:
    wanted = want.lower().replace("-", ":")
    have = ", ".join(sorted(found.macs.values())) or None
    return "mac", wanted, have, wanted in found.macs.values()


def _part(name: str, want: str | None, found: Snapshot) -> Row | None:
    have = found.facts.get(name)
    return None if want is None else (name, want, have, want.lower() in (have or "").lower())


def _whole(name: str, want: str | None, found: Snapshot) -> Row | None:
    have = found.facts.get(name)
    return None if want is None else (name, want, have, want.lower() == (have or "").lower())
