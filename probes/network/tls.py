"""Does a service shake hands over TLS, and is its certificate right and for how long (RFC 8446, RFC 5280)?

Where the certificate does not verify, a second connection without verification is made to read it, so that
an expired or unknown certificate is reported with its dates and names, and not only as a failure. Nothing is
sent over that second connection.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from probes._certificates import TlsParams, now, peer
from probes._resolve import Address, resolve
from probes._sockets import Poller, connect, own_deadline
from probes._starttls import Protocol, ask_for_tls
from probes._tls_stream import CertificateRefused, TlsStream, start_tls
from probes.api import Context, FactDef, MetricDef, ProbeSpec, Reading, Target
from probes.errors import Ending, from_oserror


class TlsProbeParams(TlsParams):
    """Parameters of `tls`."""

    port: Annotated[int, Field(ge=1, le=65535)] = 443
    """Port of the service."""
    starttls: Protocol = "none"
    """The protocol that is spoken before TLS starts."""


class _Run:
    """One run, and what it has learnt until now."""

    def __init__(self, target: Target, params: TlsProbeParams, context: Context) -> None:
        self._params, self._context = params, context
        self._name = params.server_name or target.address.removeprefix("[").removesuffix("]")
        self._poller, self._until = context.shared.get(Poller), own_deadline(context)
        self.metrics: dict[str, float] = {}
        self.facts: dict[str, str] = {}
        self.phases: dict[str, float] = {}

    async def shake(self, address: Address, *, verify: bool) -> None:
        """Connect, start TLS and note what was agreed on and shown."""
        settings = await self._params.context(verify=verify)
        self._context.phase = "connect"
        connection = await connect(self._poller, address, self._params.port, until=self._until, talks=True)
        try:
            self._time("connect", connection.connect_ms)
            self._context.phase = "starttls"
            await ask_for_tls(self._params.starttls, connection, self._until)
            self._context.phase = "handshake"
            stream = await start_tls(connection, settings, self._name, self._until)
            self._time("handshake", stream.handshake_ms)
            self._note(stream)
        finally:
            connection.close()

    def _time(self, phase: str, took_ms: float) -> None:
        self.phases.setdefault(phase, took_ms)
        self.metrics.setdefault(f"{phase}_ms", took_ms)

    def _note(self, stream: TlsStream) -> None:
        cipher = stream.tls.cipher()
        self.facts |= {"version": stream.tls.version() or "", "cipher": cipher[0] if cipher else ""}
        certificate = peer(stream.tls)
        if certificate is not None:
            self.facts |= certificate.facts()
            self.metrics["days_left"] = certificate.days_left(now())


async def probe_tls(target: Target, params: TlsProbeParams, context: Context) -> Reading:
    """Shake hands with `target` and report its certificate, verified or not.

    Raises `TlsFailed` (handshake, or a certificate that does not verify; then with the certificate's dates
    and names), `ExpectationFailed` (TLS is not offered after STARTTLS), `ProtocolViolated`, `TimedOut`, and
    the endings of sockets and of resolving.
    """
    address, resolve_ms = await resolve(target, context)
    run = _Run(target, params, context)
    run.phases["resolve"] = resolve_ms
    run.facts |= {"address": address.host, "family": address.family}
    try:
        await run.shake(address, verify=True)
    except CertificateRefused as refused:
        run.facts["chain"] = refused.detail
        context.log(f"{refused.detail}; connecting again to read it")
        raise _with(await _read_anyway(run, address, refused), run) from None
    except OSError as error:
        raise _with(from_oserror(error, context.phase), run) from None
    except Ending as ending:
        raise _with(ending, run) from None
    run.facts["chain"] = "ok" if params.verify else "not verified"
    return Reading.ok(run.metrics, run.facts, run.phases)


async def _read_anyway(run: _Run, address: Address, refused: CertificateRefused) -> CertificateRefused:
    try:
        await run.shake(address, verify=False)
    except (Ending, OSError) as error:
        why = error.detail if isinstance(error, Ending) else error.strerror
        return CertificateRefused(f"{refused.detail} (and it could not be read: {why})")
    return refused


def _with(ending: Ending, run: _Run) -> Ending:
    ending.metrics, ending.facts, ending.phases = run.metrics, run.facts, run.phases
    return ending


PROBE = ProbeSpec(
    name="tls",
    family="network",
    summary="A TLS handshake and its certificate: chain, names, expiry, protocol; also after STARTTLS.",
    params=TlsProbeParams,
    run=probe_tls,
    metrics=(
        MetricDef("days_left", "d", "higher", 0.001, "Days until the certificate expires; negative after."),
        MetricDef("connect_ms", "ms", "lower", 0.001, "TCP handshake, by the kernel."),
        MetricDef("handshake_ms", "ms", "lower", 0.001, "TLS handshake, to the server's last part."),
    ),
    facts=(
        FactDef("chain", help='"ok", "not verified", or why the certificate does not verify.'),
        FactDef("version", help="TLS version agreed on."),
        FactDef("cipher", help="Cipher agreed on."),
        FactDef("subject", help="Whom the certificate is for (RFC 4514)."),
        FactDef("issuer", help="Who signed it (RFC 4514)."),
        FactDef("names", help="Its names and addresses."),
        FactDef("serial", help="Its serial number, hexadecimal."),
        FactDef("sha256", help="Its fingerprint."),
        FactDef("not_after", "datetime", "When it expires."),
        FactDef("address", help="The address that was asked."),
        FactDef("family", help="4 or 6."),
    ),
    phases=("resolve", "connect", "starttls", "handshake"),
    kinds=(
        "unreachable", "refused", "timeout", "tls", "protocol", "expectation", "dns", "inconclusive",
        "permission", "prober_error",
    ),
)  # fmt: skip
