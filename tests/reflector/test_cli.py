"""`muster reflect`: keys that others may read are refused, none is ever shown, it ends with its counts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli.main import app
from probes.network._reflect_keys import read, unit_key
from tests.cli.running import muster
from tests.servers.reflector import MASTER, UNIT, key_file, reflecting


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MUSTER_SECRET_REFLECT", MASTER)
    return "secret:reflect"


def _here(*arguments: str) -> tuple[int, str, str]:
    """Return what `muster reflect` gives within this process."""
    result = CliRunner().invoke(app, ["reflect", *arguments])
    return result.exit_code, result.stdout, result.stderr


async def test_a_key_is_made_for_one_unit_in_a_file_of_its_own(tmp_path: Path, master: str) -> None:
    file = tmp_path / "unit.key"
    status, out, err = await muster("reflect", "--make-key", UNIT, "--master", master, "-o", str(file))
    assert (status, err) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read(file.read_text()) == unit_key(MASTER, UNIT)
    assert file.read_text().strip() not in out
    assert MASTER not in out


def test_a_key_is_never_overwritten(tmp_path: Path, master: str) -> None:
    file = tmp_path / "unit.key"
    file.write_text("mine")
    status, _, err = _here("--make-key", UNIT, "--master", master, "-o", str(file))
    assert (status, file.read_text()) == (2, "mine")
    assert "File exists" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--make-key", UNIT], "go together"),
        (["--make-key", UNIT, "--master", MASTER, "-o", "FILE"], "a key on the command line is refused"),
        (["--make-key", UNIT, "--master", "secret:none", "-o", "FILE"], 'no secret "none"'),
        (["--key", "0" * 64], "a key on the command line is refused"),
        (["--key", "secret:none"], 'no secret "none"'),
        ([], 'no secret "reflect_key"'),
        (["--listen", "everywhere:1"], "is no address and port"),
        (["--listen", "10.0.0.1"], "is no address and port"),
        (["--listen", "10.0.0.1:65536"], "is no address and port"),
        (["--log", "xml"], "is not known"),
    ],
)
def test_wrong_usage_says_what_to_write(arguments: list[str], says: str, tmp_path: Path, master: str) -> None:
    given = [str(tmp_path / "x") if word == "FILE" else word for word in arguments]
    status, out, err = _here(*given)
    assert (status, out) == (2, "")
    assert says in " ".join(err.split())
    assert MASTER not in err
    assert "0" * 64 not in err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path)
    file.chmod(mode)
    status, _, err = _here("--key-file", str(file))
    assert status == 2
    assert "others may read the key" in err


def test_a_file_without_a_key_is_refused_and_not_shown(tmp_path: Path) -> None:
    file = key_file(tmp_path)
    file.write_text("something-that-is-no-key\n")
    status, _, err = _here("--key-file", str(file))
    assert status == 2
    assert "64 hexadecimal digits" in " ".join(err.split())
    assert "something" not in err


async def test_an_address_that_is_taken_says_so(tmp_path: Path) -> None:
    async with reflecting(tmp_path) as reflector:
        listen = f"127.0.0.1:{reflector.port}"
        status, _, err = await muster("reflect", "--key-file", str(key_file(tmp_path)), "--listen", listen)
    assert status == 1
    assert "in use" in err


async def test_it_ends_with_its_counts_and_never_shows_its_key(tmp_path: Path) -> None:
    async with reflecting(tmp_path) as reflector:
        last = await reflector.stop()
        text = reflector.log.read_text()
    assert reflector.process.returncode == 0
    assert last["event"] == "counts so far"
    assert reflector.entries()[0]["address"] == "127.0.0.1"
    assert key_file(tmp_path).read_text().strip() not in text
