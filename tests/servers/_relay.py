"""The process behind an emulated link: passes frames between TAP devices, late, lost, doubled or reordered.

    python _relay.py DESCRIPTOR

DESCRIPTOR is a SOCK_SEQPACKET socket on which commands come, one JSON object each, every one answered:
`{"open": [[namespace, device, namespace, device, seed], ...]}` makes two devices joined by two lanes (lane
2n from the first device to the second, lane 2n + 1 back); `{"lane": n, "set": {...}}` changes a lane's
`Settings`; `{"lane": n}` asks for its `Counts`. The process ends when the socket is closed. It needs nothing
but the standard library, and runs with real-time priority where it may, so that it adds little jitter.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x4004_54CA, 0x0002, 0x1000
CLONE_NEWNET = 0x4000_0000
FRAME = 10_000
AT_ONCE = 32
MOST_WAITING = 100_000
MS = 1_000_000
ETHERNET = 14


@dataclass(slots=True)
class Settings:
    """What a lane does to frames; times in ms, shares 0..1."""

    delay: float = 0.0
    jitter: float = 0.0
    """Added delay, uniform in 0..jitter; order is kept."""
    loss: float = 0.0
    loss_run: float = 1.0
    """Mean number of frames lost in a row; the share lost stays `loss`."""
    duplicate: float = 0.0
    reorder: float = 0.0
    reorder_by: float = 5.0
    """How much later a reordered frame comes."""
    dscp: int | None = None
    """What the DSCP of each packet is changed to."""
    largest: int | None = None
    """Largest IP packet that passes; others vanish without a word."""
    cut: bool = False


@dataclass(slots=True)
class Counts:
    """What became of frames. `late_us` is how long after their time frames were written, at most."""

    taken: int = 0
    passed: int = 0
    lost: int = 0
    cut: int = 0
    duplicated: int = 0
    reordered: int = 0
    overflowed: int = 0
    late_us: float = 0.0


@dataclass(slots=True)
class Lane:
    """One direction between two devices."""

    source: int
    sink: int
    chance: random.Random
    settings: Settings = field(default_factory=Settings)
    counts: Counts = field(default_factory=Counts)
    last_due: int = 0
    in_run: bool = False

    def lost(self, settings: Settings) -> bool:
        """Decide the loss of one frame, in runs whose length is geometric (Gilbert's model)."""
        if settings.loss_run <= 1:
            return self.chance.random() < settings.loss
        if self.in_run:
            self.in_run = self.chance.random() >= 1 / settings.loss_run
        else:
            odds = settings.loss / max(1e-9, 1 - settings.loss)
            self.in_run = self.chance.random() < odds / settings.loss_run
        return self.in_run

    def dues(self, now: int) -> tuple[int, ...]:
        """Return when a frame taken at `now` (ns) is to come out: once, twice or never."""
        settings, counts, chance = self.settings, self.counts, self.chance
        counts.taken += 1
        if settings.cut:
            counts.cut += 1
            return ()
        if self.lost(settings):
            counts.lost += 1
            return ()
        due = now + int(settings.delay * MS)
        if settings.reorder and chance.random() < settings.reorder:
            counts.reordered += 1
            return (due + int(settings.reorder_by * MS),)
        if settings.jitter:
            due += int(chance.random() * settings.jitter * MS)
        self.last_due = due = max(due, self.last_due)
        if settings.duplicate and chance.random() < settings.duplicate:
            counts.duplicated += 1
            return (due, due)
        return (due,)


class Relay:
    """All lanes of all links, on one thread."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lanes: list[Lane] = []
        self._by_source: dict[int, Lane] = {}
        self._watched: list[int] = [control.fileno()]
        self._waiting: list[tuple[int, int, Lane, bytes]] = []
        self._number = 0

    def run(self) -> None:
        """Pass frames until the control socket is closed."""
        control, waiting = self._control.fileno(), self._waiting
        while True:
            timeout = max(0, waiting[0][0] - time.monotonic_ns()) / 1e9 if waiting else None
            ready, _, _ = select.select(self._watched, [], [], timeout)
            self._flush()
            for descriptor in ready:
                if descriptor != control:
                    self._take(self._by_source[descriptor])
                elif not self._command():
                    return
            self._flush()

    def _take(self, lane: Lane) -> None:
        for _ in range(AT_ONCE):
            try:
                frame = os.read(lane.source, FRAME)
            except OSError:
                return
            self._accept(lane, frame)

    def _accept(self, lane: Lane, frame: bytes) -> None:
        settings = lane.settings
        if settings.largest is not None and len(frame) - ETHERNET > settings.largest:
            lane.counts.taken += 1
            lane.counts.cut += 1
            return
        if settings.dscp is not None:
            frame = marked(frame, settings.dscp)
        for due in lane.dues(time.monotonic_ns()):
            if len(self._waiting) >= MOST_WAITING:
                lane.counts.overflowed += 1
                return
            self._number += 1
            heapq.heappush(self._waiting, (due, self._number, lane, frame))

    def _flush(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= (now := time.monotonic_ns()):
            due, _, lane, frame = heapq.heappop(waiting)
            with suppress(OSError):
                os.write(lane.sink, frame)
                lane.counts.passed += 1
            lane.counts.late_us = max(lane.counts.late_us, (now - due) / 1000)

    def _command(self) -> bool:
        data = self._control.recv(1 << 20)
        if not data:
            return False
        self._control.send(json.dumps(self._answer(json.loads(data))).encode())
        return True

    def _answer(self, command: dict[str, Any]) -> object:
        if "open" in command:
            for pair in command["open"]:
                self._open(*pair)
            return len(self._lanes)
        lane = self._lanes[command["lane"]]
        if "set" in command:
            for name, value in command["set"].items():
                setattr(lane.settings, name, value)
            return True
        return {name: getattr(lane.counts, name) for name in Counts.__slots__}

    def _open(self, near: str, near_device: str, far: str, far_device: str, seed: int) -> None:
        one, two = tap(near, near_device), tap(far, far_device)
        for source, sink in ((one, two), (two, one)):
            lane = Lane(source, sink, random.Random(seed * 2 + (source == two)))
            self._lanes.append(lane)
            self._by_source[source] = lane
            self._watched.append(source)


def marked(frame: bytes, dscp: int) -> bytes:
    """Return the frame with the DSCP of its IP header changed, checksum included (RFC 1624)."""
    kind = frame[12:14]
    if kind == b"\x86\xdd":
        word = struct.unpack_from("!H", frame, 14)[0] & 0xF03F | dscp << 6
        return frame[:14] + struct.pack("!H", word) + frame[16:]
    if kind != b"\x08\x00":
        return frame
    old, checksum = struct.unpack_from("!H", frame, 14)[0], struct.unpack_from("!H", frame, 24)[0]
    new = old & 0xFF03 | dscp << 2
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (
        frame[:14] + struct.pack("!H", new) + frame[16:24] + struct.pack("!H", ~total & 0xFFFF) + frame[26:]
    )


def tap(namespace: str, device: str) -> int:
    """Make a TAP device in a namespace; it ends with its descriptor, which is returned."""
    inside = os.open(namespace, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(inside, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(inside)
    opened = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(opened, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TAP | IFF_NO_PI))
    return opened


def main() -> None:
    """Serve the socket whose descriptor is the argument."""
    gc.disable()
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    with socket.socket(fileno=int(sys.argv[1])) as control:
        Relay(control).run()


if __name__ == "__main__":
    main()
