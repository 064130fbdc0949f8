"""What recorded answers mean, number by number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes import registry
from probes.software import _log_times, _sockets, cron, package, sysctl, time_sync
from probes.software._log_times import Clock
from tests.probes.software import recorded
from tests.probes.software.framing import answered

DAY_S = 86_400


async def told(name: str, text: str, /, **params: Any) -> tuple[dict[str, float], dict[str, str]]:
    reading = await answered(name, text, **params)
    assert reading.kind == "", reading.detail
    return reading.metrics, reading.facts


@pytest.mark.parametrize("text", [recorded.DPKG, recorded.RPM, recorded.APK], ids=["dpkg", "rpm", "apk"])
async def test_package(text: str) -> None:
    metrics, facts = await told("package", text, packages=["bash", "openssl", "nano"])
    apk = "manager=apk" in text
    broken = {"broken": 0} if "manager=dpkg" in text else {}
    assert metrics == {"installed": 1 if apk else 2, "missing": 2 if apk else 1, "held": 1} | broken
    assert ("broken_names" in facts) == bool(broken), "only dpkg says so"
    assert facts["held_names"] == ("bash" if apk else "openssl")
    assert facts["missing_names"] == ("openssl, nano" if apk else "nano")


async def test_a_manifest_of_versions_may_leave_epoch_and_revision_out() -> None:
    wanted = {"bash": "5.1.8", "openssl": "1.1.1m-16.oe2203sp1", "nano": "7"}
    metrics, facts = await told("package", recorded.RPM, versions=wanted)
    assert metrics["differing"] == 1
    assert facts["differences"] == "nano: expected 7, found not installed"
    metrics, facts = await told("package", recorded.RPM, versions={"bash": "5.1"})
    assert facts["differences"] == "bash: expected 5.1, found 5.1.8-6.oe2203sp1"


@pytest.mark.parametrize("state", ["iU ", "iF ", "iHR", "it "])
async def test_half_a_package_is_installed_and_broken(state: str) -> None:
    text = f"manager=dpkg\nbash\t5.2\t{state}\nstatus=0\nend\n"
    metrics, _ = await told("package", text, packages=["bash"])
    assert (metrics["installed"], metrics["broken"]) == (1, 1)


async def test_a_list_of_locks_that_cannot_be_read_is_not_empty() -> None:
    text = recorded.RPM.replace("openssl-1:1.1.1m-16.oe2203sp1.*", "unread")
    metrics, facts = await told("package", text, packages=["bash", "openssl"])
    assert "held" not in metrics
    assert "held_names" not in facts
    assert facts["not_read"] == "held: missing_right"


async def test_a_removed_package_with_its_configuration_left_is_missing() -> None:
    metrics, _ = await told("package", "manager=dpkg\nbash\t5.2\trc \nstatus=0\nend\n", packages=["bash"])
    assert metrics["missing"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "manager=rpm\nerror: cannot open Packages index\npackage bash is not installed\nstatus=1\nend\n",
        "manager=dpkg\nstatus=2\nend\n",
    ],
)
async def test_a_database_that_cannot_be_read_makes_nothing_missing(text: str) -> None:
    reading = await answered("package", text, packages=["bash"])
    assert (reading.kind, reading.metrics) == ("inconclusive", {})


@given(st.from_regex(r"[a-z][a-z0-9+.]{0,8}(-[a-z][a-z0-9]{0,4})?", fullmatch=True), st.integers(0, 99))
def test_apk_names_and_versions_come_apart(name: str, release: int) -> None:
    found = package.parse(f"manager=apk\n{name}-1.2.3-r{release}\nstatus=0\nend\n", (name, f"{name}-x"))
    assert found.versions == {name: [f"1.2.3-r{release}"]}


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


async def test_patch_age() -> None:
    metrics, facts = await told("patch_age", recorded.APT)
    assert metrics == {
        "last_change_days": 1, "last_upgrade_days": 10, "lists_age_days": 0.5, "pending": 2,
        "security_pending": 1, "restart_required": 1,
    }  # fmt: skip
    assert facts == {"manager": "dpkg", "security_names": "libgcrypt20"}
    metrics, facts = await told("patch_age", recorded.DNF)
    assert metrics == {
        "last_change_days": 1,
        "lists_age_days": 0.5,
        "security_pending": 2,
        "restart_required": 0,
    }
    assert facts["security_names"].startswith("kernel-5.10.0-200")


@pytest.mark.parametrize("text", [recorded.APT, recorded.DNF], ids=["apt", "dnf"])
async def test_an_update_list_that_failed_is_not_an_empty_one(text: str) -> None:
    metrics, facts = await told("patch_age", text.replace("\nok\n", "\n"))
    assert "security_pending" not in metrics
    assert "security_pending: not_supported" in facts["not_read"]


async def test_a_list_of_updates_in_another_form_is_not_an_empty_one() -> None:
    newer = """Name                   Type     Severity   Package               Issued
FEDORA-2026-0123456789 security Important  openssl-3.2.6-2.fc42  2026-11-20 01:02:03
ok
"""
    old = recorded.DNF.partition("@security\n")[2].partition("@restart")[0]
    metrics, facts = await told("patch_age", recorded.DNF.replace(old, newer))
    assert "security_pending" not in metrics
    assert facts["not_read"] == "security_pending: not_supported"
    metrics, _ = await told("patch_age", recorded.DNF.replace(old, "ok\n"))
    assert metrics["security_pending"] == 0


async def test_os_release() -> None:
    _, facts = await told("os_release", recorded.KYLIN)
    assert facts["build"] == "Kylin Linux Advanced Server release V10 (Lance)"
    assert (facts["id"], facts["version"], facts["architecture"]) == ("kylin", "V10", "aarch64")
    _, facts = await told("os_release", recorded.UOS)
    assert (facts["build"], facts["build_source"]) == ("12038.100", "/etc/os-version")
    _, facts = await told("os_release", recorded.UOS.replace("ID=uos", "ID=uos\nBUILD_ID=42"))
    assert (facts["build"], facts["build_source"]) == ("42", "os-release")


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


NOW = 1_795_564_800.0  # 2026-11-25 00:00:00 UTC


@pytest.mark.parametrize(
    ("line", "age"),
    [
        ("2026-11-24T23:59:00Z x", 60),
        ("2026-11-25T07:59:00+08:00 x", 60),
        ("2026-11-24 23:59:00,123 ERROR x", 60),
        ("[2026-11-24 23:59:00.123] x", 60),
        ("2026/11/24 23:59:00 [error] 7#7: x", 60),
        ("Nov 24 23:59:00 pc1 sshd[7]: x", 60),
        ("<13>Nov 24 23:59:00 pc1 x", 60),
        ("Dec 31 23:59:00 pc1 x", 60 + 328 * DAY_S),
        ('10.0.0.1 - - [25/Nov/2026:07:59:00 +0800] "GET / HTTP/1.1" 500 0', 60),
        ("1795564740.123456 pc1 sshd[7]: x", 60),
        ("no time at all", None),
        ("2026-13-45 99:99:99 x", None),
        ("Feb 31 10:00:00 x", None),
    ],
)
def test_when_a_line_was_written(line: str, age: float | None) -> None:
    at = _log_times.written(line, Clock(NOW))
    assert at is None if age is None else at == pytest.approx(NOW - age, abs=1)


def test_a_line_without_a_zone_is_in_the_hosts() -> None:
    assert _log_times.written("2026-11-25 07:59:00 x", Clock(NOW, "+0800")) == NOW - 60
    assert _log_times.written("Nov 24 18:59:00 x", Clock(NOW, "-0500")) == NOW - 60


@given(st.text(max_size=60), st.floats(0, 4e9))
def test_any_line_has_a_time_or_none(line: str, now: float) -> None:
    at = _log_times.written(line, Clock(now))
    assert at is None or abs(at) < 1e12


def syslog(*ages: float | None) -> str:
    lines = [f"{NOW - age:.6f} pc1 app: error {age}" if age is not None else "  traceback" for age in ages]
    return "exists=1\nnow=1795564800\nzone=+0000\n\n" + "".join(f"{line}\n" for line in lines)


async def test_log() -> None:
    text = syslog(900, 300, None, 60) + f"{NOW:.6f} pc1 app: fine\n"
    metrics, facts = await told("log", text, path="/x", pattern="error|traceback")
    assert metrics == {"lines": 4, "matches": 3, "newest_match_age_s": pytest.approx(60, abs=1)}
    assert facts == {}
    _, facts = await told("log", text, path="/x", pattern="error", keep=True)
    assert facts["line"].endswith("error 60")


async def test_a_log_that_does_not_reach_back_counts_nothing() -> None:
    text = syslog(*[60] * 100)
    metrics, facts = await told("log", text, path="/x", pattern="error", max_bytes=1024)
    assert "matches" not in metrics
    assert "do not reach back" in facts["not_read"]
    metrics, _ = await told("log", syslog(*[900] * 50, 60), path="/x", pattern="error", max_bytes=1024)
    assert metrics["matches"] == 1, "what is cut off is older than what counts"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("exists=1\nnow=1795564800\nzone=+0000\n\nno time\n", "do not say when"),
        (syslog(60).replace("zone", "rotated=1\nzone"), "rotated"),
    ],
)
async def test_a_log_that_can_not_be_told_counts_nothing(text: str, why: str) -> None:
    metrics, facts = await told("log", text, path="/x", pattern="x")
    assert "matches" not in metrics
    assert why in facts["not_read"]


async def test_an_empty_log_has_no_match() -> None:
    assert (await told("log", syslog(), path="/x", pattern="x"))[0] == {"lines": 0, "matches": 0}


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
