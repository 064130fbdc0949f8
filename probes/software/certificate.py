"""A certificate file of a host: days left, chain, and whether a key file fits. No key leaves the host.

Only the CERTIFICATE blocks of the file (RFC 7468) are sent, and of the key file the SHA-256 of its public key
(SubjectPublicKeyInfo, RFC 5280), as the host's openssl computes it.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field

from probes._certificates import UNREADABLE, Certificate, describe, now
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import ExpectationFailed
from probes.software._host import KINDS, PHASES, TIMEOUT_S, SudoParams, told
from probes.software._script import Ask
from probes.software._text import AbsolutePath, sections

FRAGMENT = r"""
f=$1 k=$2
m=
[ -r "$f" ] || m=p
o=$($m cat "$f" 2>&1 >/dev/null)
c=$?
case $c:$o in
0:*) ;;
93:*) echo "sudo does not let it run: cat $f"; exit 93 ;;
*"o such file"*|*"ot a directory"*) echo "@absent"; echo "@end"; exit 0 ;;
*"ermission denied"*) echo "the account may not read $f"; exit 93 ;;
*) echo "cat: $o"; exit 94 ;;
esac
echo "@certificates"
if $m cat "$f" | head -c 262144 | grep -aq 'BEGIN CERTIFICATE'; then
  $m cat "$f" | head -c 262144 |
    awk '/-----BEGIN/{on=0} /-----BEGIN CERTIFICATE-----/{on=1} on; /-----END/{on=0}'
elif command -v openssl >/dev/null; then
  $m cat "$f" | head -c 262144 | openssl x509 -inform DER -outform PEM
fi
if [ -n "$k" ]; then
  m=
  [ -r "$k" ] || m=p
  if ! command -v openssl >/dev/null; then echo "@unsupported"
  else
    [ -z "$m" ] || [ $sudo = 0 ] || sudo -n -l cat "$k" >/dev/null || {
      echo "sudo does not let it run: cat $k"; exit 93; }
    o=$($m cat "$k" 2>&1 >/dev/null)
    case $?:$o in
    0:*)
      echo "@key"
      $m cat "$k" | openssl pkey -pubout -outform DER -passin pass: | openssl dgst -sha256 -r ;;
    *"o such file"*|*"ot a directory"*) echo "@nokey" ;;
    *) echo "@unread" ;;
    esac
  fi
fi
echo "@end"
"""
MOST = 131_072
MAX_CERTIFICATES = 20
EMPTY = hashlib.sha256(b"").hexdigest()
"""What is computed where openssl can't read the key."""
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


class CertificateParams(SudoParams):
    """Which certificate, and its key."""

    path: AbsolutePath = Field(description="The certificate's file: PEM, its own certificate first, or DER.")
    key: AbsolutePath | None = Field(None, description="The file with its private key; may be the same.")


def parse(text: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts. Raises ValueError, LookupError, `ExpectationFailed`."""
    parts = sections(text)
    if "end" not in parts:
        raise ValueError("the certificate breaks off")
    if "absent" in parts:
        return {"exists": 0.0}, {}
    blocks = _BLOCK.findall(parts["certificates"])
    if len(blocks) > MAX_CERTIFICATES:
        raise ExpectationFailed(f"the file holds over {MAX_CERTIFICATES} certificates: it is no chain")
    try:
        chain = [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
        described = [describe(each.public_bytes(Encoding.DER)) for each in chain]
    except UNREADABLE:
        raise ExpectationFailed("the file holds a certificate that can't be read") from None
    known = [each for each in described if each is not None]
    if not known or len(known) != len(chain):
        raise ExpectationFailed("the file holds no certificate", metrics={"exists": 1.0})
    metrics, facts = _told(known)
    if len(chain) > 1:
        metrics["chain_ok"] = float(_is_chain(chain))
    _add_key(parts, chain[0], metrics, facts)
    return metrics, facts


def _told(chain: list[Certificate]) -> tuple[dict[str, float], dict[str, str]]:
    at = now()
    days = [each.days_left(at) for each in chain]
    metrics = {"exists": 1.0, "days_left": days[0], "chain_days_left": min(days)}
    return metrics | {"certificates": float(len(chain))}, chain[0].facts()


def _is_chain(chain: list[x509.Certificate]) -> bool:
    """Tell whether each certificate was signed by the next (names and signatures; RFC 5280, 6.1)."""
    try:
        for each, issuer in pairwise(chain):
            each.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _add_key(
    parts: dict[str, str], leaf: x509.Certificate, metrics: dict[str, float], facts: dict[str, str]
) -> None:
    if "nokey" in parts:
        metrics["key_matches"] = 0.0
        facts["key"] = "absent"
    elif "key" in parts:
        digest = parts["key"][:64]
        if not re.fullmatch(r"[0-9a-f]{64}", digest) or digest == EMPTY:
            facts["not_read"] = "key: it is no private key, or is encrypted"
            return
        metrics["key_matches"] = float(digest == key_digest(leaf))
        facts["key"] = "matches" if metrics["key_matches"] else "of another certificate"
    elif "unread" in parts or "unsupported" in parts:
        facts["not_read"] = f"key: {'missing_right' if 'unread' in parts else 'not_supported, no openssl'}"


def key_digest(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate's public key, in hexadecimal digits. Raises ValueError."""
    try:
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unknown kind") from error
    return hashlib.sha256(key).hexdigest()


async def probe_certificate(target: Target, params: CertificateParams, context: Context) -> Reading:
    """Read a certificate. Raises what `told` does, and `ExpectationFailed` for a file that holds none."""
    ask = Ask(FRAGMENT, (params.path, params.key or ""), most=MOST, sudo=params.sudo)
    (metrics, facts), phases = await told(target, params, ask, context, parse)
    return Reading.ok(metrics, facts, phases)


PROBE = ProbeSpec(
    name="certificate",
    family="software",
    summary="A certificate file of a host: days left, its chain, whether a key file fits",
    params=CertificateParams,
    run=probe_certificate,
    metrics=(
        MetricDef("exists", "count", "none", 1, "1 where the file is there, else 0"),
        MetricDef("days_left", "d", "higher", 0.001, "until the first certificate expires; negative after"),
        MetricDef("chain_days_left", "d", "higher", 0.001, "until the first of all in the file expires"),
        MetricDef("certificates", "count", "none", 1, "certificates in the file"),
        MetricDef(
            "chain_ok", "count", "higher", 1, "1 where each is signed by the next; absent for a single one"
        ),
        MetricDef("key_matches", "count", "higher", 1, "1 where the key file is of the first certificate"),
    ),
    facts=(
        FactDef("subject", help="whose it is"),
        FactDef("issuer", help="who signed it"),
        FactDef("names", help="names and addresses it is for"),
        FactDef("serial", help="serial number, in hexadecimal digits"),
        FactDef("sha256", help="fingerprint"),
        FactDef("not_after", "datetime", "when it expires"),
        FactDef("key", help="matches, of another certificate, or absent"),
        FactDef("not_read", help="what could not be read, and why"),
    ),
    phases=PHASES,
    kinds=(*KINDS, "expectation"),  # the file holds no certificate
    inputs=("ssh",),
    together=True,
    default_every=3600.0,
    default_timeout=TIMEOUT_S,
)
