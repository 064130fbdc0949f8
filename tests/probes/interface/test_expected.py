"""Files that are to have come: which one is due, what is counted, and what a control file makes of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.api import Context, Outcome, ProbeSettings, Reading, Target
from probes.errors import ExpectationFailed
from probes.interface import _expected as expected
from probes.interface import file_exchange as module
from probes.interface._store import Entry
from probes.measure import measure_within
from tests.probing import run_once, shared_here
from tests.servers.ftpd import ACCOUNT, Ftpd, needs_root, proftpd, vsftpd
from tests.servers.sshd import sshd

MARKER = "marker-Pa55/w0rd+9"
ZONE = "Asia/Shanghai"
ROWS = [f"{number},2027-01-14,12.50" for number in range(1000)]
TEXT = "\n".join(["id,day,amount", *ROWS, "TOTAL,1000"]) + "\n"
EXPECT: dict[str, Any] = {
    "mode": "expected", "file": "out/recon_%Y%m%d.csv", "by": "00:00", "timezone": ZONE,
    "header_lines": 1, "trailer_lines": 1,
}  # fmt: skip
CONTROL = {"file": "out/recon_%Y%m%d.ctl", "count": r"rows=(\d+)", "digest": r"sha256=([0-9a-f]{64})"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ftpd() -> AsyncIterator[Ftpd]:
    async with proftpd(MARKER) as running:
        yield running


async def _ask(caplog: pytest.LogCaptureFixture, port: int, **params: Any) -> Reading:
    caplog.set_level(logging.DEBUG)
    async with shared_here(secrets={"pw": MARKER}) as shared:
        context = Context(shared, 8.0, trace=[])
        given = {"protocol": "ftp", "user": ACCOUNT, "password": "secret:pw", "port": port} | params
        reading = await run_once(
            "file_exchange", "127.0.0.1", context=context, shared=shared, timeout=8.0, **given
        )
    shown = f"{reading}{context.trace}{caplog.text}"
    assert MARKER not in shown
    assert "2027-01-14,12.50" not in shown, "what is in a file is not shown"
    return reading


def _day(server: Ftpd, text: str = TEXT, rows: int = 1000, **control: str) -> Path:
    """Put today's file and its control file where they are expected."""
    day = dt.datetime.now(dt.UTC).astimezone(ZoneInfo(ZONE)).strftime("%Y%m%d")
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    server.write(f"out/recon_{day}.ctl", control.get("control", f"rows={rows}\nsha256={digest}\n"))
    return server.write(f"out/recon_{day}.csv", text)


async def test_a_file_that_is_what_its_control_file_says(
    ftpd: Ftpd, caplog: pytest.LogCaptureFixture
) -> None:
    path = _day(ftpd)
    reading = await _ask(caplog, ftpd.port, **EXPECT, control=CONTROL)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    metrics = reading.metrics
    assert (metrics["records"], metrics["announced"], metrics["records_missing"]) == (1000, 1000, 0)
    assert (metrics["files"], metrics["size_bytes"]) == (1, len(TEXT))
    assert 0 <= metrics["age_s"] < 60
    assert metrics["late_s"] == pytest.approx(int(path.stat().st_mtime) - _midnight(), abs=1)
    assert reading.facts["file"] == path.name
    assert reading.facts["sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert reading.facts["due"].endswith("T00:00:00+08:00")
    assert {*metrics} <= {metric.name for metric in module.PROBE.metrics}
    assert {*reading.facts} <= {fact.name for fact in module.PROBE.facts}


def _midnight() -> float:
    return expected.due(dt.datetime.now(dt.UTC), dt.time(), ZONE).timestamp()


async def test_by_default_the_day_is_that_of_the_unit(ftpd: Ftpd) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        params = module.FileExchangeParams.model_validate(
            {key: value for key, value in EXPECT.items() if key != "timezone"}
            | {"protocol": "ftp", "user": ACCOUNT, "password": "secret:pw", "port": ftpd.port}
        )
        async with shared_here(secrets={"pw": MARKER}) as shared:
            target = Target("127.0.0.1", timezone=zone)
            reading = await measure_within(module.PROBE, target, params, Context(shared, 8.0))
        assert reading.facts["due"] == expected.due(dt.datetime.now(dt.UTC), dt.time(), zone).isoformat()


async def test_a_file_that_is_short_by_one_row(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    path = _day(ftpd, TEXT.replace(f"\n{ROWS[7]}\n", "\n"))
    short = await _ask(caplog, ftpd.port, **EXPECT, control=CONTROL)
    _day(ftpd, TEXT.replace(f"\n{ROWS[7]}", f"\n{ROWS[8]}"))
    altered = await _ask(caplog, ftpd.port, **EXPECT, control=CONTROL)
    assert (short.outcome, short.kind) == (Outcome.FAILED, "expectation")
    assert short.detail == f"{path.name} is short by 1 row: 999 records, 1000 announced"
    assert (short.metrics["records"], short.metrics["records_missing"]) == (999, 1)
    assert (altered.outcome, altered.kind) == (Outcome.FAILED, "expectation")
    assert altered.detail.startswith(f"{path.name}: its digest is ")


async def test_a_trailer_that_counts(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    _day(ftpd)
    right = await _ask(caplog, ftpd.port, **EXPECT, control={"count": r"^TOTAL,(\d+)"})
    _day(ftpd, TEXT.replace("TOTAL,1000", "TOTAL,1002"))
    wrong = await _ask(caplog, ftpd.port, **EXPECT, control={"count": r"^TOTAL,(\d+)"})
    other = await _ask(caplog, ftpd.port, **EXPECT, control={"count": r"^SUM,(\d+)"})
    assert right.outcome is Outcome.OK
    assert "is short by 2 rows: 1000 records, 1002 announced" in wrong.detail
    assert other.detail == "the last line says nothing that matches '^SUM,(\\\\d+)'"


async def test_files_that_are_not_there(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    path = _day(ftpd)
    path.with_suffix(".ctl").unlink()
    uncontrolled = await _ask(caplog, ftpd.port, **EXPECT, control=CONTROL)
    path.unlink()
    missing = await _ask(caplog, ftpd.port, **EXPECT)
    pattern = await _ask(caplog, ftpd.port, **EXPECT | {"file": "out/recon_%Y%m%d_*.csv"})
    nowhere = await _ask(caplog, ftpd.port, **EXPECT | {"file": "nowhere/recon_*.csv"})
    assert uncontrolled.detail == f"not_there: no control file out/{path.with_suffix('.ctl').name}"
    for reading in (missing, pattern, nowhere):
        assert (reading.outcome, reading.kind) == (Outcome.FAILED, "expectation")
        assert reading.detail.startswith("not_there: no ")
    assert missing.detail.endswith(f"00:00 {ZONE}")
    assert pattern.metrics["files"] == 0


async def test_the_newest_of_several_over_sftp(tmp_path: Path) -> None:
    async with sshd("Subsystem sftp internal-sftp", "ForceCommand internal-sftp -R") as server:
        for number, hours in ((1, 3), (2, 1), (3, 2)):
            file = server.directory / f"bill_{number}.txt"
            file.write_text("x\n" * number)
            os.utime(file, (time.time() - hours * 3600,) * 2)
        (server.directory / "bill_9.txt").mkdir()
        settings = ProbeSettings(known_hosts=server.known_hosts)
        async with shared_here(settings, {"key": server.private_key}) as shared:
            ask: dict[str, Any] = {"mode": "expected", "user": server.user, "key": "secret:key"}
            file_name = f"{server.directory}/bill_*.txt"
            ask |= {"port": server.port, "file": file_name, "shared": shared, "timeout": 10.0}
            reading = await run_once("file_exchange", server.host, **ask)
            cut = await run_once("file_exchange", server.host, **ask, max_size=1)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert (reading.facts["file"], reading.metrics["records"]) == ("bill_2.txt", 2)
    assert reading.metrics["files"] == 3
    assert reading.metrics["age_s"] == pytest.approx(3600, abs=30)
    assert (cut.outcome, cut.kind) == (Outcome.ERROR, "inconclusive")
    assert cut.detail.endswith("has more than 1 bytes; raise max_size")


@needs_root
async def test_vsftpd_which_lists_without_a_time_zone(caplog: pytest.LogCaptureFixture) -> None:
    async with vsftpd(MARKER) as server:
        path = _day(server)
        os.utime(path, (time.time() - 5400,) * 2)
        reading = await _ask(caplog, server.port, **EXPECT | {"file": "out/recon_*.csv"}, control=CONTROL)
        absent = await _ask(caplog, server.port, **EXPECT | {"file": "out/other_%Y.csv"})
        cut = await _ask(caplog, server.port, **EXPECT, max_size=100)
    assert (reading.outcome, reading.detail) == (Outcome.OK, "")
    assert reading.metrics["age_s"] == pytest.approx(5400, abs=30)
    assert absent.detail.startswith("not_there: ")
    assert (cut.outcome, cut.kind) == (Outcome.ERROR, "inconclusive")


async def test_a_file_of_fewer_lines_than_its_head(ftpd: Ftpd, caplog: pytest.LogCaptureFixture) -> None:
    path = _day(ftpd, "one\n")
    reading = await _ask(caplog, ftpd.port, **EXPECT)
    assert (reading.kind, reading.metrics["records"]) == ("expectation", 0)
    assert reading.detail == f"{path.name} has 1 lines, fewer than its head and its trailer"


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2027-01-15T05:59:59+08:00", "2027-01-14"),
        ("2027-01-15T06:00:00+08:00", "2027-01-15"),
        ("2027-01-14T22:00:00+00:00", "2027-01-15"),
        ("2027-01-14T21:59:00+00:00", "2027-01-14"),
    ],
)
def test_until_it_is_due_the_file_of_the_day_before_counts(now: str, day: str) -> None:
    moment = expected.due(dt.datetime.fromisoformat(now), dt.time(6), ZONE)
    assert moment.isoformat() == f"{day}T06:00:00+08:00"


def test_names_of_days() -> None:
    moment = dt.datetime(2027, 1, 1, 6, tzinfo=dt.UTC)
    assert expected.named("/out/%Y/r_%m%d.csv", moment, -1) == ("/out/2026", "r_1231.csv")
    assert expected.named("/r_%d", moment, 0) == ("/", "r_01")
    assert expected.named("r_%d", moment, 0) == ("", "r_01")


@given(st.lists(st.binary(max_size=40)), st.integers(1, 7))
def test_lines_are_counted_however_they_come(lines: list[bytes], size: int) -> None:
    data = b"\n".join(lines)
    content = expected.Content("md5")
    for at in range(0, len(data), size):
        content.feed(data[at : at + size])
    content.finish()
    wanted = [line for line in data.split(b"\n") if line.strip()]
    assert content.lines == len(wanted)
    assert content.last == (wanted[-1] if wanted else b"")
    assert content.digest == hashlib.md5(data).hexdigest()
    assert (content.sha256, content.size) == (hashlib.sha256(data).hexdigest(), len(data))


@given(st.text(max_size=30))
def test_numbers_of_anybody(text: str) -> None:
    try:
        number = expected.count_of(text, "x")
    except ExpectationFailed:
        return
    assert number is not None
    assert number >= 0


@given(st.lists(st.text(max_size=10)), st.text("a*?[]!-b", min_size=1, max_size=10))
def test_patterns_of_names_end_well(names: list[str], pattern: str) -> None:
    found = expected.matching(pattern, [Entry(name, 1, None) for name in names])
    assert {entry.name for entry in found} <= {*names}


ROUND: dict[str, Any] = {"mode": "round_trip", "directory": "in"}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"mode": "round_trip"}, "needs a directory"),
        ({"mode": "expected"}, "needs a file"),
        (ROUND | {"tls": "on"}, "protocol: ftp for FTPS"),
        (ROUND | {"protocol": "ftp", "implicit": True}, "needs tls: on"),
        (ROUND | {"protocol": "ftp", "key": "secret:key"}, "takes no key"),
        (ROUND | {"password": None}, "needs a key or a password"),
        ({"mode": "expected", "file": "/out*/x"}, "write DIRECTORY/NAME"),
        ({"mode": "expected", "file": "/out/x", "by": "6 am"}, "pattern"),
        ({"mode": "expected", "file": "/out/x", "timezone": "Mars/One"}, "time zone"),
        ({"mode": "expected", "file": "/out/x", "control": {}}, "needs count or digest"),
        ({"mode": "expected", "file": "/out/x", "control": {"digest": "(.*)"}}, "name a control file"),
        ({"mode": "expected", "file": "/out/x", "control": {"count": "\\d+"}}, "needs one group"),
        (ROUND | {"directory": "a\nb"}, "pattern"),
    ],
)
def test_parameters_that_make_no_sense(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        module.FileExchangeParams.model_validate({"user": "a", "password": "secret:pw"} | more)
