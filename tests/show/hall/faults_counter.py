"""Faults at the counter: printer, scale, card reader, card host, kiosk, meters, sensors of the room."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.servers.modbus import modbus_tcp
from tests.servers.pos_host import ascii_echo
from tests.show.hall.hall import METERS, Hall, room
from tests.show.hall.planting import fault


@fault("peripheral.receipt-printer", "receipts", "media-empty")
async def out_of_paper(hall: Hall) -> AsyncIterator[None]:
    """The receipt printer is out of paper."""
    await hall.printer.set("media", size1="", type1="", level1="0")
    yield
    await hall.receipts()
    hall.write()


@fault("peripheral.receipt-printer", "receipts", "refused", reason="refused")
async def printer_off(hall: Hall) -> AsyncIterator[None]:
    """The receipt printer does not run."""
    await hall.end("receipts")
    yield
    await hall.receipts()
    hall.write()


@fault("peripheral.serial-device", "scale", "no_answer", reason="timeout")
async def scale_silent(hall: Hall) -> AsyncIterator[None]:
    """The scale is switched off: its line is there, and says nothing."""
    hall.weight, right = b"", hall.weight
    yield
    hall.weight = right


@fault("peripheral.serial-device", "scale", "wrong_answer")
async def scale_error(hall: Hall) -> AsyncIterator[None]:
    """The scale shows an error."""
    hall.weight, right = b"ERR 03\r\n", hall.weight
    yield
    hall.weight = right


@fault("peripheral.serial-device", "scale", "no_device", reason="unreachable")
async def scale_unplugged(hall: Hall) -> AsyncIterator[None]:
    """The scale is unplugged."""
    await hall.end("scale")
    yield
    await hall.weigh()
    hall.write()


@fault("peripheral.card-reader", "cards", "card_present = 0")
async def no_card(hall: Hall) -> AsyncIterator[None]:
    """The test card is not in the reader."""
    await hall.slot.remove()
    await hall.noticed(lambda reading: reading.metrics.get("card_present") == 0)
    yield
    await hall.slot.insert()
    await hall.noticed(lambda reading: reading.metrics.get("card_answers") == 1)


@fault("peripheral.card-reader", "cards", "no_reader", reason="unreachable")
async def no_reader(hall: Hall) -> AsyncIterator[None]:
    """The card reader is absent."""
    await hall.cards(readers=False)
    yield
    await hall.cards()


@fault("peripheral.pos", "pos", "code_91")
async def pos_refuses(hall: Hall) -> AsyncIterator[None]:
    """The card host answers that the bank behind it is out of order."""
    hall.pos.reply = lambda asked: ascii_echo(asked, code="91")
    yield
    hall.pos.reply = ascii_echo


@fault("peripheral.pos", "pos", "no answer", reason="timeout")
async def pos_silent(hall: Hall) -> AsyncIterator[None]:
    """The card host takes the message and says nothing."""
    hall.pos.reply = None
    yield
    hall.pos.reply = ascii_echo


@fault("peripheral.kiosk", "kiosk", "refused", reason="refused")
async def kiosk_ended(hall: Hall) -> AsyncIterator[None]:
    """The kiosk's program has ended."""
    await hall.end("kiosk")
    yield
    await hall.kiosk()
    hall.write()


@fault("peripheral.meters", "meters", "000000000162 (no answer")
async def meter_silent(hall: Hall) -> AsyncIterator[None]:
    """One meter of the sample is silent."""
    hall.answer(dict.fromkeys(hall.metered(METERS[1])))
    yield
    hall.answer(hall.metered(METERS[1]))


@fault("peripheral.meter-voltage", "meters", "voltage_min_v = 181.4")
async def voltage_low(hall: Hall) -> AsyncIterator[None]:
    """A meter sees a voltage that is too low."""
    hall.answer(hall.metered(METERS[2], "1814"))
    yield
    hall.answer(hall.metered(METERS[2]))


@fault("peripheral.room-sensors", "room", "values_absent = 1")
async def sensor_torn_off(hall: Hall) -> AsyncIterator[None]:
    """The cable of a room sensor is torn off."""
    await hall.moved("room", modbus_tcp(room(temperature=0x7FFF)))
    yield
    await hall.moved("room", modbus_tcp(room()))


@fault("peripheral.water-leak", "room", "water_leak = 1")
async def water_leak(hall: Hall) -> AsyncIterator[None]:
    """Water is on the floor of the equipment room."""
    await hall.moved("room", modbus_tcp(room(leak=True)))
    yield
    await hall.moved("room", modbus_tcp(room()))
