"""What is installed, against what was ordered. Pure (ENTITY-MIB, RFC 6933)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from probes._hardware import Comparison
from probes.api import Params, clip
from probes.hardware._shown import Shown, below, number, said

ROOT = "1.3.6.1.2.1.47.1.1.1.1"
DESCR, CLASS, NAME, HARDWARE, FIRMWARE, SOFTWARE, SERIAL, MAKER, MODEL = 2, 5, 7, 8, 9, 10, 11, 12, 13
Class = Literal["chassis", "power supply", "fan", "module", "port", "stack", "other"]
CLASSES: dict[int, Class] = {3: "chassis", 6: "power supply", 7: "fan", 9: "module", 10: "port", 11: "stack"}
LONGEST_LIST = 40


class ModuleParams(Params):
    """Modules of one kind that must be there."""

    count: int = Field(1, ge=1, le=256, description="How many of them.")
    model: str | None = Field(
        None, min_length=1, description="Part of the model's name, or of its description."
    )
    serial: str | None = Field(None, min_length=1, description="The serial number, whole.")


class OrderedParams(Params):
    """What was ordered; texts are compared without case."""

    vendor: str | None = Field(None, min_length=1, description="Part of the maker's name.")
    model: str | None = Field(None, min_length=1, description="Part of the model's name.")
    serial: str | None = Field(
        None, min_length=1, description="The serial number, whole; of a stack, any one."
    )
    serials: tuple[str, ...] = Field((), max_length=64, description="All serial numbers of a stack.")
    firmware: str | None = Field(None, min_length=1, description="Part of the version of its software.")
    modules: tuple[ModuleParams, ...] = Field(
        (),
        max_length=64,
        description="Modules, power supplies and transceivers: `{count, model, serial}` each.",
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is installed; texts that the device does not tell are empty."""

    index: str
    kind: Class
    name: str
    model: str
    serial: str
    vendor: str = ""
    firmware: str = ""
    hardware: str = ""

    def __str__(self) -> str:
        return " ".join(dict.fromkeys(word for word in (self.name, self.model, self.serial) if word))


def parts(values: Shown) -> list[Part]:
    """Return what has a serial number or a model, and each chassis, in their order."""
    columns = {column: dict(below(values, f"{ROOT}.{column}")) for column in range(2, 14)}
    indexes = dict.fromkeys(index for column in (CLASS, SERIAL, MODEL, DESCR) for index in columns[column])
    found: list[Part] = []
    for index in indexes:
        text = {column: said(rows.get(index)) for column, rows in columns.items() if column != CLASS}
        kind = CLASSES.get(int(number(columns[CLASS].get(index)) or 0), "other")
        if kind == "chassis" or text[SERIAL] or text[MODEL]:
            found.append(_part(index, kind, text))
    return found


def _part(index: str, kind: Class, text: dict[int, str]) -> Part:
    model = text[MODEL] or (text[DESCR] or text[NAME] if kind == "chassis" else "")
    firmware = text[SOFTWARE] or text[FIRMWARE]
    name = text[NAME] or text[DESCR]
    return Part(index, kind, name, model, text[SERIAL], text[MAKER], firmware, text[HARDWARE])


def wanted_rows(values: Shown, most: int) -> list[str]:
    """Return the indexes of what is worth asking more about: chassis first, at most `most`."""
    kinds = {index: number(value) for index, value in below(values, f"{ROOT}.{CLASS}")}
    told = {index for column in (SERIAL, MODEL) for index, v in below(values, f"{ROOT}.{column}") if said(v)}
    ordered = sorted(
        told | {i for i, kind in kinds.items() if kind == 3},
        key=lambda i: (kinds.get(i) != 3, int(i.split(".")[0])),
    )
    return ordered[:most]


def main(found: Iterable[Part]) -> list[Part]:
    """Return the chassis; where nothing says that it is one, the first part that has a serial number."""
    every = list(found)
    chassis = [part for part in every if part.kind == "chassis"]
    named = [part for part in chassis if part.serial] or chassis
    return named or [part for part in every if part.serial][:1]


def facts(found: list[Part]) -> dict[str, str]:
    """Return what the parts tell of the device as a whole."""
    chassis = main(found)
    first = {
        "vendor": next((part.vendor for part in [*chassis, *found] if part.vendor), ""),
        "model": next((part.model for part in chassis if part.model), ""),
        "serial": next((part.serial for part in chassis if part.serial), ""),
        "firmware": next((part.firmware for part in [*chassis, *found] if part.firmware), ""),
        "hardware_revision": next((part.hardware for part in chassis if part.hardware), ""),
        "serials": ", ".join(dict.fromkeys(part.serial for part in chassis if part.serial)),
        "installed": listed([part for part in found if part not in chassis and part.serial]),
    }
    return {name: clip(text) for name, text in first.items() if text}


def listed(found: list[Part]) -> str:
    """Return parts as one text."""
    more = f"; and {len(found) - LONGEST_LIST} more" if len(found) > LONGEST_LIST else ""
    return "; ".join(map(str, found[:LONGEST_LIST])) + more


def against(ordered: OrderedParams, told: dict[str, str], found: list[Part]) -> Comparison:
    """Compare what is installed with what was ordered; `told` are the facts of the device."""
    lines: list[str] = []
    unreadable: list[str] = []
    for name in ("vendor", "model", "firmware"):
        want, have = getattr(ordered, name), told.get(name)
        if want is not None and not have:
            unreadable.append(name)
        elif want is not None and have and want.lower() not in have.lower():
            lines.append(f"{name}: ordered {want}, installed {have}")
    serials = [text for text in told.get("serials", told.get("serial", "")).split(", ") if text]
    wanted = list(dict.fromkeys([*ordered.serials, *([ordered.serial] if ordered.serial else [])]))
    missing = [want for want in wanted if want.lower() not in {serial.lower() for serial in serials}]
    if missing and not serials:
        unreadable.append("serial")
    elif missing:
        lines.append(f"serial: ordered {', '.join(missing)}, installed {', '.join(serials)}")
    for module in ordered.modules:
        _module(module, found, lines, unreadable)
    return Comparison(tuple(clip(line, 300) for line in lines), tuple(dict.fromkeys(unreadable)))


def _module(want: ModuleParams, found: list[Part], lines: list[str], unreadable: list[str]) -> None:
    if not found:
        unreadable.append("modules")
        return
    have = sum(_fits(want, part) for part in found)
    if have < want.count:
        what = " ".join(text for text in (want.model, want.serial and f"serial {want.serial}") if text)
        others = listed([part for part in found if part.kind != "chassis"][:12]) or "none that it names"
        lines.append(f"modules: ordered {want.count} x {what or 'any'}, installed {have} among [{others}]")


def _fits(want: ModuleParams, part: Part) -> bool:
    model = want.model is None or want.model.lower() in f"{part.model} {part.name}".lower()
    return model and (want.serial is None or want.serial.lower() == part.serial.lower())
