"""Where everything is: the settings with the command line's overrides applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor import settings as settings_file
from monitor.paths import shipped
from monitor.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """Files and directories of one installation."""

    settings: Settings
    inventory: Path
    profiles: Path | None
    checklists: Path | None
    functions: Path | None
    waivers: Path | None
    secrets: Path | None
    state_dir: Path
    releases: Path | None = None
    plan: Path | None = None

    @property
    def socket(self) -> Path:
        """The running daemon's control socket."""
        return self.state_dir / "muster.sock"

    @property
    def profile_dirs(self) -> Sequence[Path]:
        """The shipped profiles, then the operator's own."""
        return _with_shipped("profiles", self.profiles)

    @property
    def checklist_dirs(self) -> Sequence[Path]:
        """The shipped checklists, then the operator's own."""
        return _with_shipped("checklists", self.checklists)

    @property
    def calendar_dirs(self) -> Sequence[Path]:
        """The shipped calendars, then the operator's own (beside their checklists)."""
        own = self.checklists.parent / "calendars" if self.checklists else None
        return _with_shipped("calendars", own if own and own.is_dir() else None)

    @property
    def function_paths(self) -> Sequence[Path]:
        """The shipped business functions, then the operator's own (a file or a directory)."""
        return _with_shipped("functions", self.functions)

    @property
    def release_dirs(self) -> Sequence[Path]:
        """The shipped release manifests, then the operator's own."""
        return _with_shipped("releases", self.releases)

    @property
    def milestones(self) -> Path:
        """The shipped milestones; the operator's plan goes over them."""
        return shipped("config") / "gates" / "roll-out.yaml"

    @property
    def watched(self) -> Sequence[Path]:
        """What a reload is made for when it changes."""
        own = (self.profiles, self.checklists, self.functions, self.waivers, self.releases, self.plan)
        paths = (self.inventory, *own)
        found = [path for path in paths if path is not None and path.exists()]
        made_later = self.plan is not None and not self.plan.exists() and self.plan.parent.is_dir()
        return (*found, self.plan) if made_later and self.plan else tuple(found)


def _with_shipped(name: str, own: Path | None) -> Sequence[Path]:
    return (shipped("config") / name, *([own] if own is not None else []))


def place(
    config: Path | None = None,
    inventory: Path | None = None,
    profiles: Path | None = None,
    checklists: Path | None = None,
    state_dir: Path | None = None,
    functions: Path | None = None,
) -> Place:
    """Return where everything is: an option wins over the settings, the settings over the defaults."""
    settings = settings_file.load(config or _settings_here())
    daemon = settings.daemon
    return Place(
        settings,
        inventory or daemon.inventory,
        profiles or daemon.profiles,
        checklists or daemon.checklists,
        functions or daemon.functions,
        daemon.waivers,
        daemon.secrets,
        state_dir or daemon.state_dir,
        daemon.releases,
        daemon.plan,
    )


def _settings_here() -> Path | None:
    """Return the settings file of the current directory, if there is one."""
    here = Path("muster.toml")
    return here if here.is_file() else None
