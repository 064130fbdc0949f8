"""A test page: which document a printer takes, printed, and followed until the printer is done with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import get_args

from probes._service import Notes
from probes.errors import ExpectationFailed, ProtocolViolated, TimedOut
from probes.peripheral._ipp_answers import JOB_ENDED, JOB_STATES, number, texts
from probes.peripheral._ipp_message import INTEGER, JOB, KEYWORD, MIME, NAME, Attribute, Attributes
from probes.peripheral._ipp_raster import Kind, page, size_mm
from probes.peripheral._ipp_talk import IppTalk

PRINT_JOB, CANCEL_JOB, GET_JOB, GET_JOBS = 0x0002, 0x0008, 0x0009, 0x000A
POLL_S = 0.5
KEPT_S = 1.0
"""Time kept at the end of a run to cancel a job that is not done."""
MOST_DPI = 1200


def document(found: Attributes, name: str) -> tuple[str, bytes]:
    """Return the type and the bytes of a page that the printer takes. Raises `ExpectationFailed`."""
    formats = texts(found, "document-format-supported")
    if "text/plain" in formats:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return "text/plain", f"Muster test page\r\n{name}\r\n{now}\r\n\f".encode("ascii")
    if "image/pwg-raster" in formats:
        return "image/pwg-raster", _raster(found)
    raise ExpectationFailed("no_test_page: the printer takes neither text/plain nor image/pwg-raster")


def _raster(found: Attributes) -> bytes:
    given = texts(found, "pwg-raster-document-type-supported")
    kinds: tuple[Kind, ...] = get_args(Kind)
    kind = next((kind for kind in kinds if kind in given), None)
    if kind is None:
        raise ExpectationFailed("no_test_page: PWG raster, but neither grey, black nor colour")
    media = next(iter(texts(found, "media-ready")), "")
    return page(kind, _dpi(found), size_mm(media), media)


def _dpi(found: Attributes) -> int:
    for value in found.get("pwg-raster-document-resolution-supported", ()):
        if isinstance(value, tuple) and len(value) == 3 and value[0] == value[1] and value[2] == 3:
            return min(MOST_DPI, max(72, value[0]))
    return 300


async def printed(talk: IppTalk, found: Attributes, name: str, notes: Notes) -> None:
    """Print a page as the job `name`, and wait until the printer has ended it.

    Raises `ExpectationFailed` (job_aborted, job_canceled, job_with_errors), `TimedOut` for one that takes
    too long, which then is canceled.
    """
    kind, data = document(found, name)
    about = (Attribute(NAME, "job-name", (name,)), Attribute(MIME, "document-format", (kind,)))
    message = await talk.ask(PRINT_JOB, "Print-Job", about, document=data, phase="job")
    job = next((number(group, "job-id") for group in message.of(JOB)), None)
    if job is None:
        raise ProtocolViolated("a job was taken, but has no number")
    state, reasons = await _followed(talk, job, notes)
    notes.facts |= {"job_state": JOB_STATES[state], "job_reasons": ", ".join(reasons)}
    if state not in JOB_ENDED:
        await canceled(talk, job)
        raise TimedOut(
            f"job: still {JOB_STATES[state]} ({', '.join(reasons)}); the printer was told to cancel it"
        )
    if state != 9 or "job-completed-with-errors" in reasons:
        word = {7: "job_canceled", 8: "job_aborted"}.get(state, "job_with_errors")
        raise ExpectationFailed(f"{word}: {', '.join(reasons)}")


async def _followed(talk: IppTalk, job: int, notes: Notes) -> tuple[int, list[str]]:
    """Return the state of the job at its end, or when the run's time is nearly over."""
    wanted = Attribute(KEYWORD, "requested-attributes", ("job-state", "job-state-reasons"))
    while True:
        message = await talk.ask(
            GET_JOB, "Get-Job-Attributes", (Attribute(INTEGER, "job-id", (job,)), wanted), phase="job"
        )
        group = next(iter(message.of(JOB)), {})
        state = number(group, "job-state")
        if state not in JOB_STATES:
            raise ProtocolViolated("a job without a state")
        if state in JOB_ENDED or notes.context.remaining < KEPT_S + POLL_S:
            return state, [reason for reason in texts(group, "job-state-reasons")[:8] if reason != "none"]
        with notes.phase("job"):
            await asyncio.sleep(POLL_S)


async def canceled(talk: IppTalk, job: int) -> None:
    """Cancel a job. Raises as `IppTalk.ask`."""
    await talk.ask(CANCEL_JOB, "Cancel-Job", (Attribute(INTEGER, "job-id", (job,)),), phase="job")


async def canceled_by_name(talk: IppTalk, name: str) -> None:
    """Cancel what is left of the job `name`. Raises as `IppTalk.ask`."""
    wanted = (
        Attribute(KEYWORD, "requested-attributes", ("job-id", "job-name")),
        Attribute(KEYWORD, "which-jobs", ("not-completed",)),
    )
    message = await talk.ask(GET_JOBS, "Get-Jobs", wanted, phase="job")
    for group in message.of(JOB):
        job = number(group, "job-id")
        if name in texts(group, "job-name") and job is not None:
            await canceled(talk, job)
