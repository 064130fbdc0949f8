"""The root of the command line: wrong usage, and the doctor."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from monitor.cli.main import COMMANDS
from tests.cli.running import muster

pytestmark = pytest.mark.timeout(60)


async def test_wrong_usage_is_2(tmp_path: Path) -> None:
    assert (await muster("nothing"))[0] == 2
    assert (await muster("check", "--gaet", "x"))[0] == 2
    status, _, err = await muster(
        "check", "-i", str(tmp_path / "none.yaml"), "--state-dir", str(tmp_path / "s")
    )
    assert status == 2
    assert "Traceback" not in err


async def test_version_and_help() -> None:
    status, out, _ = await muster("--version")
    assert status == 0
    assert out.startswith("muster 0.")
    assert (await muster("--help"))[0] == 0


async def test_the_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "muster.toml").write_text(
        '[daemon]\nstate_dir = "state"\ninventory = "none.yaml"\n[mail]\nhost = "127.0.0.1"\nport = 9\n',
        "utf-8",
    )
    status, out, _ = await muster("doctor", "-c", str(tmp_path / "muster.toml"))
    text = " ".join(out.split())
    assert status == 1
    for part in ("icmp", "open files", "clock", "inventory", "none.yaml", "mail", "muster run"):
        assert part in text


async def test_the_doctor_is_content_with_the_starter(tmp_path: Path) -> None:
    assert (await muster("init", str(tmp_path / "here")))[0] == 0
    settings = tmp_path / "here" / "muster.toml"
    text = settings.read_text("utf-8")
    status, out, err = await muster("inventory", "validate", "-c", str(settings))
    assert status == 0, (out, err, text)
    again, _, err = await muster("init", str(tmp_path / "here"))
    assert again == 2
    assert "nothing was changed" in err


async def test_a_command_brings_along_only_what_it_needs() -> None:
    """Else each command would load the daemon, its pages and the InfluxDB client: half its time."""
    code = (
        "import sys; sys.argv = ['muster', 'ledger', '--help']\n"
        "try:\n    import monitor.cli; monitor.cli.main()\n"
        "except SystemExit: pass\n"
        "print([each for each in ('monitor.app', 'aiohttp.web', 'influxdb_client') if each in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out = (await process.communicate())[0].decode()
    assert out.splitlines()[-1] == "[]"


async def test_every_command_is_in_the_help() -> None:
    status, out, _ = await muster("--help")
    assert status == 0
    assert [each for each in COMMANDS if f" {each} " not in out] == []
