"""A small network of real servers behind a veth pair, for what goes looking for them. Needs root.

`monitor` is the side that looks: everything it sends outside goes over the one wire to `lan`, where every
frame is counted, whatever its destination.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.netns import Namespace
from tests.servers.ports import until_listening
from tests.servers.process import program, running
from tests.servers.sshd import sshd

ETH_P_ALL, PACKET_OUTGOING = 0x0003, 4
SSHD, NGINX, SNMPD, PRINTER, PLAIN = (f"10.50.0.{number}" for number in range(2, 7))
COMMUNITY = "marker-community-5731"
_NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log; user root;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen {host}:80; listen {host}:443 ssl; ssl_certificate {pair}; ssl_certificate_key {pair};
    location / {{ return 302 http://10.50.9.9/; }} }} }}
"""
_SNMPD = """
agentAddress udp:{host}:161
[snmp] persistentDir {dir}
rocommunity {community}
sysName Hall.Switch 1
sysDescr Huawei S5735 VRP switch
sysObjectID 1.3.6.1.4.1.2011.2.23.1
"""


@dataclass(slots=True)
class Lan:
    """Both sides, and what went over the wire: (time, frame), those to the servers first seen there."""

    monitor: Namespace
    lan: Namespace
    wire: socket.socket
    printer: socket.socket
    frames: list[tuple[float, bytes]] = field(default_factory=list)

    def read(self) -> list[bytes]:
        """Return all frames that came from the monitor until now."""
        while True:
            try:
                frame, where = self.wire.recvfrom(2048)
            except BlockingIOError:
                return [frame for _, frame in self.frames]
            if where[2] != PACKET_OUTGOING:
                self.frames.append((time.monotonic(), frame))

    async def listen(self) -> None:
        """Keep reading, so that nothing is lost."""
        while True:
            self.read()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def lan(directory: Path) -> AsyncIterator[Lan]:
    """Lay the network, start its servers, and end both."""
    monitor, far = Namespace(), Namespace()
    async with AsyncExitStack() as stack:
        stack.callback(far.close)
        stack.callback(monitor.close)
        await asyncio.to_thread(_lay, monitor, far)
        raw = socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)
        wire = await asyncio.to_thread(far.socket, *raw)
        stack.callback(wire.close)
        wire.bind(("far", ETH_P_ALL))
        wire.setblocking(False)
        printer = await asyncio.to_thread(far.socket, socket.AF_INET, socket.SOCK_STREAM)
        stack.callback(printer.close)
        printer.bind((PRINTER, 9100))
        printer.listen()
        printer.setblocking(False)
        await stack.enter_async_context(sshd("Port 22", host=SSHD, inside=far))
        await _serve(stack, far, directory)
        found = Lan(monitor, far, wire, printer)
        found.read()
        found.frames.clear()
        yield found


def _lay(monitor: Namespace, far: Namespace) -> None:
    for side in (monitor, far):
        side.write("net/ipv6/conf/all/disable_ipv6", "1")
        side.write("net/ipv6/conf/default/disable_ipv6", "1")
    monitor.ip("link add near type veth peer name far")
    monitor.run("ip", "link", "set", "far", "netns", str(far))
    monitor.ip("addr add 10.50.0.1/24 dev near", "link set near up", "route add default via 10.50.0.2")
    far.ip(
        *(f"addr add {each}/24 dev far" for each in (SSHD, NGINX, SNMPD, PRINTER, PLAIN)), "link set far up"
    )
    far.write("net/ipv4/ip_forward", "0")


async def _serve(stack: AsyncExitStack, far: Namespace, directory: Path) -> None:
    pair = await asyncio.to_thread(lambda: Authority(directory).issue("hall.example", NGINX, label="nginx"))
    config, snmp = directory / "nginx.conf", directory / "snmpd.conf"
    config.write_text(_NGINX.format(dir=directory, host=NGINX, pair=pair.file))
    snmp.write_text(_SNMPD.format(dir=directory, host=SNMPD, community=COMMUNITY))
    nginx = far.command(program("nginx"), "-p", str(directory), "-c", str(config))
    await stack.enter_async_context(running(*nginx, log=directory / "nginx.log"))
    log = directory / "snmpd.log"
    agent = (program("snmpd"), "-f", "-C", "-c", str(snmp), "-Lo", "-M", "", "-m", "", "-I", "-smux")
    await stack.enter_async_context(running(*far.command(*agent), log=log))
    await far.loop(lambda: until_listening(443, NGINX))
    for _ in range(200):
        if "NET-SNMP version" in log.read_text():
            return
        await asyncio.sleep(0.02)
