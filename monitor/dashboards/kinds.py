"""What each kind of panel looks like where nothing else is said: options, drawing, colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grafana_foundation_sdk.models import dashboard as grafana

from monitor.dashboards.model import Panel

TOOLTIP = {"mode": "multi", "sort": "desc"}
LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
TABLE_LEGEND = {
    "displayMode": "table",
    "placement": "bottom",
    "showLegend": True,
    "calcs": ["lastNotNull", "max"],
}
REDUCE = {"calcs": ["lastNotNull"], "fields": "", "values": False}
BAR = {"orientation": "horizontal", "reduceOptions": REDUCE}

OPTIONS: Mapping[str, dict[str, Any]] = {
    "timeseries": {"legend": TABLE_LEGEND, "tooltip": TOOLTIP},
    "stat": {
        **BAR,
        "orientation": "auto",
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value_and_name",
        "justifyMode": "center",
        "wideLayout": True,
    },
    "bargauge": {
        **BAR,
        "displayMode": "basic",
        "valueMode": "text",
        "showUnfilled": True,
        "namePlacement": "auto",
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 32,
        "legend": {**LEGEND, "showLegend": False},
    },
    "status-history": {
        "showValue": "auto",
        "rowHeight": 0.9,
        "colWidth": 0.95,
        "legend": LEGEND,
        "tooltip": TOOLTIP,
        "perPage": 40,
    },
    "state-timeline": {
        "showValue": "auto",
        "rowHeight": 0.9,
        "mergeValues": True,
        "alignValue": "left",
        "legend": LEGEND,
        "tooltip": TOOLTIP,
        "perPage": 30,
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
    "barchart": {
        "orientation": "horizontal",
        "showValue": "always",
        "stacking": "none",
        "barWidth": 0.8,
        "groupWidth": 0.8,
        "xTickLabelRotation": 0,
        "xTickLabelSpacing": 0,
        "fullHighlight": False,
        "legend": {**LEGEND, "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    },
}
CUSTOM: Mapping[str, dict[str, Any]] = {
    "timeseries": {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "auto",
        "pointSize": 4,
        "spanNulls": False,
    },
    "status-history": {"fillOpacity": 80, "lineWidth": 1},
    "state-timeline": {"fillOpacity": 80, "lineWidth": 0},
    "table": {"align": "auto", "inspect": True, "filterable": True},
    "barchart": {"fillOpacity": 80, "lineWidth": 1},
}


def options(panel: Panel) -> dict[str, object]:
    """Return the options of a panel."""
    if panel.kind == "text":
        return {"mode": "markdown", "content": panel.text}
    return {**OPTIONS.get(panel.kind, {}), **panel.options}


def custom(panel: Panel) -> dict[str, object]:
    """Return how a panel draws: a line across where a threshold is."""
    found = dict(CUSTOM.get(panel.kind, {}))
    if panel.kind == "timeseries" and panel.scale.steps:
        found["thresholdsStyle"] = {"mode": "dashed"}
    return found


def color(panel: Panel) -> grafana.FieldColor | None:
    """Return what colours mean: states where there are any, else only which line is which."""
    if panel.kind == "text":
        return None
    if panel.kind in ("timeseries", "barchart"):
        return grafana.FieldColor(mode=grafana.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
    return grafana.FieldColor(mode=grafana.FieldColorModeId.THRESHOLDS)
