"""What `muster capacity explain` says, in English and in Simplified Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.reports.look import Language

Document = Mapping[str, Any]

_LOSS_EN = (
    "Step 8: transfers at {rate} Mbit/s have {window_packets} packets under way; at most one loss in "
    "{packets_per_loss:g} packets ({share:.3g} %; {binding} binds). At that loss one connection reaches "
    "{mathis} (Mathis) or {pftk} (PFTK) Mbit/s."
)
_LOSS_ZH = (
    "第 8 步：传输速率 {rate} Mbit/s 时在途 {window_packets} 个报文；"
    "每 {packets_per_loss:g} 个报文至多丢失 1 个（{share:.3g} %），由 {binding} 决定。"
    "此丢包率下单个连接可达 {mathis}（Mathis）或 {pftk}（PFTK）Mbit/s。"
)
_SENTENCE_EN = (
    "{}: the channel must carry {} Mbit/s up ({}) and {} Mbit/s down ({}), with RTT p95 <= {} ms ({}) "
    "and loss <= {} %"
)
_SENTENCE_ZH = (
    "{}：通道须达到上行 {} Mbit/s（{}）、下行 {} Mbit/s（{}），RTT p95 不超过 {} ms（{}），丢包不超过 {} %"
)
_GENERAL_ZH = {
    "transactions arrive at random, one independent of the other (Poisson)": (
        "交易随机到达，彼此独立（泊松过程）"
    ),
    "all transfers of a direction share the link equally (processor sharing)": "同方向的传输平均分享带宽",
    "sizes and server times spread as gamma distributions with the mean and 95th percentile that are given": (
        "数据量和服务端时间服从给定均值与 95 分位数的伽马分布"
    ),
    "the bounds of loss are those of loss-based TCP; others bear more": (
        "丢包界限针对基于丢包的 TCP；其他算法可承受更多"
    ),
    "the round trip time is the design one, not as measured": "往返时延取设计值，而非实测值",
}

_WORDS: Mapping[str, tuple[str, str]] = {
    "up": ("up", "上行"),
    "down": ("down", "下行"),
    "design": (
        "design RTT {rtt_ms:g} ms, segments of {mss} bytes, overhead x {overhead:g}, headroom {headroom:.0%}",
        "设计往返时延 {rtt_ms:g} ms，报文段 {mss} 字节，协议开销 x {overhead:g}，余量 {headroom:.0%}",
    ),
    "load": ("Step 1: mean load, Mbit/s", "第 1 步：平均负载（Mbit/s）"),
    "transactions": ("transactions", "交易"),
    "bulk": ("bulk transfers", "批量传输"),
    "realtime": ("real-time streams", "实时业务"),
    "rho": ("all (rho)", "合计 (rho)"),
    "functions": (
        "Steps 2, 3, 4 and 7: what each function needs, the neediest first",
        "第 2、3、4、7 步：各业务的需求（由高到低）",
    ),
    "function": ("function", "业务"),
    "users": ("users", "用户数"),
    "tx": ("tx/h", "笔/时"),
    "target": ("target s", "目标 s"),
    "server": ("server p95 s", "服务端 p95 s"),
    "trips": ("round trips", "往返次数"),
    "budget": ("budget s", "预算 s"),
    "budgets": ("of it up/down s", "其中上/下行 s"),
    "rtt_max": ("RTT max ms", "RTT 上限 ms"),
    "simulated": ("p95 at C s", "C 下 p95 s"),
    "needs": ("needs, Mbit/s", "需要 Mbit/s"),
    "requirement": (
        "Steps 4, 5 and 6: what the channel must carry, Mbit/s",
        "第 4、5、6 步：通道需求（Mbit/s）",
    ),
    "capacity": ("capacity C", "容量 C"),
    "minimum": ("minimum M (simulated)", "最小值 M（仿真）"),
    "required": ("required R, with headroom", "要求 R（含余量）"),
    "binds": ("binds", "决定者"),
    "loss": (_LOSS_EN, _LOSS_ZH),
    "streams": ("Step 9: real-time functions", "第 9 步：实时业务"),
    "stream_count": ("streams", "路数"),
    "rate": ("rate Mbit/s", "速率 Mbit/s"),
    "one_way": ("one way ms", "单向时延 ms"),
    "jitter": ("variation ms", "抖动 ms"),
    "loss_max": ("loss %", "丢包 %"),
    "channels": ("Channels", "通道"),
    "channel": ("channel", "通道"),
    "contracted": ("contracted", "签约"),
    "enough": ("enough", "足够"),
    "short": ("short by {short}", "缺 {short}"),
    "not_contracted": ("no rate in the inventory", "清单未写速率"),
    "measured": ("measured RTT p95", "实测 RTT p95"),
    "would": ("required at that RTT, up/down", "按实测所需（上/下行）"),
    "not_measured": ("not measured", "未测量"),
    "what_if": ("What if: {asked}", "假设：{asked}"),
    "now": ("now", "现在"),
    "then": ("then", "假设后"),
    "rtt_line": ("RTT p95 at most, ms", "RTT p95 上限 ms"),
    "loss_line": ("packets per loss", "每丢 1 包的报文数"),
    "assumptions": ("What this rests on and nobody has measured", "以下为假设，尚未实测"),
    "raised": (
        "The formulas give too little here: the simulation needs {factor:.2f} times as much, and C says so.",
        "公式结果偏小：仿真需要其 {factor:.2f} 倍，C 已据此调高。",
    ),
}  # fmt: skip


def word(key: str, language: Language, **values: object) -> str:
    """Return a word or sentence, with its values filled in."""
    return _WORDS[key][language == "zh"].format(**values)


def mbps(value: float | None) -> str:
    """Return a rate of bit/s in Mbit/s, "none" where no rate suffices."""
    return "-" if value is None else f"{value / 1e6:.3f}"


def name(each: Document, language: Language) -> str:
    """Return the name of a function for people, with its id where that is another text."""
    shown = each["name_zh"] if language == "zh" and each["name_zh"] else each["name"]
    return f"{each['id']} ({shown})" if shown else str(each["id"])


def sentence(document: Document, language: Language) -> str:
    """Return what is required of the unit's channel and what binds, in one sentence."""
    called = document["name_zh"] if language == "zh" and document["name_zh"] else document["name"]
    lost = document["impossible"]
    if lost:
        return f"{called}：任何通道都无法满足要求：{lost}" if language == "zh" else f"{called}: {lost}"
    up, down = document["up"], document["down"]
    figures = (mbps(up["required_bps"]), up["binding"], mbps(down["required_bps"]), down["binding"])
    rtt, share = f"{document['rtt_max_ms']:.1f}", f"{100 * document['loss_max']:.2g}"
    tail = (document["rtt_binding"], share)
    form = _SENTENCE_ZH if language == "zh" else _SENTENCE_EN
    return form.format(called, *figures, rtt, *tail)


def assumption(text: str, language: Language) -> str:
    """Return an assumption; those of the method are translated, those of the files stand as written."""
    return _GENERAL_ZH.get(text, text) if language == "zh" else text
