"""Texts with `${name}` in them: filled in once, escaped for where they stand, never read again."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from probes.errors import ProberFault

PLACE = re.compile(r"\$\{([a-z][a-z0-9_]{0,62})\}")
Algorithm = Literal["md5", "sha1", "sha256", "sha384", "sha512", "sm3"]
"""`sm3` (GB/T 32905) where the OpenSSL of the machine has it."""
Charset = Literal["utf-8", "gbk", "gb18030"]
Encoding = Literal["hex", "base64"]
KeyEncoding = Literal["text", "hex", "base64"]
Values = Mapping[str, str]


def places(thing: Any) -> Iterator[str]:
    """Yield the names that a text, or the texts of a JSON value, want filled in."""
    text = thing if isinstance(thing, str) else json.dumps(thing)
    yield from PLACE.findall(text)


def filled(text: str, values: Values, escaped: Callable[[str], str] = str) -> str:
    """Return `text` with its places filled in; what is filled in is not looked at for places."""
    return PLACE.sub(lambda found: escaped(values[found[1]]), text)


def in_path(text: str, values: Values) -> str:
    """Fill in a path or query; a value never ends its segment or its parameter (RFC 3986)."""
    return filled(text, values, lambda value: quote(value, safe=""))


def in_bytes(text: str, values: Mapping[str, bytes]) -> bytes:
    """Fill in a text to sign, as bytes."""
    pieces = PLACE.split(text)
    return b"".join(values[piece] if at % 2 else piece.encode() for at, piece in enumerate(pieces))


def in_field(text: str, values: Values) -> str:
    """Fill in a header field, which stays on its line."""
    return filled(text, values, lambda value: "".join(c if c.isprintable() else " " for c in value))


def in_xml(text: str, values: Values) -> str:
    """Fill in XML, as text or as the value of an attribute."""
    return filled(text, values, lambda value: escape(value, {'"': "&quot;", "'": "&apos;"}))


def in_form(fields: Values, values: Values, charset: Charset) -> str:
    """Fill in the fields of a form and encode it (application/x-www-form-urlencoded)."""
    pairs = {filled(name, values): filled(text, values) for name, text in fields.items()}
    return urlencode(pairs, encoding=charset, errors="replace")


def in_json(thing: Any, values: Values) -> Any:
    """Fill in the texts of a JSON value; the names of members stay as they are."""
    if isinstance(thing, str):
        return filled(thing, values)
    if isinstance(thing, dict):
        return {name: in_json(value, values) for name, value in thing.items()}
    return [in_json(value, values) for value in thing] if isinstance(thing, list) else thing


def key_of(text: str, encoding: KeyEncoding) -> bytes:
    """Return the bytes of a key. Raises `ProberFault` where it is not written as it should be."""
    try:
        if encoding == "text":
            return text.encode()
        return bytes.fromhex(text) if encoding == "hex" else b64decode(text, validate=True)
    except ValueError:
        raise ProberFault(f"the secret of the signature's key is not in {encoding}") from None


def signature(key: bytes, text: bytes, algorithm: Algorithm, encoding: Encoding) -> str:
    """Return the HMAC (RFC 2104) of `text`. Raises `ProberFault` where the algorithm is not to be had."""
    try:
        digest = hmac.new(key, text, algorithm).digest()
    except ValueError:
        raise ProberFault(f"this machine's OpenSSL has no {algorithm}") from None
    return digest.hex() if encoding == "hex" else b2a_base64(digest, newline=False).decode()


def body_digest(body: bytes) -> str:
    """Return SHA-256 of the body, in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()
