"""What a machine should have, against what its system sees. Pure."""

from __future__ import annotations

from probes._hardware import Comparison, Found, HardwareParams, Nic, against
from probes.host._snapshot import Snapshot


def compare(expected: HardwareParams, found: Snapshot) -> Comparison:
    """Compare a machine with what is expected of it."""
    return against(expected, _found(found))


def _found(now: Snapshot) -> Found:
    virtual = now.facts.get("virtualization", "none") not in ("", "none")
    serial = now.facts.get("serial")
    return Found(
        cores=now.threads if virtual else now.cores,
        threads=now.threads,
        memory=now.memory_total,
        memory_modules=None if now.modules is None else len(now.modules),
        file_systems=sum(disk.total for disk in now.disks) if now.disks else None,
        drives=now.drives,
        nics=[Nic(name, mac, now.speeds.get(name)) for name, mac in now.macs.items()] or None,
        texts=now.facts,
        serials=(serial,) if serial else (),
    )
