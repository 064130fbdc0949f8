"""Faults of the application's host: files, programs, packages, parameters, ports."""

from __future__ import annotations

import resource
import shutil
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.servers.certificates import Authority
from tests.show.centre.contents import CONF, DAILY
from tests.show.centre.data_centre import DataCentre
from tests.show.centre.planting import fault


@fault("release.billing-config", "app1", "sha256")
async def wrong_checksum(centre: DataCentre) -> AsyncIterator[None]:
    """Somebody edited the application's configuration on the host."""
    file = centre.root / "srv/billing/billing.conf"
    file.write_text(CONF.replace("prod", "test"))
    yield
    file.write_text(CONF)


@fault("security.private-key", "app1", "0644")
async def key_readable(centre: DataCentre) -> AsyncIterator[None]:
    """The private key may be read by anyone."""
    file = centre.root / "srv/billing/server.key"
    file.chmod(0o644)
    yield
    file.chmod(0o640)


@fault("security.certificate-file", "app1", "days_left")
async def certificate_file_expires(centre: DataCentre) -> AsyncIterator[None]:
    """The certificate on the host expires in ten days."""
    directory = centre.root / "srv/billing"
    Authority(directory).issue("billing.gd.example", days=10, label="server")
    yield
    Authority(directory).issue("billing.gd.example", days=90, label="server")


@fault("application.agent", "app1", "count = 0")
async def agent_stopped(centre: DataCentre) -> AsyncIterator[None]:
    """The billing agent does not run."""
    await centre.services["billing-agent"].stop()
    yield
    await centre.services["billing-agent"].start()


@fault("system.limits", "app1", "differing = 1")
async def limit_lowered(centre: DataCentre) -> AsyncIterator[None]:
    """The batch program was started with too few open files."""
    pid = centre.services["billing-batch"].pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@fault("application.log", "app1", "matches = 1")
async def error_logged(centre: DataCentre) -> AsyncIterator[None]:
    """The application logs that its disk is full."""
    file = centre.root / "srv/billing/billing.log"
    file.write_text(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} ERROR no space left on device\n")
    yield
    file.write_text("")


@fault("operations.backup-job", "app1", "entries = 0")
async def job_missing(centre: DataCentre) -> AsyncIterator[None]:
    """The nightly backup is not in the crontab."""
    file = centre.root / "cron.d/billing"
    file.write_text(f"#{DAILY}")
    yield
    file.write_text(DAILY)


@fault("system.packages", "app1", "missing = 1")
async def package_missing(centre: DataCentre) -> AsyncIterator[None]:
    """A package that the application needs is not installed."""
    file = centre.root / "status"
    stanzas = file.read_text().split("\n\n")
    file.write_text("\n\n".join(each for each in stanzas if not each.startswith("Package: openssl\n")))
    yield
    shutil.copyfile(Path("/var/lib/dpkg/status"), file)


@fault("system.sysctl", "app1", "differing = 1")
async def parameter_changed(centre: DataCentre) -> AsyncIterator[None]:
    """The host forwards packets."""
    file = centre.root / "ip_forward"
    file.write_text("1\n")
    yield
    file.write_text("0\n")


@fault("security.closed-ports", "app1", "open")
async def port_open(centre: DataCentre) -> AsyncIterator[None]:
    """A telnet service listens on the host."""
    address = centre.telnet.getsockname()
    centre.telnet.listen()
    yield
    centre.telnet.close()
    centre.telnet = socket.socket()
    centre.telnet.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    centre.telnet.bind(address)
