"""Reports as messages to the readers of a list. Blocking work: in the child process, or in a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from inventory.models import Inventory
from monitor.alerts.mail_settings import Language, MailSettings
from monitor.alerts.targets import TIERS
from monitor.messages.message import Message, message_id
from monitor.people.refused import Refused
from monitor.place import Place
from monitor.readiness.selection import BadSelection, Selection, select
from monitor.reports import page, report
from monitor.reports.due import thread
from monitor.reports.gather import Asked, gather
from monitor.reports.period import Kind
from monitor.reports.settings import TOPICS_OF, ReportList
from monitor.workspace import Workspace

Tier = Literal["tier1", "tier2", "tier3"]
MOST_ROWS = 25
"""Of a table in a mail: some readers cut long ones off."""


def letters(
    place: Place, workspace: Workspace, name: str, kind: Kind, due: float, now: float
) -> list[Message]:
    """Return a message for each reader of a list. Raises Refused where there is no such list, or no unit."""
    wanted = place.settings.reports.lists.get(name)
    if wanted is None:
        raise Refused(f'there is no list "{name}"; write a [reports.lists.{name}] table')
    zone = place.settings.reports.zone
    asked = Asked(kind, _units(workspace, wanted), _scope(wanted), wanted.gate, zone, due)
    found = gather(place, workspace, asked, now)
    made: dict[Language, tuple[str, str, str]] = {}
    messages = []
    for reader in readers(wanted, workspace.inventory):
        mail = place.settings.mail
        language = wanted.language or mail.languages.get(reader, mail.language)
        if language not in made:
            made[language] = written(found, wanted, language)
        messages.append(_message(mail, (name, kind, due), reader, language, made[language], now))
    return messages


def written(found: Mapping[str, Any], wanted: ReportList, language: Language) -> tuple[str, str, str]:
    """Return subject, text and page of a report for a list."""
    shown = report.view(found, language, TOPICS_OF[wanted.role])
    lines = [*shown.lead, "", *(f"{name}: {value}" for name, value in shown.cover), ""]
    return shown.title, "\n".join(lines), page.render(shown, MOST_ROWS)


def _message(
    mail: MailSettings,
    what: tuple[str, Kind, float],
    reader: str,
    language: Language,
    texts: tuple[str, str, str],
    now: float,
) -> Message:
    name, kind, due = what
    subject, body, html = texts
    event = f"{thread(name, kind)}:{due:.0f}"
    identity = message_id(f"{event}:{reader}", mail.sender.rpartition("@")[2])
    return Message(
        f"{event}:{reader}", thread(name, kind), reader, subject, body, identity, now, now + mail.lifetime,
        language=language, html=html,
    )  # fmt: skip


def readers(wanted: ReportList, inventory: Inventory) -> list[str]:
    """Return the addresses of a list, each once. Raises Refused where there is none."""
    found: list[str] = []
    for reader in wanted.to:
        if reader not in TIERS:
            found.append(reader)
        elif wanted.unit:
            found += inventory.contacts(wanted.unit, cast("Tier", reader))
    if not found:
        raise Refused(f"nobody is a reader: {wanted.unit or 'without a unit'} has no {', '.join(wanted.to)}")
    return list(dict.fromkeys(found))


def _units(workspace: Workspace, wanted: ReportList) -> tuple[str, ...]:
    gates = {each.gate for each in workspace.checklists.values()}
    try:
        chosen = Selection((), wanted.unit, wanted.wave or None, None, wanted.gate)
        return tuple(select(workspace.inventory, chosen, gates))
    except BadSelection as error:
        raise Refused(str(error)) from None


def _scope(wanted: ReportList) -> str:
    return " ".join(part for part in (wanted.unit, wanted.wave) if part)
