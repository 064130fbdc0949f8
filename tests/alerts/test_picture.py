"""Pictures: drawn in a process of their own, in bounded time, and left out where that fails."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from monitor.alerts.affected import Sketch
from monitor.alerts.mail import Mailer
from monitor.alerts.picture import MOST_MARKS, Painter, series
from monitor.store.api import OUTCOME_CODES, Window
from tests.alerts import samples
from tests.alerts.messages import secret, settings
from tests.alerts.samples import AT
from tests.alerts.test_forms import written
from tests.servers.smtp import smtp_server

ASKED = samples.SKETCH.text()
BLUE, RED, DARK, SHADE = (0, 0x72, 0xB2), (0xD5, 0x5E, 0), (27, 31, 35), (247, 226, 209)
SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where matplotlib keeps what it knows of fonts: to find them takes a second."""
    return tmp_path_factory.mktemp("fonts")


def painter(folder: Path, program: tuple[str, ...] = (), whole: float = 20.0) -> Painter:
    made = Painter(samples.window, folder, whole=whole)
    if program:
        made.program = program
    return made


def shown(png: bytes | None) -> Image.Image:
    assert png is not None
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


def count(png: bytes | None, colour: tuple[int, int, int]) -> int:
    """Return how many pixels are about of that colour."""
    pixels = np.asarray(shown(png).convert("RGB")).reshape(-1, 3).astype(int)
    return int((np.abs(pixels - colour).max(axis=1) < 12).sum())


async def test_series_requirement_and_incident_are_in_it(fonts: Path) -> None:
    over = replace(samples.SKETCH, start=AT - 6 * 3600 + 1200, until=AT + 1200, over=AT + 735)
    drawing = painter(fonts)
    png = await drawing.paint(over.text(), "en")
    for colour in (BLUE, RED, DARK):
        assert await asyncio.to_thread(count, png, colour) > 100
    without = await drawing.paint(replace(over, began=AT + 1199, over=None, op="").text(), "en")
    assert await asyncio.to_thread(count, png, SHADE) > 2 * await asyncio.to_thread(count, without, SHADE)
    assert await asyncio.to_thread(count, png, DARK) > 1.3 * await asyncio.to_thread(count, without, DARK)


async def test_the_same_request_gives_the_same_picture_and_is_drawn_once(fonts: Path) -> None:
    drawing = painter(fonts)
    first = await drawing.paint(ASKED, "en")
    assert await drawing.paint(ASKED, "en") is first
    assert drawing.drawn == 1
    assert await painter(fonts).paint(ASKED, "en") == first


@pytest.mark.parametrize(
    "changed",
    [
        {"start": AT + 1e6, "until": AT + 1e6 + 1},
        {"op": "", "bound": 0.0, "unit": "bit/s"},
        {"began": AT - 1e6, "over": AT - 1e5},
        {"zone": "UTC", "check": "§" * 60, "metric": "$x_{$"},
    ],
)
async def test_odd_requests_are_drawn_too(fonts: Path, changed: dict[str, object]) -> None:
    asked = replace(samples.SKETCH, **changed)  # type: ignore[arg-type]
    png = await painter(fonts).paint(asked.text(), "zh")
    assert (await asyncio.to_thread(shown, png)).size == (960, 500)


async def test_a_slow_picture_is_left_out_and_its_process_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    drawing = painter(tmp_path, (sys.executable, "-c", code), whole=1.0)
    start = time.monotonic()
    found = await asyncio.gather(*(drawing.paint(ASKED, language) for language in ("en", "zh", "en")))
    assert found == [None] * 3
    assert time.monotonic() - start < 3
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


async def test_after_a_failure_no_picture_is_tried_for_a_while(fonts: Path) -> None:
    drawing = painter(fonts, (sys.executable, "-c", "raise SystemExit('no fonts')"))
    assert await drawing.paint(ASKED, "en") is None
    drawing.program = painter(fonts).program
    assert await drawing.paint(ASKED, "en") is None
    assert drawing.failed == 1
    drawing._not_before = 0.0
    assert await drawing.paint(ASKED, "en")


@pytest.mark.parametrize("asked", ["{", "{}", "[1]", '{"check": 1}'])
async def test_what_is_no_request_draws_nothing(tmp_path: Path, asked: str) -> None:
    assert await painter(tmp_path, SLEEPS).paint(asked, "en") is None


async def test_output_that_is_no_picture_is_none(tmp_path: Path) -> None:
    assert await painter(tmp_path, (sys.executable, "-c", "print('GIF89a')")).paint(ASKED, "en") is None


async def test_the_process_gets_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_SECRET_MAIL", "s3cr3t")
    code = f"import os; open({str(tmp_path / 'env')!r}, 'w').write(repr(dict(os.environ)))"
    await painter(tmp_path, (sys.executable, "-c", code)).paint(ASKED, "en")
    assert "s3cr3t" not in (tmp_path / "env").read_text()


async def test_a_mail_arrives_with_its_picture_and_without_a_slow_one(fonts: Path) -> None:
    async with smtp_server() as server:
        given_ = settings(server)
        await Mailer(given_, secret, painter(fonts).paint).deliver(written("outage", "zh"))
        slow = painter(fonts, SLEEPS, whole=0.5)
        await Mailer(given_, secret, slow.paint).deliver(written("escalation", "en"))
        first, second = (each.mail for each in server.mailbox.received)
    kinds = [part.get_content_type() for part in first.walk()]
    assert kinds == ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"]
    *_, picture = first.walk()
    assert shown(picture.get_payload(decode=True)).size == (960, 500)  # type: ignore[arg-type]
    assert [part.get_content_type() for part in second.walk()][-1] == "text/html"
    assert second["Subject"] == written("escalation", "en").subject
    assert second["In-Reply-To"] == second["References"] == written("outage", "en").message_id


def test_a_sketch_survives_the_outbox() -> None:
    assert Sketch.parse(ASKED) == samples.SKETCH


_VALUES = st.one_of(st.just(float("nan")), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(st.floats(0.1, 500.0), _VALUES, st.integers(0, 3)), max_size=3000))
def test_what_is_drawn_is_bounded_and_shows_the_extremes(rows: list[tuple[float, float, int]]) -> None:
    times = np.cumsum([row[0] for row in rows], dtype=np.float64)
    values = np.array([row[1] for row in rows], np.float64)
    outcomes = np.array([row[2] for row in rows], np.uint8)
    made = series(Window(times, values, outcomes))
    assert len(made["times"]) == len(made["values"]) <= 2 * MOST_MARKS
    assert made["times"] == sorted(made["times"])
    there = [value for value in made["values"] if value is not None]
    known = values[~np.isnan(values)]
    assert (min(there), max(there)) == (known.min(), known.max()) if len(known) else not there
    assert len(made["failed"]) <= MOST_MARKS
    assert bool(made["failed"]) == bool((outcomes == OUTCOME_CODES["failed"]).any())


def test_the_line_breaks_where_nothing_was_measured() -> None:
    times = np.array([0.0, 60.0, 120.0, 600.0, 660.0])
    values = np.array([1.0, np.nan, 2.0, 3.0, 4.0])
    made = series(Window(times, values, np.zeros(5, np.uint8)))
    assert made["values"] == [1.0, None, 2.0, None, 3.0, 4.0]
