"""The worked example of docs/capacity.md, read from there."""

from __future__ import annotations

import re
from pathlib import Path

from inventory.models import Inventory, InventoryFile
from inventory.source import parse, validate
from monitor.capacity.demand import demand_of
from monitor.capacity.derive import Demand, Derivation, Transfer, Use, derive
from monitor.capacity.functions import Bulk, Function, Functions, Network, Server, Size

DOC = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text("utf-8")
FUNCTIONS, UNIT = re.findall(r"^```yaml\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL)

USED = {
    "counter-query": (12, 40, 4, 8, 60, 3, 1), "new-connection": (4, 6, 3, 2000, 80, 15, 2),
    "bill-pdf": (12, 10, 2, 5, 400, 5, 1.5), "pos": (12, 20, 1, 0.5, 0.5, 2, 0.8),
    "kiosk": (3, 20, 4, 5, 150, 3, 1),
}  # fmt: skip
"""Users, transactions an hour, turns, kB up and down, target and server's mean in s."""


def function(
    tx: float = 20, turns: int = 2, up: float = 10, down: float = 100, target: float = 4, server: float = 1,
    spread: float = 2.37,
) -> Function:  # fmt: skip
    """Return a function; sizes in kB, times in s, server times spread as in the example."""
    return Function(
        tx_per_user_hour=tx, turns=turns,
        request=Size(mean=up * 1000, p95=spread * up * 1000),
        response=Size(mean=down * 1000, p95=spread * down * 1000),
        target=target, server=Server(mean=server, p95=1.94 * server),
    )  # fmt: skip


def demand() -> Demand:
    """Return the example without any file."""
    uses = tuple(Use(name, function(*rest), users) for name, (users, *rest) in USED.items())  # type: ignore[arg-type]
    upload = Bulk(direction="up", bytes=20e6, period=600)
    return Demand(uses, (Transfer("meter-upload", upload),), (), Network())


def derivation() -> Derivation:
    return derive(demand())


def inventory(text: str) -> Inventory:
    """Return the units of an inventory, without any check of how they fit together."""
    units = validate(parse(text.encode(), "inventory.yaml")[0], InventoryFile).units
    return Inventory({unit.id: unit for unit in units})


def of(text: str, unit: str, functions: Functions) -> Demand | None:
    return demand_of(inventory(text), unit, functions)
