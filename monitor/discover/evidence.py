"""What is known of one address after it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Port:
    """A port, and how it is asked: it speaks first, shows a page or certificate, or is just connected to."""

    number: int
    service: str
    talk: Literal["banner", "http", "https", "silent"] = "silent"


PORTS = (
    Port(22, "ssh", "banner"),
    Port(23, "telnet", "banner"),
    Port(25, "smtp", "banner"),
    Port(80, "http", "http"),
    Port(443, "https", "https"),
    Port(445, "smb"),
    Port(502, "modbus"),
    Port(554, "rtsp"),
    Port(631, "ipp", "http"),
    Port(1433, "sqlserver"),
    Port(1521, "oracle"),
    Port(1883, "mqtt"),
    Port(3306, "mysql", "banner"),
    Port(3389, "rdp"),
    Port(5432, "postgresql"),
    Port(5672, "amqp"),
    Port(6379, "redis"),
    Port(8080, "http", "http"),
    Port(8443, "https", "https"),
    Port(9092, "kafka"),
    # Whatever is sent to this one is printed: nothing is.
    Port(9100, "jetdirect"),
    Port(27017, "mongodb"),
)


@dataclass(frozen=True, slots=True)
class Open:
    """A port that took a connection, and what was seen of it."""

    port: Port
    said: str = ""
    """Banner, Server field, or the subject of the certificate."""


@dataclass(frozen=True, slots=True)
class System:
    """What an SNMP agent says of its system (RFC 3418, section 2)."""

    descr: str = ""
    object_id: str = ""
    name: str = ""
    services: int = 0
    """Sum of 2^(layer - 1) of the layers it serves."""


@dataclass(slots=True)
class Evidence:
    """All that is known of one address."""

    address: str
    rtt_ms: float | None = None
    """None: no echo came back, or none was sent."""
    opened: list[Open] = field(default_factory=list)
    system: System | None = None
    refuses: bool = False
    """Whether a connection was refused: by the machine, or by a firewall in its place."""
    unasked: list[str] = field(default_factory=list)
    """What could not be asked, and why: not the same as no answer."""

    @property
    def answers(self) -> bool:
        """Whether anything at all came back."""
        return self.rtt_ms is not None or bool(self.opened) or self.system is not None or self.refuses
