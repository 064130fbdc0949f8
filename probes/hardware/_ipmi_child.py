"""Asks one management controller by pyghmi, as a program of its own.

What to ask comes as JSON on standard input, what was answered goes as JSON to standard output. It is a
process, since pyghmi keeps sessions and sockets for all of a process, and knows no deadline: this one stops
asking in time and logs out, and can be killed. It imports nothing of ours, and changes nothing there.
"""

from __future__ import annotations

import hashlib
import json
import select
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pyghmi.exceptions import IpmiException
from pyghmi.ipmi.fru import FRU
from pyghmi.ipmi.private import constants, session
from pyghmi.ipmi.sdr import SDR

MOST_SENSORS, MOST_FRU, CHUNK = 500, 4096, 16
NOT_THERE = 0xCB
FRU_KEYS = ("Manufacturer", "Product name", "Serial Number", "Chassis serial number", "Board serial number")


class NoTime(Exception):  # noqa: N818 - says what happened
    """The time to ask is over."""


def _wait(timeout: float, _address: Any = None, _events: Any = None) -> None:
    """Wait for a datagram, and take it."""
    select.select(session.iosockets, (), (), max(0.0, timeout))
    session._io_graball(session.iosockets, {})  # noqa: SLF001


def without_threads() -> None:
    """Have pyghmi wait in this thread: its own may miss a datagram that comes before one waits for it."""
    session.iothread, session.iothreadready = threading.current_thread(), True
    session._io_wait = _wait  # noqa: SLF001


class Login(session.Session):  # type: ignore[misc]
    """A session of IPMI 2.0, or of 1.5 where that is asked for: never of the older one by itself.

    What is overridden for 1.5 does not work in pyghmi, which mixes bytes and texts there.
    """

    lan = False
    challenged = False

    def _initsession(self) -> None:
        super()._initsession()
        self.ipmi15only = 1 if self.lan else None

    def _lookup_request_entry(self, entry: tuple[int, ...] = ()) -> bool:
        """Whether a response is to the last question; pyghmi forgets those that are asked amid a response."""
        return entry == (self.expectednetfn, self.seqlun, self.expectedcmd)

    def _add_request_entry(self, entry: tuple[int, ...] = ()) -> None:
        """Keep no list of questions: there is one at a time."""

    def _remove_request_entry(self, entry: tuple[int, ...] = ()) -> None:
        """Keep no list of questions."""

    def _get_session_challenge(self) -> None:
        """Ask for a challenge (IPMI 2.0, 22.16): MD5, the name padded to 16 bytes."""
        if not self.lan:
            self.onlogon({"error": "it does not speak IPMI 2.0"})
            return
        self.ipmicallback = self._got_session_challenge
        data = bytearray([2]) + bytearray(self.userid[:16].ljust(16, b"\0"))
        self._send_ipmi_net_payload(netfn=0x6, command=0x39, data=data)

    def _activate_session(self, data: Any) -> None:
        Login.challenged = True
        self.ipmicallback = self._activated_session
        wanted = [2, self.privlevel, *data, 1, 0, 0, 0]
        self._send_ipmi_net_payload(netfn=0x6, command=0x3A, data=wanted)

    def _ipmi15authcode(self, payload: Any, checkremotecode: bool = False) -> bytes:
        """Return the code of a message (IPMI 2.0, 22.17.1): MD5, with the password at both ends."""
        if self.authtype == 0:
            return b""
        number = self.remseqnumber if checkremotecode else self.sequencenumber
        password = bytes(self.password[:16].ljust(16, b"\0"))
        parts = (
            password,
            struct.pack("<I", self.sessionid),
            bytes(payload),
            struct.pack("<I", number),
            password,
        )
        return hashlib.md5(b"".join(parts)).digest()  # noqa: S324 - as IPMI 1.5 has it


class Link:
    """What pyghmi's parsers ask by; every question is within the time."""

    def __init__(self, session: Any, until: float) -> None:
        self._session, self._until = session, until

    def raw_command(
        self, netfn: int, command: int, data: Any = (), rslun: int = 0, **_: Any
    ) -> dict[str, Any]:
        """Return the response, its completion code in `code`."""
        if time.monotonic() > self._until:
            raise NoTime
        found: dict[str, Any] = self._session.raw_command(
            netfn=netfn, command=command, data=data, rslun=rslun
        )
        return found

    def xraw_command(self, netfn: int, command: int, data: Any = (), **more: Any) -> dict[str, Any]:
        """Return the response. Raises IpmiException for a completion code that is not 0."""
        found = self.raw_command(netfn, command, data, **more)
        if found.get("code"):
            raise IpmiException(found.get("error", "refused"), found["code"])
        return found

    def bytes_of(self, netfn: int, command: int, data: Any = ()) -> bytes:
        """Return the data of a response. Raises IpmiException."""
        return bytes(self.xraw_command(netfn, command, data)["data"])

    def get_event_constants(self) -> Any:
        """Return the tables of the standard, none of a maker's."""
        return constants


def sensors(link: Link, sdr: Any) -> list[dict[str, Any]]:
    """Return all sensors' readings."""
    return list(_sensors(link, sdr))


def _sensors(link: Link, sdr: Any) -> Iterator[dict[str, Any]]:
    for key in list(sdr.get_sensor_numbers())[:MOST_SENSORS]:
        entry = sdr.sensors[key]
        if entry.sensor_owner != 0x20:  # another controller's, which is not bridged to
            continue
        answer = link.raw_command(4, 0x2D, (entry.sensor_number,), rslun=entry.sensor_lun)
        found: dict[str, Any] = {
            "name": str(entry.name),
            "type": str(entry.sensor_type),
            "unit": entry.unit_suffix,
        }
        if answer.get("code") or len(answer["data"]) < 3:
            if answer.get("code") != NOT_THERE:
                yield found | {"available": False}
            continue
        try:
            reading = entry.decode_sensor_reading(link, answer["data"])
        except (ArithmeticError, ValueError, LookupError, NotImplementedError, TypeError):
            yield found | {"available": False}
            continue
        value = reading.value if isinstance(reading.value, float) and abs(reading.value) < 1e15 else None
        yield found | {
            "available": not reading.unavailable, "value": value, "health": int(reading.health),
            "states": [str(state) for state in reading.states],
        }  # fmt: skip


def log(link: Link, sdr: Any, newest: int) -> dict[str, Any]:
    """Return how full the event log is, and its newest events, the newest first."""
    info = link.bytes_of(0x0A, 0x40)
    found: dict[str, Any] = {"entries": info[1] | info[2] << 8, "free": info[3] | info[4] << 8,
                             "overflow": bool(info[13] & 0x80), "events": []}  # fmt: skip
    number = 0xFFFF
    while found["entries"] and len(found["events"]) < newest and number > 0:
        try:
            record = link.bytes_of(0x0A, 0x43, (0, 0, number & 0xFF, number >> 8, 0, 0xFF))[2:]
        except IpmiException as error:
            if error.ipmicode != NOT_THERE or number == 0xFFFF:
                raise
            break
        if len(record) >= 16:
            found["events"].append(_event(record, sdr))
        number = (record[0] | record[1] << 8) - 1
    return found


def _event(record: bytes, sdr: Any) -> dict[str, Any]:
    """Take a record of the log (IPMI 2.0, table 32-1) apart."""
    at = int.from_bytes(record[3:7], "little")
    if record[2] >= 0xC0:
        return {
            "at": at if record[2] < 0xE0 else 0,
            "what": "of the maker's own",
            "health": 0,
            "asserted": True,
        }
    kind, number, direction, offset = record[10], record[11], record[12], record[13] & 0x0F
    reading = direction & 0x7F
    table = constants.sensor_type_offsets.get(kind, {}) if reading == 0x6F else (
        constants.generic_type_offsets.get(reading, {})
    )  # fmt: skip
    meaning = table.get(offset, {})
    entry = None if sdr is None else sdr.sensors.get(f"{record[7]}.{number}.{record[8] & 3}")
    name = f"sensor {number}" if entry is None else str(entry.name)
    what = f"{name} ({constants.sensor_type_codes.get(kind, kind)}): {meaning.get('desc', f'state {offset}')}"
    return {"at": at, "what": what, "health": int(meaning.get("severity", 0)), "asserted": direction < 0x80}


def fru(link: Link) -> dict[str, str]:
    """Return what the machine's own FRU (number 0) says of its identity."""
    size = min(int.from_bytes(link.bytes_of(0x0A, 0x10, (0,))[:2], "little"), MOST_FRU)
    data = bytearray()
    while len(data) < size:
        want = min(CHUNK, size - len(data))
        got = link.bytes_of(0x0A, 0x11, (0, len(data) & 0xFF, len(data) >> 8, want))
        if len(got) < 2:
            break
        data += got[1 : 1 + got[0]]
    found = FRU(rawdata=bytes(data)).info or {}
    return {key: found[key] for key in FRU_KEYS if isinstance(found.get(key), str)}


def told(link: Link, newest: int) -> dict[str, Any]:
    """Ask for everything; a part that is not told is in `errors`, with the reason."""
    found: dict[str, Any] = {"errors": {}}

    def part(name: str, work: Callable[[], Any]) -> Any:
        try:
            found[name] = work()
        except NoTime:
            found["errors"][name] = "no time was left"
        except IpmiException as error:
            found["errors"][name] = f"code {error.ipmicode:#x}: {error}" if error.ipmicode else str(error)
        except Exception as error:  # noqa: BLE001 - pyghmi meets odd data with whatever its parts raise
            found["errors"][name] = f"it can't be understood ({type(error).__name__})"
        return found.get(name)

    part("device", lambda: link.bytes_of(6, 1).hex())
    part("chassis", lambda: link.bytes_of(0, 1).hex())
    part("fru", lambda: fru(link))
    sdr = part("sdr", lambda: SDR(link))
    if sdr is not None:
        part("sensors", lambda: sensors(link, sdr))
    part("log", lambda: log(link, sdr, newest))
    found.pop("sdr", None)
    return found


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Log in, ask, log out."""
    without_threads()
    start = time.monotonic()
    Login.lan = asked["interface"] == "lan"
    try:
        opened = Login(
            asked["host"], asked["user"], asked["password"], port=asked["port"],
            privlevel=asked["privilege"], keepalive=False,
        )  # fmt: skip
    except IpmiException as error:
        return {"refused": str(error) or "None", "challenged": Login.challenged}
    try:
        found = told(Link(opened, start + asked["seconds"]), asked["events"])
        return found | {"version": opened.ipmiversion, "took_ms": (time.monotonic() - start) * 1000}
    finally:
        opened.logout()


def main() -> None:
    """Answer what is asked."""
    answer, sys.stdout = sys.stdout, sys.stderr
    asked = json.load(sys.stdin)
    answer.write(json.dumps(run(asked)))
    answer.flush()


if __name__ == "__main__":
    main()
