"""Who is told of what, when and by which way: the `[notify]` table of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from inventory._fields import Slug, Timezone
from inventory.models import Kind
from inventory.problems import did_you_mean
from monitor.alerts.mail_settings import Language
from monitor.alerts.oncall import Rotation
from monitor.alerts.targets import ONCALL, TIERS, ChannelName, Target
from monitor.calendars.windows import Window
from monitor.incidents.incident import Severity
from monitor.readiness.checklist import Category
from probes.api import Seconds, Secret

MINUTE, HOUR = 60.0, 3600.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _window(text: str) -> str:
    Window.parse(text)
    return text


WindowText = Annotated[str, AfterValidator(_window)]
After = Annotated[Seconds, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of every table: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Escalation(Section):
    """After how long without an acknowledgement the next tiers are told; never where left out."""

    tier2: After | None = None
    tier3: After | None = None

    @model_validator(mode="after")
    def _order(self) -> Escalation:
        if self.tier2 is not None and self.tier3 is not None and self.tier3 < self.tier2:
            raise ValueError("tier3 would be told before tier2; write a longer time for tier3")
        return self

    def steps(self) -> tuple[tuple[int, float], ...]:
        """Return (tier, seconds) of what is set, in order."""
        return tuple((n, each) for n, each in ((2, self.tier2), (3, self.tier3)) if each is not None)


class Escalations(Section):
    """Escalation by severity."""

    critical: Escalation = Escalation(tier2=30 * MINUTE, tier3=2 * HOUR)
    warning: Escalation = Escalation()
    info: Escalation = Escalation()

    def of(self, severity: Severity) -> Escalation:
        """Return that of a severity."""
        found: Escalation = getattr(self, severity.value)
        return found


class Route(Section):
    """Who is told of some incidents; the first route that matches counts, and those before it with `also`."""

    units: tuple[Slug, ...] = ()
    """Units with all that is below them; empty: all."""
    kinds: tuple[Kind, ...] = ()
    """Kinds of asset; empty: all. An incident of a whole unit is one of its channels."""
    categories: tuple[Category, ...] = ()
    """The same by category: network for channels, hardware for hosts."""
    severity: Severity = Severity.INFO
    """This urgent at least."""
    windows: tuple[WindowText, ...] = ()
    """When it counts; empty: always."""
    zone: Timezone | None = None
    """The clock of the windows; the unit's own where left out."""
    to: tuple[Target, ...] = ("tier1",)
    """Who is told first; empty: nobody, incidents are only recorded."""
    tier2: tuple[Target, ...] = ("tier2",)
    tier3: tuple[Target, ...] = ("tier3",)
    escalate: Escalation | None = None
    """Instead of `[notify.escalate]`."""
    also: bool = False
    """Whether the routes behind it are looked at, too."""

    def named(self) -> Iterator[tuple[str, str]]:
        """Yield (key, target) for all that it names."""
        for key in ("to", "tier2", "tier3"):
            for name in getattr(self, key):
                yield key, name


class Quiet(Section):
    """`[notify.quiet]`: when nobody is told of what can wait; told at the end where it is still open."""

    windows: tuple[WindowText, ...] = ()
    severities: frozenset[Severity] = frozenset({Severity.WARNING, Severity.INFO})
    zone: Timezone | None = None
    """The clock of the windows; the unit's own where left out."""


class DigestRules(Section):
    """`[notify.digest]`: severities that nobody is told of at once, but once a day in one message."""

    severities: frozenset[Literal[Severity.WARNING, Severity.INFO]] = frozenset()
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "08:00"
    zone: Timezone = "UTC"

    @field_validator("severities", mode="before")
    @classmethod
    def _urgent(cls, value: object) -> object:
        if isinstance(value, list | tuple | set | frozenset) and "critical" in value:
            raise ValueError('what is critical does not wait for a digest; write "warning" or "info"')
        return value


class Valves(Section):
    """`[notify.limits]`: when single messages give way to a summary (docs/notifications.md)."""

    per_recipient: int = Field(60, ge=1, le=100_000)
    """Messages to one recipient an hour."""
    storm: int = Field(100, ge=1, le=1_000_000)
    """Messages of problems to all recipients within `storm_window`; above it there is a storm."""
    storm_window: Annotated[Seconds, Field(ge=60, le=86400)] = 600.0
    summary_after: Annotated[Seconds, Field(gt=0, le=3600)] = 60.0
    """How long a summary gathers."""
    summary_every: Annotated[Seconds, Field(gt=0, le=86400)] = 600.0
    """From one summary to the next one to the same recipient, at least."""


class Channel(Section):
    """`[notify.channels.NAME]`: a way besides mail. Either `url` (apprise) or `webhook` with `key`."""

    url: Secret = None
    """An address that apprise knows, such as `dingtalk://...`; it holds a password, so it is a secret."""
    webhook: str = ""
    """An https address, or `secret:NAME` where the address itself is one; http only to this machine."""
    key: Secret = None
    """What a webhook's messages are signed with."""
    language: Language | None = None
    """That of `[mail]` where left out."""
    timeout: Annotated[Seconds, Field(gt=0, le=120)] = 20.0
    short: bool = False
    """Whether only the subject is sent, as suits an SMS."""
    ca_file: Path | None = None
    """Authorities a webhook's certificate may be from; the system's where left out."""
    per_hour: int | None = Field(None, ge=1)
    """Messages an hour, instead of `[notify.limits] per_recipient`."""

    @model_validator(mode="after")
    def _one_way(self) -> Channel:
        if bool(self.url) == bool(self.webhook):
            raise ValueError(
                'a channel has either url or webhook; write url = "secret:NAME", or webhook and key'
            )
        if bool(self.webhook) != bool(self.key):
            raise ValueError('webhook and key belong together; write key = "secret:NAME"')
        if self.webhook and not self.webhook.startswith("secret:"):
            web_address(self.webhook)
        return self


def web_address(url: str) -> str:
    """Return a webhook's address. Raises ValueError, without repeating it: it may hold a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username is not None:
        raise ValueError('the webhook is no address; write "https://HOST/PATH" without a login')
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError('a webhook over clear text is refused; write "https://HOST/PATH"')
    return url


class NotifySettings(Section):
    """All of it. Without any: the unit's `tier1` at once, the others by `[notify.escalate]`."""

    routes: tuple[Route, ...] = ()
    escalate: Escalations = Escalations()
    oncall: dict[ChannelName, Rotation] = Field(default_factory=dict)
    channels: dict[ChannelName, Channel] = Field(default_factory=dict)
    quiet: Quiet = Quiet()
    digest: DigestRules = DigestRules()
    limits: Valves = Valves()
    remind_every: Annotated[Seconds, Field(ge=0)] = 4 * HOUR
    """From one reminder of what nobody acknowledged to the next; 0: none."""

    @field_validator("remind_every")
    @classmethod
    def _seldom(cls, value: float) -> float:
        if 0 < value < MINUTE:
            raise ValueError('a reminder within a minute is none; write at least "1 min", or 0 for none')
        return value

    @model_validator(mode="after")
    def _names(self) -> NotifySettings:
        for number, route in enumerate(self.routes, 1):
            for key, name in route.named():
                self._known(name, f"routes, number {number}, {key}")
        for title, rotation in self.oncall.items():
            for name in (*rotation.people, *rotation.overrides.values()):
                self._known(name, f"oncall.{title}")
        return self

    def _known(self, name: str, where: str) -> None:
        if name in TIERS or "@" in name:
            return
        if name.startswith(ONCALL):
            _among(name.removeprefix(ONCALL), self.oncall, where, "oncall")
        else:
            _among(name, self.channels, where, "channels")

    def secrets(self) -> tuple[str, ...]:
        """Return the names of all secrets that the channels need."""
        named = [each for channel in self.channels.values() for each in (channel.url, channel.key) if each]
        addresses = [each.webhook for each in self.channels.values()]
        return (*named, *(a.removeprefix("secret:") for a in addresses if a.startswith("secret:")))


def _among(name: str, known: Mapping[str, object] | Iterable[str], where: str, table: str) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or f"write a [notify.{table}.{name}] table"
        raise ValueError(f"{where}: there is no [notify.{table}.{name}]; {hint}")
