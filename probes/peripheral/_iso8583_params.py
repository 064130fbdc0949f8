"""The parameters of `iso8583`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from probes._service import Port, ServiceParams

CARD_DATA = {2, 14, 22, 23, 34, 35, 36, 45, 52, 53, 55}
"""Fields of cards and PINs: they don't belong into a test, nor into an inventory."""
OWN = {7, 11, 39, 70}
"""Fields that the probe fills, or the host."""
MACS = {64, 128}


def _harmless(fields: dict[int, str]) -> dict[int, str]:
    for number in fields:
        if not 2 <= number <= 128 or number == 65:
            raise ValueError(f"there is no field {number}: 2 to 128")
        if number in CARD_DATA:
            raise ValueError(f"field {number} is of a card or a PIN: none is sent")
        if number in OWN:
            raise ValueError(f"field {number} is filled by the probe or by the host")
        if number in MACS:
            raise ValueError(f"field {number} is a MAC: messages with one are not supported")
    return fields


Framing = Literal["binary2", "ascii4", "bcd2"]
Encoding = Literal["ascii", "bcd"]
Hexadecimal = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2})*$", max_length=64)]


class Iso8583Params(ServiceParams):
    """Parameters of `iso8583`."""

    port: Port
    """Where the host listens."""
    framing: Framing = "binary2"
    """What the length before a message is: 2 bytes, 4 digits, or 2 bytes of packed decimals."""
    length_counts_itself: bool = False
    """Whether that length includes its own bytes."""
    tpdu: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{10}$")] | None = None
    """The TPDU before a message, 5 bytes in hexadecimal digits ("6000030000")."""
    header: Hexadecimal = ""
    """What stands between TPDU and message, in hexadecimal digits; an answer has as many bytes there."""
    encoding: Encoding = "ascii"
    """How the type, numbers and lengths are written: as digits, or as packed decimals, left-aligned."""
    bitmap: Literal["binary", "ascii"] = "binary"
    """How bitmaps are written: as bytes, or as hexadecimal digits."""
    type: Literal["0800", "0820"] = "0800"
    """Type of the message; its answer is 0810 or 0830."""
    network_code: Annotated[str, Field(pattern=r"^[0-9]{3}$")] | None = "301"
    """Field 70: 301 is an echo test; null leaves it out."""
    transmission_time: bool = True
    """Whether field 7 (date and time, UTC) is sent."""
    fields: Annotated[
        dict[int, Annotated[str, Field(min_length=1, max_length=999)]],
        Field(max_length=32), AfterValidator(_harmless),
    ] = Field(default_factory=dict)  # fmt: skip
    """Further fields by number: 41 (terminal), 42 (merchant), 60 and so on; none of cards."""
    accept: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9A-Z]{2}$")], ...], Field(min_length=1, max_length=10)
    ] = ("00",)
    """Response codes (field 39) that are well."""
