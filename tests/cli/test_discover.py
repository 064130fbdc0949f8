"""`muster inventory discover` against real servers in a network of their own, every frame of it counted."""

# ruff: noqa: E501 - one case a line

from __future__ import annotations

import asyncio
import ipaddress
import os
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from inventory.load import load
from inventory.problems import ConfigError
from monitor import plan
from monitor.cli.main import app
from monitor.paths import shipped
from tests.servers import lan as servers
from tests.servers.lan import COMMUNITY, NGINX, PLAIN, PRINTER, SNMPD, SSHD, Lan
from tests.servers.namespace import needs_namespace

RANGE = ipaddress.ip_network("10.50.0.0/28")
ICMP, TCP, UDP = 1, 6, 17


@pytest_asyncio.fixture(name="net")
async def _net(tmp_path: Path) -> AsyncIterator[Lan]:
    async with servers.lan(tmp_path) as found:
        listening = asyncio.create_task(found.listen())
        try:
            yield found
        finally:
            listening.cancel()


async def discover(net: Lan, *arguments: str, wrap: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """Run the command on the monitor's side."""
    command = net.monitor.command(
        *wrap, sys.executable, "-m", "monitor.cli", "inventory", "discover", *arguments
    )
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "MUSTER_SECRET_HALL_SNMP": COMMUNITY}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 50)
    net.read()
    return process.returncode or 0, out.decode(), err.decode()


def asked(net: Lan) -> list[tuple[int, str, int]]:
    """Return (protocol, destination, port or ICMP type) of each packet the monitor sent; ARP is protocol 0."""
    found = []
    for frame in net.read():
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x06":
            found.append((0, str(ipaddress.ip_address(packet[24:28])), 0))
        elif kind == b"\x08\x00":
            inside = packet[(packet[0] & 15) * 4 :]
            port = inside[0] if packet[9] == ICMP else struct.unpack("!H", inside[2:4])[0]
            found.append((packet[9], str(ipaddress.ip_address(packet[16:20])), port))
    return found


def syns(net: Lan) -> Counter[tuple[str, int]]:
    """Return how often a connection to which address and port was begun."""
    found: Counter[tuple[str, int]] = Counter()
    for frame in net.read():
        packet = frame[14:]
        if frame[12:14] == b"\x08\x00" and packet[9] == TCP and packet[33] & 0x12 == 2:
            found[str(ipaddress.ip_address(packet[16:20])), struct.unpack("!H", packet[22:24])[0]] += 1
    return found


@needs_namespace
async def test_what_answers_is_proposed_and_nothing_outside_is_asked(net: Lan, tmp_path: Path) -> None:
    ports = "22,80,443,9100"
    arguments = (str(RANGE), "--rate", "200/s", "--ports", ports, "--snmp", "community=secret:hall_snmp")
    status, out, err = await discover(net, *arguments)
    assert status == 0, err
    file = tmp_path / "found.yaml"
    file.write_text(out, "utf-8")
    inventory, _, made = await asyncio.to_thread(plan.read, file, [shipped("config") / "profiles"])
    assets = {asset.id: asset for asset in inventory.units["found-10-50-0-0-28"].assets}
    assert {(name, asset.kind, asset.address) for name, asset in assets.items()} == {
        ("at-10-50-0-1", "host", "10.50.0.1"), ("at-10-50-0-2", "host", SSHD), ("at-10-50-0-3", "host", NGINX),
        ("at-10-50-0-3-http", "application", NGINX), ("at-10-50-0-3-https", "application", NGINX),
        ("hall.switch-1", "host", SNMPD), ("at-10-50-0-5", "peripheral", PRINTER), ("at-10-50-0-6", "host", PLAIN),
    }  # fmt: skip
    assert not made.uncovered
    switch = assets["hall.switch-1"]
    assert switch.snmp == {"community": "secret:hall_snmp"}
    assert {"network", "snmp"} <= set(switch.tags)
    for evidence in (
        "# port 22 is open: SSH-2.0-OpenSSH", "# port 80 is open: nginx/", "# port 443 is open: CN=hall.example",
        "# SNMP: Huawei S5735 VRP switch, 1.3.6.1.4.1.2011.2.23.1, Huawei", "# port 9100 is open\n",
    ):  # fmt: skip
        assert evidence in out, evidence
    assert "14 addresses asked, 6 answered." in err
    assert COMMUNITY not in out + err
    packets = asked(net)
    assert {each for _, each, _ in packets if ipaddress.ip_address(each) not in RANGE} == set()
    assert "10.50.0.15" not in {each for _, each, _ in packets}, "broadcasts are nobody's address"
    assert {port for kind, _, port in packets if kind == UDP} == {161}
    assert Counter(each for kind, each, port in packets if kind == ICMP and port == 8) == Counter(
        [SSHD, NGINX, SNMPD, PRINTER, PLAIN]
    )
    assert set(syns(net)) == {(each, port) for each in (SSHD, NGINX, SNMPD, PRINTER, PLAIN) for port in map(int, ports.split(","))}  # fmt: skip
    sent, _ = net.printer.accept()
    with sent:
        assert sent.recv(100) == b"", "what is sent to a printer is printed"


@needs_namespace
async def test_what_the_inventory_has_is_left_out(net: Lan, tmp_path: Path) -> None:
    file = tmp_path / "inventory.yaml"
    file.write_text(
        f"version: 1\nunits: [{{id: a, name: A, level: hall, assets: [{{id: x, kind: host, address: {SSHD}}}, "
        "{id: y, kind: host, address: y.example}]}]\n"
    )
    before = file.read_bytes()
    status, out, err = await discover(net, "10.50.0.2/31", "-i", str(file), "--rate", "200", "--ports", "")
    assert status == 0, err
    assert (f"address: {SSHD}" in out, f"address: {NGINX}" in out) == (False, True)
    assert "Left out: what the inventory has already (1 addresses)." in err
    assert "Not compared: 1 assets of the inventory that have a name as their address." in err
    assert SSHD not in {each for kind, each, _ in asked(net) if kind}
    assert file.read_bytes() == before


@needs_namespace
async def test_silent_addresses_are_asked_for_ports_only_when_wanted(net: Lan) -> None:
    net.lan.write("net/ipv4/icmp_echo_ignore_all", "1")
    status, out, err = await discover(net, SSHD, "--ports", "22", "--rate", "200")
    assert (status, "units: []" in out, "1 addresses asked, 0 answered." in err) == (0, True, True)
    assert not syns(net)
    status, out, _ = await discover(net, SSHD, "--ports", "22", "--rate", "200", "--silent")
    assert "# port 22 is open: SSH-2.0-OpenSSH" in out
    assert "answers echoes" not in out


@needs_namespace
async def test_a_wrong_community_and_a_user_unknown_are_told_apart_from_no_agent(net: Lan) -> None:
    _, out, _ = await discover(
        net, SNMPD, "--ports", "", "--rate", "200", "--snmp", "version=3", "--snmp", "user=nobody",
    )  # fmt: skip
    assert "# not asked: SNMP: unknown_user" in out


@needs_namespace
async def test_what_may_not_be_asked_is_not_called_silent(net: Lan) -> None:
    without = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    status, out, err = await discover(net, SSHD, PLAIN, "--ports", "", wrap=without)
    assert (status, out) == (5, "")
    assert "no address could be asked, so nothing is known of any" in err
    assert "icmp: permission" in err
    status, out, err = await discover(net, SSHD, PLAIN, "--ports", "22", "--silent", wrap=without)
    assert (status, f"address: {SSHD}" in out, f"address: {PLAIN}" in out) == (0, True, True)
    assert "2 addresses asked, 2 answered" in err
    assert "# refuses connections: a machine, or a firewall in its place; no check is guessed" in out
    status, out, err = await discover(net, SSHD, "10.50.0.9", "--ports", "22", "--silent", wrap=without)
    assert (status, "address: 10.50.0.9" in out) == (0, False)
    assert "1 addresses could not be asked, which is no silence: icmp: permission" in err
    assert "# not asked: icmp: permission" in out


@needs_namespace
@pytest.mark.alone
async def test_the_rate_is_kept(net: Lan) -> None:
    start = time.monotonic()
    status, _, _ = await discover(net, "10.50.0.0/26", "--rate", "40/s", "--ports", "", "--wait", "200 ms")
    assert status == 0
    assert time.monotonic() - start >= 61 / 40
    first: dict[str, float] = {}
    for at, frame in net.frames:
        packet = frame[14:]
        where = packet[24:28] if frame[12:14] == b"\x08\x06" else packet[16:20]
        first.setdefault(str(ipaddress.ip_address(where)), at)
    assert len(first) == 61
    busiest = max(sum(1 for other in first.values() if at <= other < at + 0.5) for at in first.values())
    assert busiest <= 23, "40 a second, read in steps of 20 ms and one more at the edge"


def muster(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["inventory", "discover", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("10.0.0.0/16",), "65,534 addresses are many"),
        (("8.8.8.8",), "8.8.8.8/32 is a public range"),
        (("10.0.0.1", "--rate", "0"), "--rate 0 is no rate"),
        (("10.0.0.1", "--rate", "fast"), "--rate fast is no rate"),
        (("10.0.0.1", "--wait", "1 h"), "--wait 1 h is out of range"),
        (("10.0.0.1", "--wait", "1 kg"), "--wait"),
        (("10.0.0.1", "--ports", "ssh"), "--ports ssh is no list of ports"),
        (("10.0.0.1", "--level", "town"), "--level town is not known"),
        (("10.0.0.1", "--snmp", "community=secret:nowhere"), 'no secret "nowhere"'),
        (("10.0.0.1", "-o", "."), "-o . is a directory"),
    ],
)
def test_usage(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = muster(*arguments)
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("community=public",), "--snmp.community: an inline password is refused"),
        (("comunity=secret:x",), 'did you mean "community"'),
        (("version=3",), "version 3 needs a user"),
    ],
)
def test_an_account_that_is_none(
    given: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for each in given for word in ("--snmp", each)]
    with pytest.raises(ConfigError) as caught:
        muster("10.0.0.1", *words)
    assert said in str(caught.value)
    assert "public" not in str(caught.value)


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("found.yaml").write_text("mine")
    assert "is there already" in muster("127.0.0.1", "-o", "found.yaml").stderr
    assert Path("found.yaml").read_text() == "mine"
    with suppress(SystemExit):
        done = muster("127.0.0.1", "-o", "found.yaml", "--force", "--ports", "", "--rate", "500")
        assert done.exit_code == 0
    assert load(Path("found.yaml")).units["found-127-0-0-1-32"].assets[0].address == "127.0.0.1"
