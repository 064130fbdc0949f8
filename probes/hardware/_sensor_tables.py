"""Tables of temperatures, humidities, fans and power supplies: the vendors', by the MIB texts named there.

The standard's own (ENTITY-SENSOR) has types, scales and precisions, and is `_sensors.measured`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["temperature", "humidity", "fan", "power", "other"]
ByWhat = Literal["", "name", "class"]
NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of sensors: columns share their rows' indexes. Values are in C or %, once scaled.

    `status` is good where its number is in `good`, not there where in `absent`, not known where in `unknown`,
    and bad otherwise. `kind_by` says where the kind is read instead: the row's name, or its entity's class.
    """

    kind: Kind
    value: str = ""
    scale: float = 1.0
    limit: str = ""
    """The value that is too high, as the device has it."""
    status: str = ""
    good: frozenset[int] = NONE
    absent: frozenset[int] = NONE
    unknown: frozenset[int] = NONE
    present: str = ""
    """A column that must be `there` for the row to count."""
    there: int = 1
    name: str = ""
    """A column of names; without one they are ENTITY-MIB's, then `called` with the row's index."""
    called: str = ""
    kind_by: ByWhat = ""
    zero: bool = False
    """Whether a value of 0 is one: most write it where there is no sensor."""


@dataclass(frozen=True, slots=True)
class Mib:
    """Tables of one MIB; `root` shows whether the device has it."""

    name: str
    root: str
    tables: tuple[Table, ...]


def _of(*numbers: int) -> frozenset[int]:
    return frozenset(numbers)


_ENVMON, _FRU, _HUAWEI = "1.3.6.1.4.1.9.9.13.1", "1.3.6.1.4.1.9.9.117.1", "1.3.6.1.4.1.2011.5.25.31.1.1"
_IBMC, _JUNIPER, _BROCADE = (
    "1.3.6.1.4.1.2011.2.235.1.1",
    "1.3.6.1.4.1.2636.3.1.13.1",
    "1.3.6.1.4.1.1588.2.1.1.1.1.22.1",
)
_FOUNDRY, _RUIJIE, _DELL = (
    "1.3.6.1.4.1.1991.1.1",
    "1.3.6.1.4.1.4881.1.1.10.2.1.1",
    "1.3.6.1.4.1.674.10892.5.4",
)
_ENCLOSURE, _PROLIANT = "1.3.6.1.4.1.232.22.2", "1.3.6.1.4.1.232.6.2"
_ARUBA, _NETAPP = "1.3.6.1.4.1.14823.2.2.1.2.1", "1.3.6.1.4.1.789.1.2.4"
_APC, _LIEBERT, _DLINK = "1.3.6.1.4.1.318.1.1", "1.3.6.1.4.1.476.1.42.3.4", "1.3.6.1.4.1.171.12.11.1"
_GEIST, _LM, _PROCURVE = "1.3.6.1.4.1.21239.5.1", "1.3.6.1.4.1.2021.13.16", "1.3.6.1.4.1.11.2.14.11.1.2.6.1"
_FORTINET, _IMM = "1.3.6.1.4.1.12356.101.4.3.2.1", "1.3.6.1.4.1.2.3.51.3.1"


def _h3c(root: str) -> tuple[Table, ...]:
    return (
        Table("temperature", f"{root}.12", limit=f"{root}.13"),
        Table("other", status=f"{root}.19", good=_of(2), absent=_of(1, 4), kind_by="class"),
    )


MIBS = (
    Mib("CISCO-ENVMON-MIB", _ENVMON, (
        Table("temperature", f"{_ENVMON}.3.1.3", limit=f"{_ENVMON}.3.1.4", status=f"{_ENVMON}.3.1.6",
              name=f"{_ENVMON}.3.1.2", good=_of(1), absent=_of(5)),
        Table("other", status=f"{_ENVMON}.2.1.7", name=f"{_ENVMON}.2.1.2", good=_of(1), absent=_of(5)),
        Table("fan", status=f"{_ENVMON}.4.1.3", name=f"{_ENVMON}.4.1.2", good=_of(1), absent=_of(5)),
        Table("power", status=f"{_ENVMON}.5.1.3", name=f"{_ENVMON}.5.1.2", good=_of(1), absent=_of(5)),
    )),
    Mib("CISCO-ENTITY-FRU-CONTROL-MIB", _FRU, (
        Table("other", status=f"{_FRU}.1.2.1.2", good=_of(2), absent=_of(3), kind_by="class"),
        Table("fan", status=f"{_FRU}.4.1.1.1", good=_of(2), unknown=_of(1), called="fan tray"),
    )),
    Mib("HUAWEI-ENTITY-EXTENT-MIB", _HUAWEI, (
        Table("temperature", f"{_HUAWEI}.1.1.11", limit=f"{_HUAWEI}.1.1.12"),
        Table("fan", status=f"{_HUAWEI}.10.1.7", good=_of(1), present=f"{_HUAWEI}.10.1.6",
              name=f"{_HUAWEI}.10.1.9", called="fan"),
        Table("power", status=f"{_HUAWEI}.18.1.6", good=_of(1), unknown=_of(4),
              present=f"{_HUAWEI}.18.1.5", called="power supply"),
    )),
    Mib("iBMC (Huawei servers)", _IBMC, (
        Table("temperature", f"{_IBMC}.26.50.1.3", 0.1, name=f"{_IBMC}.26.50.1.2"),
        Table("fan", status=f"{_IBMC}.8.50.1.4", good=_of(1), absent=_of(5), unknown=_of(6),
              present=f"{_IBMC}.8.50.1.3", there=2, name=f"{_IBMC}.8.50.1.7"),
        Table("power", status=f"{_IBMC}.6.50.1.7", good=_of(1), absent=_of(5), unknown=_of(6),
              present=f"{_IBMC}.6.50.1.9", there=2, name=f"{_IBMC}.6.50.1.13"),
    )),
    Mib("HH3C-ENTITY-EXT-MIB", "1.3.6.1.4.1.25506.2.6.1.1.1.1", _h3c("1.3.6.1.4.1.25506.2.6.1.1.1.1")),
    Mib("H3C-ENTITY-EXT-MIB", "1.3.6.1.4.1.2011.10.2.6.1.1.1.1", _h3c("1.3.6.1.4.1.2011.10.2.6.1.1.1.1")),
    Mib("JUNIPER-MIB", _JUNIPER, (
        Table("temperature", f"{_JUNIPER}.7", name=f"{_JUNIPER}.5"),
        Table("other", status=f"{_JUNIPER}.6", good=_of(2, 3, 5, 7), unknown=_of(1), name=f"{_JUNIPER}.5",
              kind_by="name"),
    )),
    Mib("SW-MIB (Brocade)", _BROCADE, (
        Table("temperature", f"{_BROCADE}.4", status=f"{_BROCADE}.3", good=_of(4), unknown=_of(1),
              absent=_of(6), present=f"{_BROCADE}.2", there=1, name=f"{_BROCADE}.5"),
        Table("fan", status=f"{_BROCADE}.3", good=_of(4), unknown=_of(1), absent=_of(6),
              present=f"{_BROCADE}.2", there=2, name=f"{_BROCADE}.5"),
        Table("power", status=f"{_BROCADE}.3", good=_of(4), unknown=_of(1), absent=_of(6),
              present=f"{_BROCADE}.2", there=3, name=f"{_BROCADE}.5"),
    )),
    Mib("FOUNDRY-SN-AGENT-MIB", _FOUNDRY, (
        Table("temperature", f"{_FOUNDRY}.1.4.1.1.4", 0.5, limit=f"{_FOUNDRY}.1.4.1.1.5", called="unit"),
        Table("power", status=f"{_FOUNDRY}.1.2.1.1.3", good=_of(2), unknown=_of(1),
              name=f"{_FOUNDRY}.1.2.1.1.2"),
        Table("fan", status=f"{_FOUNDRY}.1.3.1.1.3", good=_of(2), unknown=_of(1),
              name=f"{_FOUNDRY}.1.3.1.1.2"),
    )),
    Mib("Ruijie's system MIB", _RUIJIE, (
        Table("temperature", f"{_RUIJIE}.23.1.3", limit=f"{_RUIJIE}.23.1.5", name=f"{_RUIJIE}.23.1.2"),
        Table("power", status=f"{_RUIJIE}.18.1.2", good=_of(4), absent=_of(1), unknown=_of(6),
              name=f"{_RUIJIE}.18.1.3"),
        Table("fan", status=f"{_RUIJIE}.21.1.2", good=_of(4), absent=_of(1), unknown=_of(6),
              name=f"{_RUIJIE}.21.1.3"),
    )),
    Mib("HP-ICF-CHASSIS (ProCurve)", _PROCURVE, (
        Table("other", status=f"{_PROCURVE}.4", good=_of(4), absent=_of(5), unknown=_of(1),
              name=f"{_PROCURVE}.7", kind_by="name"),
    )),
    Mib("CPQRACK-MIB (HPE enclosures)", _ENCLOSURE, (
        Table("temperature", f"{_ENCLOSURE}.3.1.2.1.6", limit=f"{_ENCLOSURE}.3.1.2.1.7",
              status=f"{_ENCLOSURE}.3.1.2.1.8", name=f"{_ENCLOSURE}.3.1.2.1.5", good=_of(2), unknown=_of(1)),
        Table("fan", status=f"{_ENCLOSURE}.3.1.3.1.11", present=f"{_ENCLOSURE}.3.1.3.1.8", there=3,
              name=f"{_ENCLOSURE}.3.1.3.1.5", called="fan", good=_of(2), unknown=_of(1)),
        Table("power", status=f"{_ENCLOSURE}.5.1.1.1.17", present=f"{_ENCLOSURE}.5.1.1.1.16", there=3,
              called="power supply", good=_of(2), unknown=_of(1)),
    )),
    Mib("CPQHLTH-MIB (ProLiant)", _PROLIANT, (
        Table("temperature", f"{_PROLIANT}.6.8.1.4", limit=f"{_PROLIANT}.6.8.1.5",
              status=f"{_PROLIANT}.6.8.1.6", called="sensor", good=_of(2), unknown=_of(1)),
        Table("fan", status=f"{_PROLIANT}.6.7.1.9", present=f"{_PROLIANT}.6.7.1.4", there=3, called="fan",
              good=_of(2), unknown=_of(1)),
        Table("power", status=f"{_PROLIANT}.9.3.1.4", present=f"{_PROLIANT}.9.3.1.3", there=3,
              called="power supply", good=_of(2), unknown=_of(1)),
    )),
    Mib("IDRAC-MIB (Dell)", _DELL, (
        Table("temperature", f"{_DELL}.700.20.1.6", 0.1, status=f"{_DELL}.700.20.1.5",
              name=f"{_DELL}.700.20.1.8", good=_of(3), unknown=_of(1, 2)),
        Table("fan", status=f"{_DELL}.700.12.1.5", name=f"{_DELL}.700.12.1.8", good=_of(3),
              unknown=_of(1, 2)),
        Table("power", status=f"{_DELL}.600.12.1.5", name=f"{_DELL}.600.12.1.8", good=_of(3),
              unknown=_of(1, 2)),
    )),
    Mib("IMM-MIB (IBM, Lenovo)", _IMM, (
        Table("temperature", f"{_IMM}.1.2.1.3", name=f"{_IMM}.1.2.1.2"),
    )),
    Mib("WLSX-SYSTEMEXT-MIB (Aruba)", _ARUBA, (
        Table("temperature", f"{_ARUBA}.10", called="inside"),
        Table("fan", status=f"{_ARUBA}.17.1.2", good=_of(1), called="fan"),
        Table("power", status=f"{_ARUBA}.18.1.2", good=_of(1), called="power supply"),
    )),
    Mib("FORTINET-FORTIGATE-MIB", _FORTINET, (
        Table("other", f"{_FORTINET}.3", status=f"{_FORTINET}.4", good=_of(0), name=f"{_FORTINET}.2",
              kind_by="name"),
    )),
    Mib("NETWORK-APPLIANCE-MIB", _NETAPP, (
        Table("other", status=f"{_NETAPP}.1", good=_of(1), called="temperature of the enclosure"),
        Table("other", status=f"{_NETAPP}.2", good=_of(0), called="failed fans"),
        Table("other", status=f"{_NETAPP}.4", good=_of(0), called="failed power supplies"),
    )),
    Mib("PowerNet-MIB (APC)", _APC, (
        Table("temperature", f"{_APC}.25.1.2.1.6", name=f"{_APC}.25.1.2.1.3"),
        Table("humidity", f"{_APC}.25.1.2.1.7", name=f"{_APC}.25.1.2.1.3"),
        Table("temperature", f"{_APC}.26.10.2.2.1.8", 0.1, name=f"{_APC}.26.10.2.2.1.3"),
        Table("humidity", f"{_APC}.26.10.2.2.1.10", name=f"{_APC}.26.10.2.2.1.3"),
        Table("temperature", f"{_APC}.10.2.3.2.1.4", present=f"{_APC}.10.2.3.2.1.5",
              name=f"{_APC}.10.2.3.2.1.2"),
        Table("power", status=f"{_APC}.12.4.1.1", good=_of(1), called="power supply 1"),
        Table("power", status=f"{_APC}.12.4.1.2", good=_of(1), called="power supply 2"),
    )),
    Mib("LIEBERT-GP-ENVIRONMENTAL-MIB", _LIEBERT, (
        Table("temperature", f"{_LIEBERT}.1.3.3.1.3", limit=f"{_LIEBERT}.1.3.3.1.4", called="sensor"),
        Table("humidity", f"{_LIEBERT}.2.2.3.1.3", called="sensor"),
    )),
    Mib("EQUIPMENT-MIB (D-Link)", _DLINK, (
        Table("temperature", f"{_DLINK}.8.1.2", limit=f"{_DLINK}.8.1.3", called="unit"),
        Table("power", status=f"{_DLINK}.6.1.3", good=_of(3, 5), absent=_of(0, 6), called="power supply"),
    )),
    Mib("GEIST-V4-MIB", _GEIST, (
        Table("temperature", f"{_GEIST}.2.1.5", 0.1, present=f"{_GEIST}.2.1.4", name=f"{_GEIST}.2.1.3"),
        Table("humidity", f"{_GEIST}.2.1.6", present=f"{_GEIST}.2.1.4", name=f"{_GEIST}.2.1.3"),
        Table("temperature", f"{_GEIST}.4.1.5", 0.1, present=f"{_GEIST}.4.1.4", name=f"{_GEIST}.4.1.3"),
    )),
    Mib("LM-SENSORS-MIB (net-snmp)", _LM, (
        Table("temperature", f"{_LM}.2.1.3", 0.001, name=f"{_LM}.2.1.2"),
    )),
    Mib("Digital China's switch MIB", "1.3.6.1.4.1.6339.100.1.11", (
        Table("temperature", "1.3.6.1.4.1.6339.100.1.11.9", called="switch"),
    )),
)  # fmt: skip
