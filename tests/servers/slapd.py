"""slapd of OpenLDAP (Debian: slapd) on private ports of loopback, with a small directory of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

BASE = "dc=gd,dc=example"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {dir}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
{tls}
{options}
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{base}" by dn.exact="cn=nobody,{base}" disclose by * none
access to attrs=entry,contextCSN dn.base="{base}" by dn.exact="cn=monitor,{base}" read by * none
access to dn.subtree="{base}" by dn.exact="cn=monitor,{base}" read by anonymous auth by * none
access to * by * read
database mdb
suffix "{base}"
rootdn "cn=admin,{base}"
rootpw {password}
directory {dir}/data
{sync}
"""
ENTRIES = """dn: {base}
objectClass: dcObject
objectClass: organization
o: Guangdong
dc: gd

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=hidden,{base}
objectClass: organizationalUnit
ou: hidden

dn: cn=monitor,{base}
objectClass: person
cn: monitor
sn: monitor
userPassword: {password}

dn: cn=nobody,{base}
objectClass: person
cn: nobody
sn: nobody
userPassword: {password}

dn: ou=elsewhere,{base}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://other.example/ou=elsewhere,{base}

"""
PERSON = """dn: uid=p{number},ou=people,{base}
objectClass: inetOrgPerson
uid: p{number}
cn: Person {number}
sn: 张{number}
title: operator

"""
SYNCPROV = "overlay syncprov\nsyncprov-checkpoint 1 1"


@dataclass(frozen=True, slots=True)
class Slapd:
    """Where it listens, in the clear and with TLS, and the password of all its accounts."""

    port: int
    secure: int
    password: str

    async def write(self, ldif: str) -> None:
        """Change entries as the administrator."""
        await _run(
            program("ldapmodify"), "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", f"cn=admin,{BASE}",
            "-w", self.password, given=ldif,
        )  # fmt: skip


async def _run(*command: str, given: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(given.encode())
    assert process.returncode == 0, f"{command[0]}: {said.decode(errors='replace')}"


def replica_of(provider: Slapd) -> str:
    """Return the lines that make a server follow another one."""
    return (
        f'syncrepl rid=001 provider=ldap://127.0.0.1:{provider.port} type=refreshAndPersist retry="1 +" '
        f'searchbase="{BASE}" bindmethod=simple binddn="cn=admin,{BASE}" credentials={provider.password}\n'
    )


@asynccontextmanager
async def slapd(
    directory: Path,
    password: str,
    *,
    authority: Authority | None = None,
    options: str = "",
    sync: str = SYNCPROV,
    entries: int = 5,
) -> AsyncIterator[Slapd]:
    """Run one with `BASE` and so many people in it; none at all where it follows another (`sync`)."""
    port, secure, tls = free_port(), free_port(), ""
    (directory / "data").mkdir(parents=True)
    if authority is not None:
        pair = authority.issue("127.0.0.1", "localhost", label="slapd")
        tls = f"TLSCertificateFile {pair.file}\nTLSCertificateKeyFile {pair.file}"
    text = CONFIG.format(dir=directory, base=BASE, tls=tls, options=options, password=password, sync=sync)
    config = directory / "slapd.conf"
    config.write_text(text)
    if "syncrepl" not in sync:
        people = "".join(PERSON.format(number=number, base=BASE) for number in range(entries))
        (directory / "entries.ldif").write_text(ENTRIES.format(base=BASE, password=password) + people)
        await _run(program("slapadd"), "-w", "-q", "-f", str(config), "-l", str(directory / "entries.ldif"))
    urls = f"ldap://127.0.0.1:{port}" + (f" ldaps://127.0.0.1:{secure}" if authority else "")
    command = (program("slapd"), "-d", "0", "-f", str(config), "-h", urls)
    async with running(*command, log=directory / "slapd.log"):
        await until_listening(port)
        yield Slapd(port, secure, password)
