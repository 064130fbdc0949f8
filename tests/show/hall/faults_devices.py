"""Faults of what is asked by SNMP: router, switch, UPS, thermometer, laser printer, terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator

from probes.hardware._entity import CLASS, DESCR, MAKER, MODEL, NAME, ROOT, SERIAL, SOFTWARE
from probes.hardware._host_rows import HR, STORAGE
from probes.hardware._printer_rows import HR_PRINTER, SUPPLIES
from probes.network._if_rows import COLUMNS
from tests.show.hall.devices import ENVMON, SENSOR, SINCE, UPS, growing, integer, words
from tests.show.hall.hall import Hall
from tests.show.hall.planting import fault


@fault("network.port-up", "router", "not_up = 1", behind=frozenset({"router"}))
async def port_down(hall: Hall) -> AsyncIterator[None]:
    """The cable of the uplink is unplugged."""
    with hall.agents.changed("router", {f"{COLUMNS['oper']}.1": integer(2)}):
        yield


@fault("network.port-up", "router", "unchanged_s = ", behind=frozenset({"router"}))
async def port_flapped(hall: Hall) -> AsyncIterator[None]:
    """The uplink's port came up an hour ago."""
    with hall.agents.changed("router", {f"{COLUMNS['changed']}.1": f"67|{SINCE - 360_000}"}):
        yield


@fault("network.port-duplex", "router", "full_duplex = 0")
async def half_duplex(hall: Hall) -> AsyncIterator[None]:
    """The uplink's port fell back to half duplex."""
    with hall.agents.changed("router", {f"{COLUMNS['duplex']}.1": integer(2)}):
        yield


@fault("network.port-speed", "router", "speed_bps = 10 ")
async def slow_port(hall: Hall) -> AsyncIterator[None]:
    """The uplink's port runs at 10 Mbit/s (a broken pair in the cable)."""
    slow = {f"{COLUMNS['speed']}.1": "66|10000000", f"{COLUMNS['high_speed']}.1": "66|10"}
    with hall.agents.changed("router", slow):
        yield


@fault("network.port-errors", "router", "errors_in_pct = ")
async def line_errors(hall: Hall) -> AsyncIterator[None]:
    """Every hundredth packet from the bureau arrives broken."""
    with hall.agents.changed("router", {f"{COLUMNS['errors_in']}.1": growing(65, 5, 17)}):
        yield


@fault("hardware.device-as-ordered", "router", "ordered FDO2133A0EX, installed FDO1111X0XX")
async def wrong_serial(hall: Hall) -> AsyncIterator[None]:
    """The router is another one than that on the delivery note (wrong serial number)."""
    with hall.agents.changed("router", {f"{ROOT}.{SERIAL}.1": words("FDO1111X0XX")}):
        yield


@fault("hardware.device-as-ordered", "switch", "C2960X-STACK")
async def module_missing(hall: Hall) -> AsyncIterator[None]:
    """The switch came without its uplink module."""
    columns = (DESCR, CLASS, NAME, SOFTWARE, SERIAL, MAKER, MODEL)
    with hall.agents.changed("switch", {f"{ROOT}.{column}.2": "" for column in columns}):
        yield


@fault("hardware.device-parts", "switch", "Fan 2")
async def fan_stands(hall: Hall) -> AsyncIterator[None]:
    """A fan of the switch stands still."""
    with hall.agents.changed("switch", {f"{ENVMON}.4.1.3.2": integer(3)}):
        yield


@fault("hardware.ups", "ups", "on_mains = 0")
async def on_battery(hall: Hall) -> AsyncIterator[None]:
    """The mains are gone: the UPS runs on its battery."""
    with hall.agents.changed("ups", {f"{UPS}.4.1.0": integer(5), f"{UPS}.2.2.0": integer(120)}):
        yield


@fault("hardware.ups", "ups", "battery_normal = 0")
async def battery_low(hall: Hall) -> AsyncIterator[None]:
    """The UPS says that its battery is low."""
    with hall.agents.changed("ups", {f"{UPS}.2.1.0": integer(3)}):
        yield


@fault("hardware.ups", "ups", "minutes_left = 4 ")
async def battery_old(hall: Hall) -> AsyncIterator[None]:
    """The battery is old: it would last for four minutes."""
    with hall.agents.changed("ups", {f"{UPS}.2.3.0": integer(4)}):
        yield


@fault("hardware.room-temperature", "climate", "temperature_max_c = 31.4")
async def room_hot(hall: Hall) -> AsyncIterator[None]:
    """The cooling of the equipment room failed."""
    with hall.agents.changed("climate", {f"{SENSOR}.4.11": integer(314)}):
        yield


@fault("peripheral.printer-supplies", "laser", "supply_min_pct = 8")
async def toner_low(hall: Hall) -> AsyncIterator[None]:
    """The laser printer is nearly out of toner."""
    with hall.agents.changed("laser", {f"{SUPPLIES}.9.1.1": integer(8)}):
        yield


@fault("peripheral.printer-supplies", "laser", "jammed")
async def paper_jam(hall: Hall) -> AsyncIterator[None]:
    """Paper is jammed in the laser printer."""
    with hall.agents.changed("laser", {f"{HR_PRINTER}.1.1": integer(1), f"{HR_PRINTER}.2.1": "4x|04"}):
        yield


@fault("hardware.terminal-disk", "counter-1", "disk_used_pct = 95")
async def disk_full(hall: Hall) -> AsyncIterator[None]:
    """The disk of the terminal at counter 1 is nearly full."""
    with hall.agents.changed("terminal", {f"{STORAGE}.6.1": integer(57_000_000)}):
        yield


@fault("hardware.terminal-memory", "counter-1", "memory_total_bytes = 4")
async def memory_missing(hall: Hall) -> AsyncIterator[None]:
    """A memory module of the terminal is missing."""
    half = {f"{HR}.2.2.0": integer(4_194_304), f"{STORAGE}.5.2": integer(65_536)}
    with hall.agents.changed("terminal", half):
        yield
