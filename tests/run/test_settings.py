"""The settings file: positions, suggestions, paths, and logs without secrets."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog

from inventory.problems import ConfigError
from monitor import settings
from monitor.process import log

BAD = {
    "[daemon]\nstate_dri = 'x'\n": '2:1: daemon.state_dri: unknown key; did you mean "state_dir"?',
    "[deamon]\n": '1:1: deamon: unknown key; did you mean "daemon"?',
    "[web]\nlisten = '8787'\n": "2:1: web.listen: must be",
    "[limits]\nin_flight = 0\n": "2:1: limits.in_flight",
    "[incidents]\nclose_after = '1 s'\n": "1:1: incidents: ",
    "[limits]\nshed_after = '5 m'\n": "2:1: limits.shed_after",
    "[tests]\nwindows = ['7-21']\n": "2:1: tests.windows",
    "[tests]\nmax_bytes_per_day = '5 s'\n": "2:1: tests.max_bytes_per_day",
    "[tests]\nslip = 0.6\n": "2:1: tests.slip",
    "[mail]\nport = 70000\n": "2:1: mail.port",
    "[mail]\nusername = 'u'\npassword = 'hunter2'\n": "3:1: mail.password",
    "[daemon\n": "1:8",
    "a = 1\na = 2\n": "2:6",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as raised:
        settings.load(file)
    assert f"{file}:{BAD[text]}" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        settings.load(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        settings.load(tmp_path / "x.toml")


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "muster.toml"
    file.write_text(
        '[daemon]\ninventory = "units"\nsecrets = "/etc/s"\n[probes]\nknown_hosts = "k"\n', "utf-8"
    )
    found = settings.load(file)
    assert found.daemon.inventory == tmp_path / "units"
    assert found.daemon.secrets == Path("/etc/s")
    assert found.probe_settings().known_hosts == tmp_path / "k"


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_show_no_local_variables(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        log.configure("json" if style == "json" else "console")

        def fails(password: str) -> None:
            raise ValueError(len(password))

        try:
            fails("".join(["s3", "cr", "et"]))
        except ValueError:
            structlog.get_logger("test").exception("went wrong")
            logging.getLogger("a.library").exception("went wrong, too")
        printed = capsys.readouterr().out
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = handlers, level
        structlog.reset_defaults()
    assert printed.count("went wrong") == 2
    assert "s3cret" not in printed
    assert "_record" not in printed
