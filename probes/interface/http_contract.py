"""An outside system over HTTP (REST or SOAP): a conversation in steps, each of which must be answered right.

All requests go to the asset itself: redirects are not followed, proxies not used, cookies not kept. Each
step is sent once, on a connection of its own; only a step with `until` is asked again, at its pace. Texts
with `${name}` are filled in and escaped for where they stand: a path, a field, JSON, XML. Bodies, paths and
captured values are never logged.
"""

from __future__ import annotations

import asyncio
import binascii
import datetime as dt
import json
import secrets
import time
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from probes import _http_body as content
from probes._clean import cleaned
from probes._http import Response, request
from probes._resolve import Address
from probes._service import Notes, Talk, address_of, bare, talking
from probes.api import Context, ProbeSpec, Reading, Target
from probes.errors import Ending, ExpectationFailed, OwnLoginFailed, PermissionMissing, ProtocolViolated
from probes.interface import _template as template
from probes.interface._contract import FACTS, METRICS, HttpContractParams, Step
from probes.interface._contract_answer import Said, captured, extracted, judge, said, status_is_right

FORM = "application/x-www-form-urlencoded"
SAYS = (ExpectationFailed, ProtocolViolated, OwnLoginFailed, PermissionMissing)


@dataclass(slots=True)
class _Run:
    """What one run works with, and the values that its templates use."""

    target: Target
    address: Address
    params: HttpContractParams
    notes: Notes
    values: dict[str, str]
    hidden: list[str]
    logs_in: bool
    key: bytes = b""
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The Host field (RFC 9110, section 7.2)."""
        name = self.params.host or bare(self.target.address)
        name = f"[{name}]" if ":" in name else name
        usual = 443 if self.params.tls == "on" else 80
        return name if self.params.port_used == usual else f"{name}:{self.params.port_used}"


async def probe_http_contract(target: Target, params: HttpContractParams, context: Context) -> Reading:
    """Take all steps.

    Raises `ExpectationFailed` with the step that was not answered right, `OwnLoginFailed` (401) and
    `PermissionMissing` (403) where the check has credentials, and what a connection comes to.
    """
    if params.host and not params.server_name:
        params = params.model_copy(update={"server_name": params.host})
    notes = Notes(context, metrics={"steps_passed": 0.0})
    with notes.kept():
        run = _run(target, await address_of(target, notes), params, notes)
        started = time.perf_counter()
        for step in params.steps:
            notes.facts["failed_step"] = step.name
            await _taken(run, step)
            notes.metrics["steps_passed"] += 1
        notes.metrics["total_ms"] = (time.perf_counter() - started) * 1000
        del notes.facts["failed_step"]
    return notes.reading()


def _run(target: Target, address: Address, params: HttpContractParams, notes: Notes) -> _Run:
    secret = notes.context.shared.secret
    hidden = {name: secret(ref) for name, ref in params.secret_values.items()}
    fields = [(name, secret(ref)) for name, ref in params.secret_headers.items()]
    run = _Run(
        target, address, params, notes, dict(params.values) | hidden, [], params.logs_in, fields=fields
    )
    run.hidden = [*hidden.values(), *(value for _, value in fields)]
    if params.password is not None:
        password = secret(params.password)
        pair = binascii.b2a_base64(f"{params.user}:{password}".encode(), newline=False).decode()
        run.fields.append(("Authorization", f"Basic {pair}"))
        run.hidden.append(password)
    if params.sign is not None:
        key = secret(params.sign.key)
        run.key = template.key_of(key, params.sign.key_encoding)
        run.hidden.append(key)
    run.values["run"] = f"muster{secrets.token_hex(8)}"
    return run


async def _taken(run: _Run, step: Step) -> None:
    """Take a step, again and again where it says so; its time is a phase and a metric."""
    context, started, asked = run.notes.context, time.perf_counter(), 0
    context.phase = f"step.{step.name}"
    try:
        while True:
            asked += 1
            try:
                await _asked(run, step)
            except ExpectationFailed as failed:
                if not await _again(step, started):
                    raise
                context.log(f"{step.name}: not yet ({cleaned(failed.detail, run.hidden)})")
            else:
                run.notes.metrics[f"{step.name}_ms"] = (time.perf_counter() - started) * 1000
                return
    except SAYS as ending:
        more = f" ({asked} times asked)" if asked > 1 else ""
        ending.detail = _worded(step, cleaned(ending.detail, run.hidden) + more)
        raise
    except Ending as ending:
        ending.detail = f"step {step.name}: {ending.detail}"
        raise


def _worded(step: Step, detail: str) -> str:
    """Name the step, after the first word where that has a meaning."""
    word, colon, rest = detail.partition(": ")
    if colon and word in ("wrong_password", "missing_right"):
        return f"{word}: step {step.name}: {rest}"
    return f"step {step.name}: {detail}"


async def _again(step: Step, started: float) -> bool:
    """Wait the step's pace; False where it has no time left for another question."""
    if step.until is None or time.perf_counter() - started + step.until.pace > step.until.within:
        return False
    await asyncio.sleep(step.until.pace)
    return True


async def _asked(run: _Run, step: Step) -> None:
    values = run.values | _moment(run.params, run.target.timezone)
    method, data = step.method, _request(run, step, values)
    answer = Response(method, run.params.body_limit, keep=True)
    async with talking(run.target, run.address, run.params.port_used, run.params, run.notes) as talk:
        with run.notes.phase(f"step.{step.name}", told=False):
            await talk.say(data)
            await _read(talk, answer)
    run.notes.context.log(f"{step.name}: {method} answered {answer.status}, {answer.body_bytes} bytes")
    status_is_right(answer, step, logs_in=run.logs_in)
    await content.bounded(len(answer.body), _looked_at, run, step, answer, values)


def _looked_at(run: _Run, step: Step, answer: Response, values: dict[str, str]) -> None:
    if not (step.body_matches or step.json_matches or step.xml_matches or step.capture or step.extract):
        return
    told: Said = said(answer, step, run.params.body_limit)
    judge(told, step, values)
    taken = captured(told, step)
    metrics, facts = extracted(told, step)
    run.values |= taken
    run.hidden += [value for value in taken.values() if len(value) >= 4]
    run.notes.metrics |= metrics
    run.notes.facts |= {name: cleaned(text, run.hidden) for name, text in facts.items()}


async def _read(talk: Talk, answer: Response) -> None:
    while not answer.done:
        if not talk.left and not await talk.more():
            answer.end()
        data, talk.left = talk.left, b""
        if data:
            answer.feed(data)


def _moment(params: HttpContractParams, zone: str) -> dict[str, str]:
    """Return the values that differ with each request; times are the monitor's."""
    now = dt.datetime.now(dt.UTC)
    return {
        "now": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "time": now.astimezone(ZoneInfo(params.timezone or zone)).strftime(params.time_format),
        "timestamp": str(int(now.timestamp())),
        "timestamp_ms": str(int(now.timestamp() * 1000)),
        "nonce": secrets.token_hex(16),
    }


def _request(run: _Run, step: Step, values: dict[str, str]) -> bytes:
    path = template.in_path(step.path, values)
    body, kind = _body(step, values)
    fields = {"User-Agent": "muster", "Accept": "*/*", "Accept-Encoding": "identity"}
    if kind:
        fields["Content-Type"] = kind
    elif step.method in ("POST", "PUT", "PATCH"):
        fields["Content-Length"] = "0"
    for name, text in (run.params.headers | step.headers).items():
        fields = {key: value for key, value in fields.items() if key.lower() != name.lower()}
        fields[name] = template.in_field(text, values)
    if run.params.sign is not None:
        name, value = _signature(run, step.method, path, body, values)
        fields[name] = value
    own = [("Host", run.host), ("Connection", "close"), *fields.items()]
    secret = [(name, value.strip().replace("\r", "").replace("\n", "")) for name, value in run.fields]
    return request(step.method, path, [*own, *secret], body)


def _body(step: Step, values: dict[str, str]) -> tuple[bytes, str]:
    """Return the body and its Content-Type."""
    if step.form_body:
        text, kind = (
            template.in_form(step.form_body, values, step.charset),
            "application/x-www-form-urlencoded",
        )
    elif step.xml_body:
        text, kind = template.in_xml(step.xml_body, values), f"text/xml; charset={step.charset}"
    elif step.json_body is not None:
        whole = template.in_json(step.json_body, values)
        text, kind = json.dumps(whole, ensure_ascii=False, separators=(",", ":")), "application/json"
    else:
        return b"", ""
    return text.encode(step.charset, "replace"), kind


def _signature(run: _Run, method: str, path: str, body: bytes, values: dict[str, str]) -> tuple[str, str]:
    """Return the field of the signature. In the text to sign, `${body}` stands for the body's own bytes."""
    sign = run.params.sign
    assert sign is not None
    about = {"method": method, "path": path, "body_sha256": template.body_digest(body)}
    known = {name: value.encode() for name, value in (values | about).items()} | {"body": body}
    made = template.signature(run.key, template.in_bytes(sign.text, known), sign.algorithm, sign.encoding)
    said = values | about | {"signature": made}
    return sign.header, template.in_field(sign.value, said)


PROBE = ProbeSpec(
    name="http_contract",
    family="interface",
    summary="An outside system over HTTP (REST, SOAP): steps, signed, each answered as the contract says.",
    params=HttpContractParams,
    run=probe_http_contract,
    metrics=METRICS,
    facts=FACTS,
    names_in=("steps",),
    phases=("resolve", "connect", "tls", "step.NAME"),
    kinds=(
        "unreachable", "refused", "timeout", "tls", "protocol", "expectation", "dns", "auth", "permission",
        "inconclusive", "prober_error",
    ),
    default_every=3600.0,
    default_timeout=60.0,
)  # fmt: skip
