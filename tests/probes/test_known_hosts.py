"""Which host keys are trusted: the pure part, against files that ssh-keygen writes too."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes._known_hosts import HostKey, Trust, host_name, parse, read
from tests.servers.sshd import make_key

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519" + b"k" * 36)
OTHER = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519" + b"o" * 36)


@pytest.mark.parametrize(
    ("lines", "host", "port", "trust"),
    [
        ("", "a", 22, Trust.UNKNOWN),
        ("a {key}", "a", 22, Trust.KNOWN),
        ("A {key} comment of many words", "a", 22, Trust.KNOWN),
        ("a,10.0.0.1 {key}", "10.0.0.1", 22, Trust.KNOWN),
        ("a {key}", "a", 2222, Trust.UNKNOWN),
        ("[a]:2222 {key}", "a", 2222, Trust.KNOWN),
        ("[a]:2222 {key}", "a", 22, Trust.UNKNOWN),
        ("[::1]:2222 {key}", "::1", 2222, Trust.KNOWN),
        ("a {other}", "a", 22, Trust.CHANGED),
        ("a {other}\na {key}", "a", 22, Trust.KNOWN),
        ("*.x,!bad.x {key}", "good.x", 22, Trust.KNOWN),
        ("*.x,!bad.x {key}", "bad.x", 22, Trust.UNKNOWN),
        ("[10.0.0.?]:2222 {key}", "10.0.0.7", 2222, Trust.KNOWN),
        ("a {key}\n@revoked * {key}", "a", 22, Trust.REVOKED),
        ("@cert-authority a {key}", "a", 22, Trust.UNKNOWN),
        ("# a {key}\n\na\na ssh-ed25519 ***", "a", 22, Trust.UNKNOWN),
    ],
)
def test_trust(lines: str, host: str, port: int, trust: Trust) -> None:
    known = parse(lines.format(key=KEY.text, other=OTHER.text))
    assert known.trust(host, port, KEY) is trust


def test_hashed_names_as_ssh_keygen_writes_them(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    words = (tmp_path / "key.pub").read_text().split()
    key = HostKey(words[0], base64.b64decode(words[1]))
    file = tmp_path / "known_hosts"
    file.write_text(f"[hall.example]:2222 {key.text}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "hall.example" not in file.read_text()
    assert read(file).trust("Hall.example", 2222, key) is Trust.KNOWN
    assert read(file).trust("hall.example", 22, key) is Trust.UNKNOWN


def test_fingerprint_as_ssh_keygen_prints_it(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    words = (tmp_path / "key.pub").read_text().split()
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")], check=True, capture_output=True, text=True
    )
    assert HostKey(words[0], base64.b64decode(words[1])).fingerprint in done.stdout


def test_a_file_that_is_not_there_knows_nobody(tmp_path: Path) -> None:
    assert read(tmp_path / "none").trust("a", 22, KEY) is Trust.UNKNOWN


@given(st.text(max_size=500))
def test_no_text_makes_a_stranger_known(text: str) -> None:
    assert parse(text).trust("10.0.0.1", 22, KEY) is not Trust.KNOWN


@given(st.from_regex(r"[a-z0-9.-]{1,30}", fullmatch=True), st.integers(1, 65535))
def test_what_is_written_is_found(host: str, port: int) -> None:
    known = parse(f"{host_name(host, port)} {KEY.text}")
    assert known.trust(host, port, KEY) is Trust.KNOWN
    assert known.trust(host, port, OTHER) is Trust.CHANGED
