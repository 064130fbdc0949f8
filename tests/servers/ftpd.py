"""vsftpd and ProFTPD of Debian on private ports of loopback, each with an account and a directory."""

from __future__ import annotations

import getpass
import grp
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.certificates import Authority
from tests.servers.ports import free_port, until_listening
from tests.servers.process import program, running

ACCOUNT, UID = "muster", 64_202
UNPACKED = "/opt/muster-tests/usr/sbin/vsftpd"
"""Only unpacked: Debian does not let it be installed beside ProFTPD."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a private mount namespace needs root")
VSFTPD = """
background=NO
listen=YES
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=NO
local_enable=YES
write_enable=YES
pam_service_name=vsftpd
secure_chroot_dir={dir}/empty
seccomp_sandbox=NO
xferlog_enable=NO
"""
VSFTPD_TLS = """
ssl_enable=YES
force_local_logins_ssl=YES
force_local_data_ssl=YES
rsa_cert_file={file}
ssl_tlsv1=YES
ssl_ciphers=HIGH
"""
PROFTPD = """
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
ServerName "muster test"
ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
UseIPv6 off
User {user}
Group {group}
AuthUserFile {dir}/users
AuthGroupFile {dir}/groups
AuthOrder mod_auth_file.c
RequireValidShell off
WtmpLog off
TransferLog none
SystemLog {dir}/system.log
PidFile {dir}/pid
ScoreboardFile {dir}/scoreboard
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
"""
PROFTPD_TLS = """
TLSEngine on
TLSRequired on
TLSLog {dir}/tls.log
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile {file}
TLSECCertificateKeyFile {file}
"""


@dataclass(frozen=True, slots=True)
class Ftpd:
    """Where it listens, and the directory in which its account begins."""

    port: int
    home: Path

    def write(self, name: str, content: bytes | str) -> Path:
        """Put a file where the account finds it."""
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def left(self, directory: str = "in") -> list[str]:
        """Return the names in a directory."""
        return sorted(path.name for path in (self.home / directory).iterdir())


def _home(directory: Path, uid: int) -> Path:
    """Make the account's directory, `in` to write to, `out` to read from and `closed`."""
    directory.chmod(0o711)
    home = directory / "home"
    for name in ("", "in", "out", "closed"):
        (home / name).mkdir()
        os.chown(home / name, uid, -1)
    (home / "closed").chmod(0o555)
    return home


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory that the account can pass through."""
    directory = Path(tempfile.mkdtemp(prefix="ftpd-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _hash(password: str) -> str:
    command = (program("openssl"), "passwd", "-6", "-stdin")
    made = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
    return made.stdout.strip()


@asynccontextmanager
async def vsftpd(
    password: str, *, authority: Authority | None = None, options: str = ""
) -> AsyncIterator[Ftpd]:
    """Run vsftpd; its account is seen in a private mount namespace only."""
    with _directory() as directory:
        home, port = _home(directory, UID), free_port()
        (directory / "empty").mkdir(mode=0o555)
        text = VSFTPD.format(port=port, dir=directory) + options
        if authority is not None:
            text += VSFTPD_TLS.format(file=authority.issue("localhost", "127.0.0.1", label="vsftpd").file)
        (directory / "vsftpd.conf").write_text(text)
        script = "\n".join(
            ["set -e", "mount --make-rprivate /", *_mounts(directory, home, password), 'exec "$@"']
        )
        server = UNPACKED if Path(UNPACKED).exists() else program("vsftpd")
        command = ("unshare", "-m", "sh", "-c", script, "sh", server, str(directory / "vsftpd.conf"))
        async with running(*command, log=directory / "log"):
            await until_listening(port)
            yield Ftpd(port, home)


def _mounts(directory: Path, home: Path, password: str) -> list[str]:
    """Write account files with one account more, and return the commands that lay them over the machine's."""
    entries = {
        "passwd": f"{ACCOUNT}:x:{UID}:{UID}::{home}:/bin/sh\n",
        "group": f"{ACCOUNT}:x:{UID}:\n",
        "shadow": f"{ACCOUNT}:{_hash(password)}:20000:0:99999:7:::\n",
    }
    for name, line in entries.items():
        shutil.copy(f"/etc/{name}", directory / name)
        (directory / name).write_text((directory / name).read_text() + line)
    (directory / "pam").write_text("auth required pam_unix.so\naccount required pam_unix.so\n")
    over = {name: f"/etc/{name}" for name in entries} | {"pam": "/etc/pam.d/vsftpd"}
    return [f"mount --bind {shlex.quote(str(directory / own))} {path}" for own, path in over.items()]


@asynccontextmanager
async def proftpd(
    password: str, *, authority: Authority | None = None, options: str = ""
) -> AsyncIterator[Ftpd]:
    """Run ProFTPD, which has accounts of its own, so that anybody may run it."""
    root = os.geteuid() == 0
    uid, gid = (UID, UID) if root else (os.getuid(), os.getgid())
    with _directory() as directory:
        home, port = _home(directory, uid), free_port()
        (directory / "users").write_text(f"{ACCOUNT}:{_hash(password)}:{uid}:{gid}::{home}:/bin/false\n")
        (directory / "groups").write_text(f"{ACCOUNT}:x:{gid}:\n")
        for name in ("users", "groups"):
            (directory / name).chmod(0o600)
        who = ("nobody", "nogroup") if root else (getpass.getuser(), grp.getgrgid(gid).gr_name)
        text = PROFTPD.format(port=port, dir=directory, user=who[0], group=who[1])
        if authority is not None:
            file = authority.issue("localhost", "127.0.0.1", label="proftpd").file
            file.chmod(0o600)
            text += PROFTPD_TLS.format(file=file, dir=directory)
        (directory / "conf").write_text(text + options)
        command = (program("proftpd"), "-n", "-q", "-c", str(directory / "conf"))
        async with running(*command, log=directory / "log"):
            await until_listening(port)
            yield Ftpd(port, home)
