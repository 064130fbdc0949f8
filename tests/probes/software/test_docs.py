"""What docs/software.md says is true: its examples are planned, its sudoers lines are those of the tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor import plan
from probes import registry
from tests.probes.software.test_hosts import SUDOERS
from tests.probing import run_once
from tests.servers.hostile import says, tcp_server

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "software.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", blocks("yaml"))
def test_examples_make_jobs_and_expectations(tmp_path: Path, example: str) -> None:
    (tmp_path / "inventory.yaml").write_text(example, "utf-8")
    _, _, made = plan.read(tmp_path / "inventory.yaml", [])
    assert made.jobs
    assert made.expectations


def test_the_example_has_every_probe_of_software() -> None:
    software = {name for name in registry.BUILT_IN if registry.get(name).family == "software"}
    assert all(re.search(rf"probe: {name}\b", blocks("yaml")[0]) for name in software)
    assert all(re.search(rf"\*\*{name}\*\*", PAGE) for name in software)


def test_sudoers_lines_are_those_the_tests_run_with() -> None:
    lines = [line for block in blocks("sudoers") for line in block.splitlines()]
    assert lines
    assert set(lines) <= set(SUDOERS)


WINDOWS = """
windows_service_state{name="spooler",display_name="Print Spooler",state="running"} 1
windows_service_state{name="spooler",display_name="Print Spooler",state="stopped"} 0
windows_time_computed_time_offset_seconds 0.0025
"""


async def test_a_windows_host_is_read_as_the_example_says(tmp_path: Path) -> None:
    (tmp_path / "inventory.yaml").write_text(blocks("yaml")[1], "utf-8")
    (job,) = plan.read(tmp_path / "inventory.yaml", [])[2].jobs.values()
    fixture = ROOT / "tests" / "fixtures" / "exporter" / "windows_exporter.prom"
    body = (fixture.read_text("utf-8").rstrip() + WINDOWS).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    params = job.params.model_dump(exclude_unset=True)
    async with tcp_server(says(head + body)) as port:
        reading = await run_once("exporter", "127.0.0.1", **params | {"port": port})
    assert reading.kind == "", reading.detail
    assert (reading.metrics["spooler_running"], reading.metrics["clock_offset_s"]) == (1, 0.0025)
    assert reading.facts["build"].startswith("10.0.")
    assert "missing" not in reading.facts or "spooler" not in reading.facts["missing"]
