"""From the laptop to the installation by the commands, without a daemon and beside one."""

from __future__ import annotations

import asyncio
import base64
import json
from asyncio.subprocess import create_subprocess_exec
from pathlib import Path

import pytest

from monitor.store.engine import Store
from tests.cli.running import muster
from tests.gates.home import CHECKLIST, INVENTORY
from tests.servers.chronyd import chronyd
from tests.servers.daemon import running
from tests.servers.hostile import tcp_server

MARKER = "xyzzy-marker-7"
LISTS = 'checklists = "checklists"\n'


def told(port: int) -> str:
    """Return the inventory with a check that logs in."""
    login = f'{{probe: http, port: {port}, user: ops, password: "secret:pc", every: 60s, timeout: 2s}}'
    return INVENTORY.replace("checks: [", f"checks: [{login}, ")


async def telltale(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with what was sent, in the head and the body: no server should."""
    request = await reader.readuntil(b"\r\n\r\n")
    login = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"authorization"))
    text = login + b" " + base64.b64decode(login.split()[-1])
    head = b"HTTP/1.1 401 " + text + b"\r\nServer: " + text + b"\r\nContent-Length: %d\r\n\r\n" % len(text)
    writer.write(head + text)
    await writer.drain()


def home_of(path: Path, inventory: str, extra: str = "") -> Path:
    (path / "checklists").mkdir(parents=True)
    (path / "checklists" / "hall.yaml").write_text(CHECKLIST, "utf-8")
    (path / "inventory.yaml").write_text(inventory, "utf-8")
    settings = f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n{LISTS}{extra}'
    (path / "muster.toml").write_text(settings, "utf-8")
    return path


async def key_of(path: Path) -> tuple[Path, str]:
    """Make a key as the documentation says; return the file and what goes into the settings."""
    process = await create_subprocess_exec("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path))
    assert await process.wait() == 0
    status, out, _ = await muster("bundle", "key", str(path))
    assert status == 0
    return path, f'[[bundles.keys]]\nname = "li"\nkey = "{out.strip()}"\nunits = ["gz"]\n'


@pytest.fixture
def inventory() -> str:
    return INVENTORY.replace("every: 60s", "every: 60s, count: 1, interval: 1s")


@pytest.mark.timeout(120)
async def test_without_a_daemon(tmp_path: Path, inventory: str) -> None:
    key, settings = await key_of(tmp_path / "site.pem")
    laptop = home_of(tmp_path / "laptop", inventory)
    hub = ("-c", str(home_of(tmp_path / "hub", inventory, settings) / "muster.toml"))
    file = tmp_path / "hall.bundle"
    making = (
        "check",
        "hall",
        "--bundle",
        str(file),
        "--vantage",
        "desk-1",
        "-c",
        str(laptop / "muster.toml"),
    )
    assert (await muster(*making))[0] == 2, "no key"
    status, out, err = await muster(*making, "--key", str(key))
    assert status == 5, "the verdict's status, as without --bundle"
    assert "within a minute" in err
    assert json.loads((await muster("bundle", "show", str(file)))[1])["vantage"] == "site:desk-1"
    assert (await muster("check", "hall", "--stored", *hub))[0] == 5
    assert (await muster("bundle", "import", str(file), *hub))[0] == 1, "there is no store yet"
    await asyncio.to_thread(lambda: Store.open(tmp_path / "hub" / "state").close())
    assert (await muster("bundle", "import", str(tmp_path / "none"), *hub))[0] == 2
    status, out, err = await muster("bundle", "import", str(file), *hub)
    assert (status, "1 readings of site:desk-1 by the key of li" in out) == (0, True), err
    _, out, _ = await muster("check", "hall", "--stored", "--format", "json", *hub)
    rows = {row["id"]: row for row in json.loads(out)["units"][0]["items"]}
    assert (rows["answers"]["status"], rows["answers"]["vantage"]) == ("pass", "site:desk-1")
    status, _, err = await muster("bundle", "import", str(file), *hub)
    assert (status, "replayed" in err) == (3, True)
    file.write_text(file.read_text("utf-8").replace('"received":1', '"received":2'), "utf-8")
    status, _, err = await muster("bundle", "import", str(file), *hub)
    assert (status, "tampered" in err) == (3, True)
    _, out, err = await muster("ledger", *hub)
    assert "bundle.import" in out
    assert "whole: 1 entries" in err


@pytest.mark.timeout(120)
async def test_beside_a_daemon(tmp_path: Path, inventory: str) -> None:
    key, settings = await key_of(tmp_path / "site.pem")
    laptop = home_of(tmp_path / "laptop", inventory)
    hub, file = home_of(tmp_path / "hub", inventory), tmp_path / "hall.bundle"
    config = ("-c", str(hub / "muster.toml"))
    async with running(hub, inventory, f"{LISTS}{settings}") as daemon:
        making = ("check", "hall", "--bundle", str(file), "--key", str(key))
        assert (await muster(*making, "-c", str(laptop / "muster.toml")))[0] == 5
        status, out, err = await muster("bundle", "import", str(file), *config)
        assert (status, "1 readings of site:hall" in out) == (0, True), err
        status, _, err = await muster("bundle", "import", str(file), *config)
        assert (status, "replayed" in err) == (3, True)
        assert '"level": "error"' not in daemon.log()
    _, _, err = await muster("ledger", *config)
    assert "whole: 1 entries" in err


@pytest.mark.timeout(120)
async def test_no_secret_is_in_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_PC", MARKER)
    key, _ = await key_of(tmp_path / "site.pem")
    file = tmp_path / "hall.bundle"
    async with tcp_server(telltale) as port:
        laptop = home_of(tmp_path / "laptop", told(port))
        making = (
            "check",
            "hall",
            "--bundle",
            str(file),
            "--key",
            str(key),
            "-c",
            str(laptop / "muster.toml"),
        )
        status, _, err = await muster(*making)
    assert status in (3, 5), err
    text = file.read_text("utf-8")
    assert "hall/pc1/http" in text
    for form in (MARKER, base64.b64encode(f"ops:{MARKER}".encode()).decode(), "secret:"):
        assert form not in text


@pytest.mark.timeout(120)
async def test_the_clock_is_measured_by_the_unit_s_time_server(tmp_path: Path) -> None:
    key, _ = await key_of(tmp_path / "site.pem")
    (tmp_path / "time").mkdir()
    async with chronyd(tmp_path / "time") as port:
        clock = f"checks: [{{probe: ntp, port: {port}, every: 60s, timeout: 5s}}, "
        laptop, file = home_of(tmp_path / "laptop", INVENTORY.replace("checks: [", clock)), tmp_path / "b"
        making = (
            "check",
            "hall",
            "--bundle",
            str(file),
            "--key",
            str(key),
            "-c",
            str(laptop / "muster.toml"),
        )
        assert (await muster(*making))[0] == 5
    found = json.loads((await muster("bundle", "show", str(file)))[1])["clock"]
    assert found["check"] == "hall/pc1/ntp"
    assert abs(found["offset_s"]) < 0.1
