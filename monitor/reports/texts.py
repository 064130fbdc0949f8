"""What reports say besides their figures, in English and Chinese. Pure."""

# ruff: noqa: E501 - a table of Chinese texts, whose characters count twice

from __future__ import annotations

from collections.abc import Mapping

from monitor.reports.look import Language

TEXTS: Mapping[str, tuple[str, str]] = {
    "kind.daily": ("Daily report", "日报"), "kind.weekly": ("Weekly report", "周报"), "kind.monthly": ("Monthly report", "月报"),
    "title": ("{kind}, {scope}, {day}", "{kind}，{scope}，{day}"),
    "all": ("all units", "全部单位"),
    "lead": ("Of {units} units {ready} are ready for {gate}; not ready: {bad}, unknown: {unknown}.", "{gate} 关口：{units} 个单位中 {ready} 个就绪，{bad} 个未就绪，{unknown} 个无法判定。"),
    "lead.cause": ("What keeps most of them: {text}.", "最主要的原因：{text}。"),
    "lead.late": ("Late: {late}, at risk: {risk}.", "{late} 个延误，{risk} 个有风险。"),
    "period": ("Period", "统计期"), "period.is": ("from {from} until {to}, {timezone}", "{from} 至 {to}，时区 {timezone}"),
    "inventory": ("Inventory", "台账摘要"), "checklists": ("Checklists", "检查表摘要"),
    "checklist.is": ("{id} {digest} ({units} units)", "{id} {digest}（{units} 个单位）"),
    "none": ("none", "无"),
    "readings": ("Readings", "读数"), "readings.is": ("{n} readings decide the items judged; raw readings since {since}", "判定依据共 {n} 条读数；原始读数自 {since} 起"),
    "actors": ("Names of people", "人员姓名"), "actors.is": ("as the operating system says (unauthenticated)", "操作系统用户名（未经认证）"),
    "verdicts": ("Verdicts", "结论"),
    "verdicts.note": ("{units} units judged at {at}; readings: how many decide a unit's items; before: at the period's beginning, known of {before} units", "{units} 个单位，判定时间 {at}；读数：判定该单位所依据的读数条数；期初：统计期开始时的结论，已知 {before} 个单位"),
    "changes": ("Changes", "变化"), "changes.note": ("{n} changes of verdicts in the period, as the daemon judged", "统计期内结论变化 {n} 次"),
    "changes.empty": ("No verdict changed in the period, as far as the daemon judged.", "统计期内结论没有变化。"),
    "league": ("League", "排行"), "league.note": ("{n} units; on time: forecast, milestones met, slack; quality: regressions, verdict, fails, unknown, repeated incidents, waivers. Units that are alike share a rank; nothing is added up", "{n} 个单位；进度：预测、里程碑、余量；质量：退化、结论、不通过、未知、重复事件、豁免。相同者并列，不计总分"),
    "blockers": ("Blockers", "阻断原因"), "blockers.note": ("{rows} open blockers and majors of {units} units, by cause", "{units} 个单位的 {rows} 项未决否决项与重要项，按原因归类"),
    "blockers.empty": ("No blocker and no major is open.", "没有未决的否决项或重要项。"),
    "burndown": ("Burn-down", "燃尽"), "burndown.note": ("open blockers and majors at each day's end; judged: units that were judged on the day", "每日结束时未决的否决项与重要项；已判定：当日判定的单位数"),
    "burndown.empty": ("No day was kept yet.", "尚无每日记录。"),
    "plan": ("Plan against actual", "计划与实际"), "plan.note": ("milestones due or reached in the period, and those overdue; {n} rows", "统计期内到期或完成的里程碑及逾期项，共 {n} 行"),
    "plan.empty": ("No milestone was due, reached or overdue.", "没有到期、完成或逾期的里程碑。"),
    "milestones": ("Milestones", "里程碑"), "milestones.note": ("until {day}; planned: due by then; in time: reached by their due date", "截至 {day}；计划：应完成；按期：在截止日前完成"),
    "milestones.empty": ("No milestones.", "没有里程碑。"),
    "waves": ("Waves", "批次"), "waves.note": ("forecast of {n} waves", "{n} 个批次的预测"), "waves.empty": ("No unit is of a wave.", "没有批次。"),
    "links": ("Link quality", "链路质量"), "links.note": ("readings since {since}: rtt the 95th percentile, rates the 5th, loss the mean of the readings that were ok (n); due: readings that should have come; failed and missing ones are no part of the figure; NO_DATA: none came; thin: less than 90 % of those due were measured. The status is that of the checklist's items", "读数自 {since} 起：时延取 95 分位，速率取 5 分位，丢包取成功读数（n）的均值；应有：应到读数；失败与缺失不计入数值；无数据：没有读数；偏少：测得不足应有的 90 %。状态以检查项为准"),
    "links.empty": ("No unit in scope has a channel.", "范围内没有链路。"),
    "incidents": ("Incidents", "事件"), "incidents.note": ("{opened} opened, {closed} closed, {open} open at the end; {repeats} of the opened are repeats; {absorbed} consequences of others are left out", "新发生 {opened}，关闭 {closed}，期末未关闭 {open}；重复 {repeats}；另有 {absorbed} 个属其他事件的后果，未计入"),
    "incidents.empty": ("No incident was open in the period.", "统计期内没有事件。"),
    "tiers": ("Response times", "响应时间"), "tiers.note": ("of {n} incidents opened in the period, by the highest tier that was told; until acknowledged: from opened; until recovered: from the first bad reading. n of each stands beside it", "统计期内发生的 {n} 个事件，按已通知的最高层级；确认用时自事件发生起；恢复用时自首个异常读数起；n 为样本数"),
    "waivers": ("Waivers", "豁免"), "waivers.note": ("{in_force} in force, {expiring} of them end within {within_days} days; {requested} wait for an approver; {expired} ran out in the period", "生效 {in_force}，其中 {within_days} 日内到期 {expiring}；待批准 {requested}；统计期内到期 {expired}"),
    "waivers.empty": ("There is no waiver.", "没有豁免。"),
    "signoffs": ("Sign-offs", "签署"), "signoffs.note": ("{total} units are signed, {in_period} of them in the period; regressed {regressed}, drifted {drifted}, unverified {unverified}", "已签署 {total} 个单位，其中统计期内 {in_period}；退化 {regressed}，变更 {drifted}，未能核实 {unverified}"),
    "signoffs.empty": ("No unit is signed.", "没有已签署的单位。"),
    "versions": ("Versions", "版本"), "versions.note": ("of units: {drift} drift, {unknown} unknown, {waived} waived, {released} as released, {unassigned} without a release", "单位：偏离 {drift}，未知 {unknown}，豁免 {waived}，符合 {released}，未指定版本 {unassigned}"),
    "versions.empty": ("Nothing differs from its release.", "没有偏离发布版本的组件。"),
    "items": ("Items", "检查项"), "items.note": ("{n} items; one row an item and asset", "{n} 行；每行一个检查项与资产"), "items.empty": ("No item is asked.", "没有检查项。"),
    "check": ("Readiness, gate {gate}", "就绪检查，关口 {gate}"), "check.lead": ("{text}", "{text}"),
    "check.mode": ("Run", "检查方式"), "mode.fresh": ("probed now", "实时探测"), "mode.stored": ("by what is stored", "已存数据"),
    "check.units": ("Units", "单位"), "check.units.note": ("{n} units", "{n} 个单位"),
    "finished": ("Finished", "完成时间"),
    "state.in_force": ("in force", "生效"), "state.expired": ("expired", "已到期"), "state.requested": ("waits for approval", "待批准"), "state.later": ("begins later", "尚未生效"),
    "state.reached": ("reached", "已完成"), "state.overdue": ("overdue", "已逾期"), "state.due": ("due", "待完成"), "state.undated": ("no date", "无日期"),
    "sign.signed": ("signed", "已签署"), "sign.regressed": ("regressed", "退化"), "sign.drifted": ("drifted", "变更"), "sign.unverified": ("unverified", "未能核实"),
    "version.drift": ("drift", "偏离"), "version.unknown": ("unknown", "未知"), "version.waived": ("waived", "已豁免"), "version.released": ("as released", "符合"),
    "link.NO_DATA": ("NO_DATA", "无数据"), "link.thin": ("thin", "偏少"), "nobody": ("nobody", "无人"), "untold": ("nobody told", "未通知"),
    "measure.rtt": ("rtt", "时延"), "measure.loss": ("loss", "丢包"), "measure.up": ("up", "上行"), "measure.down": ("down", "下行"),
}  # fmt: skip


def text(language: Language, key: str, **values: object) -> str:
    """Return a text with its values put in; values are never read as texts themselves."""
    found = TEXTS[key][language == "zh"]
    return found.format(**values) if values else found


def word(language: Language, group: str, key: str | None) -> str:
    """Return the word for a key of a group; what is not known stays as it is."""
    found = TEXTS.get(f"{group}.{key}")
    return found[language == "zh"] if found else key or ""


def took(seconds: float | None) -> str:
    """Return a span as people write it: `42 s`, `12 min`, `3.5 h`, `2.1 d`; "–" for none."""
    if seconds is None:
        return "–"
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
