"""`muster run`: the daemon."""

from __future__ import annotations

import sys

from monitor.app import App
from monitor.cli.common import ConfigOption, InventoryOption, StateDirOption
from monitor.place import place
from monitor.process import log, loop


def run(
    config: ConfigOption = None, inventory: InventoryOption = None, state_dir: StateDirOption = None
) -> None:
    """Run the daemon: probe as planned, store, alert, serve the board. SIGHUP reloads, SIGTERM stops."""
    where = place(config, inventory, state_dir=state_dir)
    log.configure(where.settings.daemon.log, where.settings.daemon.log_level)
    with loop.runner() as runner:
        sys.exit(runner.run(App(where).run()))
