"""The kinds of values the inventory's keys hold, with messages an operator can act on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, WithJsonSchema

from inventory import units

SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CHECK_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SECRET_NAME = re.compile(r"secret:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MAIL = re.compile(r"[^@\s<>,;]{1,64}@[^@\s<>,;]{1,190}")
_HOST = re.compile(r"[\w](?:[\w.-]{0,251}[\w.])?", re.UNICODE)
_DIGITS = re.compile(r"[\d.]+")

SECRET_KEYS = frozenset({
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key", "community",
    "auth_password", "priv_password", "auth_key", "priv_key", "bearer", "access_key", "secret_key",
})  # fmt: skip
"""Keys whose value is a secret wherever they stand, and so must be written `secret:NAME`."""

INLINE = "an inline password is refused"
WRITE_SECRET = 'write "secret:NAME" and store it under that name'  # noqa: S105 - a message


def _slug(value: str) -> str:
    if SLUG.fullmatch(value) is None:
        msg = f'"{value[:64]}" is no id{_slugged(value)}'
        raise ValueError(msg)
    return value


def _check_id(value: str) -> str:
    if CHECK_ID.fullmatch(value) is None:
        msg = f'"{value[:64]}" is no id of a check{_slugged(value.replace(".", "-"))}'
        raise ValueError(msg)
    return value


def _slugged(value: str) -> str:
    better = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:64]
    return f'; write "{better}"' if better else "; use lower-case letters, digits, -, _ and ."


def _address(value: str) -> str:
    if "://" in value:
        msg = "a URL is no address; write only the host here, and the rest in the check"
        raise ValueError(msg)
    bare = value.partition("%")[0]
    if ":" in value:
        return _ipv6(value, bare)
    if _DIGITS.fullmatch(bare):
        return _ipv4(bare)
    if len(value) > 253 or _HOST.fullmatch(value) is None:
        msg = f'"{value[:60]}" is no address; write a host name, an IPv4 or an IPv6 address'
        raise ValueError(msg)
    return value


def _ipv4(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        msg = f'"{value[:60]}" is no IPv4 address; write four numbers from 0 to 255, without leading zeros'
        raise ValueError(msg) from None


def _ipv6(value: str, bare: str) -> str:
    try:
        ipaddress.IPv6Address(bare)
    except ValueError:
        host, _, port = value.rpartition(":")
        if port.isdigit() and ":" not in host:
            msg = f'"{value[:60]}" holds a port; write "{host}", and "port: {port}" in the check'
        else:
            msg = f'"{value[:60]}" is no IPv6 address; write it as 2001:db8::1'
        raise ValueError(msg) from None
    return value


def _family(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        msg = f'unknown time zone "{value[:60]}"; write one of the IANA database, such as Asia/Shanghai'
        raise ValueError(msg) from None
    return value


def _mail(value: str) -> str:
    if _MAIL.fullmatch(value) is None:
        msg = f'"{value[:60]}" is no mail address; write it as name@domain'
        raise ValueError(msg)
    return value


def quantity(unit: str) -> Callable[[object], object]:
    """Return a validator that takes a number in `unit`, or a text with a unit."""

    def convert(value: object) -> object:
        if isinstance(value, bool):
            msg = "must be a number, or a text with a unit"
            raise ValueError(msg)  # noqa: TRY004 - pydantic takes ValueError
        return units.parse(value, unit) if isinstance(value, str) else value

    return convert


def _version(value: object) -> object:
    if value != 1 or isinstance(value, bool):
        msg = "unknown version; write version: 1"
        raise ValueError(msg)
    return value


def _variable(value: object) -> object:
    if not isinstance(value, str | int | float):
        msg = "must be a text, a number, true or false"
        raise ValueError(msg)  # noqa: TRY004 - pydantic takes ValueError
    return value


def inline_secret(key: str, value: object) -> bool:
    """Say whether `value` under `key` is a secret written out, which is refused."""
    if not isinstance(value, str):
        return isinstance(value, int | float) and not isinstance(value, bool) and key in SECRET_KEYS
    if key in SECRET_KEYS:
        return _SECRET_NAME.fullmatch(value) is None
    return "://" in value and re.search(r"://[^/@\s:]*:[^/@\s]+@", value) is not None


def _written(kind: str, example: str) -> WithJsonSchema:
    """Return the schema of a quantity: a number, or a text with a unit."""
    text = {"type": "string", "description": f"a {kind} with its unit, such as {example}"}
    return WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, text]})


def _pattern(expression: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{expression.pattern}$"})


Version = Annotated[Literal[1], BeforeValidator(_version)]
Slug = Annotated[str, AfterValidator(_slug), _pattern(SLUG)]
CheckId = Annotated[str, AfterValidator(_check_id), _pattern(CHECK_ID)]
Address = Annotated[str, AfterValidator(_address)]
Family = Annotated[
    Literal["any", "4", "6"], BeforeValidator(_family), WithJsonSchema({"enum": ["any", "4", "6", 4, 6]})
]
Timezone = Annotated[str, AfterValidator(_timezone)]
Mail = Annotated[str, AfterValidator(_mail)]
Seconds = Annotated[
    float, BeforeValidator(quantity("s")), Field(gt=0, allow_inf_nan=False), _written("duration", "5 min")
]
BitsPerSecond = Annotated[
    float, BeforeValidator(quantity("bit/s")), Field(gt=0, allow_inf_nan=False), _written("rate", "20 Mbit/s")
]
Bytes = Annotated[
    float, BeforeValidator(quantity("bytes")), Field(gt=0, allow_inf_nan=False), _written("size", "20 kB")
]
Percent = Annotated[
    float, BeforeValidator(quantity("%")), Field(gt=0, le=100), _written("percentage", "0.1 %")
]
Bool = StrictBool
Variable = Annotated[
    Any, BeforeValidator(_variable), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
Settings = dict[str, Any]
