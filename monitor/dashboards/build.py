"""Makes Grafana's JSON of a dashboard, with the types of grafana-foundation-sdk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, prometheus
from grafana_foundation_sdk.models import dashboard as grafana

from monitor.dashboards import kinds
from monitor.dashboards.look import MAPPINGS, SHADOWED
from monitor.dashboards.model import WIDE, Ask, Board, Panel, Scale, Source, Variable

TYPES = {
    Source.PROMETHEUS: "prometheus", Source.VICTORIAMETRICS: "prometheus", Source.INFLUX: "influxdb"
}  # fmt: skip
MUSTER = "http://127.0.0.1:8787"
LETTERS = "ABCDEFGHIJ"
TABLES = ("table", "geomap", "barchart")
INTERVAL = "1m"
LABEL_VALUES = 1
"""What Grafana calls a query of a variable that asks for the values of a label."""
OF_INTERVALS = ("auto", "auto_min", "auto_count")
"""What only variables of intervals have, and the SDK gives to all."""


class Flux(Dataquery):
    """A query in Flux: the SDK has none."""

    def __init__(self, ref_id: str, query: str, datasource: common.DataSourceRef) -> None:
        self.ref_id, self.query, self.datasource = ref_id, query, datasource

    def to_json(self) -> dict[str, object]:
        """Return it as the data source keeps it."""
        return {"refId": self.ref_id, "query": self.query, "datasource": self.datasource}


def uid(board: str, source: Source) -> str:
    """Return the id of a dashboard, the same in every Grafana."""
    return f"muster-{source.value}-{board}"


def text(board: Board, source: Source) -> str:
    """Return a dashboard's file."""
    whole = json.loads(json.dumps(made(board, source), cls=JSONEncoder))
    for variable in whole["templating"]["list"]:
        for name in OF_INTERVALS:
            variable.pop(name, None)
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def made(board: Board, source: Source) -> grafana.Dashboard:
    """Return a dashboard."""
    return grafana.Dashboard(
        uid=uid(board.key, source),
        title=f"Muster: {board.title}",
        description=board.about,
        tags=["muster", source.value],
        timezone="browser",
        editable=True,
        graph_tooltip=grafana.DashboardCursorSync.CROSSHAIR,
        time=grafana.DashboardDashboardTime(from_val=board.span, to="now"),
        refresh="1m",
        panels=list(_placed(board.panels, source)),
        templating=grafana.DashboardDashboardTemplating(list_val=list(_variables(board, source))),
        annotations=grafana.AnnotationContainer(
            list_val=[_annotation(each, source) for each in board.annotations]
        ),
        links=list(_links(source)),
    )


def _ref(source: Source) -> common.DataSourceRef:
    return common.DataSourceRef(type_val=TYPES[source], uid="${datasource}")


def _placed(panels: Sequence[Panel], source: Source) -> Iterator[grafana.Panel]:
    """Yield panels from left to right, in rows as high as their highest."""
    x = y = high = 0
    for number, panel in enumerate((each for each in panels if each.shown_in(source)), start=1):
        width, height = panel.size
        if x + width > WIDE:
            x, y, high = 0, y + high, 0
        made_ = _panel(panel, source)
        made_.id_val, made_.grid_pos = number, grafana.GridPos(h=height, w=width, x=x, y=y)
        x, high = x + width, max(high, height)
        yield made_


def _panel(panel: Panel, source: Source) -> grafana.Panel:
    asks = panel.asks_of(source)
    links: list[Any] = [_page(panel.link)] if panel.link else []
    config = grafana.FieldConfig(
        unit=panel.scale.unit(source) if asks else None,
        mappings=_mapped(panel.scale),
        thresholds=_thresholds(panel.scale, source),
        color=kinds.color(panel),
        custom={**kinds.custom(panel), **panel.custom} or None,
        links=links or None,
        no_value="no data" if asks else None,
        display_name=_displayed(asks[0].name) if len(asks) == 1 and panel.kind not in TABLES else None,
    )
    return grafana.Panel(
        type_val=panel.kind,
        title=panel.title,
        description=panel.about or None,
        datasource=_ref(source) if asks else None,
        targets=[_query(ask, letter, panel, source) for ask, letter in zip(asks, LETTERS, strict=False)],
        transformations=list(_transformed(panel, asks, source)),
        field_config=grafana.FieldConfigSource(
            defaults=config, overrides=list(_overrides(panel, asks, source))
        ),
        options=kinds.options(panel),
        interval=INTERVAL if panel.kind in ("status-history", "state-timeline") else None,
    )


def _displayed(name: str) -> str:
    """Return a name with labels in it as Grafana writes them in a field's display name."""
    return re.sub(r"\{\{(\w+)\}\}", r"${__field.labels.\1}", name)


def _query(ask: Ask, letter: str, panel: Panel, source: Source) -> Dataquery:
    if source is Source.INFLUX:
        return Flux(letter, ask.flux, _ref(source))
    tabular = panel.kind in TABLES
    return prometheus.Dataquery(
        ref_id=letter,
        expr=ask.of(source),
        legend_format=ask.name,
        instant=True if tabular else None,
        range_val=None if tabular else True,
        format_val=prometheus.PromQueryFormat.TABLE if tabular else prometheus.PromQueryFormat.TIME_SERIES,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=_ref(source),
    )


def _transformed(
    panel: Panel, asks: Sequence[Ask], source: Source
) -> Iterator[grafana.DataTransformerConfig]:
    """Yield what makes one table of several answers, with the names of its columns."""
    if panel.kind not in TABLES:
        return
    if len(asks) > 1:
        how = {"byField": panel.key, "mode": "outer"}
        yield grafana.DataTransformerConfig(id_val="joinByField", options=how)
    if source is not Source.INFLUX:
        several = len(asks) > 1
        renamed = {
            f"Value #{letter}" if several else "Value": ask.name
            for ask, letter in zip(asks, LETTERS, strict=False)
        }
        yield grafana.DataTransformerConfig(id_val="organize", options={"renameByName": renamed})
    names = [*dict.fromkeys((panel.key, *panel.columns, *(ask.name for ask in asks)))]
    yield grafana.DataTransformerConfig(
        id_val="filterFieldsByName", options={"include": {"names": [each for each in names if each]}}
    )
    order = {each: place for place, each in enumerate(names)}
    yield grafana.DataTransformerConfig(id_val="organize", options={"indexByName": order})


def _overrides(
    panel: Panel, asks: Sequence[Ask], source: Source
) -> Iterator[grafana.DashboardFieldConfigSourceOverrides]:
    for ask, letter in zip(asks, LETTERS, strict=False):
        properties = ask.drawn(source)
        if len(asks) > 1 and panel.kind not in TABLES:
            properties["displayName"] = _displayed(ask.name)
        if properties:
            yield _override("byFrameRefID", letter, properties)
    for name, scale in panel.scales.items():
        found: dict[str, object] = {"unit": scale.unit(source)}
        if scale.mapping:
            found["mappings"] = _mapped(scale)
        if scale.steps:
            found["thresholds"] = _thresholds(scale, source)
        if panel.kind == "table" and (scale.mapping or scale.steps):
            found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        yield _override("byName", name, found)


def _override(
    matcher: str, options: str, properties: dict[str, object]
) -> grafana.DashboardFieldConfigSourceOverrides:
    return grafana.DashboardFieldConfigSourceOverrides(
        matcher=grafana.MatcherConfig(id_val=matcher, options=options),
        properties=[grafana.DynamicConfigValue(id_val=key, value=value) for key, value in properties.items()],
    )


def _mapped(scale: Scale) -> list[grafana.ValueMapping] | None:
    words = MAPPINGS.get(scale.mapping)
    if words is None:
        return None
    results = {
        number: grafana.ValueMappingResult(text=word, color=color, index=place)
        for place, (number, (word, color)) in enumerate(words.items())
    }
    return [grafana.ValueMap(options=results)]


def _thresholds(scale: Scale, source: Source) -> grafana.ThresholdsConfig:
    found = [grafana.Threshold(value=each.value, color=each.color) for each in scale.steps_of(source)]
    return grafana.ThresholdsConfig(
        mode=grafana.ThresholdsMode.ABSOLUTE, steps=found or [grafana.Threshold(value=None, color=SHADOWED)]
    )


def _page(path: str) -> dict[str, object]:
    return {"title": "Show it in Muster", "url": "${muster}" + path, "targetBlank": True}


def _variables(board: Board, source: Source) -> Iterator[grafana.VariableModel]:
    yield grafana.VariableModel(
        type_val=grafana.VariableType.DATASOURCE, name="datasource", label="Data source", query=TYPES[source]
    )
    for each in board.variables:
        yield _variable(each, source)
    yield grafana.VariableModel(
        type_val=grafana.VariableType.TEXTBOX,
        name="muster",
        label="Muster",
        description="The address of Muster's own pages.",
        query=MUSTER,
        current=grafana.VariableOption(text=MUSTER, value=MUSTER),
    )


def _variable(each: Variable, source: Source) -> grafana.VariableModel:
    query: str | dict[str, object] = each.flux
    if source is not Source.INFLUX:
        query = {
            "qryType": LABEL_VALUES,
            "query": each.prom,
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        }
    return grafana.VariableModel(
        type_val=grafana.VariableType.QUERY,
        name=each.name,
        label=each.label,
        datasource=_ref(source),
        query=query,
        refresh=grafana.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=grafana.VariableSort.ALPHABETICAL_ASC,
        multi=each.several,
        include_all=each.several,
        all_value=".*" if each.several else None,
        current=grafana.VariableOption(text="All", value="$__all") if each.several else None,
    )


def _annotation(ask: Ask, source: Source) -> grafana.AnnotationQuery:
    common_: dict[str, Any] = {"name": ask.name, "datasource": _ref(source), "enable": True}
    common_["icon_color"] = SHADOWED if ask.name == "Maintenance" else "#D55E00"
    if source is Source.INFLUX:
        query = Flux("Anno", ask.flux, _ref(source))
        return grafana.AnnotationQuery(**common_, target=query)
    query_ = prometheus.Dataquery(ref_id="Anno", expr=ask.prom, datasource=_ref(source))
    return grafana.AnnotationQuery(
        **common_, expr=ask.prom, target=query_, title_format=ask.name, text_format="{{unit}} {{scope}}"
    )


def _links(source: Source) -> Iterator[grafana.DashboardLink]:
    yield grafana.DashboardLink(
        title="Muster's dashboards", type_val=grafana.DashboardLinkType.DASHBOARDS, icon="external link",
        tags=["muster", source.value], as_dropdown=True, include_vars=True, keep_time=True,
    )  # fmt: skip
    yield grafana.DashboardLink(
        title="Muster", type_val=grafana.DashboardLinkType.LINK, icon="external link", url="${muster}/",
        tooltip="The board of Muster itself", target_blank=True,
    )  # fmt: skip
