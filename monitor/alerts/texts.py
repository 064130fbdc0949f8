"""Every word a mail consists of, in each language: one table."""

from __future__ import annotations

from collections.abc import Mapping

SIGNS = {"OK": "✔", "DEGRADED": "◐", "DOWN": "✖", "UNKNOWN": "?", "SHADOWED": "⋯"}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "subject.opened": "{sign} {state}: {unit}, {check}, {cause}",
        "subject.worse": "{sign} now {state}: {unit}, {check}, {cause}",
        "subject.closed": "{sign} OK again: {unit}, {check}, was {worst} ({cause}) for {lasted}",
        "subject.removed": "{sign} no longer watched: {unit}, {check}, was {worst} ({cause})",
        "lead.opened": "{unit}: {check} is {state}: {cause}.",
        "lead.worse": "{unit}: {check} got worse and is now {state}: {cause}.",
        "lead.closed": "{unit}: {check} is OK again. It was {worst} ({cause}) for {lasted}.",
        "lead.removed": "{unit}: {check} was taken out of the inventory while it was {state}. "
        "This is the last mail about it; it does not say that the fault is gone.",
        "label.unit": "Unit",
        "label.check": "Check",
        "label.target": "Target",
        "label.state": "State",
        "label.cause": "Cause",
        "label.detail": "Detail",
        "label.began": "Since",
        "label.decided": "Decided by the run of",
        "label.ended": "Until",
        "label.lasted": "Lasted",
        "label.incident": "Incident",
        "label.previous": "Before it",
        "previous": "incident {id}, closed less than an hour earlier",
        "foot.open": "One more mail follows when it is over, and one if it gets worse.",
        "foot.closed": "This is the final state of incident {id}.",
        "colon": ": ",
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
        "unit.s": "{n} s",
        "unit.min": "{n} min",
        "unit.h": "{n} h",
        "unit.d": "{n} d",
    },
    "zh": {
        "subject.opened": "{sign} {state}：{unit}，{check}，{cause}",
        "subject.worse": "{sign} 已恶化为{state}：{unit}，{check}，{cause}",
        "subject.closed": "{sign} 已恢复正常：{unit}，{check}，此前{worst}（{cause}），持续 {lasted}",
        "subject.removed": "{sign} 不再监测：{unit}，{check}，此前{worst}（{cause}）",
        "lead.opened": "{unit}：{check} 当前状态为{state}：{cause}。",
        "lead.worse": "{unit}：{check} 情况恶化，当前状态为{state}：{cause}。",
        "lead.closed": "{unit}：{check} 已恢复正常。此前状态为{worst}（{cause}），持续 {lasted}。",
        "lead.removed": "{unit}：{check} 已从清单中删除，删除时状态为{state}。"
        "这是关于它的最后一封邮件，并不表示故障已经消除。",
        "label.unit": "单位",
        "label.check": "检查项",
        "label.target": "目标",
        "label.state": "状态",
        "label.cause": "原因",
        "label.detail": "详情",
        "label.began": "开始时间",
        "label.decided": "判定依据的检测时间",
        "label.ended": "结束时间",
        "label.lasted": "持续时长",
        "label.incident": "事件编号",
        "label.previous": "前一事件",
        "previous": "事件 {id}，关闭不到一小时",
        "foot.open": "恢复后将再发一封邮件；如继续恶化也会另行通知。",
        "foot.closed": "以上为事件 {id} 的最终状态。",
        "colon": "：",
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
