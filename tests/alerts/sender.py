"""A process to be killed: opens and closes one incident for each of COUNT checks, mails, and ends.

    python -m tests.alerts.sender STATE_DIRECTORY SMTP_PORT COUNT

What a former process got done is not done again. Prints "ready" before the first change.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from monitor.alerts.mail import Mailer
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notices import Notices
from monitor.alerts.outbox import Outbox, Retry
from monitor.job import Job
from monitor.state import State
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from monitor.watch import Watch
from probes.api import SecretRef
from tests.state.readings import failed, job, ok


def no_secret(ref: SecretRef) -> str:
    raise AssertionError(ref)


async def live(watch: Watch, store: IncidentStore, jobs: list[Job]) -> None:
    """Lead each check once through OK, DOWN and OK."""
    done = {incident.root for incident in await store.recent(0) if incident.closed_at}
    for each in jobs:
        if each.id in done:
            continue
        state = watch.state(each.id)
        assert state is not None
        at = max(state.attempted_at, 1000.0)
        course = "oo" if state.state is State.DOWN else "ooffoo"
        for number, letter in enumerate(course, 1):
            reading = failed(at + number) if letter == "f" else ok(at + number)
            reading.check = each.id
            watch.on_reading(each, reading)
            await watch.flush()


async def main(directory: Path, port: int, count: int) -> None:
    database = Database(directory / "state.db")
    settings = MailSettings(
        host="127.0.0.1", port=port, security="none", sender="muster@example.org", to=("li@example.org",)
    )
    table = OutboxTable(database)
    outbox = Outbox(table, Retry(first=0.05, cap=0.2))
    store = IncidentStore(database, Notices(settings, lambda unit: None, lambda check: ""))
    watch = Watch(store, told=outbox.noticed)
    jobs = [job(f"u/a/c{number}") for number in range(count)]
    await watch.load()
    await watch.adopt(jobs)
    sending = asyncio.create_task(outbox.run(Mailer(settings, no_secret).deliver))
    print("ready", flush=True)
    await live(watch, store, jobs)
    while (counts := await table.counts())["queued"] or counts["sending"]:
        await asyncio.sleep(0.02)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
