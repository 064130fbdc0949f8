"""Packages, patches and systems, from recorded and documented output of many hosts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.software import package
from tests.probes.software import recorded
from tests.probes.software.framing import answered, told


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
    assert facts["not_read"] == "last_upgrade_days: not_supported, security_pending: not_supported"
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
