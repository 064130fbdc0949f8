"""Listening sockets as Linux shows them, by proc_net_tcp of the kernel's documentation, and ss(8). Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from probes.api import clip
from probes.software._text import lines_of

FRAGMENT = r"""
for n in tcp tcp6 udp udp6; do
  echo "@$n"
  [ -e /proc/net/$n ] || continue
  grep -E '^ *[0-9]+: [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:0000 (0A|07) ' /proc/net/$n
  [ $? -le 1 ] || { echo "/proc/net/$n can't be read"; exit 94; }
done
[ -r /proc/net/tcp ] || { echo "no /proc/net/tcp"; exit 94; }
echo "@ss"
p ss -Hlntup 2>/dev/null
c=$?
[ $c = 93 ] && exit 93
echo "@end"
"""
MOST = 131_072


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A socket that waits for others; `family` is "4" or "6"."""

    protocol: str
    port: int
    address: str
    family: str = "4"

    @property
    def loopback(self) -> bool:
        """Whether nobody outside the host can reach it."""
        found = ipaddress.ip_address(self.address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return (mapped or found).is_loopback

    @property
    def name(self) -> str:
        """The port as it is written in an allow-list: 22, udp/53."""
        return str(self.port) if self.protocol == "tcp" else f"{self.protocol}/{self.port}"


def listeners(parts: dict[str, str]) -> list[Listener]:
    """Return the listening sockets, sorted. Raises ValueError and LookupError."""
    found = set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        protocol, state = name[:3], "0A" if name.startswith("tcp") else "07"
        for line in lines_of(parts[name]):
            words = line.split()
            if words[3] == state:
                address, port = words[1].split(":")
                found.add(Listener(protocol, int(port, 16), decoded(address), "6" if "6" in name else "4"))
    return sorted(found)


def decoded(text: str) -> str:
    """Return an address from its words in the byte order of the host, which is taken for little-endian."""
    raw = bytes.fromhex(text)
    if len(raw) not in (4, 16):
        raise ValueError(clip(text, 50))
    return str(ipaddress.ip_address(b"".join(raw[n : n + 4][::-1] for n in range(0, len(raw), 4))))


def owners(text: str) -> dict[tuple[str, int], set[str]]:
    """Return the names of processes by protocol and port, as far as `ss -p` shows them."""
    found: dict[tuple[str, int], set[str]] = {}
    for line in lines_of(text):
        words = line.split(None, 5)
        port = words[4].rpartition(":")[2] if len(words) == 6 else ""
        if port.isdecimal() and len(port) < 6:
            names = re.findall(r'"([^"]{1,64})",pid=', words[5])
            found.setdefault((words[0], int(port)), set()).update(map(clip, names))
    return found
