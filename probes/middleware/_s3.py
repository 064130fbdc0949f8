"""A client of one bucket of an object store that speaks the S3 API, for one run."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from probes import _http_body as content
from probes._clean import cleaned
from probes._service import Port, ServiceParams
from probes._web import Answer, Web
from probes.api import Bytes, Context, Secret
from probes.errors import ProtocolViolated
from probes.middleware._s3_answers import Refusal, Thing, clock, listed, refusal
from probes.middleware._s3_sign import Key, path_of, query_of, signed

MAX_ANSWER = 4 * 1024 * 1024
PAGE = 1000
Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")]
Prefix = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]


class S3Params(ServiceParams):
    """Parameters of `s3`."""

    port: Port | None = None
    """By default 443 with TLS, else 80."""
    tls: Literal["off", "on"] = "on"
    """Whether to speak TLS, and verify it."""
    bucket: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9._-]+$")]
    """Name of the bucket."""
    addressing: Literal["path", "virtual"] = "path"
    """`virtual`: the address is the bucket's own name, as in BUCKET.oss-cn-guangzhou.aliyuncs.com."""
    host: Annotated[str, Field(pattern=r"^[^\s/@]+$", max_length=253)] | None = None
    """What goes into the Host field, and is signed; by default the address, with a port that is not usual."""
    region: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64)] = "us-east-1"
    """The region that is signed for; many stores take any."""
    access_key: Text | None = None
    """Id of the access key; without one nothing is signed."""
    secret_key: Secret | None = None
    """Its secret."""
    session_token: Secret | None = None
    """The token of a temporary access key."""
    prefix: Prefix | None = None
    """Count the objects whose keys begin so, and look at the newest."""
    round_trip: Prefix | None = None
    """A prefix, as in `muster/`, under which to put an object `muster-...`, get it back and delete it."""
    size: Annotated[Bytes, Field(ge=1, le=16_777_216)] = 1_048_576
    """How large that object is."""

    @model_validator(mode="after")
    def _whole(self) -> S3Params:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        if self.session_token is not None and self.secret_key is None:
            raise ValueError("session_token belongs to an access key")
        return self

    @property
    def port_used(self) -> int:
        """The port that is asked."""
        return self.port or (443 if self.tls == "on" else 80)

    def key(self, context: Context) -> Key | None:
        """Return what requests are signed with. Raises `ProberFault` for a missing secret."""
        if self.access_key is None or self.secret_key is None:
            return None
        token = "" if self.session_token is None else context.shared.secret(self.session_token).strip()
        return Key(self.access_key, context.shared.secret(self.secret_key).strip(), token)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, how to go on (empty: it ends here), and the store's time."""

    things: list[Thing]
    token: str
    now: dt.datetime | None


class Bucket:
    """The bucket, asked over one connection as long as that is kept."""

    def __init__(self, web: Web, params: S3Params, key: Key | None) -> None:
        self._web, self._params, self._key = web, params, key
        self.host = params.host or _authority(web.authority, params)

    async def ask(
        self,
        method: str,
        name: str = "",
        *,
        query: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        phase: str,
        limit: int = MAX_ANSWER,
    ) -> Answer:
        """Send one request on the bucket, or on the object `name`, and return its answer."""
        bucket = self._params.bucket if self._params.addressing == "path" else ""
        path, text = path_of(bucket, name), query_of(query)
        fields = [("host", self.host)]
        if self._key is not None:
            digest = await content.bounded(len(body), digest_of, body)
            fields = signed(
                method, self.host, path, text, digest, self._key, self._params.region, dt.datetime.now(dt.UTC)
            )
        where = f"{path}?{text}" if text else path
        return await self._web.ask(method, where, fields=fields, body=body, limit=limit, phase=phase)

    async def refused(self, answer: Answer) -> Refusal | None:
        """Return why an answer is not good, cleaned, or None for a good one."""
        if answer.status in (200, 204, 206):
            return None
        body = bytes(answer.body)
        found = await content.bounded(len(body), refusal, answer.status, body)
        secrets = (self._key.secret_key, self._key.token) if self._key is not None else ()
        return Refusal(found.status, cleaned(found.code, secrets), cleaned(found.message, secrets))

    async def good(self, answer: Answer) -> Answer:
        """Return a good answer. Raises the ending that another stands for."""
        refused = await self.refused(answer)
        if refused is not None:
            raise refused.ending()
        return answer

    async def page(self, prefix: str, most: int, token: str = "", phase: str = "list") -> Page:
        """Return one page of the objects under `prefix`. Raises an `Ending`."""
        query = [("list-type", "2"), ("max-keys", str(most)), ("encoding-type", "url"), ("prefix", prefix)]
        if token:
            query.append(("continuation-token", token))
        answer = await self.good(await self.ask("GET", query=query, phase=phase))
        if answer.truncated:
            raise ProtocolViolated(f"a list of more than {MAX_ANSWER} bytes")
        body = bytes(answer.body)
        things, further = await content.bounded(len(body), listed, body)
        return Page(things, further, clock(answer.field("date")))


def digest_of(body: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _authority(authority: str, params: S3Params) -> str:
    usual = 443 if params.tls == "on" else 80
    return authority.removesuffix(f":{usual}") if params.port_used == usual else authority
