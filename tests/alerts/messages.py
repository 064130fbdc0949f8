"""Messages, settings and a store for the tests of alerts."""

from __future__ import annotations

import time
from pathlib import Path

from monitor.alerts.mail_settings import MailSettings
from monitor.messages.message import Message
from monitor.store.database import Database
from monitor.store.outbox import OutboxTable
from probes.api import SecretRef
from tests.servers.smtp import PASSWORD, SmtpServer

TO = "li@example.org"


def message(key: str = "1", recipient: str = TO, *, thread: str = "", expires_at: float = 1e12) -> Message:
    return Message(
        f"{key}:{recipient}", thread or key, recipient, f"subject {key}", "body\n",
        f"<{key}@example.org>", time.time(), expires_at,
    )  # fmt: skip


def settings(server: SmtpServer, **more: object) -> MailSettings:
    given = {"host": "localhost", "port": server.port, "security": "none", "sender": "muster@example.org"}
    return MailSettings.model_validate(given | {"timeout": 5.0, "answer_timeout": 5.0} | more)


def secret(ref: SecretRef) -> str:
    assert ref == "mail"
    return PASSWORD


def table(directory: Path) -> tuple[Database, OutboxTable]:
    database = Database(directory / "state.db")
    return database, OutboxTable(database)
