"""A report's document as sheets, topic by topic. Pure."""

# ruff: noqa: E501 - tables of Chinese headings, whose characters count twice

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from monitor.reports import sheets
from monitor.reports.look import Language, severity
from monitor.reports.period import local
from monitor.reports.sheets import Cell, Sheet, count, outlook, share, titles, verdict, words
from monitor.reports.texts import text, took, word

Document = Mapping[str, Any]
_UNIT, _NAME = ("unit", "单位编号", 16), ("name", "单位", 24)
_TONE: Mapping[str, sheets.Tone] = {
    "expired": "bad", "in_force": "warn", "requested": "none", "later": "none", "overdue": "bad",
    "reached": "good", "regressed": "bad", "drifted": "warn", "unverified": "none", "signed": "good",
    "drift": "bad", "unknown": "none", "waived": "warn", "NO_DATA": "none", "thin": "warn",
}  # fmt: skip
_SIGN = {"good": "✔", "warn": "◐", "bad": "✖", "none": "?", "": ""}


def topics(report: Document, language: Language) -> list[Sheet]:
    """Return all sheets of a report."""
    return [make(report, language) for make in TOPICS.values()]


def _named(row: Document, language: Language) -> list[Cell]:
    return words(
        row.get("unit") or row.get("id"), (row["name_zh"] if language == "zh" else "") or row["name"]
    )


def _state(group: str, key: str, language: Language) -> Cell:
    tone = _TONE.get(key, "")
    return Cell(f"{_SIGN[tone]} {word(language, group, key)}".strip(), None, tone)


def _when(stamp: str | None, report: Document) -> Cell:
    """Return a time in the report's zone with its offset."""
    if not stamp:
        return Cell("–")
    shown = local(datetime.fromisoformat(stamp).timestamp(), report["period"]["timezone"])
    return Cell(f"{shown[:10]} {shown[11:16]} {shown[19:]}")


def verdicts(report: Document, language: Language) -> Sheet:
    """Return how each unit stands."""
    found = report["verdicts"]
    columns = titles(
        language, _UNIT, _NAME, ("wave", "批次", 8), ("verdict", "结论", 16), ("before", "期初", 16),
        ("fail", "不通过", -8), ("unknown", "未知", -11), ("waived", "豁免", -8), ("pass", "通过", -8),
        ("coverage", "覆盖率", -10), ("readings", "读数", -10), ("main cause", "主要原因", 60),
        ("what to do", "处置建议", 50),
    )  # fmt: skip
    zh = "_zh" if language == "zh" else ""
    rows = [
        [
            *_named(each, language), *words(each["wave"]), verdict(each["verdict"], language),
            verdict(each["before"], language), count(each["counts"]["fail"], "bad"),
            count(each["counts"]["unknown"], "none"), count(each["counts"]["waived"], "warn"),
            count(each["counts"]["pass"]), share(each["coverage"]), count(each["readings"]),
            *words(each[f"cause{zh}"], each[f"remediation{zh}"]),
        ]
        for each in found["units"]
    ]  # fmt: skip
    note = text(
        language, "verdicts.note", units=report["units"], at=_when(report["at"], report).text,
        before=found["before_units"],
    )  # fmt: skip
    return Sheet("verdicts", text(language, "verdicts"), note, columns, rows)


def changes(report: Document, language: Language) -> Sheet:
    """Return what changed since last time."""
    found = report["verdicts"]["changes"]
    columns = titles(language, _UNIT, ("at", "时间", 26), ("before", "此前", 16), ("verdict", "结论", 16))
    rows = [
        [*words(each["unit"]), _when(each["at"], report), verdict(each["before"], language),
         verdict(each["verdict"], language)]
        for each in reversed(found)
    ]  # fmt: skip
    note, empty = text(language, "changes.note", n=len(found)), text(language, "changes.empty")
    return Sheet("changes", text(language, "changes"), note, columns, rows, empty)


def league(report: Document, language: Language) -> Sheet:
    """Return the units by time and quality."""
    columns = titles(
        language, ("time", "进度名次", -8), ("quality", "质量名次", -8), _UNIT, _NAME, ("wave", "批次", 8),
        ("verdict", "结论", 16), ("forecast", "预测", 12), ("go-live", "上线", 12),
        ("ready", "最早就绪", 12), ("slack, workdays", "余量（工作日）", -9),
        ("met", "按期里程碑", -8), ("due", "应完成里程碑", -8), ("fails", "不通过", -8),
        ("unknown", "未知", -11), ("waivers", "豁免", -8), ("regressed", "退化", 10),
        ("incidents", "事件", -9), ("repeats", "重复", -8),
    )  # fmt: skip
    rows = [_place(each, language) for each in report["league"]]
    note = text(language, "league.note", n=len(rows))
    return Sheet("league", text(language, "league"), note, columns, rows)


def _place(each: Document, language: Language) -> list[Cell]:
    return [
        count(each["time_rank"]), count(each["quality_rank"]), *_named(each, language), *words(each["wave"]),
        verdict(each["verdict"], language), outlook(each["status"], language),
        *words(each["go_live"] or "–", each["earliest_ready"] or "–"), count(each["slack"]),
        count(each["milestones_met"]), count(each["milestones_due"]), count(each["fails"], "bad"),
        count(each["unknown"], "none"), count(each["waivers"], "warn"),
        _state("sign", "regressed", language) if each["regressed"] else Cell("–"),
        count(each["incidents"]), count(each["repeats"], "warn"),
    ]  # fmt: skip


def blockers(report: Document, language: Language) -> Sheet:
    """Return what keeps units from going live, by cause."""
    found, zh = report["blockers"], "_zh" if language == "zh" else ""
    columns = titles(
        language, ("cause", "原因", 50), ("severity", "级别", 10), ("units", "单位", -8), ("rows", "项", -8),
        ("failing", "不通过", -8), ("owners", "责任人", 28), ("nobody's", "无责任人", -9),
        ("no date", "无日期", -9), ("due", "截止", 24), ("estimate, days", "工期（天）", -10),
        ("detail", "详情", 50),
    )  # fmt: skip
    rows = [
        [
            *words(each[f"text{zh}"], severity(each["severity"], language)), count(each["units"]), count(each["rows"]),
            count(each["failing"], "bad"),
            *words(", ".join(f"{one['owner']} ({one['rows']})" for one in each["owners"])),
            count(each["unowned"], "bad"), count(each["undated"], "bad"), *words(_span(each)),
            count(each["estimate_days"]), *words(each["detail"]),
        ]
        for each in found["causes"]
    ]  # fmt: skip
    note = text(language, "blockers.note", rows=found["rows"], units=found["units_open"])
    return Sheet(
        "blockers", text(language, "blockers"), note, columns, rows, text(language, "blockers.empty")
    )


def _span(each: Document) -> str:
    first, last = each["due_first"], each["due_last"]
    return "–" if not first else first if first == last else f"{first} … {last}"


def burndown(report: Document, language: Language) -> Sheet:
    """Return what was open day by day."""
    columns = titles(
        language, ("day", "日期", 12), ("open", "未决", -8), ("failing", "不通过", -8), ("unknown", "未知", -11),
        ("units", "单位", -8), ("units open", "未决单位", -10), ("judged", "已判定", -9),
    )  # fmt: skip
    names = ("open", "failing", "unknown", "units", "units_open", "judged")
    points = report["plan"]["burndown"]
    rows = [[*words(each["day"]), *(count(each[name]) for name in names)] for each in reversed(points)]
    note, empty = text(language, "burndown.note"), text(language, "burndown.empty")
    return Sheet("burndown", text(language, "burndown"), note, columns, rows, empty)


def waves(report: Document, language: Language) -> Sheet:
    """Return the waves' forecasts."""
    columns = titles(
        language, ("wave", "批次", 10), ("title", "名称", 24), ("owner", "责任人", 14), ("forecast", "预测", 12),
        ("units", "单位", -8), ("on track", "按期", -9), ("at risk", "有风险", -9), ("late", "延误", -8),
        ("go-live", "上线", 24), ("open", "未决", -8), ("nobody's", "未分派", -9),
    )  # fmt: skip
    found, zh = report["plan"]["waves"], "_zh" if language == "zh" else ""
    rows = [
        [
            *words(each["id"], each[f"title{zh}"], each["owner"]), outlook(each["status"], language),
            count(each["units"]), count(each["counts"]["on_track"]), count(each["counts"]["at_risk"], "warn"),
            count(each["counts"]["late"], "bad"),
            *words(_span({"due_first": each["go_live_first"], "due_last": each["go_live_last"]})),
            count(each["open"]), count(each["unassigned"], "bad"),
        ]
        for each in found
    ]  # fmt: skip
    note, empty = text(language, "waves.note", n=len(found)), text(language, "waves.empty")
    return Sheet("waves", text(language, "waves"), note, columns, rows, empty)


def milestones(report: Document, language: Language) -> Sheet:
    """Return each milestone's counts."""
    columns = titles(
        language, ("milestone", "里程碑", 16), ("title", "名称", 24), ("units", "单位", -8),
        ("planned", "计划", -9), ("reached", "完成", -9), ("in time", "按期", -9), ("overdue", "逾期", -9),
        ("no date", "无日期", -9),
    )  # fmt: skip
    zh = "_zh" if language == "zh" else ""
    rows = [
        [
            *words(each["id"], each[f"title{zh}"]),
            *(count(each[name]) for name in ("units", "planned", "reached", "in_time")),
            count(each["overdue"], "bad"), count(each["undated"]),
        ]
        for each in report["against_plan"]["milestones"]
    ]  # fmt: skip
    note = text(language, "milestones.note", day=report["period"]["to"][:10])
    return Sheet(
        "milestones", text(language, "milestones"), note, columns, rows, text(language, "milestones.empty")
    )


def plan(report: Document, language: Language) -> Sheet:
    """Return the milestones of the period."""
    columns = titles(
        language, _UNIT, _NAME, ("wave", "批次", 8), ("milestone", "里程碑", 24), ("due", "截止", 12),
        ("reached", "完成", 12), ("state", "状态", 12), ("workdays", "工作日", -9), ("owner", "责任人", 16),
    )  # fmt: skip
    zh = "_zh" if language == "zh" else ""
    rows = [
        [
            *_named(each, language),
            *words(each["wave"], each[f"title{zh}"], each["due"] or "–", each["reached_on"] or "–"),
            _state("state", each["state"], language), count(each["workdays"]),
            *words(each["owner"] or text(language, "nobody")),
        ]
        for each in report["against_plan"]["rows"]
    ]  # fmt: skip
    note, empty = text(language, "plan.note", n=len(rows)), text(language, "plan.empty")
    return Sheet("plan", text(language, "plan"), note, columns, rows, empty)


def links(report: Document, language: Language) -> Sheet:
    """Return what channels gave."""
    columns = titles(
        language, _UNIT, _NAME, ("channel", "链路", 12), ("check", "检查", 28), ("measure", "指标", 9),
        ("of it", "统计量", 8), ("value", "实测", -14), ("required", "需求", -14), ("contract", "合同", -14),
        ("status", "状态", 12), ("n", "n", -8), ("due", "应有", -8), ("failed", "失败", -8),
        ("missing", "缺失", -9), ("coverage", "覆盖率", -10), ("data", "数据", 12),
    )  # fmt: skip
    rows = [_link(each, language) for each in report["links"]]
    note = text(language, "links.note", since=_when(report["raw_since"], report).text)
    return Sheet("links", text(language, "links"), note, columns, rows, text(language, "links.empty"))


def _link(each: Document, language: Language) -> list[Cell]:
    unit = each["metric_unit"]
    return [
        *_named(each, language),
        *words(each["asset"], each["check"], word(language, "measure", each["measure"]), each["statistic"]),
        *(_quantity(each[name], unit) for name in ("value", "requirement", "contract")),
        sheets.status(each["status"], language), count(each["n"]), count(each["due"]),
        count(each["failed"], "bad"), count(each["missing"], "none"), share(each["coverage"]),
        _state("link", each["state"], language) if each["state"] else Cell("✔", None, "good"),
    ]  # fmt: skip


def _quantity(value: float | None, unit: str) -> Cell:
    if value is None:
        return Cell("–")
    if unit == "bit/s":
        return Cell(f"{value / 1e6:.3g} Mbit/s", value / 1e6, "", '0.00" Mbit/s"')
    return Cell(f"{value:.4g} {unit}", value, "", f'0.00" {unit}"')


def incidents(report: Document, language: Language) -> Sheet:
    """Return the incidents of the period."""
    found = report["incidents"]
    columns = titles(
        language, ("number", "编号", -8), _UNIT, _NAME, ("what", "对象", 30), ("severity", "级别", 10),
        ("worst", "最差状态", 12), ("kind", "原因", 14), ("opened", "发生", 26), ("closed", "关闭", 26),
        ("tier", "层级", -6), ("acknowledged by", "确认人", 24), ("after", "确认用时", 12),
        ("recovered after", "恢复用时", 12), ("detail", "详情", 50),
    )  # fmt: skip
    rows = [
        [
            count(each["id"]), *_named(each, language), *words(each["root"], each["severity"], each["worst"]),
            *words(each["kind"]), _when(each["opened_at"], report), _when(each["closed_at"], report),
            count(each["tier"]), *words(each["acknowledged_by"]), _span_cell(each["acknowledge_s"]),
            _span_cell(each["recover_s"]), *words(each["detail"]),
        ]
        for each in found["rows"]
    ]  # fmt: skip
    numbers = {name: found[name] for name in ("opened", "closed", "open", "repeats", "absorbed")}
    note, empty = text(language, "incidents.note", **numbers), text(language, "incidents.empty")
    return Sheet("incidents", text(language, "incidents"), note, columns, rows, empty)


def _span_cell(seconds: float | None) -> Cell:
    return Cell(took(seconds), None if seconds is None else seconds / 86_400, "", "[h]:mm:ss")


def tiers(report: Document, language: Language) -> Sheet:
    """Return how fast people responded."""
    columns = titles(
        language, ("tier", "层级", 12), ("incidents", "事件", -10), ("acknowledged, n", "已确认 n", -12),
        ("median", "中位数", -10), ("90 %", "90 分位", -10), ("longest", "最长", -10),
        ("recovered, n", "已恢复 n", -12), ("median", "中位数", -10), ("90 %", "90 分位", -10),
        ("longest", "最长", -10),
    )  # fmt: skip
    rows = [
        [
            Cell(str(each["tier"]) if each["tier"] else text(language, "untold")), count(each["incidents"]),
            count(each["acknowledged"]), *_times(each["acknowledge_s"]), count(each["recovered"]),
            *_times(each["recover_s"]),
        ]
        for each in report["incidents"]["tiers"]
    ]  # fmt: skip
    note = text(language, "tiers.note", n=report["incidents"]["opened"])
    return Sheet("tiers", text(language, "tiers"), note, columns, rows)


def _times(found: Mapping[str, float] | None) -> Iterator[Cell]:
    return (_span_cell(found[name] if found else None) for name in ("p50", "p90", "max"))


def waivers(report: Document, language: Language) -> Sheet:
    """Return the waivers, the nearest end first."""
    found = report["waivers"]
    columns = titles(
        language, ("waiver", "豁免", 10), _UNIT, ("asset", "资产", 12), ("item", "检查项", 24),
        ("state", "状态", 16), ("ends", "到期", 26), ("days left", "剩余天数", -10), ("approved by", "批准人", 24),
        ("requested by", "申请人", 24), ("reason", "理由", 36), ("risk", "风险", 36),
        ("compensating action", "补偿措施", 36),
    )  # fmt: skip
    rows = [
        [
            *words(each["id"], each["unit"], each["asset"], each["item"]),
            _state("state", each["state"], language), _when(each["expires_at"], report),
            count(each["days_left"]) if each["state"] == "in_force" else Cell("–"),
            *words(each["approved_by"], each["requested_by"], each["reason"], each["risk"]),
            *words(each["compensating_action"]),
        ]
        for each in found["rows"]
    ]  # fmt: skip
    numbers = {key: value for key, value in found.items() if key != "rows"}
    note, empty = text(language, "waivers.note", **numbers), text(language, "waivers.empty")
    return Sheet("waivers", text(language, "waivers"), note, columns, rows, empty)


def signoffs(report: Document, language: Language) -> Sheet:
    """Return who signed, and what regressed."""
    found = report["signoffs"]
    columns = titles(
        language, _UNIT, _NAME, ("state", "状态", 24), ("verdict", "签署时结论", 16), ("signed by", "签署人", 28),
        ("role", "角色", 12), ("at", "时间", 26), ("regressed items", "退化项", 40), ("digest", "摘要", 24),
    )  # fmt: skip
    rows = [
        [
            *_named(each, language), _states(each["states"], language), verdict(each["verdict"], language),
            *words(each["by"], each["role"]), _when(each["at"], report),
            *words(", ".join(each["regressed"]), each["digest"][:23]),
        ]
        for each in found["rows"]
    ]  # fmt: skip
    note = text(
        language, "signoffs.note", total=found["total"], in_period=found["in_period"], **found["states"]
    )
    return Sheet(
        "signoffs", text(language, "signoffs"), note, columns, rows, text(language, "signoffs.empty")
    )


def _states(states: list[str], language: Language) -> Cell:
    worst = next(key for key in ("regressed", "drifted", "unverified", "signed") if key in states)
    more = [word(language, "sign", each) for each in states if each not in (worst, "signed")]
    cell = _state("sign", worst, language)
    return Cell(", ".join((cell.text, *more)), None, cell.tone)


def versions(report: Document, language: Language) -> Sheet:
    """Return what differs from its release."""
    found = report["versions"]
    columns = titles(
        language, _UNIT, _NAME, ("release", "发布版本", 14), ("component", "组件", 18), ("asset", "资产", 12),
        ("state", "状态", 12), ("severity", "级别", 10), ("found", "实际", 20), ("expected", "期望", 24),
        ("detail", "详情", 40),
    )  # fmt: skip
    rows = [
        [
            *_named(each, language), *words(each["release"], each["component"], each["asset"]),
            _state("version", each["state"], language),
            *words(severity(each["severity"], language), each["found"], each["expected"], each["detail"]),
        ]
        for each in found["rows"]
    ]  # fmt: skip
    note = text(language, "versions.note", **found["units"])
    return Sheet(
        "versions", text(language, "versions"), note, columns, rows, text(language, "versions.empty")
    )


TOPICS: Mapping[str, Callable[[Document, Language], Sheet]] = {
    each.__name__: each
    for each in (
        verdicts, changes, league, blockers, burndown, waves, milestones, plan, links, incidents, tiers, waivers,
        signoffs, versions,
    )
}  # fmt: skip
