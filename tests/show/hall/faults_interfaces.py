"""Faults of outside systems: hotline, SMS gateway, bank, files, mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.servers.sip import reply, scripted_udp
from tests.show.hall.hall import ROWS, Hall
from tests.show.hall.planting import fault


@asynccontextmanager
async def _busy() -> AsyncIterator[int]:
    answer = "503 Service Unavailable"
    async with scripted_udp(lambda asked, _: [reply(asked, answer, Retry_After="30")]) as (port, _):
        yield port


@fault("interface.hotline", "hotline", "status_503")
async def hotline_busy(hall: Hall) -> AsyncIterator[None]:
    """The hotline's server takes no calls."""
    await hall.moved("hotline", _busy())
    yield
    await hall.hotline()
    hall.write()


@fault("interface.sms", "sms", "receipt")
async def not_delivered(hall: Hall) -> AsyncIterator[None]:
    """The SMS gateway takes messages and does not deliver them."""
    hall.systems.delivered_after_s, right = 60, hall.systems.delivered_after_s
    yield
    hall.systems.delivered_after_s = right


@fault("interface.contract", "bank", "Rows")
async def payment_missing(hall: Hall) -> AsyncIterator[None]:
    """The bank counts one payment less than was made."""
    hall.systems.rows -= 1
    yield
    hall.systems.rows += 1


@fault("interface.reconciliation-file", "files", "short by 1 row")
async def row_missing(hall: Hall) -> AsyncIterator[None]:
    """The bank's reconciliation file is short by one row."""
    hall.reconcile(rows=len(ROWS) - 1)
    yield
    hall.reconcile()


@fault("interface.reconciliation-file", "files", "late_s = ")
async def file_late(hall: Hall) -> AsyncIterator[None]:
    """The bank's reconciliation file came half an hour after its time."""
    hall.reconcile(late_h=0.5)
    yield
    hall.reconcile()


@fault("interface.reconciliation-file", "files", "not_there")
async def file_missing(hall: Hall) -> AsyncIterator[None]:
    """The bank's reconciliation file did not come."""
    for file in (hall.files.home / "out").glob("*.csv"):
        file.unlink()
    yield
    hall.reconcile()


@fault("middleware.file-exchange", "files", "in/muster-")
async def directory_gone(hall: Hall) -> AsyncIterator[None]:
    """The directory in which files are exchanged is gone."""
    directory = hall.files.home / "in"
    away = directory.rename(hall.files.home / "in.old")
    yield
    away.rename(directory)


@fault("operations.mail-arrives", "mail", "not_delivered")
async def mail_lost(hall: Hall) -> AsyncIterator[None]:
    """The mail server takes mails and loses them."""
    hall.mail.box.lose = True
    yield
    hall.mail.box.lose = False


@fault("operations.mail-arrives", "mail", "550")
async def mailbox_gone(hall: Hall) -> AsyncIterator[None]:
    """The mail server does not know the hall's mailbox."""
    hall.mail.box.recipients["muster@gd.example"] = "550 5.1.1 no such user"
    yield
    hall.mail.box.recipients.clear()
