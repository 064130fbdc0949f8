"""`muster sign`: a verdict, signed by its digest; and whether a signature that was handed on is whole."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from monitor.cli._gate_acts import GateOption, asked
from monitor.cli.acting import actor, refuse
from monitor.cli.common import ConfigOption, InventoryOption, StateDirOption, deliver, err, out
from monitor.gates.ledger import Entry
from monitor.gates.signing import document, message, wrong_with
from monitor.place import Place, place

NOT_WHOLE = 3
MOST_FILE = 50_000_000


def sign(
    unit: Annotated[str, typer.Argument(help="The unit.")] = "",
    *,
    subject: Annotated[
        str, typer.Option("--subject", help="The digest you looked at; without it you only look.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Sign with this private key, too (Ed25519, PEM).")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the record there.")] = None,
    verify: Annotated[
        Path | None, typer.Option("--verify", help="Only tell whether this record is whole; needs no store.")
    ] = None,
    trusted: Annotated[
        Path | None,
        typer.Option("--trusted", help="Of --verify: the public key that must have signed (PEM)."),
    ] = None,
    gate: GateOption = "go-live",
    config: ConfigOption = None,
    inventory: InventoryOption = None,
    state_dir: StateDirOption = None,
) -> None:
    """Look at a verdict with its digest, then sign that digest: what changed meanwhile is not signed."""
    if verify is not None:
        _verify(verify, trusted)
        return
    if not unit:
        refuse("write which unit: muster sign UNIT, or muster sign --verify FILE")
    where = place(config, inventory, state_dir=state_dir)
    request = {"actor": actor(), "unit": unit, "gate": gate}
    if not subject:
        _look(where, request)
        return
    signed = {"key": "", "signature": ""} if key is None else _signed(key, subject)
    entry = asked(where, {"do": "sign", "subject": subject, **request, **signed})["entry"]
    by = f"{entry['actor']} as {entry['role']}"
    err.print(f"{unit} is signed as {entry['body']['verdict']} by {by}: {entry['digest']}", markup=False)
    if output is not None:
        record = document(Entry(**entry))
        deliver(json.dumps(record, ensure_ascii=False, indent=1) + "\n", output)


def _look(where: Place, request: dict[str, Any]) -> None:
    shown = asked(where, {"do": "sign.look", **request})["shown"]
    counts = ", ".join(f"{count} {status}" for status, count in shown["counts"].items() if count)
    out.print(f"{shown['unit']} at {shown['gate']}: {shown['verdict']} ({counts})", markup=False)
    for reason in shown["reasons"]:
        out.print(f"  {reason}", markup=False)
    for waiver in shown["waivers"]:
        out.print(f"  waived until {waiver['expires_at']}: {waiver['item']} ({waiver['id']})", markup=False)
    if shown["signed"]:
        out.print(f"  signed before by {shown['signed']['by']}", markup=False)
    out.print(
        f"to sign exactly this: muster sign {shown['unit']} --subject {shown['subject']}", soft_wrap=True
    )


def _signed(path: Path, subject: str) -> dict[str, str]:
    """Return public key and signature, in base64."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        refuse(f"--key {path}: {error.strerror}")
    except (ValueError, TypeError, UnsupportedAlgorithm):
        refuse(f"--key {path}: this is no private key without a passphrase; make one: "
               "openssl genpkey -algorithm ed25519 -out sign.pem")  # fmt: skip
    if not isinstance(key, Ed25519PrivateKey):
        refuse(
            f"--key {path}: not an Ed25519 key; make one: openssl genpkey -algorithm ed25519 -out sign.pem"
        )
    signature = key.sign(message(subject))
    return {"key": _raw(key.public_key()), "signature": base64.b64encode(signature).decode()}


def _raw(key: Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _verify(path: Path, trusted: Path | None) -> None:
    try:
        if path.stat().st_size > MOST_FILE:
            refuse(f"--verify {path}: larger than any record")
        record = json.loads(path.read_bytes())
    except OSError as error:
        refuse(f"--verify {path}: {error.strerror}")
    except (ValueError, RecursionError):
        refuse(f"--verify {path}: this is no JSON; a record is what muster sign -o FILE writes")
    wrong = wrong_with(record, _trusted(trusted) if trusted else "")
    if wrong:
        err.print(f"NOT WHOLE: {wrong}", markup=False)
        raise typer.Exit(NOT_WHOLE)
    entry = record["entry"]
    by = "with a key's signature" if entry["body"]["signature"] else "without a key"
    out.print(f"whole: {entry['unit']} is {entry['body']['verdict']} at {entry['gate']}, "
              f"signed by {entry['actor']} as {entry['role']}, {by}", markup=False)  # fmt: skip


def _trusted(path: Path) -> str:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        refuse(f"--trusted {path}: {error.strerror}")
    except (ValueError, UnsupportedAlgorithm):
        refuse(f"--trusted {path}: this is no public key; write it by: openssl pkey -in sign.pem -pubout")
    if not isinstance(key, Ed25519PublicKey):
        refuse(f"--trusted {path}: not an Ed25519 key")
    return _raw(key)
