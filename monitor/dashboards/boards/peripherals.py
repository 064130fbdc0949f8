"""Peripherals and outside interfaces."""

from __future__ import annotations

from monitor.dashboards.model import Board
from monitor.dashboards.parts import INCIDENTS, PLACE, WORK, of

BOARD = Board(
    "peripherals",
    "peripherals and interfaces",
    "Printers, card readers, terminals, meters and sensors of halls; the systems outside.",
    PLACE,
    (
        of("Printers: faults", "errors", "ipp"),
        of("Printers: lowest supply", "supply_lowest_known_pct", "ipp", how="min"),
        of("Printers: jobs waiting", "queued", "ipp"),
        of("Payment terminals: answer of the host", "response_ms", "iso8583"),
        of("Card readers found", "readers", "pcsc", how="min"),
        of("Card in the reader answers", "card_answers", "pcsc", how="min"),
        of("Meters that answer", "answered_pct", "dlt645", how="min"),
        of("Meters: clocks off by", "clock_offset_s", "dlt645"),
        of("Room sensors: answers", "query_ms", "modbus"),
        of("Serial devices: an exchange", "exchange_ms", "serial"),
        of("Hotline: answers", "response_ms", "sip"),
        of("Outside systems: a contract check", "total_ms", "http_contract"),
        of("Outside systems: steps passed", "steps_passed", "http_contract", how="min"),
        of("Portals: first byte", "first_byte_ms", "http"),
        of("Certificates: days left", "days_left", "tls", how="min"),
        of("TLS handshakes", "handshake_ms", "tls"),
        of("Files: put and got back", "round_trip_ms", "file_exchange"),
        of("Files: age of the newest", "age_s", "file_exchange"),
        of("Files: records missing", "records_missing", "file_exchange"),
        of("Mail: until it arrives", "delivery_s", "mail_roundtrip"),
        of("Ports: connect", "connect_ms", "tcp"),
    ),
    (INCIDENTS, WORK),
)
