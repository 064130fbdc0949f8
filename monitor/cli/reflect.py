"""`muster reflect`: answers the monitor's channel measurements from a unit's machine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import structlog
import typer

from inventory.secrets import SecretMissing, Secrets
from monitor.cli.common import CONFIG_ERROR, ConfigOption, fail, out
from monitor.place import place
from monitor.process import log
from monitor.reflector.limits import MEGA, Limits
from monitor.reflector.service import Service
from probes._resolve import Address, numeric
from probes.network._reflect_keys import BadKey, fingerprint, read, unit_key, written
from probes.network._reflect_wire import PORT

LOOPBACK = f"127.0.0.1:{PORT}"
SECRET = "secret:reflect_key"  # noqa: S105 - where the key is looked for, not the key
LONGEST_KEY_FILE = 1024

Listen = Annotated[
    list[str],
    typer.Option("--listen", metavar="ADDRESS:PORT", help="Where to answer, UDP and TCP; may be repeated."),
]
Key = Annotated[str, typer.Option("--key", metavar="secret:NAME", help="The unit's key, by its secret.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file", help="The unit's key, in a file that nobody else may read.", show_default=False
    ),
]
MakeKey = Annotated[
    str, typer.Option("--make-key", metavar="UNIT", help="Write a unit's key and end.", show_default=False)
]
Master = Annotated[
    str,
    typer.Option(
        "--master", metavar="secret:NAME", help="The master secret for --make-key.", show_default=False
    ),
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="The file for --make-key.", show_default=False)
]
MaxRate = Annotated[
    float, typer.Option("--max-rate", metavar="MBIT", min=0.1, max=100_000, help="Fastest train, in Mbit/s.")
]
PerDay = Annotated[
    float,
    typer.Option("--per-day", metavar="MB", min=1, max=10_000_000, help="Megabytes a day for each address."),
]
Style = Annotated[str, typer.Option("--log", metavar="console|json", help="How the log is written.")]


def reflect(
    config: ConfigOption = None,
    listen: Listen = [LOOPBACK],  # noqa: B006 - typer copies it
    key: Key = SECRET,
    key_file: KeyFile = None,
    max_rate: MaxRate = 1000,
    per_day: PerDay = 5400,
    style: Style = "console",
    make_key: MakeKey = "",
    master: Master = "",
    output: Output = None,
) -> None:
    """Answer the monitor's measurements of the channel to this unit (probes `echo` and `throughput`).

    Answers on loopback only, unless --listen says where. The key comes from --key-file or --key; the monitor
    writes it with --make-key UNIT --master secret:NAME -o FILE. Nothing is sent to anybody without it.
    """
    if make_key or master or output is not None:
        _make_key(make_key, master, output, config)
        return
    if style not in ("console", "json"):
        fail(f"--log {style} is not known", CONFIG_ERROR, "write console or json")
    addresses = [_address(text) for text in listen]
    found = _key(key, key_file)
    log.configure("json" if style == "json" else "console")
    limits = Limits(rate_bps=int(max_rate * MEGA), peer_bps=per_day * MEGA * 8 / 86_400)
    asyncio.run(_serve(addresses, found, limits))


async def _serve(addresses: list[tuple[Address, int]], key: bytes, limits: Limits) -> None:
    logger = structlog.get_logger("reflect")
    try:
        service = Service(addresses, key, limits)
    except OSError as error:
        where = ", ".join(f"{address.host} port {port}" for address, port in addresses)
        fail(f"can't listen on {where}: {error.strerror}", 1)

    def tell(counts: Mapping[str, int]) -> None:
        logger.info("counts so far", **counts)

    for host, port, *_ in service.bound:
        logger.info("answering", address=host, port=port, key=fingerprint(key))
    await service.run(tell)


def _address(text: str) -> tuple[Address, int]:
    host, _, port = text.rpartition(":")
    address = numeric(host)
    if address is None or not port.isdecimal() or int(port) > 65_535:
        fail(f"--listen {text} is no address and port", CONFIG_ERROR, f"write 10.1.2.3:{PORT} or [::]:{PORT}")
    return address, int(port)


def _key(name: str, file: Path | None) -> bytes:
    try:
        return read(_key_text(name, file))
    except BadKey as error:
        fail(f"{file or name}: {error}", CONFIG_ERROR)


def _key_text(name: str, file: Path | None) -> str:
    if file is None:
        return _secret(name, Secrets())
    try:
        with file.open("rb") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                fail(f"{file}: others may read the key", CONFIG_ERROR, f"chmod 600 {file}")
            return opened.read(LONGEST_KEY_FILE).decode("ascii", "replace")
    except OSError as error:
        fail(f"{file}: {error.strerror}", CONFIG_ERROR)


def _secret(name: str, secrets: Secrets) -> str:
    if not name.startswith("secret:"):
        fail("a key on the command line is refused", CONFIG_ERROR, "write secret:NAME, or use --key-file")
    try:
        return secrets.get(name.removeprefix("secret:"))
    except SecretMissing as error:
        fail(str(error), CONFIG_ERROR)


def _make_key(unit: str, master: str, output: Path | None, config: Path | None) -> None:
    if not (unit and master and output is not None):
        fail("--make-key, --master and -o go together", CONFIG_ERROR,
             "muster reflect --make-key UNIT --master secret:NAME -o FILE")  # fmt: skip
    secret = _secret(master, Secrets(place(config).secrets))
    try:
        key = unit_key(secret, unit)
    except BadKey as error:
        fail(f"{master}: {error}", CONFIG_ERROR)
    try:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"{output}: {error.strerror}", CONFIG_ERROR, "nothing was changed")
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(written(key) + "\n")
    out.print(f"wrote the key of {unit} (fingerprint {fingerprint(key)}) to {output}", markup=False)
