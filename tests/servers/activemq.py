"""ActiveMQ of Debian on a private port of loopback, in memory, with accounts, rights and statistics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

LIBRARIES = Path("/usr/share/activemq/lib")
JSON = ("/usr/share/java/xstream.jar", "/usr/share/java/jettison.jar")
"""What the statistics plugin's answers need; Debian's package leaves them out, the project's own has them."""
CONFIG = """\
<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
  http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
<broker xmlns="http://activemq.apache.org/schema/core" brokerName="test" persistent="false" useJmx="false"
  dataDirectory="{dir}/data">
  <destinations><queue physicalName="orders"/></destinations>
  <plugins>
    <simpleAuthenticationPlugin><users>{users}</users></simpleAuthenticationPlugin>
    <authorizationPlugin><map><authorizationMap><authorizationEntries>
      <authorizationEntry queue=">" read="admins" write="admins" admin="admins"/>
      <authorizationEntry topic="ActiveMQ.Advisory.>" read="admins,monitors,nobodies"
        write="admins,monitors,nobodies" admin="admins,monitors,nobodies"/>
      <authorizationEntry queue="ActiveMQ.Statistics.>" read="admins" write="admins,monitors"
        admin="admins,monitors"/>
    </authorizationEntries><tempDestinationAuthorizationEntry>
      <tempDestinationAuthorizationEntry read="admins,monitors" write="admins,monitors"
        admin="admins,monitors"/>
    </tempDestinationAuthorizationEntry></authorizationMap></map></authorizationPlugin>
    <statisticsBrokerPlugin/>
  </plugins>
  <transportConnectors>
    <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}?maximumConnections={connections}"/>
  </transportConnectors>
</broker></beans>
"""


@dataclass(frozen=True, slots=True)
class ActiveMq:
    """A running broker."""

    port: int
    process: asyncio.subprocess.Process


@asynccontextmanager
async def activemq(
    directory: Path, accounts: dict[str, tuple[str, str]], connections: int = 100
) -> AsyncIterator[ActiveMq]:
    """Run a broker; `accounts` are (password, group) by name, of the groups admins, monitors and nobodies."""
    if not LIBRARIES.exists():
        pytest.skip("activemq is not installed")
    java, port = program("java"), free_port()
    users = "".join(
        f'<authenticationUser username="{name}" password="{password}" groups="{group}"/>'
        for name, (password, group) in accounts.items()
    )
    config = directory / "activemq.xml"
    config.write_text(CONFIG.format(dir=directory, users=users, port=port, connections=connections))
    jars = [*map(str, LIBRARIES.glob("*.jar")), *map(str, LIBRARIES.glob("optional/*.jar")), *JSON]
    command = (
        java, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ":".join(jars),
        "org.apache.activemq.console.Main", "start", f"xbean:file:{config}",
    )  # fmt: skip
    async with running(*command, log=directory / "activemq.log") as process:
        await until_listening(port, seconds=30)
        yield ActiveMq(port, process)
