"""Every word a mail consists of, in each language: one table."""

from __future__ import annotations

from collections.abc import Mapping

SIGNS = {"OK": "✔", "DEGRADED": "◐", "DOWN": "✖", "UNKNOWN": "?", "SHADOWED": "⋯"}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject.opened": "{sign} {state}: {unit}, {what}, {cause}",
        "subject.worse": "{sign} now {state}: {unit}, {what}, {cause}",
        "subject.residual": "{sign} partly back: {unit}, {what} serves again, {left} still failing",
        "subject.escalated": "{sign} unacknowledged for {waited}, {state}: {unit}, {what}, {cause}",
        "subject.reminder": "{sign} still {state} after {lasted}: {unit}, {what}, {cause}",
        "subject.closed": "{sign} OK again: {unit}, {what}, was {worst} ({cause}) for {lasted}",
        "subject.by_hand": "{sign} closed by hand: {unit}, {what}, {state} ({cause}) for {lasted}",
        "subject.removed": "{sign} no longer watched: {unit}, {what}, was {worst} ({cause})",
        "lead.opened": "{unit}: {what} is {state}: {cause}.",
        "lead.worse": "{unit}: {what} got worse and is now {state}: {cause}.",
        "lead.residual": "{unit}: {what} serves again. Of what lay behind it, {left} still failing.",
        "lead.escalated": "{unit}: {what} is {state}: {cause}. Nobody has acknowledged it for {waited}, so "
        "it goes to tier {tier} now.",
        "lead.reminder": "{unit}: {what} is still {state} after {lasted}: {cause}.",
        "lead.closed": "{unit}: {what} is OK again. It was {worst} ({cause}) for {lasted}.",
        "lead.by_hand": "{unit}: somebody closed this incident. As far as Muster knows, {what} is still "
        "{state} ({cause}); where that goes on, a new incident opens.",
        "lead.removed": "{unit}: {what} was taken out of the inventory while it was {state}. This is the "
        "last mail about it; it does not say that the fault is gone.",
        "lead.below.opened": "The channels of {units} below {unit} fail together. The cause lies at {unit} "
        "or on the way to it.",
        "lead.isolated.opened": "Muster itself is cut off: none of its witnesses answers. Until that ends, "
        "no failure is counted and no unit is blamed.",
        "lead.isolated.closed": "Muster reaches its witnesses again. It was cut off for {lasted}; for this "
        "time no failure of any unit is counted.",
        "what.below": "link to {units} below",
        "what.unit": "the unit as a whole",
        "what.isolated": "its own line",
        "monitor": "Muster",
        "units.one": "1 unit",
        "units.many": "{n} units",
        "units.least": "at least {n} units",
        "left.one": "1 is",
        "left.many": "{n} are",
        "label.unit": "Unit",
        "label.check": "Check",
        "label.asset": "Asset",
        "label.target": "Target",
        "label.state": "State",
        "label.severity": "Severity",
        "label.cause": "Cause",
        "label.detail": "Detail",
        "label.required": "Required",
        "label.began": "Since",
        "label.decided": "Decided by the run of",
        "label.ended": "Until",
        "label.lasted": "Lasted",
        "label.acked": "Acknowledged",
        "label.incident": "Incident",
        "label.previous": "Before it",
        "previous": "incident {id}, closed less than an hour earlier",
        "acked": "by {who}, until {until}",
        "acked.comment": "by {who}, until {until}: {comment}",
        "acked.open": "until it is over",
        "title.members": "Affected ({n})",
        "title.left": "Still failing ({n})",
        "title.steps": "What to do",
        "title.answer": "Acknowledge",
        "more": "and {n} more",
        "answer.command": "on the server: {command}",
        "answer.link": "Open incident {id}",
        "answer.page": "or on its page: {link}",
        "picture.alt": "{metric} of {check} from {start} to {end}, with the span of the incident",
        "picture.required": "{alt}, and what is required: {required}",
        "step.isolated": "Check the line, the switch port and the name service of the machine that Muster "
        "runs on, then its witnesses.",
        "step.inferred": "Look at the line and the router that these have in common; it is not measured "
        "itself, or answers while those behind it don't.",
        "step.undecided": "Whether this or something above it is the cause could not be told: check both.",
        "foot.open": "One more mail follows when it is over, and one if it gets worse.",
        "foot.closed": "This is the final state of incident {id}.",
        "colon": ": ",
        "comma": ", ",
        "state.OK": "OK",
        "state.DEGRADED": "DEGRADED",
        "state.DOWN": "DOWN",
        "state.UNKNOWN": "UNKNOWN",
        "state.SHADOWED": "SHADOWED",
        "kind.unreachable": "unreachable",
        "kind.refused": "connection refused",
        "kind.timeout": "no answer in time",
        "kind.tls": "TLS fails",
        "kind.protocol": "answers wrongly",
        "kind.expectation": "not as expected",
        "kind.auth": "login refused",
        "kind.dns": "name does not resolve",
        "kind.flapping": "unsteady",
        "kind.silent": "not measured any more",
        "kind.not_measured": "value not reported",
        "kind.prober_error": "could not be measured",
        "kind.missing_driver": "driver missing",
        "kind.permission": "permission missing",
        "kind.inconclusive": "inconclusive",
        "kind.inferred": "they fail together",
        "kind.degradation": "worse than usual",
        "kind.undecided": "cause not decided",
        "kind.isolated": "no witness answers",
        "kind.overload": "monitor overloaded",
        "severity.critical": "critical",
        "severity.warning": "warning",
        "severity.info": "info",
        "unit.s": "{n} s",
        "unit.min": "{n} min",
        "unit.h": "{n} h",
        "unit.d": "{n} d",
    },
    "zh": {
        "subject.opened": "{sign} {state}：{unit}，{what}，{cause}",
        "subject.worse": "{sign} 已恶化为{state}：{unit}，{what}，{cause}",
        "subject.residual": "{sign} 部分恢复：{unit}，{what} 已恢复，{left}仍有故障",
        "subject.escalated": "{sign} {waited}无人确认，{state}：{unit}，{what}，{cause}",
        "subject.reminder": "{sign} {lasted}后仍为{state}：{unit}，{what}，{cause}",
        "subject.closed": "{sign} 已恢复正常：{unit}，{what}，此前{worst}（{cause}），持续 {lasted}",
        "subject.by_hand": "{sign} 已人工关闭：{unit}，{what}，{state}（{cause}），持续 {lasted}",
        "subject.removed": "{sign} 不再监测：{unit}，{what}，此前{worst}（{cause}）",
        "lead.opened": "{unit}：{what} 当前状态为{state}：{cause}。",
        "lead.worse": "{unit}：{what} 情况恶化，当前状态为{state}：{cause}。",
        "lead.residual": "{unit}：{what} 已恢复。受其影响的项目中，{left}仍有故障。",
        "lead.escalated": "{unit}：{what} 当前状态为{state}：{cause}。"
        "已有 {waited}无人确认，现升级至第 {tier} 级。",
        "lead.reminder": "{unit}：{what} 在 {lasted}后仍为{state}：{cause}。",
        "lead.closed": "{unit}：{what} 已恢复正常。此前状态为{worst}（{cause}），持续 {lasted}。",
        "lead.by_hand": "{unit}：此事件已被人工关闭。就 Muster 所知，{what} 仍为{state}（{cause}）；"
        "若问题持续，将产生新的事件。",
        "lead.removed": "{unit}：{what} 已从清单中删除，删除时状态为{state}。"
        "这是关于它的最后一封邮件，并不表示故障已经消除。",
        "lead.below.opened": "{unit}下属{units}的通道同时故障，原因应在{unit}或通往{unit}的线路上。",
        "lead.isolated.opened": "Muster 自身与外界断开：所有见证点均无应答。"
        "在此期间不计任何失败，也不判定任何单位故障。",
        "lead.isolated.closed": "Muster 已恢复与见证点的连接。"
        "断开持续 {lasted}，此期间任何单位的失败均不计入。",
        "what.below": "通往下属{units}的线路",
        "what.unit": "整个单位",
        "what.isolated": "自身线路",
        "monitor": "Muster",
        "units.one": " 1 个单位",
        "units.many": " {n} 个单位",
        "units.least": "至少 {n} 个单位",
        "left.one": "1 项",
        "left.many": "{n} 项",
        "label.unit": "单位",
        "label.check": "检查项",
        "label.asset": "资产",
        "label.target": "目标",
        "label.state": "状态",
        "label.severity": "紧急程度",
        "label.cause": "原因",
        "label.detail": "详情",
        "label.required": "要求",
        "label.began": "开始时间",
        "label.decided": "判定依据的检测时间",
        "label.ended": "结束时间",
        "label.lasted": "持续时长",
        "label.acked": "已确认",
        "label.incident": "事件编号",
        "label.previous": "前一事件",
        "previous": "事件 {id}，关闭不到一小时",
        "acked": "确认人 {who}，有效至 {until}",
        "acked.comment": "确认人 {who}，有效至 {until}：{comment}",
        "acked.open": "事件结束",
        "title.members": "受影响项（{n}）",
        "title.left": "仍有故障（{n}）",
        "title.steps": "处理建议",
        "title.answer": "确认事件",
        "more": "另有 {n} 项",
        "answer.command": "在服务器上执行：{command}",
        "answer.link": "打开事件 {id}",
        "answer.page": "或在事件页面上确认：{link}",
        "picture.alt": "{check} 的 {metric}，{start} 至 {end}，标出事件时段",
        "picture.required": "{alt}，以及要求：{required}",
        "step.isolated": "检查 Muster 所在机器的线路、交换机端口和域名解析，然后检查各见证点。",
        "step.inferred": "检查这些单位共用的线路和路由器：它本身未被检测，或自身有应答而其后各项无应答。",
        "step.undecided": "无法判定原因在于此项还是其上级：请两者都检查。",
        "foot.open": "恢复后将再发一封邮件；如继续恶化也会另行通知。",
        "foot.closed": "以上为事件 {id} 的最终状态。",
        "colon": "：",
        "comma": "，",
        "state.OK": "正常",
        "state.DEGRADED": "劣化",
        "state.DOWN": "中断",
        "state.UNKNOWN": "未知",
        "state.SHADOWED": "受上级影响",
        "kind.unreachable": "不可达",
        "kind.refused": "连接被拒绝",
        "kind.timeout": "超时无应答",
        "kind.tls": "TLS 失败",
        "kind.protocol": "应答不符合协议",
        "kind.expectation": "未达到预期",
        "kind.auth": "登录被拒绝",
        "kind.dns": "域名无法解析",
        "kind.flapping": "状态反复波动",
        "kind.silent": "已无检测数据",
        "kind.not_measured": "未上报所需数值",
        "kind.prober_error": "无法检测",
        "kind.missing_driver": "缺少驱动",
        "kind.permission": "缺少权限",
        "kind.inconclusive": "无法判定",
        "kind.inferred": "同时故障（推断）",
        "kind.degradation": "明显差于平时",
        "kind.undecided": "原因未能判定",
        "kind.isolated": "见证点均无应答",
        "kind.overload": "监测过载",
        "severity.critical": "紧急",
        "severity.warning": "警告",
        "severity.info": "提示",
        "unit.s": "{n} 秒",
        "unit.min": "{n} 分钟",
        "unit.h": "{n} 小时",
        "unit.d": "{n} 天",
    },
}


def text(language: str, key: str, **values: object) -> str:
    """Return the text of `key` with its places filled. Raises KeyError for a key that is not in the table."""
    return TEXTS[language][key].format(**values)


def cause(language: str, kind: str) -> str:
    """Return the name of an outcome's kind; a kind the table doesn't know stands for itself."""
    return TEXTS[language].get(f"kind.{kind}", kind)


_STEPS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def lasted(language: str, seconds: float) -> str:
    """Return a duration in its two largest units: "2 h 5 min"."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, size in _STEPS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(text(language, f"unit.{unit}", n=count))
    return " ".join(parts[:2])
