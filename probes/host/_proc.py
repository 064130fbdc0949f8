"""The script that gathers a Linux host in one command, and the pure parsers of what it prints.

Formats: proc(5), df(1) with -P (POSIX), os-release(5). A section that is missing or makes no sense leaves its
values out; only a text that breaks off is an error.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, datetime

from probes._hardware import Drive
from probes.host._snapshot import REAL_FILE_SYSTEMS, Counters, Disk, Snapshot

MARK = "@@muster:"
CPU_KEYS = ("model name", "Model", "Hardware", "cpu model", "flags")

COUNTERS_SCRIPT = f"""export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
s() {{ echo "{MARK}$1"; }}
s uptime; cat /proc/uptime
s stat; grep -E '^(cpu|btime)' /proc/stat
s netdev; cat /proc/net/dev
"""
GATHER_SCRIPT = f"""{COUNTERS_SCRIPT}s loadavg; cat /proc/loadavg
s procs; ls -d /proc/[0-9]* | wc -l
s meminfo; cat /proc/meminfo
s mounts; cat /proc/mounts
s df; df -lkP 2>/dev/null || df -kP 2>/dev/null
s dfi; df -liP 2>/dev/null || df -iP 2>/dev/null
s uname; uname -s; uname -r; uname -m; uname -n
s osrelease; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
s cpuinfo; grep -m 4 -E '^({"|".join(CPU_KEYS)})' /proc/cpuinfo
s cores; cat /sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list 2>/dev/null | sort -u | wc -l
s macs; for d in /sys/class/net/*/device; do n=${{d%/device}}; {{ read -r a <"$n/bonding_slave/perm_hwaddr" || read -r a <"$n/address"; }} 2>/dev/null && echo "${{n##*/}} $a"; done
s dmi; for f in sys_vendor product_name product_serial; do echo "$f=$(cat /sys/class/dmi/id/$f 2>/dev/null)"; done
s timezone; readlink /etc/localtime || cat /etc/timezone 2>/dev/null
s virt; systemd-detect-virt 2>/dev/null
s failed; [ -d /run/systemd/system ] && {{ systemctl list-units --state=failed --plain --no-legend --no-pager 2>/dev/null; echo "status=$?"; }}
"""  # noqa: E501 - a script
HARDWARE_SCRIPT = """s drives; lsblk -dbnP -o NAME,TYPE,RM,SIZE,MODEL,SERIAL 2>/dev/null && echo end
s speeds; for d in /sys/class/net/*/device; do n=${d%/device}; { read -r v <"$n/speed"; } 2>/dev/null && echo "${n##*/} $v"; done
s modules; [ "$(id -u)" = 0 ] && dmidecode -t 17 2>/dev/null
"""  # noqa: E501 - a script
SUDO_SCRIPT = """s modules_by_sudo; sudo -n dmidecode -t 17 2>/dev/null
s serial_by_sudo; sudo -n dmidecode -s system-serial-number 2>/dev/null
"""
END = "s end; exit 0\n"
COUNTERS_SCRIPT += END


def gather_script(*, hardware: bool, sudo: bool) -> str:
    """Return the script that gathers a host, with its hardware where that is compared."""
    return GATHER_SCRIPT + (HARDWARE_SCRIPT if hardware else "") + (SUDO_SCRIPT if sudo else "") + END


class BrokenOff(ValueError):  # noqa: N818 - says what happened
    """The text ends before its end mark."""


def sections(text: str) -> dict[str, str]:
    """Split the script's output by its marks; what a shell's start-up files print before them is dropped.

    Raises `BrokenOff` without the end mark.
    """
    found: dict[str, str] = {}
    for part in f"\n{text}".split(f"\n{MARK}")[1:]:
        name, _, body = part.partition("\n")
        found.setdefault(name.strip(), body)
    if "end" not in found:
        raise BrokenOff("the output ends before its end mark")
    return found


def snapshot(text: str) -> Snapshot:
    """Return the host that the script's output tells of. Raises `BrokenOff`."""
    parts = sections(text)
    now = Snapshot(counters=counters(parts))
    parse_files(now, parts)
    now.disks = disks(parts.get("mounts", ""), parts.get("df", ""), parts.get("dfi", ""))
    return now


def parse_files(now: Snapshot, parts: dict[str, str]) -> None:
    """Add to `now` what the sections tell; one that makes no sense adds nothing more."""
    for name, parser in _PARSERS.items():
        if name in parts:
            with contextlib.suppress(ValueError, LookupError, ZeroDivisionError, OverflowError):
                parser(parts[name], now)


def counters(parts: dict[str, str]) -> Counters | None:
    """Return the counters, or None where the host did not show its CPU times or clock."""
    try:
        at = _number(parts["uptime"].split()[0])
        words = next(line for line in parts["stat"].splitlines() if line.startswith("cpu ")).split()
        user, nice, system, idle, iowait, irq, softirq, steal = ([_count(w) for w in words[1:9]] + [0] * 8)[
            :8
        ]
    except (KeyError, ValueError, IndexError, StopIteration):
        return None
    busy = user + nice + system + irq + softirq + steal
    found = Counters(at, busy, iowait, steal, busy + idle + iowait)
    _network(parts.get("netdev", ""), found)
    return found


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 20:
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e15:
        raise ValueError(text)
    return number


def _network(text: str, found: Counters) -> None:
    names = set()
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if not colon or name.strip() == "lo" or len(words) < 12:
            continue
        try:
            numbers = [_count(w) for w in words[:12]]
        except ValueError:
            continue
        names.add(name.strip())
        found.rx_bytes += numbers[0]
        found.rx_errors += numbers[2]
        found.tx_bytes += numbers[8]
        found.tx_errors += numbers[10]
    found.interfaces = frozenset(names)


def disks(mounts: str, df: str, dfi: str) -> list[Disk]:
    """Return the real file systems, each device once, with the use that df shows (of what users may fill)."""
    sizes, inodes = _df(df), _df(dfi)
    found: dict[str, Disk] = {}
    for line in mounts.splitlines():
        words = line.split()
        if len(words) < 4 or not is_real(words[0], words[1], words[2]):
            continue
        device, mount, kind, options = words[0], _unescape(words[1]), words[2], words[3].split(",")
        if mount not in sizes or device in found:
            continue
        total, used, available = sizes[mount]
        if used + available > 0:
            disk = Disk(mount, kind, total * 1024, 100 * used / (used + available))
            disk.inode_used_pct, disk.read_only = _inodes(inodes.get(mount)), "ro" in options
            found[device] = disk
    return list(found.values())


def is_real(device: str, mount: str, kind: str) -> bool:
    """Tell whether a mounted file system holds data and can fill up."""
    return (
        kind in REAL_FILE_SYSTEMS
        and (kind != "overlay" or mount == "/")
        and not device.startswith("/dev/loop")
    )


def _inodes(counts: tuple[int, int, int] | None) -> float | None:
    return 100 * counts[1] / counts[0] if counts and counts[0] > 0 else None


def _df(text: str) -> dict[str, tuple[int, int, int]]:
    """Return (total, used, available) by mount point."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\S.*?\s+(\d{1,18})\s+(\d{1,18})\s+(-?\d{1,18})\s+\S+\s+(/.*)$", line)
        if match:
            found[match[4]] = (int(match[1]), int(match[2]), max(0, int(match[3])))
    return found


def _unescape(mount: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8) & 255), mount)


def _uptime(text: str, now: Snapshot) -> None:
    now.gauges["uptime_s"] = _number(text.split(maxsplit=1)[0])


def _stat(text: str, now: Snapshot) -> None:
    now.threads = len(re.findall(r"^cpu\d+ ", text, re.MULTILINE)) or None
    if boot := re.search(r"^btime (\d{1,12})$", text, re.MULTILINE):
        now.facts["boot_time"] = boot_time(int(boot[1]))


def boot_time(seconds: float) -> str:
    """Return a time as ISO 8601 to the minute: the clock's corrections make the seconds wander."""
    return datetime.fromtimestamp(round(seconds / 60) * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _loadavg(text: str, now: Snapshot) -> None:
    loads = [_number(word) for word in text.split()[:3]]
    now.gauges |= dict(zip(("load1", "load5", "load15"), loads, strict=True))


def _procs(text: str, now: Snapshot) -> None:
    now.gauges["processes"] = _count(text.split(maxsplit=1)[0])


def _meminfo(text: str, now: Snapshot) -> None:
    found = {m[1]: int(m[2]) * 1024 for m in re.finditer(r"^(\w+):\s+(\d{1,15}) kB", text, re.MULTILINE)}
    now.memory_total = found.get("MemTotal")
    available = found.get("MemAvailable")
    if available is None and {"MemFree", "Buffers", "Cached"} <= found.keys():
        available = found["MemFree"] + found["Buffers"] + found["Cached"]
    if available is not None:
        now.gauges["memory_available_bytes"] = available
    if {"SwapTotal", "SwapFree"} <= found.keys():
        total = found["SwapTotal"]
        now.gauges["swap_total_bytes"] = total
        now.gauges["swap_used_pct"] = 100 * (1 - found["SwapFree"] / total) if total else 0.0


def _uname(text: str, now: Snapshot) -> None:
    system, kernel, machine, node = [line.strip() for line in text.splitlines()[:4]]
    now.facts |= {"kernel": kernel, "architecture": machine, "hostname": node}
    now.facts.setdefault("os", system)


def _os_release(text: str, now: Snapshot) -> None:
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        found[key.strip()] = value.strip().strip("\"'")
    now.facts["os"] = found.get("NAME") or found.get("ID", now.facts.get("os", ""))
    now.facts["os_version"] = found.get("VERSION_ID", "")


def _cpuinfo(text: str, now: Snapshot) -> None:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            if "hypervisor" in value.split():
                now.facts.setdefault("virtualization", "yes")
        else:
            now.facts.setdefault("cpu_model", " ".join(value.split()))


def _cores(text: str, now: Snapshot) -> None:
    now.cores = _count(text.split(maxsplit=1)[0]) or None


def _macs(text: str, now: Snapshot) -> None:
    for name, mac in re.findall(r"^(\S{1,64}) ([0-9a-f:]{17})$", text, re.MULTILINE):
        if mac != "00:00:00:00:00:00":
            now.macs[name] = mac


def _dmi(text: str, now: Snapshot) -> None:
    names = {"sys_vendor": "vendor", "product_name": "product", "product_serial": "serial"}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key in names and value.strip():
            now.facts[names[key]] = value.strip()


def _drives(text: str, now: Snapshot) -> None:
    """Read lsblk's list; a serial number that comes again is another path to the same disk."""
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        return
    found, seen = [], set()
    for line in lines[:-1]:
        words = {key: " ".join(value.split()) for key, value in re.findall(r'(\w+)="([^"]*)"', line)}
        size, serial = _count(words["SIZE"]), words["SERIAL"] or None
        fixed = words["TYPE"] == "disk" and words["RM"] == "0" and not words["NAME"].startswith("zram")
        if fixed and size and serial not in seen:
            found.append(Drive(words["NAME"], size, words["MODEL"] or None, serial))
            seen |= {serial} - {None}
    now.drives = found


def _speeds(text: str, now: Snapshot) -> None:
    for name, speed in re.findall(r"^(\S{1,64}) (\d{1,9})$", text, re.MULTILINE):
        now.speeds[name] = int(speed) * 1e6


def _modules(text: str, now: Snapshot) -> None:
    """Read what dmidecode prints of SMBIOS type 17; with nothing of that type nothing is known."""
    devices = text.split("\nMemory Device\n")[1:]
    if not devices:
        return
    sizes = [re.search(r"^\s*Size: (\d{1,9}) (kB|MB|GB|TB)$", device, re.MULTILINE) for device in devices]
    powers = {"kB": 10, "MB": 20, "GB": 30, "TB": 40}
    now.modules = [int(size[1]) << powers[size[2]] for size in sizes if size]


def _serial(text: str, now: Snapshot) -> None:
    if lines := [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]:
        now.facts["serial"] = lines[-1]


def _timezone(text: str, now: Snapshot) -> None:
    now.facts["timezone"] = text.strip().partition("zoneinfo/")[2] or text.strip().split("/")[-1]


def _virt(text: str, now: Snapshot) -> None:
    if text.strip():
        now.facts["virtualization"] = text.split(maxsplit=1)[0]


def _failed(text: str, now: Snapshot) -> None:
    lines = text.strip().splitlines()
    if lines and lines[-1].strip() == "status=0":
        now.failed_units = [line.split()[0] for line in lines[:-1] if line.split()]


_PARSERS: dict[str, Callable[[str, Snapshot], None]] = {
    "uptime": _uptime, "stat": _stat, "loadavg": _loadavg, "procs": _procs, "meminfo": _meminfo,
    "uname": _uname, "osrelease": _os_release, "cpuinfo": _cpuinfo, "cores": _cores, "macs": _macs,
    "dmi": _dmi, "timezone": _timezone, "virt": _virt, "failed": _failed,
    "drives": _drives, "speeds": _speeds, "modules": _modules,
    "modules_by_sudo": _modules, "serial_by_sudo": _serial,
}  # fmt: skip
