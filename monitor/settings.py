"""The daemon's settings (`muster.toml`): where things are, what is allowed, how much at once.

Every command works without a file: the defaults are those of a single user on one machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from inventory.source import validate
from monitor import _toml
from monitor.alerts.mail_settings import MailSettings
from monitor.alerts.notify_settings import NotifySettings
from monitor.bundles.settings import BundleSettings
from monitor.calendars.windows import Window
from monitor.discipline.rules import Rules
from monitor.gates.rights import Right
from monitor.incidents.troubles import Timing
from monitor.isolation.heartbeat_settings import HeartbeatSettings
from monitor.isolation.witness_settings import WitnessSettings
from monitor.reports.settings import ReportSettings
from monitor.runner import MOST_SLIP, Limits
from monitor.sinks.settings import InfluxSettings
from monitor.store.paths import Bounds
from monitor.traps.settings import TrapSettings
from probes.api import Bytes, ProbeSettings, Quantity, Seconds

Percent = Annotated[float, BeforeValidator(Quantity("%").__call__)]


class Section(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        msg = 'must be "host:port", such as "127.0.0.1:8787"'
        raise ValueError(msg)
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
    if value and not plain:
        msg = 'must be an address of a site, such as "https://muster.example.org"'
        raise ValueError(msg)
    return value.rstrip("/")


def default_state_dir() -> Path:
    """Return where state is kept when nothing says otherwise (systemd, root, or the user's own place)."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/muster")
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "muster"


class Daemon(Section):
    """Where things are. Relative paths count from the settings file."""

    state_dir: Path = Field(default_factory=default_state_dir)
    inventory: Path = Path("inventory.yaml")
    profiles: Path | None = None
    checklists: Path | None = None
    functions: Path | None = None
    releases: Path | None = None
    release: str = ""
    """The release that units should run where the inventory names none."""
    waivers: Path | None = None
    plan: Path | None = None
    """Milestones, waves, due dates and owners (docs/plan.md)."""
    secrets: Path | None = None
    log: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    vantage: str = Field("hub", min_length=1, max_length=40)


class Web(Section):
    """Where the board and the API listen; loopback unless told otherwise."""

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8787"
    public_url: Annotated[str, AfterValidator(_url)] = ""
    """Where people reach the board, such as "https://muster.example.org": mails link to it."""
    grafana: Annotated[str, AfterValidator(_url)] = ""
    """Where Grafana is, such as "https://grafana.example.org": pages link to the dashboards of their unit."""
    grafana_source: Literal["prometheus", "victoriametrics", "influx"] = "prometheus"
    """Which of the dashboards are there: those that `muster dashboards push --datasource` put there."""
    max_series: int = Field(20_000, ge=0)
    """Most check series that /metrics exposes; more are counted as left out."""


class Probes(Section):
    """What probes may do here."""

    exec_allow: tuple[str, ...] = ()
    known_hosts: Path | None = None
    resolvers: tuple[str, ...] = ()
    control_name: str = ""
    ssh_threads: int = Field(16, ge=1, le=256)


class RunLimits(Section):
    """How much may be under way at once."""

    in_flight: int = Field(20_000, ge=1)
    per_target: int = Field(8, ge=1)
    shed_after: Seconds = 0.5


class Tests(Section):
    """What checks that load a link may put on each line, and when (docs/discipline.md)."""

    max_bytes_per_day: Annotated[Bytes, Field(ge=0)] = 200_000_000
    """Of one line, both directions, by the calendar day of the unit that has it."""
    max_share_per_day: Annotated[Percent, Field(ge=0, le=100)] = 0.2
    """The same as a share of what the contracted rate carries in a day; the larger of the two counts."""
    max_seconds_per_day: Annotated[Seconds, Field(ge=0)] = 4 * 3600.0
    """How long tests may be under way on one line."""
    max_bytes_per_run: Annotated[Bytes, Field(gt=0)] = 20_000_000
    windows: tuple[str, ...] = ()
    """When tests may begin, by the unit's own time; always where nothing is written."""
    use_limit: Annotated[Percent, Field(gt=0, le=100)] = 70.0
    """Above this use of a line no test begins."""
    slip: float = Field(MOST_SLIP, ge=0, le=MOST_SLIP)
    """For which share of its interval a test waits for its turn."""

    @field_validator("windows")
    @classmethod
    def _windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Window.parse(text)
        return value


class Incidents(Section):
    """When troubles become an incident, and when that is over (docs/alerts.md)."""

    @model_validator(mode="after")
    def _in_order(self) -> Incidents:
        if self.close_after < self.hold:
            raise ValueError(
                "close_after is below hold; write at least as much, else what returns is a new one"
            )
        return self

    hold: Seconds = Field(45.0, ge=0, le=50)
    """From the first suspicion until somebody is told; meanwhile the cause is looked for."""
    close_after: Seconds = Field(300.0, ge=0)
    """For how long everything has to be OK before an incident is closed."""
    openings: int = Field(3, ge=1)
    """How often in an hour the same thing may open an incident that people are told of."""


class Retention(Section):
    """How many days are kept, and how much disk is left alone."""

    raw_days: int = Field(14, ge=1)
    rollup_5m_days: int = Field(90, ge=1)
    rollup_1h_days: int = Field(1096, ge=1)
    incident_days: int = Field(1096, ge=1)
    """Closed incidents, with their history and the readings behind them."""
    run_days: int = Field(1096, ge=1)
    """Readiness runs and changes of items; what is signed is kept for good."""
    min_free: Bytes = 512 * 1024 * 1024


class Settings(Section):
    """All of it."""

    daemon: Daemon = Field(default_factory=Daemon)
    web: Web = Field(default_factory=Web)
    probes: Probes = Field(default_factory=Probes)
    limits: RunLimits = Field(default_factory=RunLimits)
    mail: MailSettings = Field(default_factory=MailSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    incidents: Incidents = Field(default_factory=Incidents)
    reports: ReportSettings = Field(default_factory=ReportSettings)
    retention: Retention = Field(default_factory=Retention)
    tests: Tests = Field(default_factory=Tests)
    witnesses: WitnessSettings = Field(default_factory=WitnessSettings)
    heartbeat: HeartbeatSettings = Field(default_factory=HeartbeatSettings)
    influx: InfluxSettings = Field(default_factory=InfluxSettings)
    traps: TrapSettings = Field(default_factory=TrapSettings)
    bundles: BundleSettings = Field(default_factory=BundleSettings)
    rights: tuple[Right, ...] = ()
    """Who may do what at gates, `[[rights]]`."""

    @model_validator(mode="after")
    def _ways(self) -> Settings:
        if self.heartbeat.mail and not self.mail.host:
            raise ValueError("heartbeat.mail needs a mail server; write host in [mail]")
        return self

    def probe_settings(self) -> ProbeSettings:
        """Return what the probes are told."""
        return ProbeSettings(
            vantage=self.daemon.vantage,
            exec_allow=self.probes.exec_allow,
            known_hosts=self.probes.known_hosts,
            resolvers=self.probes.resolvers,
            control_name=self.probes.control_name,
            ssh_threads=self.probes.ssh_threads,
        )

    def store_bounds(self) -> Bounds:
        """Return what the store may take."""
        return Bounds(min_free_bytes=self.retention.min_free)

    def test_rules(self) -> Rules:
        """Return what tests may cost."""
        tests = self.tests
        return Rules(
            bytes_per_day=tests.max_bytes_per_day,
            share_per_day=tests.max_share_per_day / 100,
            seconds_per_day=tests.max_seconds_per_day,
            bytes_per_run=tests.max_bytes_per_run,
            windows=tuple(Window.parse(text) for text in tests.windows),
            use_limit=tests.use_limit,
            slip=tests.slip,
        )

    def timing(self) -> Timing:
        """Return how long troubles are held and incidents kept open."""
        found = self.incidents
        return Timing(found.hold, found.close_after, found.openings)

    def run_limits(self) -> Limits:
        """Return what the runner is told."""
        return Limits(self.limits.in_flight, self.limits.per_target, shed_after_s=self.limits.shed_after)


def load(path: Path | None) -> Settings:
    """Read the settings file; without one, the defaults. Raises ConfigError with all problems."""
    if path is None:
        return Settings()
    settings = validate(_toml.read(path), Settings)
    return _anchored(settings, path.parent)


def _anchored(settings: Settings, base: Path) -> Settings:
    """Return the settings with relative paths counted from the file they stand in."""

    def anchor(section: BaseModel) -> BaseModel:
        return section.model_copy(
            update={name: anchored(getattr(section, name)) for name in section.model_fields_set}
        )

    def anchored(value: object) -> object:
        if isinstance(value, Path):
            return base / value
        if isinstance(value, dict):
            return {k: anchor(v) if isinstance(v, BaseModel) else v for k, v in value.items()}
        return value

    sections = {name: getattr(settings, name) for name in settings.model_fields_set}
    return settings.model_copy(
        update={name: anchor(each) for name, each in sections.items() if isinstance(each, BaseModel)}
    )
