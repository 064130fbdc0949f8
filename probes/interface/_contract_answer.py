"""Whether an answer is what the contract says, and what is taken out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from xml.etree import ElementTree as ET

from probes import _http_body as content
from probes._http import Response
from probes._http_params import statuses
from probes._patterns import found
from probes.errors import ExpectationFailed, Inconclusive, OwnLoginFailed, PermissionMissing
from probes.interface import _template as template
from probes.interface import _xml as xml
from probes.interface._contract import Step
from probes.interface._template import Values

MAX_CAPTURE = 4096
"""Characters of a captured value."""


@dataclass
class Said:
    """An answer's fields and body, read as JSON or XML when that is first asked for."""

    fields: dict[str, str]
    body: bytes
    content_type: str = ""
    namespaces: dict[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The body as text."""
        return content.text_of(self.body, self.content_type)

    @cached_property
    def json(self) -> Any:
        """The body as JSON. Raises `ProtocolViolated`."""
        return content.parsed(self.text)

    @cached_property
    def xml(self) -> ET.Element:
        """The body as XML. Raises `ProtocolViolated`."""
        return xml.document(self.body)

    def values(self, source: str) -> list[Any]:
        """Return what `source` selects: by JSONPath, by a path into XML, or a field."""
        if source.startswith("$"):
            return content.values(self.json, source)
        if source.startswith("/"):
            return list(xml.texts(self.xml, source, self.namespaces))
        value = self.fields.get(source.removeprefix("header:").strip().lower())
        return [] if value is None else [value]


def status_is_right(response: Response, step: Step, *, logs_in: bool) -> None:
    """Raise what a status that is not expected stands for."""
    if response.status in statuses(step.status):
        return
    if response.status == 401 and logs_in:
        raise OwnLoginFailed("wrong_password: HTTP 401")
    if response.status == 403 and logs_in:
        raise PermissionMissing("missing_right: HTTP 403")
    raise ExpectationFailed(f"status {response.status}, expected {', '.join(step.status)}")


def said(response: Response, step: Step, limit: int) -> Said:
    """Return the answer with its body unpacked. Raises `Inconclusive` for one that is cut off."""
    raw, encoding = bytes(response.body), response.field("content-encoding").lower()
    body, cut = content.unpacked(raw, encoding, limit)
    if cut or response.truncated:
        raise Inconclusive(f"the body goes on after {limit} bytes; raise body_limit")
    return Said(response.fields, body, response.field("content-type"), dict(step.namespaces))


def judge(answer: Said, step: Step, values: Values) -> None:
    """Raise `ExpectationFailed` for what is not right first, `ProtocolViolated` for no JSON or XML."""
    for pattern in step.body_matches:
        if not found(pattern, answer.text):
            raise ExpectationFailed(f"the body does not match {pattern!r}")
    for path, wanted in (step.json_matches | step.xml_matches).items():
        right = template.in_json(wanted, values)
        selected = answer.values(path)
        if not selected or not all(content.same(value, right) for value in selected):
            got = ", ".join(content.as_fact(value) for value in selected[:5]) or "nothing"
            raise ExpectationFailed(f"{path} is {got[:120]}, expected {content.as_fact(right)[:120]}")


def captured(answer: Said, step: Step) -> dict[str, str]:
    """Return what later steps use. Raises `ExpectationFailed` where it is not one short value."""
    taken: dict[str, str] = {}
    for name, source in step.capture.items():
        found_here = answer.values(source)
        if len(found_here) != 1 or isinstance(found_here[0], dict | list) or found_here[0] is None:
            raise ExpectationFailed(f"{source} gives {len(found_here)} values to capture, not one text")
        text = str(found_here[0]) if isinstance(found_here[0], str) else content.as_fact(found_here[0])
        if len(text) > MAX_CAPTURE:
            raise ExpectationFailed(f"{source} gives more than {MAX_CAPTURE} characters")
        taken[name] = text
    return taken


def extracted(answer: Said, step: Step) -> tuple[dict[str, float], dict[str, str]]:
    """Return the metrics and facts to report; what is not there is left out, a number in XML is a number."""
    metrics: dict[str, float] = {}
    facts: dict[str, str] = {}
    for name, source in step.extract.items():
        for value in answer.values(source)[:1]:
            number = _number(value) if not source.startswith("$") else content.as_number(value)
            if number is None:
                facts[name] = content.as_fact(value)
            else:
                metrics[name] = number
    return metrics, facts


def _number(text: str) -> float | None:
    plain = text.strip().lstrip("+-").replace(".", "", 1)
    return float(text) if plain.isascii() and plain.isdecimal() and len(text) < 32 else None
