"""The demonstration: its services before real probes, its files before the loaders, and one run."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.checking import check
from monitor.demo import files
from monitor.demo.files import may_ping, write
from monitor.demo.services import EXPIRING_DAYS, NAME, SLOWNESS_S, Demo, services
from monitor.place import place
from monitor.readiness.selection import Selection
from monitor.workspace import Workspace, open_workspace
from probes import registry
from probes.api import Outcome
from tests.probing import run_once

PROBES = [registry.get(name) for name in ("http", "tls", "dns", "tcp", "host", "icmp")]
"""Loaded before any loop runs."""


async def test_the_application_serves_over_tls_and_its_certificate_verifies(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        secure: dict[str, Any] = {"scheme": "https", "port": demo.app_port, "ca": str(demo.ca_file)}
        login = await run_once("http", "127.0.0.1", path="/login", body_matches="Sign in", **secure)
        wanted = {"$.customer.status": "active"}
        customer = await run_once("http", "127.0.0.1", path="/api/customer", json_matches=wanted, **secure)
        stranger = await run_once("http", "127.0.0.1", path="/login", scheme="https", port=demo.app_port)
    assert (login.outcome, customer.outcome) == (Outcome.OK, Outcome.OK), (login.detail, customer.detail)
    assert (stranger.outcome, stranger.kind) == (Outcome.FAILED, "tls")
    assert login.metrics["cert_days_left"] > 300


async def test_one_certificate_expires_in_five_days_and_one_service_is_slow(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        expiring, slow = await asyncio.gather(
            run_once("tls", "127.0.0.1", port=demo.expiring_port, ca=str(demo.ca_file)),
            run_once("http", "127.0.0.1", port=demo.slow_port, path="/login"),
        )
    assert expiring.outcome is Outcome.OK
    assert EXPIRING_DAYS - 0.1 < expiring.metrics["days_left"] <= EXPIRING_DAYS
    assert slow.outcome is Outcome.OK
    assert SLOWNESS_S * 1000 <= slow.metrics["first_byte_ms"] < SLOWNESS_S * 1000 + 1000


async def test_names_are_answered_and_others_do_not_exist(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        known = await run_once("dns", "127.0.0.1", port=demo.dns_port, name=NAME, answers="127.0.0.1")
        other = await run_once("dns", "127.0.0.1", port=demo.dns_port, name="other.example", rcode="NXDOMAIN")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"\x00garbage", ("127.0.0.1", demo.dns_port))
        again = await run_once("dns", "127.0.0.1", port=demo.dns_port, name=NAME)
    assert [each.outcome for each in (known, other, again)] == [Outcome.OK] * 3, other.detail


async def test_mail_is_taken_and_only_its_subject_kept(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        greeted = await run_once("tcp", "127.0.0.1", port=demo.smtp_port, expect_banner="^220 ")
        await asyncio.to_thread(_send, demo.smtp_port, "=?utf-8?q?=E5=B1=B1=E5=89=8D?= is DEGRADED")
        await _until(lambda: len(demo.subjects) == 1)
    assert greeted.outcome is Outcome.OK
    assert list(demo.subjects) == ["山前 is DEGRADED"]


def _send(port: int, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("a@b.example", ["c@d.example"], f"Subject: {subject}\r\n\r\n.hidden\r\n..\r\n")


async def _until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def test_everything_stops_even_while_clients_hang_on(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        ports = [demo.app_port, demo.slow_port, demo.expiring_port, demo.smtp_port]
        hanging = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
        start = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - start < 5
    for _, writer in hanging:
        writer.close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
    assert [file.name for file in tmp_path.iterdir()] == ["demo-ca.pem"], "no key is left"


def _workspace(directory: Path) -> Workspace:
    """Write the files for services that need not run, and load them."""
    demo = Demo(1001, 1002, 1003, 1004, 1005, directory / "demo-ca.pem", deque())
    return open_workspace(place(write(directory, demo)))


def test_the_files_load_and_every_asset_is_measured(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path)
    assert list(workspace.inventory.units) == ["lakeside", "riverside", "hillside"]
    assets = {(unit.id, asset.id) for unit in workspace.inventory for asset in unit.assets}
    assert {(job.unit, job.asset) for job in workspace.plan.jobs.values()} == assets
    assert all(job.every <= 10 for job in workspace.plan.jobs.values())
    items = [
        item for key in ("demo-bureau", "demo-hall") for item in workspace.checklists[key].items.values()
    ]
    assert not [item.id for item in items if item.soak is not None]
    assert all(unit.due() for unit in workspace.inventory)


@pytest.mark.parametrize("ping", [True, False])
def test_where_ping_is_not_allowed_tcp_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ping: bool
) -> None:
    monkeypatch.setattr(files, "may_ping", lambda: ping)
    workspace = _workspace(tmp_path)
    reaching = {job.spec.name for job in workspace.plan.jobs.values() if job.check == "reach"}
    assert reaching == {"icmp" if ping else "tcp"}


def test_a_directory_with_any_name_will_do(tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted": #1 目录'
    odd.mkdir()
    params = _workspace(odd).plan.jobs["riverside/payment/tls"].params
    assert params.model_dump()["ca"] == str(odd / "demo-ca.pem")


@pytest.mark.may_block  # a command: it reads its files before anything else runs
async def test_one_run_finds_one_ready_one_not_and_one_unknown(tmp_path: Path) -> None:
    async with services(tmp_path) as demo:
        run = await check(place(write(tmp_path, demo)), Selection(), "fresh")
    units = {unit.id: unit for unit in run.units}
    assert {key: unit.verdict.value for key, unit in units.items()} == {
        "lakeside": "UNKNOWN", "riverside": "READY", "hillside": "NOT_READY",
    }  # fmt: skip
    grave = {
        item.id: (item.status.value, item.reason)
        for item in units["hillside"].items
        if item.severity in ("blocker", "major") and item.status.value != "pass"
    }
    assert grave == {
        "application.login": ("fail", "expectation"),
        "application.query": ("unknown", "blocked"),
        "security.certificate": ("fail", "expectation"),
    }
    open_items = [item for item in units["lakeside"].items if item.status.value != "pass"]
    assert [(item.id, item.reason) for item in open_items] == [("operations.rollback", "not_attested")]
    assert may_ping() or "rtt_ms" not in {item.expected for item in units["riverside"].items}
