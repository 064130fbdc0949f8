"""Kamailio, sipp, and scripted peers of SIP, on private ports of loopback."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.servers.certificates import Pair
from tests.servers.ports import TCP, free_port, free_port_of_both, until_answering, until_listening
from tests.servers.process import program, running

MODULES = ("tm.so", "sl.so", "siputils.so", "textops.so", "pv.so", "corex.so")
CONFIG = """
debug=1
log_stderror=yes
fork=yes
children=1
tcp_children=1
listen=udp:{host}:{port}
listen=tcp:{host}:{port}
auto_aliases=no
server_signature=yes
{modules}
{tls}
request_route {{
    if (!is_method("OPTIONS")) {{ sl_send_reply("405", "Method Not Allowed"); exit; }}
    if ($rU == "95598") {{
        append_to_reply("Allow: OPTIONS, INVITE, ACK, BYE, CANCEL\\r\\n");
        append_to_reply("Supported: timer\\r\\n");
        sl_send_reply("200", "OK"); exit;
    }}
    if ($rU == "locked") {{ sl_send_reply("401", "Unauthorized"); exit; }}
    if ($rU == "busy") {{
        append_to_reply("Retry-After: 30\\r\\n");
        sl_send_reply("503", "Service Unavailable"); exit;
    }}
    if ($rU == "slow") {{ sl_send_reply("100", "Trying"); sl_send_reply("200", "OK"); exit; }}
    if ($rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
    sl_send_reply("404", "Not Found");
}}
"""
TLS = """
enable_tls=yes
listen=tls:{host}:{port}
loadmodule "tls.so"
modparam("tls", "certificate", "{file}")
modparam("tls", "private_key", "{file}")
modparam("tls", "tls_method", "TLSv1.2+")
"""
ASK = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKup;rport\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: up\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Kamailio:
    """Where it listens: `port` for UDP and TCP, `secure` for TLS (0 without)."""

    port: int
    secure: int = 0


@asynccontextmanager
async def kamailio(host: str = "127.0.0.1", pair: Pair | None = None) -> AsyncIterator[Kamailio]:
    """Run Kamailio with the answers of `CONFIG`."""
    command = program("kamailio")
    served = Kamailio(free_port_of_both(), free_port(TCP, host=host) if pair else 0)
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        tls = TLS.format(host=host, port=served.secure, file=pair.file) if pair else ""
        modules = "\n".join(f'loadmodule "{module}"' for module in MODULES)
        config = CONFIG.format(host=host, port=served.port, modules=modules, tls=tls)
        (directory / "kamailio.cfg").write_text(config)
        async with running(
            command, "-f", str(directory / "kamailio.cfg"), "-DD", "-E", "-m", "32", "-M", "4",
            "-w", made, "-Y", made, log=directory / "log",
        ):  # fmt: skip
            await until_answering(ASK, served.port, lambda data: data.startswith(b"SIP/2.0 200"), host)
            if served.secure:
                await until_listening(served.secure, host)
            yield served


SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="options">
  <recv request="OPTIONS" />
  <send><![CDATA[

    SIP/2.0 {status}
    [last_Via:]
    [last_From:]
    [last_To:];tag=[pid]SIPpTag01[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Allow: INVITE, ACK, BYE, CANCEL, OPTIONS
    Server: SIPp
    Content-Length: 0

  ]]></send>
</scenario>
"""


@asynccontextmanager
async def sipp(tmp_path: Path, status: str = "200 OK", transport: str = "u1") -> AsyncIterator[int]:
    """Run sipp as a server that answers OPTIONS so, and give its port."""
    port = free_port_of_both()
    (tmp_path / "options.xml").write_text(SCENARIO.format(status=status))
    command = (program("env"), "TERM=dumb", f"--chdir={tmp_path}", program("sipp"))
    line = ("-sf", str(tmp_path / "options.xml"), "-i", "127.0.0.1", "-p", str(port), "-t", transport)
    async with running(*command, *line, "-nostdin", log=tmp_path / "sipp.log"):
        kind = "udp" if transport == "u1" else "tcp"
        await _bound(port, kind)
        yield port


async def _bound(port: int, kind: str) -> None:
    """Wait until a port is bound, without a word to its server."""
    async with asyncio.timeout(10):
        while f":{port:04X} " not in Path(f"/proc/net/{kind}").read_text():
            await asyncio.sleep(0.02)


def field(asked: bytes, name: str) -> str:
    """Return a field of a request."""
    found = re.search(rf"^{name}: (.*?)\r$", asked.decode(), re.MULTILINE)
    assert found is not None, name
    return found[1]


def reply(asked: bytes, status: str = "200 OK", **changed: str) -> bytes:
    """Return a response to a request, some of its fields (underscores for hyphens) changed."""
    fields = {name: field(asked, name) for name in ("Via", "From", "To", "Call-ID", "CSeq")}
    fields |= {"To": f"{fields['To']};tag={os.urandom(4).hex()}", "Content-Length": "0"}
    fields |= {name.replace("_", "-"): text for name, text in changed.items()}
    lines = [f"SIP/2.0 {status}", *(f"{name}: {text}" for name, text in fields.items() if text), "", ""]
    return "\r\n".join(lines).encode()


Script = Callable[[bytes, int], list[bytes]]
"""From a request, and how many came before it, to what is said."""


@asynccontextmanager
async def scripted_udp(script: Script) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer datagrams by a script; gives the port and what was asked."""
    asked: list[bytes] = []

    class Peer(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            asked.append(data)
            for said in script(data, len(asked) - 1):
                self.transport.sendto(said, addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Peer, ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1], asked
    finally:
        transport.close()
