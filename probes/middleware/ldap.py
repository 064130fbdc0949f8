"""A directory by LDAP (RFC 4511): connecting, logging in, a search, and how far behind a replica is.

Over TLS from the start (`tls: on`) or after StartTLS (RFC 4511, section 4.14). Simple binds only; SASL is not
spoken. `entries` and `value` are for expectations: the rows themselves are not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from probes._driver import loaded
from probes._resolve import Address, resolve
from probes._service import (
    ADDRESS,
    CONNECT_MS,
    KINDS,
    LOGIN_MS,
    NOT_TOLD,
    QUERY_MS,
    TLS_MS,
    AccountParams,
    Notes,
    Port,
    address_of,
    talking,
)
from probes.api import Context, FactDef, MetricDef, Params, ProbeSpec, Reading, Target
from probes.errors import Ending, from_oserror
from probes.middleware._csn import changes, lag

if TYPE_CHECKING:
    from probes.middleware._ldap import Directory

ROOT = ("vendorName", "vendorVersion", "namingContexts")
ANY = "(objectClass=*)"
Name = Annotated[str, Field(min_length=1, max_length=1000)]


class Reference(Params):
    """The server that a replica is compared with."""

    address: Annotated[str, Field(min_length=1, max_length=253)]
    """Its address."""
    port: Port | None = None
    """Its port; by default the target's."""
    suffix: Name | None = None
    """The entry that has `contextCSN`; by default `base`."""


class LdapParams(AccountParams):
    """Parameters of `ldap`."""

    port: Port | None = None
    """Where it listens; by default 389, or 636 with TLS."""
    starttls: bool = False
    """Whether to ask for TLS on the open connection, and verify it."""
    user: Name | None = None
    """DN (or what the server takes for one) to log in with; without one the search is anonymous."""
    login: bool = False
    """Whether logging in is what is tested: a refusal is then the target's failure."""
    base: str | None = Field(None, max_length=1000)
    """Where to search; without one only the server's own entry is read."""
    scope: Literal["base", "one", "sub"] = "sub"
    """The entry itself, those right below it, or all below it."""
    filter: Annotated[str, Field(min_length=3, max_length=4000)] = ANY
    """What to look for (RFC 4515)."""
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.;-]*$", max_length=100)] | None = None
    """An attribute of the first entry, reported as the fact `value`."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Most entries to ask for."""
    reference: Reference | None = None
    """A server to compare `contextCSN` with."""

    @model_validator(mode="after")
    def _make_sense(self) -> LdapParams:
        if self.login and self.user is None:
            raise ValueError("login: true needs a user to log in with")
        if self.tls == "on" and self.starttls:
            raise ValueError("tls: on and starttls are two ways to TLS; choose one")
        if self.attribute is not None and self.base is None:
            raise ValueError("attribute needs a base to search")
        if self.reference is not None and self.reference.suffix is None and not self.base:
            raise ValueError("reference needs a suffix, or a base")
        return self

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        return self.port or (636 if self.tls == "on" else 389)


async def probe_ldap(target: Target, params: LdapParams, context: Context) -> Reading:
    """Ask one directory server.

    Raises `OwnLoginFailed` or, with `login`, `LoginFailed` (wrong_password, refused), `PermissionMissing`
    (missing_right), `ExpectationFailed` (tls_required, no_such_object, referral, slow_query, unavailable,
    refused; StartTLS not offered), `MissingDriver`, and what a connection comes to.
    """
    notes = Notes(context)
    with notes.kept():
        address = await address_of(target, notes)
        csn = await _ask(target, address, params.port_used, params, notes)
        if params.reference is not None:
            await _compare(csn, params.reference, params, notes)
    return notes.reading()


async def _ask(target: Target, address: Address, port: int, params: LdapParams, notes: Notes) -> list[str]:
    wire = await loaded("probes.middleware._ldap", "ldap")
    secret = "" if params.password is None else notes.context.shared.secret(params.password)
    started: Literal["ldap", "none"] = "ldap" if params.starttls else "none"
    async with talking(target, address, port, params, notes, starttls=started) as talk:
        directory: Directory = wire.Directory(talk, (secret,))
        if params.user is not None:
            with notes.phase("login"):
                await directory.bind(params.user, secret, purpose=params.login)
        with notes.phase("query"):
            csn = await _search(directory, params, notes)
        await directory.goodbye()
    return csn


async def _search(directory: Directory, params: LdapParams, notes: Notes) -> list[str]:
    seconds = max(1, int(notes.context.remaining))
    root = await directory.search("", "base", ANY, ROOT, 1, seconds)
    told = {"server": root.value(ROOT[0]), "version": root.value(ROOT[1]), "contexts": root.value(ROOT[2])}
    notes.facts |= {name: text for name, text in told.items() if text}
    if params.base is not None:
        wanted = params.attribute or "1.1"
        found = await directory.search(
            params.base, params.scope, params.filter, [wanted], params.limit, seconds
        )
        name = "entries_at_least" if found.cut else "entries"
        notes.metrics |= {
            name: float(min(found.entries, params.limit)),
            "referrals": float(found.referrals),
        }
        if found.cut:
            notes.facts["truncated"] = (
                f"there are more than {params.limit} entries, or the server tells no more"
            )
            notes.missing("entries: the search was cut")
        if params.attribute is not None and found.entries:
            notes.facts["value"] = found.value(params.attribute)
    return [] if params.reference is None else await _csn(directory, params.reference, params, seconds)


async def _csn(directory: Directory, reference: Reference, params: LdapParams, seconds: int) -> list[str]:
    suffix = reference.suffix or params.base or ""
    found = await directory.search(suffix, "base", ANY, ["contextCSN"], 1, seconds)
    return found.attributes.get("contextcsn", [])


async def _compare(own: list[str], reference: Reference, params: LdapParams, notes: Notes) -> None:
    """Ask the reference; what it does not tell is no fault of the target, and leaves the lag out."""
    target, suffix = Target(reference.address), reference.suffix or params.base
    bare = params.model_copy(
        update={
            "base": None,
            "attribute": None,
            "login": False,
            "reference": reference.model_copy(update={"suffix": suffix}),
        }
    )
    try:
        address, _ = await resolve(target, notes.context)
        port, theirs = reference.port or params.port_used, Notes(notes.context)
        told = await _ask(target, address, port, bare, theirs)
    except (Ending, OSError) as error:
        ending = error if isinstance(error, Ending) else from_oserror(error)
        notes.missing(f"replica_lag_s: the reference: {ending.kind}: {ending.detail}")
        return
    behind = lag(changes(own), changes(told))
    if behind is None:
        notes.missing("replica_lag_s: contextCSN is not there, or not readable, on both servers alike")
    else:
        notes.metrics["replica_lag_s"] = behind


PROBE = ProbeSpec(
    name="ldap",
    family="middleware",
    summary="A directory by LDAP: connecting, TLS, logging in, a search, and a replica's lag.",
    params=LdapParams,
    run=probe_ldap,
    metrics=(
        CONNECT_MS, TLS_MS, LOGIN_MS, QUERY_MS,
        MetricDef("entries", "count", "none", 1, "Entries found; left out where the search was cut."),
        MetricDef("entries_at_least", "count", "none", 1, "Entries found by a search that was cut."),
        MetricDef("referrals", "count", "lower", 1, "References to other servers among them (not followed)."),
        MetricDef("replica_lag_s", "s", "lower", 0.001, "Age of its last change against the reference's."),
    ),
    facts=(
        FactDef("value", help="Values of the attribute in the first entry."),
        FactDef("server", help="What the server calls itself (vendorName), where it does."),
        FactDef("version", "version", "Its version (vendorVersion), where it tells it."),
        FactDef("contexts", help="Its naming contexts."),
        FactDef("truncated", help="That not all entries were counted."), ADDRESS, NOT_TOLD,
    ),
    phases=("resolve", "connect", "tls", "login", "query"),
    kinds=(*KINDS, "missing_driver"),
)  # fmt: skip
