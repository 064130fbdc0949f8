"""The dashboards against Grafana's own types: every panel, its options and the way it draws."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards.noded import modules, node
from tests.dashboards.shown import SOURCES, dashboards

KINDS = {
    "barchart": ("BarChart", "BarChartPanelCfg"), "bargauge": ("BarGauge", "BarGaugePanelCfg"),
    "geomap": ("Geomap", "GeomapPanelCfg"), "stat": ("Stat", "StatPanelCfg"),
    "state-timeline": ("StateTimeline", "StateTimelinePanelCfg"),
    "status-history": ("StatusHistory", "StatusHistoryPanelCfg"), "table": ("Table", "TablePanelCfg"),
    "text": ("Text", "TextPanelCfg"), "timeseries": ("TimeSeries", "TimeSeriesPanelCfg"),
}  # fmt: skip
DRAWN = ("barchart", "state-timeline", "status-history", "timeseries")
"""Kinds that have types for `custom`."""
LOOSE = """
type Loose<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Array<Loose<U>> : T extends object ? { [K in keyof T]: Loose<T[K]> } : T;
"""
"""Enumerations as JSON has them: their texts."""


def module(kind: str) -> str:
    """Return the module of a kind's types."""
    where = f"@grafana/schema/dist/esm/raw/composable/{kind.replace('-', '')}/panelcfg/x"
    return f"{where}/{KINDS[kind][1]}_types.gen"


def _imported(kind: str) -> str:
    name = KINDS[kind][0]
    custom = f", FieldConfig as {name}Custom" if kind in DRAWN else ""
    return f"import type {{ Options as {name}Options{custom} }} from '{module(kind)}';"


def program(boards: dict[str, dict[str, Any]]) -> str:
    """Return a program that holds every part of the dashboards against its type."""
    lines = [
        "import type { Dashboard, Panel, FieldConfigSource, VariableModel } from '@grafana/schema';",
        *(_imported(kind) for kind in KINDS),
        LOOSE,
    ]
    for key, board in copy.deepcopy(boards).items():
        parts = ("panels", "templating")
        whole = {name: value for name, value in board.items() if name not in parts}
        for note in whole["annotations"]["list"]:
            for name in ("target", "expr", "titleFormat", "textFormat"):
                note.pop(name, None)  # of the data source's own type
        lines.append(f"export const {key}: Partial<Loose<Dashboard>> = {json.dumps(whole)};")
        for number, variable in enumerate(board["templating"]["list"]):
            typed = f"{key}_v{number}: Loose<VariableModel>"
            lines.append(f"export const {typed} = {json.dumps(variable)};")
        for panel in board["panels"]:
            lines += _panel(f"{key}_{panel['id']}", panel)
    return "\n".join(lines)


def _panel(key: str, panel: dict[str, Any]) -> list[str]:
    kind, name = panel["type"], KINDS[panel["type"]][0]
    plain = {part: value for part, value in panel.items() if part not in ("options", "fieldConfig")}
    fields = panel["fieldConfig"]
    found = [
        f"export const {key}: Partial<Loose<Panel>> = {json.dumps(plain)};",
        f"export const {key}_o: Partial<Loose<{name}Options>> = {json.dumps(panel.get('options') or {})};",
        f"export const {key}_f: Loose<FieldConfigSource<any>> = {json.dumps(fields)};",
    ]
    if kind in DRAWN:
        custom = fields["defaults"].get("custom", {})
        found.append(f"export const {key}_c: Loose<{name}Custom> = {json.dumps(custom)};")
    return found


def compile_(directory: Path, text: str) -> str:
    """Return what the compiler says of a program; nothing where it is well."""
    packages = modules()
    (directory / "node_modules").symlink_to(packages)
    (directory / "check.ts").write_text(text, "utf-8")
    options = {
        "strict": True, "noEmit": True, "skipLibCheck": True, "module": "preserve",
        "moduleResolution": "bundler",
        "target": "es2022", "types": [], "lib": ["es2022", "dom"],
    }  # fmt: skip
    settings = {"compilerOptions": options, "files": ["check.ts"]}
    (directory / "tsconfig.json").write_text(json.dumps(settings), "utf-8")
    compiler = packages / "typescript" / "lib" / "tsc.js"
    script = f"process.argv.push('-p', {json.dumps(str(directory))}); require({json.dumps(str(compiler))});"
    (directory / "run.cjs").write_text(
        f"process.exitCode = 0; process.on('exit', () => {{ process.exitCode = 0; }}); {script}", "utf-8"
    )
    return node(directory / "run.cjs")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("source", SOURCES)
def test_every_panel_is_of_grafanas_types(tmp_path: Path, source: str) -> None:
    found = compile_(tmp_path, program(dashboards(source)))
    assert not found, found[:3000]


@pytest.mark.timeout(300)
def test_the_compiler_would_find_what_is_wrong(tmp_path: Path) -> None:
    board = json.loads(json.dumps(dashboards("prometheus")["readiness"]))
    stat = next(each for each in board["panels"] if each["type"] == "stat")
    stat["options"]["colorMode"] = "rainbow"
    stat["gridPos"]["w"] = "wide"
    series = next(each for each in board["panels"] if each["type"] == "timeseries")
    series["fieldConfig"]["defaults"]["custom"]["fillOpacty"] = 3
    board["templating"]["list"][1]["refresh"] = "always"
    found = compile_(tmp_path, program({"readiness": board}))
    assert found.count("error TS") == 4, found
