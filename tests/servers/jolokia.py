"""Tomcat 9 with Jolokia's own servlet, run from source (Debian: libtomcat9-java, libjolokia-core-java)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

LIBRARY = Path("/usr/share/java")
JARS = (
    "tomcat9-catalina", "tomcat9-coyote", "tomcat9-juli", "tomcat9-util", "tomcat9-util-scan", "tomcat9-api",
    "tomcat9-jni", "tomcat9-annotations-api", "tomcat9-jaspic-api", "tomcat9-dbcp", "tomcat9-servlet-api",
    "tomcat9-el-api", "tomcat9-jsp-api", "jolokia-core", "json-simple",
)  # fmt: skip


@asynccontextmanager
async def jolokia(
    directory: Path, *, password: str = "", policy: str = "", connections: int = 3, garbage: str = "serial"
) -> AsyncIterator[int]:
    """Run one and give its port: 8 threads, and so many of 4 connections in use.

    `password` is that of the user `monitor`; `policy` is the text of a `jolokia-access.xml`.
    """
    jars = [LIBRARY / f"{jar}.jar" for jar in JARS]
    if missing := [str(jar) for jar in jars if not jar.exists()]:
        pytest.skip(f"no Tomcat 9 and Jolokia of Debian: {', '.join(missing)} is not installed")
    file = directory / "jolokia-access.xml"
    if policy:
        file.write_text(policy)
    port, source = free_port(), Path(__file__).with_name("JolokiaServer.java")
    given = (str(port), str(directory), password, str(file) if policy else "", str(connections))
    collector = "-XX:+UseG1GC" if garbage == "g1" else "-XX:+UseSerialGC"
    frugal = ("-Xmx96m", collector, "-XX:TieredStopAtLevel=1")
    command = (program("java"), *frugal, "-cp", ":".join(map(str, jars)), str(source), *given)
    async with running(*command, log=directory / "jolokia.log"):
        await until_listening(port, seconds=30)
        yield port
