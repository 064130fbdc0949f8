"""The board, the API and /metrics: what the daemon shows. Only people's POSTs change anything."""

from __future__ import annotations

from monitor.process.listening import CannotListen
from monitor.web.app import build, serving
from monitor.web.view import OwnMetric, Series, View

__all__ = ["CannotListen", "OwnMetric", "Series", "View", "build", "serving"]
