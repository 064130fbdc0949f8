"""What is wrong with this installation: one finding an examination, with what to do about it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import shutil
import smtplib
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from inventory.models import Inventory
from inventory.problems import ConfigError
from inventory.secrets import SecretMissing, Secrets
from monitor.alerts.channels import installed as apprise_installed
from monitor.isolation.gate import LEAST_WITNESSES, Answer
from monitor.isolation.gatekeeper import Witness
from monitor.isolation.gatekeeper import witnesses as named_witnesses
from monitor.isolation.heartbeat_settings import https
from monitor.isolation.witness_settings import WitnessSettings, within
from monitor.place import Place
from monitor.process.lock import Locked, StateLock
from monitor.shared import SharedClients
from monitor.sinks.examine import Examination as InfluxExamination
from monitor.sinks.feeder import NAME as INFLUX
from monitor.sinks.position import Position
from monitor.store import outbox, sinks
from monitor.store.database import Database, SchemaTooNew
from monitor.tls import client_context
from monitor.workspace import open_workspace
from probes.api import SecretRef

FILES_WANTED = 8192
FREE_WANTED = 2 * 1024**3
LETTERS_SHOWN = 5
TIME_ERROR = 5
"""adjtimex(2): TIME_ERROR, the clock is not synchronised."""


class Level(StrEnum):
    """How bad a finding is: `unknown` could not be examined, and is never good news."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one examination found, and what to do."""

    subject: str
    level: Level
    text: str
    remedy: str = ""


Examination = Callable[[Place], Iterator[Finding]]


def examine(place: Place) -> Iterator[Finding]:
    """Yield the findings of all examinations; one that breaks is itself a finding."""
    for name, examination in EXAMINATIONS.items():
        try:
            yield from examination(place)
        except Exception as error:  # noqa: BLE001 - an examination that breaks is a finding
            yield Finding(name, Level.UNKNOWN, f"could not be examined: {type(error).__name__}: {error}")


def echo(_: Place) -> Iterator[Finding]:
    """Whether ICMP echoes can be sent, by a raw or by a ping socket."""
    for kind, text in ((socket.SOCK_RAW, "raw socket"), (socket.SOCK_DGRAM, "ping socket")):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        yield Finding("icmp", Level.GOOD, f"echoes go by a {text}")
        return
    remedy = "run with CAP_NET_RAW (the shipped systemd unit does), or sysctl net.ipv4.ping_group_range"
    yield Finding("icmp", Level.BAD, "neither a raw nor a ping socket may be opened", remedy)


def files(_: Place) -> Iterator[Finding]:
    """Whether enough files can be open at once."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    enough = hard == resource.RLIM_INFINITY or hard >= FILES_WANTED
    remedy = "" if enough else f"raise the limit (systemd: LimitNOFILE=) to {FILES_WANTED} or more"
    yield Finding("open files", Level.GOOD if enough else Level.WARNING, f"up to {hard}", remedy)


def clock(_: Place) -> Iterator[Finding]:
    """Whether the kernel takes its own clock for synchronised (adjtimex(2))."""
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    if answer < 0:
        yield Finding("clock", Level.UNKNOWN, os.strerror(ctypes.get_errno()))
    elif answer == TIME_ERROR:
        yield Finding("clock", Level.WARNING, "not synchronised", "run chrony or systemd-timesyncd here")
    else:
        yield Finding("clock", Level.GOOD, "synchronised")


def state(place: Place) -> Iterator[Finding]:
    """Whether the state directory can be written, has room, and whether a daemon holds it."""
    directory = place.state_dir
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        yield Finding("state", Level.BAD, f"{directory}: {error.strerror}", "choose another with --state-dir")
        return
    free = shutil.disk_usage(directory).free
    enough = free >= FREE_WANTED
    yield Finding(
        "disk", Level.GOOD if enough else Level.WARNING, f"{free / 1024**3:.1f} GiB free in {directory}"
    )
    yield _daemon(directory)
    yield _schema(directory)


def _daemon(directory: Path) -> Finding:
    lock = StateLock(directory)
    try:
        lock.take()
    except Locked as error:
        return Finding("daemon", Level.GOOD, str(error).split(":")[0])
    lock.release()
    return Finding("daemon", Level.WARNING, "none runs on this state directory", "muster run")


def _schema(directory: Path) -> Finding:
    if not (directory / "state.db").exists():
        return Finding("store", Level.GOOD, "empty; made at the first start")
    try:
        database = Database(directory / "state.db")
    except SchemaTooNew as error:
        return Finding("store", Level.BAD, str(error))
    database.close()
    return Finding("store", Level.GOOD, f"schema version {database.version}")


def configuration(place: Place) -> Iterator[Finding]:
    """Whether the files load, and the secrets they name are to be found."""
    try:
        workspace = open_workspace(place)
    except ConfigError as error:
        first = error.problems[0]
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        yield Finding("inventory", Level.BAD, f"{first}{more}", "muster inventory validate")
        return
    checks, units = len(workspace.plan.jobs), len(workspace.inventory.units)
    yield Finding("inventory", Level.GOOD, f"{units} units, {checks} checks")
    yield from _watched(place.settings.witnesses, workspace.inventory)
    missing = Secrets(place.secrets).missing(workspace.plan.secrets)
    if missing:
        remedy = "store them in the credentials directory, the environment, or the secrets file"
        yield Finding("secrets", Level.BAD, f"missing: {', '.join(sorted(missing))}", remedy)
    else:
        yield Finding("secrets", Level.GOOD, f"{len(workspace.plan.secrets)} named, all found")


def _watched(settings: WitnessSettings, inventory: Inventory) -> Iterator[Finding]:
    """Yield the witnesses that are watched as well: whose failure is to be told, and so proves little."""
    found = within(
        settings, ((f"{unit.id}/{asset.id}", asset.address) for unit in inventory for asset in unit.assets)
    )
    outside = len(settings.addresses) - len(found)
    level = Level.WARNING if outside >= LEAST_WITNESSES else Level.BAD
    remedy = f"name {LEAST_WITNESSES} hosts that no unit has: your own gateway, a time or name server"
    for witness, asset in found.items():
        text = f"{witness} is {asset} as well: where that fails, it may be taken for isolation"
        yield Finding("witnesses", level, text, remedy)


def witnesses(place: Place) -> Iterator[Finding]:
    """Whether there are witnesses of the monitor's own connection, and whether they answer now."""
    if not place.settings.witnesses.addresses:
        text = "none: when the monitor itself is cut off, everything behind it counts as failed"
        yield Finding("witnesses", Level.WARNING, text, "[witnesses] in muster.toml (docs/isolation.md)")
        return
    asked = asyncio.run(_asked(place))
    for witness in asked:
        level, text, remedy = ANSWERS[witness.answer or Answer.UNASKED]
        said = f": {witness.detail}" if witness.answer is not Answer.ANSWERED and witness.detail else ""
        yield Finding("witnesses", level, f"{witness.name} {text}{said}", remedy)


async def _asked(place: Place) -> list[Witness]:
    clients = SharedClients(place.settings.probe_settings(), Secrets(place.secrets).get)
    found = named_witnesses(place.settings.witnesses)
    try:
        await asyncio.gather(*(each.ask(clients) for each in found))
    finally:
        await clients.aclose()
    return found


ANSWERS = {
    Answer.ANSWERED: (Level.GOOD, "answers", ""),
    Answer.SILENT: (Level.WARNING, "is silent", "name one that answers, or let it answer the monitor"),
    Answer.UNRESOLVED: (Level.BAD, "gives no address", "write its number, or mend the name"),
    Answer.UNASKED: (
        Level.BAD,
        "can't be asked",
        "give the monitor leave to send: what it can't ask proves nothing",
    ),
}


def heartbeat(place: Place) -> Iterator[Finding]:
    """Whether somebody outside is shown that the monitor is alive. Sends nothing."""
    settings = place.settings.heartbeat
    if not settings.url and not settings.mail:
        text = "none: nobody outside notices when the monitor itself stops"
        yield Finding("heartbeat", Level.WARNING, text, "[heartbeat] in muster.toml (docs/isolation.md)")
    if settings.url:
        yield _callable(settings.url, Secrets(place.secrets), settings.every)
    if settings.mail:
        hours = settings.mail_every / 3600
        yield Finding("heartbeat", Level.GOOD, f"a mail every {hours:g} h to {settings.mail}")


def _callable(url: str | SecretRef, secrets: Secrets, every: float) -> Finding:
    try:
        https(secrets.get(str(url)) if isinstance(url, SecretRef) else url)
    except (SecretMissing, ValueError) as error:
        return Finding(
            "heartbeat", Level.BAD, str(error), "store the URL under the name that [heartbeat] gives"
        )
    return Finding("heartbeat", Level.GOOD, f"a call every {every:g} s")


def mail(place: Place) -> Iterator[Finding]:
    """Whether the mail server answers, and speaks TLS where it should. Sends nothing."""
    settings = place.settings.mail
    if not settings.host:
        yield Finding("mail", Level.WARNING, "no mail server set: nobody is alerted", "[mail] in muster.toml")
        return
    context = client_context(settings.ca_file)
    try:
        client: smtplib.SMTP = (
            smtplib.SMTP_SSL(settings.host, settings.endpoint[1], timeout=10, context=context)
            if settings.security == "tls"
            else smtplib.SMTP(settings.host, settings.endpoint[1], timeout=10)
        )
        with client:
            if settings.security == "starttls":
                client.starttls(context=context)
            client.noop()
    except (OSError, smtplib.SMTPException) as error:
        yield Finding("mail", Level.BAD, f"{settings.host}: {error}", "check [mail] in muster.toml")
    else:
        yield Finding("mail", Level.GOOD, f"{settings.host} answers ({settings.security})")


def keys(place: Place) -> Iterator[Finding]:
    """Whether there are host keys to verify SSH servers by."""
    path = place.settings.probes.known_hosts or Path.home() / ".ssh" / "known_hosts"
    if path.is_file():
        yield Finding("host keys", Level.GOOD, f"{len(path.read_bytes().splitlines())} in {path}")
    else:
        remedy = "collect them with ssh-keyscan and verify them, then set [probes] known_hosts"
        yield Finding("host keys", Level.WARNING, f"{path} is missing: no host is probed over SSH", remedy)


def channels(place: Place) -> Iterator[Finding]:
    """Whether what the channels of `[notify]` need is there. Sends nothing."""
    settings = place.settings.notify
    if not settings.channels:
        return
    if any(each.url for each in settings.channels.values()) and not apprise_installed():
        yield Finding("channels", Level.BAD, "apprise is missing", "pip install 'muster-monitor[channels]'")
    missing = Secrets(place.secrets).missing(settings.secrets())
    if missing:
        remedy = "store them in the credentials directory, the environment, or the secrets file"
        yield Finding("channels", Level.BAD, f"secrets missing: {', '.join(missing)}", remedy)
    else:
        yield Finding("channels", Level.GOOD, f"{', '.join(sorted(settings.channels))}: all secrets found")


def letters(place: Place) -> Iterator[Finding]:
    """Whether messages wait or were given up, and why."""
    path = place.state_dir / "state.db"
    if not path.exists():
        return
    try:
        with closing(Database(path, read_only=True)) as database:
            counts = database.read_now(outbox.counts)
            waiting = database.read_now(lambda c: outbox.troubles(c, LETTERS_SHOWN))
            dead = database.read_now(lambda c: outbox.letters(c, LETTERS_SHOWN))
    except (SchemaTooNew, sqlite3.Error):
        return
    text = f"{counts['queued'] + counts['sending']} messages wait, {counts['dead']} dead letters"
    yield Finding("outbox", Level.GOOD if not (waiting or dead) else Level.WARNING, text)
    for each in waiting:
        about = f"{each.waiting} to {each.recipient} ({each.channel}) wait: {each.error}"
        yield Finding("outbox", Level.WARNING, about, "muster outbox list")
    for why in dict.fromkeys(each.error for each in dead):
        yield Finding("outbox", Level.WARNING, f"given up: {why}", "muster outbox retry")


def influx(place: Place) -> Iterator[Finding]:
    """Whether the server that readings are written to answers, has the bucket, and has what the store has."""
    settings = place.settings.influx
    if not settings.url:
        return
    days = place.settings.retention.raw_days
    asked = InfluxExamination(settings, lambda ref: Secrets(place.secrets).get(str(ref)), days)
    for said in asyncio.run(asked.run()):
        yield Finding("influx", Level(said.level), said.text, said.remedy)
    path = place.state_dir / "state.db"
    if not path.exists():
        return
    try:
        with closing(Database(path, read_only=True)) as database:
            text = database.read_now(lambda c: sinks.load(c, INFLUX))
            gaps = Position.parse(text).gaps if text else ()
    except (SchemaTooNew, sqlite3.Error, ValueError):
        return
    if gaps:
        yield Finding("influx", Level.WARNING, f"{len(gaps)} gaps are yet to be filled", "let the daemon run")


EXAMINATIONS: dict[str, Examination] = {
    "icmp": echo,
    "open files": files,
    "clock": clock,
    "state": state,
    "configuration": configuration,
    "mail": mail,
    "channels": channels,
    "outbox": letters,
    "witnesses": witnesses,
    "heartbeat": heartbeat,
    "influx": influx,
    "host keys": keys,
}
