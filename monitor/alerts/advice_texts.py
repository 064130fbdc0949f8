"""The next step by what failed, in each language, for what no checklist says anything about: one table."""

from __future__ import annotations

from collections.abc import Mapping

OTHER = "other"
ADVICE: Mapping[str, Mapping[str, str]] = {
    "en": {
        "unreachable": "Look whether the device has power and its cable is plugged in; from the machine of "
        "Muster, trace the route to the address to see where it ends.",
        "refused": "The machine answers, the service does not listen: log in, see whether the service runs, "
        "read its log, and start it.",
        "timeout": "Look whether the machine is up and how busy it is, then whether a firewall on the way "
        "drops packets to this port.",
        "tls": "Look at the server's certificate: its end, its names, and whether its issuer is among those "
        "that are trusted here.",
        "protocol": "Look which service answers at this address and port, and read its log for the time "
        "given above.",
        "expectation": "Compare the detail above with what is expected; correct the target, or the "
        "expectation where that is what is wrong.",
        "auth": "Try the account by hand: it may be locked or have expired, its password may have been "
        "changed, or it lacks a right.",
        "dns": "Ask the name server for the name by hand; correct the record, or the name in the inventory.",
        "prober_error": "The fault is the monitor's own: run muster doctor and muster probe with --debug on "
        "its machine.",
        "missing_driver": "Install on the monitor's machine what the detail names, and restart the daemon.",
        "permission": "Give the monitor the right that the detail names; muster doctor lists what is "
        "missing.",
        "inconclusive": "It can't be told whose fault it is: run muster probe with --debug on the monitor's "
        "machine, and look at what the check depends on.",
        "flapping": "Look for what comes and goes: a loose cable, a busy line, a service that restarts "
        "again and again.",
        "silent": "Look on the monitor's machine whether the daemon runs and keeps up (muster doctor), and "
        "whether the checks are still in the inventory.",
        "not_measured": "The target answered without this value: look whether its version, its "
        "configuration or the account's rights leave it out.",
        "degradation": "Find out what changed at that time: the route, the load of the line (utilisation), "
        "work of the carrier; then ask the carrier with the times and figures above.",
        "drift": "Install what the release names on this machine, or correct the release where it is what "
        "is wrong.",
        "overload": "The monitor can't keep up: see muster doctor, and measure less often or on a bigger "
        "machine.",
        OTHER: "Open the check on the board, compare its latest readings with those before, and look at the "
        "target's own log for that time.",
    },
    "zh": {
        "unreachable": "检查设备是否通电、网线是否插好；在 Muster 所在机器上跟踪到该地址的路由，"
        "查明在何处中断。",
        "refused": "机器有应答，但服务未监听：登录该机器，检查服务是否运行，查看其日志并启动服务。",
        "timeout": "检查机器是否在运行、负载是否过高，再检查途中的防火墙是否丢弃到该端口的报文。",
        "tls": "检查服务器证书：有效期、名称，以及签发机构是否受本机信任。",
        "protocol": "查明该地址和端口上应答的是什么服务，并查看其在上述时间的日志。",
        "expectation": "将上述详情与预期对照：纠正目标；若预期本身有误，则修改预期。",
        "auth": "用该账号手工登录一次：账号可能被锁定或已过期，密码可能已更改，或缺少权限。",
        "dns": "手工向域名服务器查询该名称；更正解析记录，或更正清单中的名称。",
        "prober_error": "故障在监测程序自身：在其所在机器上运行 muster doctor 和带 --debug 的 muster probe。",
        "missing_driver": "在监测机器上安装详情中所列的组件，然后重启守护进程。",
        "permission": "授予监测程序详情中所列的权限；muster doctor 会列出缺少的权限。",
        "inconclusive": "无法判定故障属于哪一方：在监测机器上运行带 --debug 的 muster probe，"
        "并检查该项所依赖的对象。",
        "flapping": "查找时有时无的原因：网线松动、线路拥塞，或服务反复重启。",
        "silent": "在监测机器上检查守护进程是否运行、是否跟得上（muster doctor），"
        "以及这些检查项是否仍在清单中。",
        "not_measured": "目标有应答但未给出该数值：检查其版本、配置或账号权限是否不提供该数值。",
        "degradation": "查明该时间前后的变化：路由、线路负载（利用率）、运营商施工；"
        "再凭上述时间和数值询问运营商。",
        "drift": "在该机器上安装发布清单所列的版本；若发布清单有误，则修改清单。",
        "overload": "监测程序处理不过来：请看 muster doctor，降低检测频率或换用更大的机器。",
        OTHER: "在看板上打开该检查项，将最近的读数与之前的对照，并查看目标自身在该时间的日志。",
    },
}  # fmt: skip


def next_step(language: str, kind: str) -> str:
    """Return what to do about a failure of this kind; there is always something."""
    table = ADVICE[language]
    return table.get(kind) or table.get(kind.partition("_")[0]) or table[OTHER]
