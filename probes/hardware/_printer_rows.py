"""What a printer's tables come to (Printer-MIB, RFC 3805; hrPrinterTable, RFC 2790). Pure.

Levels below 0 are codes and never amounts: -1 no limit, -2 unknown, -3 that something, or room, is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from probes.api import clip
from probes.hardware._shown import Shown, below, number, said

PRT, HR_PRINTER = "1.3.6.1.2.1.43", "1.3.6.1.2.1.25.3.5.1"
SUPPLIES, INPUTS, PAGES = f"{PRT}.11.1.1", f"{PRT}.8.2.1", f"{PRT}.10.2.1.4"
CONSOLE, ALERTS, GENERAL = f"{PRT}.16.5.1.2", f"{PRT}.18.1.1", f"{PRT}.5.1.1"
STATUS = {1: "other", 2: "unknown", 3: "idle", 4: "printing", 5: "warmup"}
ERRORS = (
    "low paper", "no paper", "low toner", "no toner", "door open", "jammed", "offline", "service requested",
    "input tray missing", "output tray missing", "marker supply missing", "output near full", "output full",
    "input tray empty", "overdue maintenance",
)  # fmt: skip
"""hrPrinterDetectedErrorState: bit 0 is the highest of the first octet."""
WARNINGS = ("low paper", "low toner", "output near full", "input tray empty", "overdue maintenance")
"""Of those, what does not keep it from printing."""
CODES = {-1: "no limit", -2: "unknown", -3: "some left"}
FILLED, PERCENT, CRITICAL = 4, 19, 3
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply, a receptacle for waste, or a tray; `left_pct` is what is left of it, or what room."""

    name: str
    left_pct: float | None
    code: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.code or f'{self.left_pct:.0f} %'}"


def errors(octets: object) -> list[str]:
    """Return the names of the bits that are raised; what is no string of bits raises none."""
    if not isinstance(octets, bytes):
        return []
    bits = [bool(octet & 0x80 >> place) for octet in octets[:2] for place in range(8)]
    return [name for name, raised in zip(ERRORS, bits, strict=False) if raised]


def level(name: str, most: float | None, now: float | None, *, filled: bool = False) -> Supply:
    """Return what is left of a supply. `most` below 1 with a level above 0 is no measure either."""
    if now is None:
        return Supply(name, None, "not told")
    if now < 0:
        return Supply(name, None, CODES.get(int(now), "unknown"))
    if most is None or most <= 0:
        return Supply(name, None, "of an unknown capacity")
    share = min(100.0, 100 * now / most)
    return Supply(name, 100 - share if filled else share)


def supplies(values: Shown) -> list[Supply]:
    """Return the supplies in their order."""
    columns = {column: dict(below(values, f"{SUPPLIES}.{column}")) for column in (4, 6, 7, 8, 9)}
    found = []
    for index, now in columns[9].items():
        most = number(columns[8].get(index))
        if number(columns[7].get(index)) == PERCENT and (most is None or most < 0):
            most = 100.0
        filled = number(columns[4].get(index)) == FILLED
        name = said(columns[6].get(index)) or f"supply {index}"
        found.append(level(name, most, number(now), filled=filled))
    return found


def trays(values: Shown) -> list[Supply]:
    """Return the input trays in their order."""
    columns = {column: dict(below(values, f"{INPUTS}.{column}")) for column in (9, 10, 13, 18)}
    return [
        level(
            said(columns[13].get(index)) or said(columns[18].get(index)) or f"tray {index}",
            number(columns[9].get(index)),
            number(now),
        )
        for index, now in columns[10].items()
    ]


def state(values: Shown) -> tuple[dict[str, float], dict[str, str]]:
    """Return what the printer says of itself: of several at one address, the worst."""
    told = [number(value) for _, value in below(values, f"{HR_PRINTER}.1")]
    words = [STATUS.get(int(n), "unknown") for n in told if n is not None]
    bits = [value for _, value in below(values, f"{HR_PRINTER}.2") if isinstance(value, bytes)]
    raised = list(dict.fromkeys(name for value in bits for name in errors(value)))
    metrics: dict[str, float] = {}
    facts: dict[str, str] = {}
    if words:
        bad = [word for word in words if word in ("other", "unknown")]
        facts["status"] = (bad or words)[0]
    if bits:
        stopping = [name for name in raised if name not in WARNINGS]
        facts["errors_named"] = ", ".join(raised) or "none"
        metrics |= {"errors": float(len(stopping)), "warnings": float(len(raised) - len(stopping))}
        if facts.get("status", "unknown") != "unknown":
            metrics["ready"] = float(not stopping and facts["status"] != "other")
    return metrics, facts


def figures(values: Shown) -> tuple[dict[str, float], dict[str, str]]:
    """Return metrics and facts of one printer; empty where it shows none of it."""
    metrics, facts = state(values)
    every, inputs = supplies(values), trays(values)
    if every:
        metrics |= _supplied(every)
        facts["supplies_left"] = _names(every)
        told = [supply for supply in every if supply.left_pct is not None]
        if told:
            facts["lowest"] = min(told, key=lambda supply: supply.left_pct or 0).name
    if inputs:
        metrics |= {"trays": float(len(inputs)), "trays_empty": float(sum(t.left_pct == 0 for t in inputs))}
        facts["trays_left"] = _names(inputs)
    pages = [n for _, value in below(values, PAGES) if (n := number(value)) is not None and n >= 0]
    if pages:
        metrics["pages"] = max(pages)
    return metrics, facts | _texts(values)


def _supplied(every: list[Supply]) -> dict[str, float]:
    told = [supply.left_pct for supply in every if supply.left_pct is not None]
    metrics = {"supplies": float(len(every)), "supplies_without_amount": float(len(every) - len(told))}
    return metrics | ({"supply_min_pct": min(told)} if told else {})


def _names(found: list[Supply]) -> str:
    return clip("; ".join(map(str, found[:SHOWN])))


def _texts(values: Shown) -> dict[str, str]:
    severities = {i: number(value) for i, value in below(values, f"{ALERTS}.2")}
    alerts = [said(v) for i, v in below(values, f"{ALERTS}.8") if severities.get(i) == CRITICAL]
    console = [text for _, value in below(values, CONSOLE) if (text := said(value))]
    found = {
        "serial": next((text for _, v in below(values, f"{GENERAL}.17") if (text := said(v))), ""),
        "printer_name": next((text for _, v in below(values, f"{GENERAL}.16") if (text := said(v))), ""),
        "model": next((text for _, v in below(values, "1.3.6.1.2.1.25.3.2.1.3") if (text := said(v))), ""),
        "console": clip(" | ".join(console[:8])),
        "alerts": clip("; ".join(text for text in alerts[:8] if text)),
    }
    return {name: text for name, text in found.items() if text}
