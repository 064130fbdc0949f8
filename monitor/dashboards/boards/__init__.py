"""What the dashboards show, one dashboard a file."""

from __future__ import annotations

from monitor.dashboards.boards import (
    channel,
    hosts,
    incidents,
    own,
    peripherals,
    readiness,
    services,
    unit,
    versions,
)

BOARDS = (
    readiness.BOARD, unit.BOARD, channel.BOARD, hosts.BOARD, services.BOARD, peripherals.BOARD,
    versions.BOARD, incidents.BOARD, own.BOARD,
)  # fmt: skip
