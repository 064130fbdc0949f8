"""The starter that `muster init` writes: it validates as it is, and overwrites nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from inventory import load
from monitor import init, plan, settings


def test_the_starter_can_be_used_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "place"
    written = init.create(directory)
    assert [path.name for path in written] == [
        "muster.toml", "inventory.yaml", "muster.service", "muster-reflect.service",
    ]  # fmt: skip
    found = settings.load(directory / "muster.toml")
    assert found.daemon.inventory == directory / "inventory.yaml"
    assert found.daemon.state_dir == directory / "state"
    inventory, _, made = plan.read(directory / "inventory.yaml", [])
    assert made.jobs
    assert made.uncovered == ()
    assert len(inventory.units) == 1
    assert "@" not in (directory / "inventory.yaml").read_text().replace("@example.org", "")


def test_settings_that_are_commented_out_are_right_too(tmp_path: Path) -> None:
    file = init.create(tmp_path)[0]
    lines = file.read_text().splitlines()
    on = [line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in lines]
    file.write_text("\n".join(on))
    found = settings.load(file)
    assert found.mail.host == "mail.example"
    assert found.probes.exec_allow == ("/usr/lib/nagios/plugins/*",)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "muster.service").write_text("mine")
    with pytest.raises(FileExistsError, match=r"muster\.service is there already"):
        init.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["muster.service"]


def test_unit_for_systemd(tmp_path: Path) -> None:
    text = init.create(tmp_path)[2].read_text()
    for line in (
        "Type=notify",
        "AmbientCapabilities=CAP_NET_RAW",
        "NoNewPrivileges=yes",
        "#LoadCredential=hall_ssh:",
    ):
        assert line in text
    assert f"run -c {tmp_path}/muster.toml" in text
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [analyze, "verify", str(tmp_path / "muster.service")], check=False, capture_output=True, text=True
    )
    assert "Unknown" not in done.stderr


def test_timezone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    etc = tmp_path / "etc"
    etc.mkdir()
    assert init.timezone(tmp_path) == "UTC"
    (etc / "timezone").write_text("Asia/Shanghai\n")
    assert init.timezone(tmp_path) == "Asia/Shanghai"
    (etc / "localtime").symlink_to(tmp_path / "usr/share/zoneinfo/Asia/Hong_Kong")
    assert init.timezone(tmp_path) == "Asia/Hong_Kong"
    monkeypatch.setenv("TZ", ":Europe/Berlin")
    assert init.timezone(tmp_path) == "Europe/Berlin"
    monkeypatch.setenv("TZ", "CST-8")
    assert init.timezone(tmp_path) == "Asia/Hong_Kong"


def test_gateway(tmp_path: Path) -> None:
    file = tmp_path / "route"
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    local = "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    file.write_text(head + local)
    assert init.default_gateway(file) is None
    file.write_text(head + local + "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    assert init.default_gateway(file) == "10.0.2.1"
    assert init.default_gateway(tmp_path / "gone") is None


def test_without_a_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "default_gateway", lambda: None)
    init.create(tmp_path)
    assert [asset.id for unit in load.load(tmp_path / "inventory.yaml") for asset in unit.assets] == [
        "this-machine"
    ]
