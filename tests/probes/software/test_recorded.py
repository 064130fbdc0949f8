"""What recorded answers mean, number by number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes import registry
from probes.software import _sockets, cron, sysctl, time_sync
from tests.probes.software import recorded
from tests.probes.software.framing import answered, told


async def test_service_by_systemd() -> None:
    metrics, facts = await told("service", recorded.SYSTEMD_252, service="nginx")
    assert metrics == {"exists": 1, "active": 1, "enabled": 1, "restarts": 2, "active_for_s": 90000}
    assert facts == {
        "manager": "systemd", "state": "active (running)", "enabled_state": "enabled", "result": "success",
        "since": "2026-11-24T06:47:00Z",
    }  # fmt: skip
    metrics, facts = await told("service", recorded.SYSTEMD_219, service="nginx")
    assert metrics == {"exists": 1, "active": 0}, "no NRestarts before 235, and static says nothing of boot"
    assert facts["result"] == "exit-code"
    metrics, _ = await told("service", recorded.SYSTEMD_NOT_FOUND, service="nginx")
    assert metrics == {"exists": 0, "active": 0, "enabled": 0, "restarts": 0}


async def test_service_without_systemd() -> None:
    assert (await told("service", recorded.SYSV, service="x"))[0] == {"exists": 1, "enabled": 1, "active": 1}
    assert (await told("service", recorded.OPENRC, service="x"))[0] == {
        "exists": 1,
        "enabled": 0,
        "active": 0,
    }
    unknown = recorded.SYSV.replace("status=0", "status=4")
    assert "active" not in (await told("service", unknown, service="x"))[0], "4: the script can't tell"


async def test_systemd_that_does_not_answer_says_nothing_of_the_service() -> None:
    reading = await answered("service", recorded.SYSTEMD_SILENT, service="nginx")
    assert (reading.kind, reading.metrics) == ("inconclusive", {})


async def test_port() -> None:
    metrics, facts = await told("port", recorded.SOCKETS, port=22, allowed=[22, "8000-8010"])
    assert metrics == {"listening": 1, "open_ports": 2, "unexpected_ports": 1}
    assert facts == {
        "addresses": "0.0.0.0, ::", "process": "sshd", "ports": "22, 8080", "unexpected": "8080 java",
    }  # fmt: skip
    _, facts = await told(
        "port", recorded.SOCKETS, allowed=[22, "udp/123"], protocols=["tcp", "udp"], loopback=True
    )
    assert facts["ports"] == "22, 5432, 8080, udp/123"
    assert facts["unexpected"] == "5432 postgres, 8080 java"
    metrics, facts = await told("port", recorded.SOCKETS, port=123, protocol="udp")
    assert (metrics["listening"], facts["not_read"]) == (1, "process: missing_right")
    assert (await told("port", recorded.SOCKETS, port=25))[0]["listening"] == 0


@given(st.ip_addresses())
def test_addresses_of_proc(address: Any) -> None:
    packed = address.packed
    words = b"".join(packed[n : n + 4][::-1] for n in range(0, len(packed), 4))
    assert _sockets.decoded(words.hex().upper()) == str(address)


async def test_process() -> None:
    metrics, facts = await told("process", recorded.PS, name="nginx")
    cpu = 100 * 72 / 3600 + 100 * (26 * 3600 + 184) / 3599
    assert metrics == {
        "count": 2, "zombies": 1, "rss_bytes": 14000 * 1024, "cpu_avg_pct": pytest.approx(cpu),
        "oldest_s": 3600, "youngest_s": 3599,
    }  # fmt: skip
    assert facts == {"users": "root, www-data"}
    assert (await told("process", recorded.PS, pattern="worker"))[0]["count"] == 1
    assert (await told("process", recorded.PS, pattern="grep"))[0]["count"] == 0, "the monitor's own session"
    assert (await told("process", recorded.PS, user="root", name="nginx"))[0]["count"] == 1
    assert (await told("process", recorded.PS, name="ngin"))[0]["count"] == 0


async def test_a_list_of_processes_without_ps_itself_counts_nothing() -> None:
    text = "".join(line for line in recorded.PS.splitlines(keepends=True) if "   4243 " not in line)
    assert (await answered("process", text, name="no-such")).kind == "protocol"


async def test_limits() -> None:
    metrics, facts = await told(
        "limits", recorded.LIMITS, process="nginx", at_least={"nofile": 65536, "nproc": 100}
    )
    assert metrics == {"processes": 2, "nofile": 1024, "nproc": 7823, "memlock": 2.0**63, "differing": 1}
    assert facts["differences"] == "nofile: expected at least 65536, found 1024"
    assert (await told("limits", recorded.LIMITS, process="x", at_least={"cpu": "unlimited"}))[0][
        "differing"
    ] == 0
    assert (await told("limits", recorded.LIMITS, process="x", at_least={"as": 1}))[0]["differing"] == 1


async def test_limits_of_more_processes_than_are_looked_at_hold_for_none() -> None:
    text = recorded.LIMITS.replace("more=0", "more=7")
    metrics, facts = await told("limits", text, process="nginx", at_least={"nofile": 1024})
    assert metrics == {"processes": 9}
    assert "differences" not in facts
    assert facts["not_read"] == "7 more processes"
    metrics, facts = await told("limits", text, process="nginx", at_least={"nofile": 1025})
    assert (metrics["differing"], facts["differences"]) == (1, "nofile: expected at least 1025, found 1024")


async def test_mount() -> None:
    metrics, facts = await told("mount", recorded.MOUNTS, path="/srv/data")
    assert metrics == {
        "mounted": 1, "writable": 0, "size_bytes": 4_096_000, "free_bytes": 1_228_800,
        "used_pct": pytest.approx(100 * 600 / 900), "inodes_used_pct": 80,
    }  # fmt: skip
    assert facts == {"source": "/dev/sdc1", "fstype": "xfs", "options": "rw,noatime,ro,attr2"}
    assert (await told("mount", recorded.MOUNTS, path="/srv/my data"))[1]["source"] == "nas:/x"
    metrics, _ = await told("mount", recorded.MOUNTS, path="/srv")
    assert metrics == {"mounted": 0}, "the sizes are of what lies above"


async def test_user() -> None:
    metrics, facts = await told("user", recorded.ACCOUNT, user="alice")
    assert metrics == {
        "exists": 1, "uid": 1001, "gid": 1001, "locked": 0, "has_password": 1, "password_age_days": 52.0,
        "password_left_days": 38.0, "account_left_days": 36.0,
    }  # fmt: skip
    assert facts == {
        "home": "/home/alice", "shell": "/bin/bash", "groups": "adm alice sudo",
        "password_expires": "2027-01-02T00:00:00Z", "account_expires": "2026-12-31T00:00:00Z",
    }  # fmt: skip
    newer = recorded.ACCOUNT.replace("10/04/2026", "2026-10-04")
    assert (await told("user", newer, user="alice"))[0] == metrics
    hidden = "@account\nnow=1795564800\nentry=bob:1:1:/:/bin/sh\ngroups=bob\n@status\n@ageing\n@end\n"
    metrics, facts = await told("user", hidden, user="bob")
    assert metrics == {"exists": 1, "uid": 1, "gid": 1}
    assert facts["not_read"] == "password: missing_right, expiry: missing_right"


async def test_group() -> None:
    metrics, facts = await told("group", "entry=sudo:27:bob,alice\n", group="sudo")
    assert (metrics, facts) == ({"exists": 1, "gid": 27, "members": 2}, {"member_names": "alice, bob"})
    assert (await told("group", "entry=\n", group="nope"))[0] == {"exists": 0}


async def test_interface() -> None:
    metrics, facts = await told("interface", recorded.INTERFACE, interface="eth0")
    assert metrics == {"exists": 1, "up": 1, "speed": 1e9, "full_duplex": 1, "mtu": 1500}
    assert facts == {
        "state": "up", "mac": "02:fc:00:00:00:01", "addresses": "10.1.2.11/24, fe80::fc:ff:fe00:1/64",
    }  # fmt: skip
    down = recorded.INTERFACE.replace("=up", "=down").replace("speed=1000", "speed=").replace("=full", "=")
    assert (await told("interface", down, interface="eth0"))[0] == {"exists": 1, "up": 0, "mtu": 1500}


async def test_cron() -> None:
    metrics, facts = await told("cron", recorded.CRONTAB, pattern="backup", keep=True)
    assert metrics == {"entries": 2}
    assert facts["schedule"] == "@daily; */5 1-3 * jan,feb mon-fri"
    assert facts["command"] == "backup /usr/local/bin/backup --all"
    assert (await told("cron", recorded.CRONTAB, pattern="command|SHELL"))[0] == {"entries": 0}


async def test_timer() -> None:
    metrics, facts = await told("cron", recorded.TIMER, timer="apt-daily")
    assert metrics == {
        "entries": 1, "active": 1, "last_run_age_s": 1795564800 - 1795502820, "next_run_in_s": 22353,
    }  # fmt: skip
    assert facts["unit"] == "apt-daily.service"
    assert cron.timer("now=5\nLoadState=not-found\nActiveState=inactive\n")[0] == {"entries": 0, "active": 0}


async def test_time_sync() -> None:
    metrics, facts = await told("time_sync", recorded.CHRONYC)
    assert metrics == {
        "synchronised": 1, "offset_ms": pytest.approx(0.012345), "stratum": 3, "root_delay_ms": 12,
        "root_dispersion_ms": 4, "error_bound_ms": pytest.approx(10.012345),
    }  # fmt: skip
    assert facts == {"method": "chronyc", "source": "192.168.1.1", "leap": "Normal"}
    metrics, _ = await told("time_sync", recorded.NTPQ)
    assert (metrics["offset_ms"], metrics["stratum"], metrics["root_delay_ms"]) == (1.5, 3, 12.345)
    metrics, facts = await told("time_sync", recorded.TIMESYNC)
    assert metrics == {"synchronised": 1, "offset_ms": 1.234, "stratum": 2}
    assert facts["source"] == "192.168.1.1 (ntp.example)"


@pytest.mark.parametrize(
    "text",
    [
        recorded.CHRONYC.replace(",3,", ",0,").replace("Normal", "Not synchronised"),
        recorded.NTPQ.replace("stratum=3", "stratum=16").replace("leap=00", "leap=11"),
        recorded.TIMESYNC.replace("NTPSynchronized=yes", "NTPSynchronized=no"),
    ],
    ids=["chronyc", "ntpq", "timedatectl"],
)
async def test_a_clock_that_follows_nothing_has_no_offset(text: str) -> None:
    assert (await told("time_sync", text))[0] == {"synchronised": 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("+1.5ms", 1.5), ("-12us", -0.012), ("1min 2.5s", 62_500), ("0", None), ("1y", None)],
)
def test_time_spans_of_systemd(text: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=text):
            time_sync.milliseconds(text)
    else:
        assert time_sync.milliseconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
    ],
)
def test_names_of_sysctl(name: str, path: str) -> None:
    assert sysctl.path_of(name) == path


async def test_sysctl_that_can_not_all_be_read_has_no_count() -> None:
    metrics, facts = await told("sysctl", "=1\n!\nend\n", values={"a.b": 0, "c.d": 0})
    assert metrics == {}
    assert facts == {"differences": "a.b: expected 0, found 1", "not_read": "c.d: missing_right"}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("file", {"path": "etc/passwd"}, "pattern"),
        ("file", {"path": "/etc/../x"}, "without"),
        ("file", {"path": "/x", "keep": True}, "keep needs a pattern"),
        ("file", {"path": "/x", "pattern": "("}, "no regular expression"),
        ("package", {}, "name some packages"),
        ("package", {"packages": ["a; reboot"]}, "pattern"),
        ("port", {}, "give a port"),
        ("port", {"allowed": ["70000"]}, "write a port as"),
        ("process", {}, "give a name"),
        ("limits", {"user": "x", "process": "y"}, "give one of"),
        ("limits", {"user": "x", "at_least": {"files": 1}}, "nofile"),
        ("log", {"pattern": "x"}, "give a path"),
        ("log", {"pattern": "x", "path": "/x", "unit": "y"}, "give a path"),
        ("cron", {"timer": "x", "pattern": "y"}, "give a timer"),
        ("command", {"command": ["ls"]}, "absolute path"),
        ("sysctl", {"values": {"net..x": 1}}, "write the name"),
        ("user", {"user": "1000"}, "pattern"),
        ("service", {"service": "-x"}, "pattern"),
        ("mount", {"path": "/x", "via": "ssh"}, "needs an ssh block"),
    ],
)
def test_bad_parameters(name: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        registry.get(name).params.model_validate(params)
