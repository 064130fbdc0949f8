"""Links from Muster's pages to Grafana's dashboards of the same unit or channel."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from monitor.child.wire import UnitCard
from monitor.settings import Web


def linker(settings: Web) -> Callable[[UnitCard, str], str]:
    """Return what makes links: of a unit, or of an asset of it; empty where no Grafana is known.

    The ids are those of `monitor.dashboards.build.uid`.
    """

    def link(card: UnitCard, asset: str = "") -> str:
        if not settings.grafana:
            return ""
        channel = card.kinds.get(asset) == "channel"
        asked = {"var-unit": card.id} | ({"var-channel": asset} if channel else {})
        board = "channel" if channel else "unit"
        return f"{settings.grafana}/d/muster-{settings.grafana_source}-{board}?{urlencode(asked)}"

    return link
