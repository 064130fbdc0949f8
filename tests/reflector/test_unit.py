"""The systemd unit that `muster init` ships for units' machines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor import init


def _written(tmp_path: Path) -> Path:
    return next(path for path in init.create(tmp_path) if path.name == "muster-reflect.service")


def test_it_answers_on_loopback_until_told_and_keeps_its_key_to_itself(tmp_path: Path) -> None:
    lines = _written(tmp_path).read_text().splitlines()
    assert "Environment=LISTEN=127.0.0.1:8862" in lines
    assert "LoadCredential=reflect_key:/etc/muster/reflect.key" in lines
    assert "CapabilityBoundingSet=" in lines
    assert not any("@PROGRAM@" in line for line in lines)


def test_systemd_takes_it(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = _written(tmp_path)
    unit.write_text(unit.read_text().replace("ExecStart=", f"ExecStart={sys.executable} #", 1))
    done = subprocess.run([analyze, "verify", str(unit)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_finds_little_exposed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=25", str(_written(tmp_path))],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze knows no --offline")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr
