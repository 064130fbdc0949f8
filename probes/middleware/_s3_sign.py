"""Signatures of requests to an object store: AWS Signature Version 4 in the header `Authorization`.

As in "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)" of the Amazon S3 API
Reference. botocore does it too, but it is 30 MB, and writes session tokens to its log.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Key:
    """An access key, with the session's token where it is a temporary one."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def path_of(*steps: str) -> str:
    """Return a path as it is sent and signed: `/STEP/STEP`, where a step may hold slashes of its own."""
    return "/" + "/".join(quote(step, safe="/-_.~") for step in steps if step)


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a query as it is sent and signed: encoded and sorted."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def signed(
    method: str, host: str, path: str, query: str, digest: str, key: Key, region: str, at: dt.datetime
) -> list[tuple[str, str]]:
    """Return the header fields that sign a request, the Host field among them.

    `path` and `query` are as `path_of` and `query_of` make them, `digest` is the body's SHA-256 in
    hexadecimal, `at` the time in UTC.
    """
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    fields = [("host", host), ("x-amz-content-sha256", digest), ("x-amz-date", stamp)]
    if key.token:
        fields.append(("x-amz-security-token", key.token))
    names = ";".join(name for name, _ in fields)
    lines = (method, path, query, *(f"{name}:{value}" for name, value in fields), "", names, digest)
    request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signature = _signature(key.secret_key, scope, "\n".join((ALGORITHM, stamp, scope, request)))
    credential = f"{key.access_key}/{scope}"
    value = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return [*fields, ("authorization", value)]


def _signature(secret: str, scope: str, text: str) -> str:
    derived = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        derived = hmac.digest(derived, step.encode(), "sha256")
    return hmac.digest(derived, text.encode(), "sha256").hex()
