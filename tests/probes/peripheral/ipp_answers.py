"""Answers of printers, written down by RFC 8010 and not by the probe's own code."""

from __future__ import annotations

import struct

from probes.peripheral._ipp_message import (
    BEGIN_COLLECTION,
    BOOLEAN,
    END_COLLECTION,
    ENUM,
    INTEGER,
    KEYWORD,
    MIME,
    OCTETS,
    PRINTER,
    TEXT,
)


def value(tag: int, name: bytes, data: bytes) -> bytes:
    return struct.pack(">BH", tag, len(name)) + name + struct.pack(">H", len(data)) + data


PRINTER_ANSWER = b"".join((
    struct.pack(">BBHIB", 1, 1, 0, 7, PRINTER),
    value(ENUM, b"printer-state", struct.pack(">i", 5)),
    value(KEYWORD, b"printer-state-reasons", b"media-empty-error"), value(KEYWORD, b"", b"toner-low"),
    value(BOOLEAN, b"printer-is-accepting-jobs", b"\x01"),
    value(INTEGER, b"queued-job-count", struct.pack(">i", 3)),
    value(0x12, b"printer-up-time", b""),
    value(BEGIN_COLLECTION, b"media-col-ready", b""), value(0x4A, b"", b"media-size"),
    value(BEGIN_COLLECTION, b"", b""), value(0x4A, b"", b"x-dimension"),
    value(INTEGER, b"", struct.pack(">i", 21000)), value(END_COLLECTION, b"", b""),
    value(END_COLLECTION, b"", b""),
    value(0x35, b"printer-make-and-model", b"\x00\x02en\x00\x05Model"),
    value(TEXT, b"printer-device-id", b"MFG:Acme;MDL:R1;SN:A-17;"),
    value(TEXT, b"printer-firmware-string-version", b"2.1"), value(TEXT, b"", b"boot 9"),
    value(OCTETS, b"printer-supply", b"index=1;class=supplyThatIsConsumed;type=ink;unit=tenthsOfMilliliters;"
           b"maxcapacity=500;level=125;colorantname=cyan;"),
    value(OCTETS, b"", b"index=2;class=supplyThatIsConsumed;type=opc;maxcapacity=-2;level=-3;"),
    value(OCTETS, b"printer-input-tray", b"type=other;maxcapacity=250;level=-3;"),
    b"\x03",
))  # fmt: skip
"""Out of paper, with a bit of everything; the answer to question 7."""
IDLE = b"".join((
    struct.pack(">BBHIB", 1, 1, 0, 0, PRINTER),
    value(ENUM, b"printer-state", struct.pack(">i", 3)), value(KEYWORD, b"printer-state-reasons", b"none"),
    value(BOOLEAN, b"printer-is-accepting-jobs", b"\x01"),
    value(MIME, b"document-format-supported", b"text/plain"),
    b"\x03",
))  # fmt: skip
