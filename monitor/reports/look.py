"""The look: each verdict and status with its own sign and a colour that colour-blind eyes tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from monitor.readiness.verdict import Status, Verdict

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Token:
    """How one thing is shown; never by colour alone."""

    sign: str
    colour: str
    en: str
    zh: str

    def word(self, language: Language) -> str:
        """Return its word."""
        return self.zh if language == "zh" else self.en


GREEN, AMBER, RED, GREY = "#009E73", "#E69F00", "#D55E00", "#7F7F7F"
VERDICTS = {
    Verdict.READY: Token("✔", GREEN, "READY", "就绪"),
    Verdict.CONDITIONAL: Token("◐", AMBER, "CONDITIONAL", "有条件就绪"),
    Verdict.NOT_READY: Token("✖", RED, "NOT_READY", "未就绪"),
    Verdict.UNKNOWN: Token("?", GREY, "UNKNOWN", "未知"),
}
STATUSES = {
    Status.FAIL: Token("✖", RED, "fail", "不通过"),
    Status.UNKNOWN: Token("?", GREY, "unknown", "未知"),
    Status.WAIVED: Token("◐", AMBER, "waived", "已豁免"),
    Status.PASS: Token("✔", GREEN, "pass", "通过"),
    Status.NOT_APPLICABLE: Token("–", GREY, "not applicable", "不适用"),
}
SEVERITIES = {"blocker": "否决项", "major": "重要项", "minor": "一般项", "info": "参考项"}
CATEGORIES = {
    "network": "网络", "hardware": "硬件", "system-software": "系统软件", "application": "应用",
    "database": "数据库", "middleware": "中间件", "peripheral": "外设", "interface": "接口",
    "security": "安全", "operations": "运维",
}  # fmt: skip
REASONS = {
    "stale": "数据过期", "not_measured": "未测量", "blocked": "被阻断", "inconclusive": "无法判定",
    "soaking": "观察期未满", "not_attested": "未经确认", "expectation": "不符合期望", "unreachable": "不可达",
    "refused": "拒绝连接", "timeout": "超时", "tls": "TLS 失败", "protocol": "协议错误",
    "dns": "域名解析失败", "auth": "登录失败", "prober_error": "监测程序出错",
    "missing_driver": "缺少驱动", "permission": "监测权限不足", "overload": "监测过载",
    "skipped": "已跳过", "isolated": "监测端断网", "circuit_open": "已熔断",
    "window": "不在测试时段", "budget": "流量预算用尽", "disabled": "已停用", "shutdown": "监测停止",
    "applies_when": "条件不适用", "maintenance": "维护中",
}  # fmt: skip


def severity(key: str, language: Language) -> str:
    """Return the word for a severity."""
    return SEVERITIES[key] if language == "zh" else key


def category(key: str, language: Language) -> str:
    """Return the word for a category."""
    return CATEGORIES[key] if language == "zh" else key


def reason(key: str, language: Language) -> str:
    """Return the words for a reason; one that is not known stays as it is."""
    return REASONS.get(key, key) if language == "zh" else key.replace("_", " ")
