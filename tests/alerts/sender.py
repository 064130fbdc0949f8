"""A process to be killed: opens and closes one incident for each of COUNT checks, mails, and ends.

    python -m tests.alerts.sender STATE_DIRECTORY SMTP_PORT COUNT [storm]

With `storm` ten messages of problems are one.

What a former process got done is not done again. Prints "ready" before the first change.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from monitor.alerts import digest_texts
from monitor.alerts.mail import Mailer
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notices import Notices
from monitor.alerts.outbox import Outbox, Retry
from monitor.incidents.incident import Decision, Member, Open, Shut
from monitor.messages.storm import Limits
from monitor.state import State
from monitor.store.database import Database
from monitor.store.incidents import IncidentStore
from monitor.store.outbox import OutboxTable
from probes.api import SecretRef


def no_secret(ref: SecretRef) -> str:
    raise AssertionError(ref)


async def live(store: IncidentStore, roots: list[str], told: Callable[[int, int], None]) -> None:
    """Open and close one incident of each root."""
    known = {incident.root: incident for incident in await store.recent(0)}
    for root in roots:
        before = known.get(root)
        if before is None:
            member = Member(root, State.DOWN, "timeout", 1000.0, 1000.0)
            await told_of(store, Open(root, State.DOWN, "timeout", "", 1000.0, "", member, 1000.0), told)
        if before is None or before.closed_at is None:
            await told_of(store, Shut(root, 2000.0), told)


async def told_of(store: IncidentStore, decision: Decision, told: Callable[[int, int], None]) -> None:
    """Apply a decision, and tell the outbox what it queued."""
    done = await store.apply([decision], time.time())
    told(done.queued, done.dropped)


STORM = Limits(per_recipient=10_000, storm=10, summary_after=0.1, summary_every=0.1)


async def main(directory: Path, port: int, count: int, limits: Limits | None) -> None:
    database = Database(directory / "state.db")
    settings = MailSettings(
        host="127.0.0.1", port=port, security="none", sender="muster@example.org", to=("li@example.org",)
    )
    table = OutboxTable(database, summarise=digest_texts.summary, limits=limits)
    outbox = Outbox(table, Retry(first=0.05, cap=0.2))
    store = IncidentStore(database, Notices(settings, lambda unit: None, lambda check: ""), limits=limits)
    sending = asyncio.create_task(outbox.run(Mailer(settings, no_secret).deliver))
    print("ready", flush=True)
    await live(store, [f"u/a/c{number}" for number in range(count)], outbox.noticed)
    while (counts := await table.counts())["queued"] or counts["sending"]:
        await asyncio.sleep(0.02)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    database.close()


if __name__ == "__main__":
    stormy = STORM if sys.argv[4:] == ["storm"] else None
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), stormy))
