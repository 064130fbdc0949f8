"""Programs that a benchmark runs, and a daemon seen from outside: by its /metrics and by the kernel."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families


@contextlib.contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program and end it."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for(url: str, seconds: float = 120.0) -> None:
    """Return when the URL answers with 200. Raises OSError when it does not in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)


@contextlib.contextmanager
def nginx(directory: Path, port: int) -> Iterator[None]:
    """Run nginx on all loopback addresses: one worker, a fixed short answer."""
    temp = " ".join(
        f"{name}_temp_path {directory};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = directory / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; pid {directory}/nginx.pid; error_log stderr crit;\n"
        "events { worker_connections 8192; }\n"
        f"http {{ access_log off; {temp} server {{ listen {port} backlog=8192;"
        ' location / { return 200 "ready\\n"; } } }\n',
        "utf-8",
    )
    with process([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(config), "-p", str(directory)]):
        wait_for(f"http://127.0.0.1:{port}/")
        yield


class Daemon:
    """A running `muster run`."""

    def __init__(self, pid: int, url: str) -> None:
        self._process, self._url = psutil.Process(pid), url

    def figures(self) -> dict[str, float]:
        """Return the figures of /metrics by name and labels."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=150) as answer:
            text = answer.read().decode()
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found

    def cpu(self) -> tuple[float, float, float]:
        """Return CPU seconds: user, system, and all of the children."""
        own = self._process.cpu_times()
        children = [child.cpu_times() for child in self._process.children(recursive=True)]
        return own.user, own.system, sum(child.user + child.system for child in children)

    def rss_mib(self) -> float:
        """Return the resident memory of the daemon itself."""
        return float(self._process.memory_info().rss) / 1024**2


def quantile(before: dict[str, float], after: dict[str, float], share: float) -> float:
    """Return the upper bound of the bucket of muster_lag_ms in which the quantile falls."""
    prefix = "muster_lag_ms_bucket{le="
    counts = {
        key[len(prefix) : -1]: after[key] - before.get(key, 0.0) for key in after if key.startswith(prefix)
    }
    rows = sorted((float(bound), count) for bound, count in counts.items())
    return next(bound for bound, count in rows if count >= share * counts["+Inf"])
