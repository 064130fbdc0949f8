"""BIND with a zone of its own, authoritative and without recursion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from probes.network._dns_message import question
from tests.servers.ports import free_port_of_both, until_answering, until_listening
from tests.servers.process import program, running

CONFIG = """
options {{
    directory "{dir}"; pid-file "{dir}/named.pid"; session-keyfile "{dir}/session.key";
    managed-keys-directory "{dir}"; lock-file none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 port {port} {{ ::1; }};
    recursion no; dnssec-validation no; allow-query {{ any; }}; querylog no;
}};
controls {{ }};
zone "muster.example" {{ type primary; file "{dir}/zone"; check-names ignore; }};
zone "0.0.10.in-addr.arpa" {{ type primary; file "{dir}/reverse"; }};
"""
ZONE = """$TTL 300
@ IN SOA ns.muster.example. root.muster.example. (1 3600 600 86400 60)
@ IN NS ns
ns IN A 127.0.0.1
www 120 IN A 10.0.0.1
www 120 IN A 10.0.0.2
www 60 IN AAAA 2001:db8::1
alias IN CNAME www
@ IN MX 10 Mail.muster.example.
note IN TXT "Hello \\"World\\""
"""
REVERSE = """$TTL 300
@ IN SOA ns.muster.example. root.muster.example. (1 3600 600 86400 60)
@ IN NS ns.muster.example.
1 IN PTR www.muster.example.
"""
BIG = "".join(f"big IN A 10.1.{i // 250}.{i % 250 + 1}\n" for i in range(90))


@asynccontextmanager
async def named(directory: Path) -> AsyncIterator[int]:
    """Serve `muster.example` on loopback, both families; give the port."""
    binary, port = program("named"), free_port_of_both()
    (directory / "zone").write_text(ZONE + BIG)
    (directory / "reverse").write_text(REVERSE)
    (directory / "named.conf").write_text(CONFIG.format(dir=directory, port=port))
    arguments = ("-g", "-n", "1", "-c", str(directory / "named.conf"))
    async with running(binary, *arguments, log=directory / "named.log"):
        asked = question("www.muster.example", "A", recursion=False)
        await until_answering(asked.wire, port, lambda data: data[:2] == asked.wire[:2] and not data[3] & 15)
        await until_listening(port)
        yield port
