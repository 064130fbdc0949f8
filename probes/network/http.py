"""Does an HTTP service answer with what it should, and where does the time go (RFC 9110, RFC 9112)?

One fresh connection for each request, tried once. Connect and arrival times are the kernel's, so that a busy
loop does not lengthen them. Redirects are followed only on the asset's own host: nothing is asked that is
not in the inventory. Proxies of the environment are ignored; one that the check names is used.
"""

from __future__ import annotations

import binascii

from pydantic import JsonValue

from probes import _http_body as content
from probes._clean import without
from probes._http_params import FACTS, METRICS, HttpParams, statuses
from probes._patterns import found
from probes.api import Context, ProbeSpec, Reading, Target
from probes.errors import Ending, ExpectationFailed, Inconclusive, ProtocolViolated, from_oserror
from probes.network._http_visit import Hop, Visit, next_hop


async def probe_http(target: Target, params: HttpParams, context: Context) -> Reading:
    """Ask `target`, follow redirects on its host, and look at the last response.

    Raises `ExpectationFailed` (status, redirect elsewhere, body), `ProtocolViolated` (no valid response, or
    one that broke off), `TlsFailed`, `TimedOut`, `Inconclusive` (the proxy, or a body too long to tell), and
    the endings of sockets and of resolving. What was measured until then goes with each.
    """
    visit = Visit(target, params, context, headers(params, context))
    hidden = _hidden(params, context)
    try:
        hop: Hop | None = visit.first
        while hop is not None:
            await visit.ask(hop)
            hop = next_hop(hop, visit, params.redirects)
        extracted = await _look(visit, params)
    except OSError as error:
        raise _with(from_oserror(error, context.phase), visit, hidden) from None
    except Ending as ending:
        raise _with(ending, visit, hidden) from None
    metrics, facts = visit.metrics(), visit.facts()
    for name, value in extracted.items():
        number = content.as_number(value)
        if number is None or isinstance(value, bool):
            facts[name] = content.as_fact(value)
        if number is not None:
            metrics[name] = number
    return Reading.ok(metrics, _shown(facts, hidden), visit.phases, without(visit.remark, hidden))


def _with(ending: Ending, visit: Visit, hidden: tuple[str, ...]) -> Ending:
    ending.detail = without(ending.detail, hidden)
    ending.metrics, ending.phases = visit.metrics(), visit.phases
    ending.facts = _shown(visit.facts(), hidden)
    return ending


def _shown(facts: dict[str, str], hidden: tuple[str, ...]) -> dict[str, str]:
    """Return facts without what the service was told in confidence and may say again."""
    return {name: without(text, hidden) for name, text in facts.items()} if hidden else facts


def _hidden(params: HttpParams, context: Context) -> tuple[str, ...]:
    given = (*params.secret_headers.values(), params.token, params.password)
    return tuple(context.shared.secret(each) for each in given if each is not None)


def headers(params: HttpParams, context: Context) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the fields that may go anywhere on the host, and those that carry credentials."""
    own = {name.lower() for name in params.headers}
    plain = [*params.headers.items()]
    if "user-agent" not in own:
        plain.append(("User-Agent", "muster"))
    if "accept" not in own:
        plain.append(("Accept", "*/*"))
    secret = [(name, _one_line(context.shared.secret(ref))) for name, ref in params.secret_headers.items()]
    if params.token is not None:
        secret.append(("Authorization", f"Bearer {_one_line(context.shared.secret(params.token))}"))
    if params.password is not None:
        pair = f"{params.user}:{context.shared.secret(params.password)}".encode()
        secret.append(("Authorization", f"Basic {binascii.b2a_base64(pair, newline=False).decode()}"))
    return plain, secret


def _one_line(value: str) -> str:
    return value.strip().replace("\r", "").replace("\n", "")


async def _look(visit: Visit, params: HttpParams) -> dict[str, JsonValue]:
    """Return what is extracted. Raises `ExpectationFailed` at the first thing that is not right."""
    response = visit.response
    if response.status not in statuses(params.status):
        raise ExpectationFailed(f"status {response.status}, expected {', '.join(params.status)}")
    if not params.reads_body:
        return {}
    raw, encoding = bytes(response.body), response.field("content-encoding").lower()
    body, cut = await content.bounded(len(raw), content.unpacked, raw, encoding, params.body_limit)
    cut = cut or response.truncated
    return await content.bounded(len(body), _judge, body, cut, response.field("content-type"), params)


def _judge(body: bytes, cut: bool, content_type: str, params: HttpParams) -> dict[str, JsonValue]:
    text = content.text_of(body, content_type)
    for wanted in params.body_matches:
        if not found(wanted, text):
            raise _unless_cut(cut, f"the body does not match {wanted!r}", params)
    for unwanted in params.body_lacks:
        if found(unwanted, text):
            raise ExpectationFailed(f"the body matches {unwanted!r}")
        if cut:
            raise _unless_cut(cut, "", params)
    if not (params.json_matches or params.extract):
        return {}
    if cut:
        raise _unless_cut(cut, "", params)
    return _from_json(text, params)


def _unless_cut(cut: bool, why: str, params: HttpParams) -> Ending:
    if cut:
        return Inconclusive(
            f"the body goes on after {params.body_limit} bytes; raise body_limit to look at it all"
        )
    return ExpectationFailed(why)


def _from_json(text: str, params: HttpParams) -> dict[str, JsonValue]:
    try:
        document = content.parsed(text)
    except ProtocolViolated as error:
        raise ExpectationFailed(error.detail) from None
    for path, wanted in params.json_matches.items():
        selected = content.values(document, path)
        if not selected or not all(content.same(value, wanted) for value in selected):
            got = ", ".join(content.as_fact(value) for value in selected[:5]) or "nothing"
            raise ExpectationFailed(f"{path} is {got[:200]}, expected {content.as_fact(wanted)}")
    chosen = {name: content.values(document, path) for name, path in params.extract.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in chosen.items() if values}


PROBE = ProbeSpec(
    name="http",
    family="network",
    summary="An HTTP or HTTPS service: status, content, certificate, and the time of each phase.",
    params=HttpParams,
    run=probe_http,
    metrics=METRICS,
    facts=FACTS,
    names_in=("extract",),
    phases=("resolve", "connect", "tls", "first_byte", "transfer"),
    kinds=(
        "unreachable", "refused", "timeout", "tls", "protocol", "expectation", "dns", "inconclusive", "auth",
        "permission", "prober_error",
    ),
)  # fmt: skip
