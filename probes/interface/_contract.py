"""What `http_contract` takes: the steps of a conversation, what each must answer, and how it is signed."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from probes._http_body import path as json_path
from probes._http_params import OURS, FieldName, JsonPath, Name, Patterns, Text, statuses
from probes._service import ADDRESS, CONNECT_MS, TLS_MS, Port, ServiceParams
from probes._zone import Zone
from probes.api import Bytes, FactDef, MetricDef, Params, Seconds, Secret
from probes.interface import _template as template
from probes.interface import _xml as xml

GIVEN = ("now", "time", "timestamp", "timestamp_ms", "nonce", "run")
"""Names that every template may use."""
ABOUT = ("method", "path", "body_sha256")
"""Names that the text to sign, and the field of the signature, may use besides."""
MAX_STEPS = 20
METRICS = (
    CONNECT_MS,
    TLS_MS,
    MetricDef("total_ms", "ms", "lower", 0.001, "All steps, with the waits of those that ask again."),
    MetricDef("steps_passed", "count", "higher", 1, "Steps that were answered right."),
)
FACTS = (ADDRESS, FactDef("failed_step", help="The step that was not answered right."))
REPORTED = frozenset(item.name for item in (*METRICS, *FACTS))
XmlPath = Annotated[str, Field(max_length=500, pattern=r"^/")]


def _listed(value: object) -> object:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _source(text: str) -> str:
    if text.startswith("$"):
        json_path(text)
    elif not text.startswith(("/", "header:")):
        raise ValueError("write a JSONPath ($.id), a path into XML (//Id) or header:NAME")
    return text


Source = Annotated[str, Field(max_length=500), AfterValidator(_source)]


class Until(Params):
    """Ask again until the answer is right."""

    within: Annotated[Seconds, Field(gt=0, le=600)] = 30.0
    """How long, from the first time that the step is asked."""
    pace: Annotated[Seconds, Field(ge=0.2, le=60)] = 1.0
    """Wait between an answer and the next question."""


class Sign(Params):
    """How each request is signed: an HMAC (RFC 2104) of a text, in a header field."""

    key: Secret
    """The key."""
    key_encoding: template.KeyEncoding = "text"
    """How the key is written; a text stands for its UTF-8 bytes."""
    text: Annotated[str, Field(max_length=4096)]
    """What is signed; besides what steps may use: `${method}`, `${path}`, `${body}`, `${body_sha256}`."""
    algorithm: template.Algorithm = "sha256"
    """Hash of the HMAC."""
    encoding: template.Encoding = "hex"
    """How the signature is written."""
    header: FieldName = "X-Signature"
    """Field that carries it."""
    value: Text = "${signature}"
    """Value of that field."""


class Step(Params):
    """One request and what its answer must be."""

    name: Name
    """Name of the step, in its phase and in the metric `NAME_ms`."""
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    """Method of the request."""
    path: Annotated[str, Field(pattern=r"^/([\x21-\x2e\x30-\x7e][\x21-\x7e]*)?$", max_length=2048)]
    """Path and query on the asset itself, percent-encoded; values that are filled in get encoded."""
    headers: dict[FieldName, Text] = Field(default_factory=dict)
    """Header fields of this step."""
    json_body: JsonValue = None
    """A JSON value to send; its texts are filled in."""
    xml_body: Annotated[str, Field(max_length=65_536)] = ""
    """XML to send; values that are filled in get escaped."""
    form_body: dict[Text, Text] = Field(default_factory=dict)
    """Fields of a form to send; they are filled in and encoded."""
    charset: template.Charset = "utf-8"
    """How the body is written in bytes."""
    status: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("200-299",)
    """Right status codes and ranges."""
    json_matches: dict[JsonPath, JsonValue] = Field(default_factory=dict)
    """JSONPath: the value that it must have; a text is filled in."""
    xml_matches: dict[XmlPath, str] = Field(default_factory=dict)
    """Path into XML: the text that it must have; it is filled in."""
    namespaces: dict[str, str] = Field(default_factory=dict)
    """Prefixes that paths into XML use."""
    body_matches: Patterns = ()
    """Patterns that must be in the body."""
    capture: dict[Name, Source] = Field(default_factory=dict)
    """Values of the answer that later steps use; never shown."""
    extract: dict[Name, Source] = Field(default_factory=dict)
    """Values of the answer to report: numbers as metrics, texts as facts."""
    until: Until | None = None
    """Ask again until the answer is right."""

    @model_validator(mode="after")
    def _right(self) -> Step:
        statuses(self.status)
        if sum((self.json_body is not None, bool(self.xml_body), bool(self.form_body))) > 1:
            raise ValueError("json_body, xml_body and form_body exclude each other")
        if wrong := OURS & {name.lower() for name in self.headers}:
            raise ValueError(f"{', '.join(sorted(wrong))} can't be set")
        top = xml.document(b"<x/>")
        for path in (*self.xml_matches, *self.capture.values(), *self.extract.values()):
            if path.startswith("/"):
                xml.texts(top, path, self.namespaces)
        return self

    def wanted(self) -> set[str]:
        """Return the names that its templates use."""
        things: list[Any] = [self.path, self.xml_body, self.json_body, self.form_body, self.headers]
        things += [list(self.json_matches.values()), list(self.xml_matches.values())]
        return {name for thing in things for name in template.places(thing)}


class HttpContractParams(ServiceParams):
    """Parameters of `http_contract`."""

    port: Port | None = None
    """By default 80, or 443 with TLS."""
    host: Annotated[str, Field(pattern=r"^[^\s/:@]+$", max_length=253)] | None = None
    """The site's name for the Host field and the certificate; by default the asset's address."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]
    """The requests, in this order; the first that is not answered right ends the run."""
    headers: dict[FieldName, Text] = Field(default_factory=dict)
    """Header fields of all steps; they are filled in."""
    secret_headers: dict[FieldName, Secret] = Field(default_factory=dict)
    """Header fields of all steps whose values are secrets."""
    user: Text | None = None
    """With `password`: basic authentication."""
    password: Secret | None = None
    """With `user`: basic authentication."""
    values: dict[Name, str] = Field(default_factory=dict)
    """Values that templates use as `${name}`."""
    secret_values: dict[Name, Secret] = Field(default_factory=dict)
    """Secrets that templates use as `${name}`."""
    sign: Sign | None = None
    """Signs all steps."""
    timezone: Zone | None = None
    """Zone of `${time}`; by default the unit's."""
    time_format: Annotated[str, Field(min_length=1, max_length=64)] = "%Y%m%d%H%M%S"
    """How `${time}` is written (strftime)."""
    body_limit: Annotated[Bytes, Field(ge=1, le=4_194_304)] = 1_048_576
    """Bytes of an answer that are read at most."""

    @model_validator(mode="after")
    def _fits(self) -> HttpContractParams:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if wrong := OURS & {name.lower() for name in (*self.headers, *self.secret_headers)}:
            raise ValueError(f"{', '.join(sorted(wrong))} can't be set")
        names = Counter(name for step in self.steps for name in (f"{step.name}_ms", *step.extract))
        if taken := {name for name, times in names.items() if times > 1 or name in REPORTED}:
            raise ValueError(f"{min(taken)} is reported already; choose another name")
        self._filled_in()
        return self

    def _filled_in(self) -> None:
        known = {*GIVEN, *self.values, *self.secret_values}
        _known("headers", set(template.places(self.headers)), known)
        for step in self.steps:
            _known(f"step {step.name}", step.wanted(), known)
            known |= set(step.capture)
        if self.sign is not None:
            signable = {*GIVEN, *ABOUT, *self.values, *self.secret_values}
            _known("sign", set(template.places(self.sign.text)), {*signable, "body"})
            _known("sign", set(template.places(self.sign.value)), {*signable, "signature"})

    @property
    def logs_in(self) -> bool:
        """Whether requests carry credentials, so that a refusal is one of the monitor's own account."""
        return bool(self.password or self.sign or self.secret_headers or self.secret_values)

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        return self.port or (443 if self.tls == "on" else 80)


def _known(where: str, wanted: set[str], known: set[str]) -> None:
    if unknown := wanted - known:
        raise ValueError(f"{where}: nothing gives ${{{min(unknown)}}} by then")
