"""How a run ends when it does not end well. Probes raise these; `probes.measure` makes readings of them.

    Ending                       carries outcome, kind, detail, and what was measured until then
    ├── TargetFailed             failed(kind): the target was measured and did not serve
    │   ├── Unreachable          unreachable   no route, host or network unreachable, no echo came back
    │   ├── Refused              refused       the port is closed
    │   ├── TimedOut             timeout       no answer within the deadline
    │   ├── TlsFailed            tls           handshake or certificate
    │   ├── ProtocolViolated     protocol      it answered, but not as the protocol says (or broke off)
    │   ├── ExpectationFailed    expectation   it answered properly, but not what the check asks for
    │   ├── LoginFailed          auth          only from probes whose purpose is to log in
    │   └── NameUnresolved       dns           only where a control name resolved in the same run
    ├── NotMeasured              error(kind): nothing is known of the target
    │   ├── ProberFault          prober_error  our own fault, a missing secret, a bug
    │   ├── MissingDriver        missing_driver
    │   ├── PermissionMissing    permission    the monitor may not do this here
    │   ├── OwnLoginFailed       auth          the monitor's own account was refused
    │   └── Inconclusive         inconclusive  it cannot be told whose fault it is
    └── NotRun                   not_run(reason): skipped, blocked, overload, isolated, circuit_open,
                                 maintenance; and of tests that load a link: window, unhealthy,
                                 in_use, busy, budget

Kinds are closed; finer causes go into `detail`.
"""

from __future__ import annotations

import errno
import ssl
from typing import ClassVar

from probes.api import Outcome, Reading, clip


class Ending(Exception):  # noqa: N818 - an ending is not always an error
    """A run that ends with an outcome other than ok, with what had been measured until then."""

    outcome: ClassVar[Outcome]
    kind: str = ""

    def __init__(
        self,
        detail: str = "",
        *,
        metrics: dict[str, float] | None = None,
        facts: dict[str, str] | None = None,
        phases: dict[str, float] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail, self.metrics, self.facts, self.phases = detail, metrics, facts, phases

    def reading(self) -> Reading:
        """Return the reading this ending stands for."""
        return Reading(
            self.outcome,
            self.kind,
            clip(self.detail),
            self.metrics or {},
            self.facts or {},
            self.phases or {},
        )


class TargetFailed(Ending):
    """The target was measured and did not serve."""

    outcome = Outcome.FAILED


class Unreachable(TargetFailed):
    """No route to the target, or no echo from it."""

    kind = "unreachable"


class Refused(TargetFailed):
    """The port is closed."""

    kind = "refused"


class TimedOut(TargetFailed):
    """No answer within the deadline."""

    kind = "timeout"


class TlsFailed(TargetFailed):
    """The TLS handshake failed, or the certificate does not verify."""

    kind = "tls"


class ProtocolViolated(TargetFailed):
    """An answer that is not of the protocol, or that broke off."""

    kind = "protocol"


class ExpectationFailed(TargetFailed):
    """A proper answer that is not what the check's own parameters ask for."""

    kind = "expectation"


class LoginFailed(TargetFailed):
    """Logging in is what the probe is for, and it was refused."""

    kind = "auth"


class NameUnresolved(TargetFailed):
    """The name does not resolve while a control name does."""

    kind = "dns"


class NotMeasured(Ending):
    """Nothing is known of the target."""

    outcome = Outcome.ERROR


class ProberFault(NotMeasured):
    """The monitor's own fault."""

    kind = "prober_error"


class MissingDriver(NotMeasured):
    """A library this probe needs is not installed."""

    kind = "missing_driver"


class PermissionMissing(NotMeasured):
    """The monitor may not do this here."""

    kind = "permission"


class OwnLoginFailed(NotMeasured):
    """The monitor's own account was refused."""

    kind = "auth"


class Inconclusive(NotMeasured):
    """It cannot be told whose fault it is."""

    kind = "inconclusive"


class NotRun(Ending):
    """The run was not made; `reason` is the reading's kind."""

    outcome = Outcome.NOT_RUN

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail)
        self.kind = reason


FAILURE_KINDS = ("unreachable", "refused", "timeout", "tls", "protocol", "expectation", "auth", "dns")
ERROR_KINDS = ("prober_error", "missing_driver", "permission", "auth", "inconclusive")
NOT_RUN_REASONS = (
    "skipped", "blocked", "overload", "isolated", "circuit_open", "window", "budget", "disabled", "shutdown",
    "maintenance",
)  # fmt: skip

_UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_BROKEN = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN}
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EADDRINUSE}


def from_oserror(error: OSError, phase: str = "") -> Ending:
    """Return the ending an error of a socket call stands for; running out of our own resources is ours."""
    where = f"{phase}: {error.strerror or error}" if phase else str(error.strerror or error)
    if isinstance(error, ssl.SSLError):
        return TlsFailed(f"{phase}: {error.reason or error}" if phase else str(error.reason or error))
    if isinstance(error, TimeoutError):
        return TimedOut(where)
    if error.errno is None and isinstance(error, ConnectionError):
        return ProtocolViolated(where)
    kinds: list[tuple[set[int], type[Ending]]] = [
        ({errno.ECONNREFUSED}, Refused),
        (_UNREACHABLE, Unreachable),
        (_BROKEN, ProtocolViolated),
        ({errno.EACCES, errno.EPERM}, PermissionMissing),
    ]
    for numbers, ending in kinds:
        if error.errno in numbers:
            return ending(where)
    return ProberFault(where if error.errno in _OURS else f"{type(error).__name__} {where}")
