"""The settings of witnesses and heartbeat: what is refused, with its place and what to write instead."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from inventory.problems import ConfigError
from monitor import doctor, settings
from monitor.doctor import Finding, Level
from monitor.isolation.witness_settings import Endpoint, WitnessSettings, endpoint, within
from monitor.place import Place, place

BAD = {
    "[witnesses]\naddresses = ['10.0.0.1']\n": "2:1: witnesses.addresses: one witness can't be told",
    "[witnesses]\naddresses = ['10.0.0.1', '10.0.0.1:22']\n": "2:1: witnesses.addresses: one witness",
    "[witnesses]\naddresses = ['10.0.0.1', '10.0.0.1:22', 'b']\n": "2:1: witnesses.addresses: two ports of",
    "[witnesses]\naddresses = ['10.0.0.1', '127.0.0.1']\n": '2:1: witnesses.addresses[1]: "127.0.0.1"',
    "[witnesses]\naddresses = ['10.0.0.1', 'a b']\n": '2:1: witnesses.addresses[1]: "a b" is no address',
    "[witnesses]\naddresses = ['10.0.0.1', 'https://a']\n": "2:1: witnesses.addresses[1]: a URL is no",
    "[witnesses]\naddresses = ['10.0.0.1', 'a:0']\n": '2:1: witnesses.addresses[1]: "a:0" has no port',
    "[witnesses]\nevery = '0.1 s'\n": "2:1: witnesses.every",
    "[witnesses]\nadresses = []\n": '2:1: witnesses.adresses: unknown key; did you mean "addresses"?',
    "[heartbeat]\nurl = 'http://a.example/7f3a'\n": "2:1: heartbeat.url: must be a URL of https; write",
    "[heartbeat]\nurl = 7\n": "2:1: heartbeat.url: must be a text",
    "[heartbeat]\nevery = '1 s'\n": "2:1: heartbeat.every",
    "[heartbeat]\nmail = 'a@b.example'\n": "heartbeat.mail needs a mail server; write host in [mail]",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        settings.load(file)
    assert BAD[text] in str(raised.value)
    assert "7f3a" not in str(raised.value)


def test_what_is_right(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(
        '[witnesses]\naddresses = ["10.0.0.1", "Time.gd.example.:123", "[2001:db8::1]:443"]\nevery = "30 s"\n'
        '[heartbeat]\nurl = "secret:ping"\nca_file = "ca.pem"\n', "utf-8",
    )  # fmt: skip
    found = settings.load(file)
    assert list(found.witnesses.endpoints.values()) == [
        Endpoint("10.0.0.1"), Endpoint("time.gd.example", 123), Endpoint("2001:db8::1", 443),
    ]  # fmt: skip
    assert found.heartbeat.ca_file == tmp_path / "ca.pem"
    assert settings.load(None).witnesses.addresses == ()


def test_an_address_is_found_again_however_it_is_written() -> None:
    named = WitnessSettings(addresses=("2001:DB8::0:1", "Time.example:80", "10.0.0.1"))
    assets = [("u/a", "2001:db8::1"), ("u/b", "time.example."), ("u/c", ""), ("u/d", "10.0.0.2")]
    assert within(named, assets) == {"2001:DB8::0:1": "u/a", "Time.example:80": "u/b"}
    assert endpoint("2001:DB8::0:1").host == "2001:db8::1"


INVENTORY = """version: 1
units:
  - id: u1
    name: Unit
    level: hall
    assets:
      - {id: core, kind: channel, role: core, address: 10.0.0.1}
      - {id: time, kind: channel, role: backup, address: 10.0.0.2}
"""


def here(directory: Path, text: str) -> Place:
    (directory / "inventory.yaml").write_text(INVENTORY, "utf-8")
    (directory / "muster.toml").write_text(
        f'[daemon]\nstate_dir = "state"\ninventory = "inventory.yaml"\n{text}', "utf-8"
    )
    return place(directory / "muster.toml")


def about(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, each.text) for each in findings if each.subject in ("witnesses", "heartbeat")]


def test_the_doctor_says_what_it_means_to_have_neither(tmp_path: Path) -> None:
    where = here(tmp_path, "")
    found = about([*doctor.witnesses(where), *doctor.heartbeat(where)])
    assert [level for level, _ in found] == [Level.WARNING, Level.WARNING]
    assert "everything behind it counts as failed" in found[0][1]
    assert "nobody outside notices" in found[1][1]


@pytest.mark.parametrize(
    ("addresses", "level"),
    [('"10.0.0.1", "10.0.0.9", "10.0.0.8"', Level.WARNING), ('"10.0.0.1:53", "10.0.0.9"', Level.BAD)],
)
def test_the_doctor_finds_witnesses_that_are_watched(tmp_path: Path, addresses: str, level: Level) -> None:
    found = about(list(doctor.configuration(here(tmp_path, f"[witnesses]\naddresses = [{addresses}]\n"))))
    assert [each for each, _ in found] == [level]
    assert "is u1/core as well" in found[0][1]


async def test_the_doctor_asks_the_witnesses(tmp_path: Path) -> None:
    named = 'addresses = ["nowhere.example", "255.255.255.255:1"]'
    where = here(tmp_path, f'[probes]\nresolvers = ["127.0.0.1"]\n[witnesses]\n{named}\n')
    found = about(await asyncio.to_thread(lambda: list(doctor.witnesses(where))))
    assert found[0][0] is Level.BAD
    assert "nowhere.example gives no address" in found[0][1]
    assert found[1][0] is not Level.GOOD


def test_the_doctor_reads_the_heartbeats_secret_and_does_not_show_it(tmp_path: Path) -> None:
    where = here(tmp_path, '[heartbeat]\nurl = "secret:ping"\n')
    assert about(list(doctor.heartbeat(where)))[0][0] is Level.BAD
    (tmp_path / "secrets.yaml").write_text("version: 1\nsecrets: {ping: 'http://x/7f3a'}\n", "utf-8")
    (tmp_path / "secrets.yaml").chmod(0o600)
    where = here(tmp_path, 'secrets = "secrets.yaml"\n[heartbeat]\nurl = "secret:ping"\n')
    (finding,) = doctor.heartbeat(where)
    assert (finding.level, "7f3a" in str(finding)) == (Level.BAD, False)
    (tmp_path / "secrets.yaml").write_text("version: 1\nsecrets: {ping: 'https://x/7f3a'}\n", "utf-8")
    (finding,) = doctor.heartbeat(where)
    assert (finding.level, finding.text) == (Level.GOOD, "a call every 60 s")
