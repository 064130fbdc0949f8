"""Programs of node, from packages that are installed once, for the tests of what only they can check."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"
WAIT_S = 240


def modules() -> Path:
    """Return the directory of the packages; skip the test, with the reason, where they can't be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(
            "node and npm are not installed: Flux, Grafana's types and the Dockerfile are not checked"
        )
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    there = cache / "muster-tests" / f"node-{digest}"
    if not there.exists():
        _install(npm, there)
    return there / "node_modules"


def _install(npm: str, there: Path) -> None:
    """Install beside the place, and move it there whole: workers may do this at the same time."""
    there.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=there.parent) as scratch:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, scratch)
        command = (npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
        done = subprocess.run(
            command, cwd=scratch, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"npm ci got no packages: {done.stderr.strip().splitlines()[-1:]}")
        if not there.exists():
            Path(scratch, "done").mkdir()
            shutil.copytree(
                Path(scratch, "node_modules"), Path(scratch, "done", "node_modules"), symlinks=True
            )
            try:
                Path(scratch, "done").rename(there)
            except OSError:
                assert there.exists(), "another worker was not quicker"


def node(script: str | Path, text: str = "", *arguments: str) -> str:
    """Run a script with some input and return what it prints. Fails where it fails."""
    done = subprocess.run(
        ("node", str(script), *arguments),
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
