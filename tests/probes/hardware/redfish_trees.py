"""Servers as their makers' services show them: the same parts, in each maker's own shape.

Written after the makers' documents (Dell iDRAC 9 and 10, HPE iLO 5, Huawei iBMC, Lenovo XCC): none of them was at
hand.
"""

# ruff: noqa: E501

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

OK = {"State": "Enabled", "Health": "OK"}
V1 = "/redfish/v1"
Tree = dict[str, Any]


def _collection(tree: Tree, path: str, members: dict[str, Tree]) -> None:
    links = []
    for name, body in members.items():
        own = name if name.startswith("/") else f"{path}/{name}"
        tree[own] = {"@odata.id": own, "Id": own.rpartition("/")[2]} | body
        links.append({"@odata.id": own})
    tree[path] = {"@odata.id": path, "Members": links, "Members@odata.count": len(links)}


def _link(path: str) -> Tree:
    return {"@odata.id": path}


def _drive(serial: str, **more: Any) -> Tree:
    return {"Name": f"Disk {serial}", "Model": "MZ7LH480", "SerialNumber": serial, "CapacityBytes": 480103981056,
            "MediaType": "SSD", "FailurePredicted": False, "Status": OK} | more  # fmt: skip


def _cpu(name: str) -> Tree:
    return {"Name": name, "ProcessorType": "CPU", "Model": "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz", "TotalCores": 20,
            "TotalThreads": 40, "Status": OK}  # fmt: skip


def _dimm(name: str, size: int = 32768) -> Tree:
    return {"Name": name, "CapacityMiB": size, "MemoryDeviceType": "DDR4", "Status": OK}


def _root(tree: Tree, version: str, slash: str = "", **more: Any) -> None:
    names = ("Systems", "Chassis", "Managers", "UpdateService")
    tree[V1] = {"RedfishVersion": version, **{name: _link(f"{V1}/{name}{slash}") for name in names}} | more


def _firmware(tree: Tree, members: dict[str, Tree]) -> None:
    tree[f"{V1}/UpdateService"] = {"FirmwareInventory": _link(f"{V1}/UpdateService/FirmwareInventory")}
    _collection(tree, f"{V1}/UpdateService/FirmwareInventory", members)


def idrac9() -> Tree:
    """Service tag in SKU, collections that expand, disks under their controller, old firmware listed, too."""
    tree: Tree = {}
    system, chassis = f"{V1}/Systems/System.Embedded.1", f"{V1}/Chassis/System.Embedded.1"
    storage = f"{system}/Storage/RAID.Integrated.1-1"
    expand = {
        "ExpandQuery": {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 1, "NoLinks": True}
    }
    _root(tree, "1.11.0", ProtocolFeaturesSupported=expand)
    _collection(tree, f"{V1}/Systems", {"System.Embedded.1": {
        "Manufacturer": "Dell Inc.", "Model": "PowerEdge R740", "SKU": "7CE733P", "SerialNumber": "CNFCP0096A00EF",
        "BiosVersion": "2.12.2", "PowerState": "On", "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"},
        "MemorySummary": {"TotalSystemMemoryGiB": 64}, "ProcessorSummary": {"Count": 2, "Model": "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"},
        "Processors": _link(f"{system}/Processors"), "Memory": _link(f"{system}/Memory"), "Storage": _link(f"{system}/Storage"),
        "EthernetInterfaces": _link(f"{system}/EthernetInterfaces"),
        "Links": {"Chassis": [_link(chassis)], "ManagedBy": [_link(f"{V1}/Managers/iDRAC.Embedded.1")]},
    }})  # fmt: skip
    _collection(tree, f"{V1}/Chassis", {
        "System.Embedded.1": {"Power": _link(f"{chassis}/Power"), "Thermal": _link(f"{chassis}/Thermal"),
                              "PowerSubsystem": _link(f"{chassis}/PowerSubsystem")},
        "Enclosure.Internal.0-1": {},
    })  # fmt: skip
    _collection(tree, f"{V1}/Managers", {"iDRAC.Embedded.1": {"FirmwareVersion": "5.10.30.00"}})
    tree[f"{chassis}/Power"] = {
        "PowerControl": [{"PowerConsumedWatts": 234}],
        "PowerSupplies": [
            {"Name": f"PS{n} Status", "MemberId": f"PSU.Slot.{n}", "LineInputVoltage": 230, "Status": OK}
            for n in (1, 2)
        ],
        "Redundancy": [{"Name": "System Board PS Redundancy", "Mode": "N+m", "Status": OK}],
    }
    tree[f"{chassis}/Thermal"] = {
        "Fans": [
            {"Name": f"System Board Fan{n}A", "Reading": 5880, "ReadingUnits": "RPM", "Status": OK}
            for n in range(1, 7)
        ],
        "Temperatures": [
            {
                "Name": "System Board Inlet Temp",
                "PhysicalContext": "SystemBoard",
                "ReadingCelsius": 22,
                "UpperThresholdCritical": 47,
                "Status": OK,
            },
            {
                "Name": "CPU1 Temp",
                "PhysicalContext": "CPU",
                "ReadingCelsius": 45,
                "UpperThresholdCritical": 92,
                "Status": OK,
            },
        ],
        "Redundancy": [],
    }
    _collection(tree, f"{system}/Processors", {"CPU.Socket.1": _cpu("CPU 1"), "CPU.Socket.2": _cpu("CPU 2")})
    _collection(
        tree,
        f"{system}/Memory",
        {f"DIMM.Socket.A{n}": _dimm(f"DIMM A{n}") for n in (1, 2)},
    )
    _collection(tree, f"{system}/Storage", {"RAID.Integrated.1-1": {
        "StorageControllers": [{"MemberId": "RAID.Integrated.1-1", "Name": "PERC H740P Mini", "FirmwareVersion": "51.14.0", "Status": OK}],
        "Drives": [_link(f"{storage}/Drives/Disk.Bay.{n}") for n in (0, 1)], "Volumes": _link(f"{storage}/Volumes"),
    }})  # fmt: skip
    for n in (0, 1):
        path = f"{storage}/Drives/Disk.Bay.{n}"
        tree[path] = {"@odata.id": path, "Id": f"Disk.Bay.{n}"} | _drive(
            f"S45NNA0M{n}", PredictedMediaLifeLeftPercent=98 - n
        )
    _collection(
        tree,
        f"{storage}/Volumes",
        {"Disk.Virtual.0": {"Name": "Virtual Disk 0", "RAIDType": "RAID1", "Status": OK}},
    )
    _collection(tree, f"{system}/EthernetInterfaces", {f"NIC.Integrated.1-{n}-1": {
        "MACAddress": f"02:FC:00:00:00:0{n}", "PermanentMACAddress": f"02:FC:00:00:00:0{n}", "SpeedMbps": 10000 if n == 1 else 0, "Status": OK} for n in (1, 2)})  # fmt: skip
    _firmware(tree, {
        "Installed-159-2.12.2": {"Name": "BIOS", "Version": "2.12.2"}, "Previous-159-2.10.0": {"Name": "BIOS", "Version": "2.10.0"},
    })  # fmt: skip
    return tree


def idrac10() -> Tree:
    """As above, by PowerSubsystem and ThermalSubsystem only, with sensors."""
    tree = idrac9()
    chassis = f"{V1}/Chassis/System.Embedded.1"
    power, thermal = tree.pop(f"{chassis}/Power"), tree.pop(f"{chassis}/Thermal")
    tree[chassis] = tree[chassis] | {
        "ThermalSubsystem": _link(f"{chassis}/ThermalSubsystem"),
        "Sensors": _link(f"{chassis}/Sensors"),
    }
    del tree[chassis]["Power"], tree[chassis]["Thermal"]
    tree[f"{chassis}/PowerSubsystem"] = {
        "PowerSupplies": _link(f"{chassis}/PowerSubsystem/PowerSupplies"),
        "PowerSupplyRedundancy": [{"RedundancyType": "NPlusM", "Status": OK}],
    }
    _collection(tree, f"{chassis}/PowerSubsystem/PowerSupplies", {
        each["MemberId"]: {"Name": each["Name"], "LineInputStatus": "Normal", "Status": OK} for each in power["PowerSupplies"]})  # fmt: skip
    tree[f"{chassis}/ThermalSubsystem"] = {
        "Fans": _link(f"{chassis}/ThermalSubsystem/Fans"), "ThermalMetrics": _link(f"{chassis}/ThermalSubsystem/ThermalMetrics"),
    }  # fmt: skip
    _collection(
        tree, f"{chassis}/ThermalSubsystem/Fans", {str(n): each for n, each in enumerate(thermal["Fans"])}
    )
    tree[f"{chassis}/ThermalSubsystem/ThermalMetrics"] = {
        "TemperatureSummaryCelsius": {"Intake": {"Reading": 22}}
    }
    _collection(tree, f"{chassis}/Sensors", {str(n): {
        "Name": each["Name"], "ReadingType": "Temperature", "ReadingUnits": "Cel", "Reading": each["ReadingCelsius"],
        "Thresholds": {"UpperCritical": {"Reading": each["UpperThresholdCritical"]}}, "Status": OK} for n, each in enumerate(thermal["Temperatures"])})  # fmt: skip
    return tree


def ilo5() -> Tree:
    """Links with a slash at their end, absent sensors and modules, no expanding."""
    tree: Tree = {}
    system, chassis = f"{V1}/Systems/1", f"{V1}/Chassis/1"
    _root(tree, "1.6.0", "/")
    _collection(tree, f"{V1}/Systems", {"1": {
        "Manufacturer": "HPE", "Model": "ProLiant DL380 Gen10", "SKU": "868703-B21", "SerialNumber": "CZJ00512GX",
        "BiosVersion": "U30 v2.68 (07/14/2022)", "PowerState": "On", "Status": {"Health": "OK", "HealthRollup": "OK", "State": "Starting"},
        "MemorySummary": {"TotalSystemMemoryGiB": 64}, "Processors": _link(f"{system}/Processors/"), "Memory": _link(f"{system}/Memory/"),
        "Storage": _link(f"{system}/Storage/"), "EthernetInterfaces": _link(f"{system}/EthernetInterfaces/"),
        "Links": {"Chassis": [_link(f"{chassis}/")], "ManagedBy": [_link(f"{V1}/Managers/1/")]},
    }})  # fmt: skip
    _collection(
        tree,
        f"{V1}/Chassis",
        {"1": {"Power": _link(f"{chassis}/Power/"), "Thermal": _link(f"{chassis}/Thermal/")}},
    )
    _collection(tree, f"{V1}/Managers", {"1": {"FirmwareVersion": "iLO 5 v2.72"}})
    tree[f"{chassis}/Power"] = {
        "PowerControl": [{"PowerConsumedWatts": 180}],
        "PowerSupplies": [
            {"Name": "HpeServerPowerSupply", "MemberId": "0", "LineInputVoltage": 229, "Status": OK},
            {"Name": "HpeServerPowerSupply", "MemberId": "1", "LineInputVoltage": 230, "Status": OK},
        ],
        "Redundancy": [
            {"MemberId": "0", "Mode": "Failover", "Name": "PowerSupply Redundancy Group 1", "Status": OK}
        ],
    }
    tree[f"{chassis}/Thermal"] = {
        "Fans": [
            {"Name": f"Fan {n}", "Reading": 22, "ReadingUnits": "Percent", "Status": OK} for n in range(1, 7)
        ],
        "Temperatures": [
            {
                "Name": "01-Inlet Ambient",
                "PhysicalContext": "Intake",
                "ReadingCelsius": 21,
                "UpperThresholdCritical": 42,
                "UpperThresholdFatal": 47,
                "Status": OK,
            },
            {
                "Name": "02-CPU 1",
                "PhysicalContext": "CPU",
                "ReadingCelsius": 40,
                "UpperThresholdCritical": 70,
                "Status": OK,
            },
            {
                "Name": "03-CPU 2",
                "PhysicalContext": "CPU",
                "ReadingCelsius": 0,
                "UpperThresholdCritical": 0,
                "Status": {"State": "Absent"},
            },
        ],
    }
    _collection(
        tree,
        f"{system}/Processors",
        {
            "1": _cpu("Processors"),
            "2": {"Name": "Processors", "ProcessorType": "CPU", "Status": {"State": "Absent"}},
        },
    )
    _collection(
        tree,
        f"{system}/Memory",
        {
            f"proc1dimm{n}": _dimm(f"proc1dimm{n}")
            if n < 3
            else {"CapacityMiB": 0, "Status": {"State": "Absent"}}
            for n in range(1, 13)
        },
    )
    _collection(tree, f"{system}/Storage", {"DE00C000": {
        "StorageControllers": [{"MemberId": "0", "Name": "HPE Smart Array P408i-a SR Gen10", "FirmwareVersion": {"Current": {}}, "Status": OK}],
        "Drives": [_link(f"{V1}/Systems/1/Storage/DE00C000/Drives/{n}/") for n in (0, 1)], "Volumes": _link(f"{system}/Storage/DE00C000/Volumes/"),
    }})  # fmt: skip
    for n in (0, 1):
        path = f"{V1}/Systems/1/Storage/DE00C000/Drives/{n}"
        tree[path] = {"@odata.id": f"{path}/", "Id": str(n)} | _drive(
            f"S45NNA0M{n}", PredictedMediaLifeLeftPercent=100
        )
    _collection(
        tree,
        f"{system}/Storage/DE00C000/Volumes",
        {"1": {"Name": "LogicalDrive", "RAIDType": "RAID1", "Status": OK}},
    )
    _collection(
        tree,
        f"{system}/EthernetInterfaces",
        {
            str(n): {
                "MACAddress": f"02:fc:00:00:00:0{n}",
                "SpeedMbps": None,
                "Status": {"Health": None, "State": None},
            }
            for n in (1, 2)
        },
    )
    _firmware(
        tree,
        {
            "1": {"Name": "iLO 5", "Version": "2.72 Sep 05 2022"},
            "2": {"Name": "System ROM", "Version": "U30 v2.68 (07/14/2022)"},
        },
    )
    return tree


def ibmc() -> Tree:
    """Disks under the chassis, Storages for Storage, redundancy per supply, temperatures without a status' health."""
    tree: Tree = {}
    system, chassis = f"{V1}/Systems/1", f"{V1}/Chassis/1"
    _root(tree, "1.0.2")
    _collection(tree, f"{V1}/Systems", {"1": {
        "Manufacturer": "Huawei", "Model": "2288H V5", "SerialNumber": "2102311XBSN0J8000015", "BiosVersion": "0.81", "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK"}, "MemorySummary": {"TotalSystemMemoryGiB": 64, "Status": {"HealthRollup": "OK"}},
        "ProcessorSummary": {"Count": 2, "Model": "Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz"}, "Memory": _link(f"{system}/Memory"),
        "Processors": _link(f"{system}/Processors"), "Storage": _link(f"{system}/Storages"), "EthernetInterfaces": _link(f"{system}/EthernetInterfaces"),
        "Links": {"Chassis": [_link(chassis)], "ManagedBy": [_link(f"{V1}/Managers/1")]}, "Oem": {"Huawei": {"ProductVersion": None}},
    }})  # fmt: skip
    _collection(
        tree,
        f"{V1}/Chassis",
        {
            "1": {
                "Power": _link(f"{chassis}/Power"),
                "Thermal": _link(f"{chassis}/Thermal"),
                "Drives": _link(f"{chassis}/Drives"),
            }
        },
    )
    _collection(tree, f"{V1}/Managers", {"1": {"FirmwareVersion": "3.18"}})
    tree[f"{chassis}/Power"] = {
        "PowerControl": [{"PowerConsumedWatts": 210, "Oem": {"Huawei": {}}}],
        "PowerSupplies": [
            {
                "Name": f"PS{n}",
                "MemberId": str(n - 1),
                "PowerSupplyType": "AC",
                "Status": OK,
                "Oem": {"Huawei": {"Protocol": "PSU"}},
            }
            for n in (1, 2)
        ],
    }
    tree[f"{chassis}/Thermal"] = {
        "Fans": [
            {"Name": f"Fan{n} Front", "Reading": 4320, "ReadingUnits": "RPM", "Status": OK}
            for n in range(1, 5)
        ],
        "Temperatures": [
            {
                "Name": "Inlet Temp",
                "SensorNumber": 1,
                "ReadingCelsius": 23,
                "UpperThresholdCritical": 48,
                "Status": {"State": "Enabled", "Health": "OK"},
            },
            {
                "Name": "CPU1 Core Rem",
                "ReadingCelsius": None,
                "UpperThresholdCritical": None,
                "Status": {"State": "Disabled"},
            },
        ],
    }
    _collection(tree, f"{system}/Processors", {"1": _cpu("CPU1"), "2": _cpu("CPU2")})
    _collection(
        tree, f"{system}/Memory", {f"mainboardDIMM0{n}0": _dimm(f"mainboardDIMM0{n}0") for n in (0, 1)}
    )
    _collection(tree, f"{system}/Storages", {"RAIDStorage0": {
        "StorageControllers": [{"MemberId": "0", "Name": "RAID Card1 Controller", "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": None}}],
        "Drives": [_link(f"{chassis}/Drives/HDDPlaneDisk{n}") for n in (0, 1)], "Volumes": _link(f"{system}/Storages/RAIDStorage0/Volumes"),
    }})  # fmt: skip
    _collection(
        tree,
        f"{chassis}/Drives",
        {
            f"HDDPlaneDisk{n}": _drive(f"S45NNA0M{n}", FailurePredicted=False, Oem={"Huawei": {"DriveID": n}})
            for n in (0, 1)
        },
    )
    _collection(
        tree,
        f"{system}/Storages/RAIDStorage0/Volumes",
        {"LogicalDrive0": {"Name": "LogicalDrive0", "VolumeRaidLevel": "RAID1", "Status": OK}},
    )
    _collection(
        tree,
        f"{system}/EthernetInterfaces",
        {f"mainboardLOMPort{n}": {"MACAddress": f"02:fc:00:00:00:0{n}"} for n in (1, 2)},
    )
    _firmware(
        tree,
        {
            "ActiveBMC": {"Name": "ActiveBMC", "Version": "3.18"},
            "AvailableBMC": {"Name": "AvailableBMC", "Version": "3.10"},
        },
    )
    return tree


def xcc() -> Tree:
    """Chassis found by the collection, disks under the system, a warning of one disk goes up to the whole."""
    tree: Tree = {}
    system, chassis = f"{V1}/Systems/1", f"{V1}/Chassis/1"
    _root(tree, "1.10.0")
    _collection(tree, f"{V1}/Systems", {"1": {
        "Manufacturer": "Lenovo", "Model": "7X06CTO1WW", "SKU": "7X06CTO1WW", "SerialNumber": "J300A1B2", "BiosVersion": "IVE178D", "PowerState": "On",
        "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": "OK"}, "MemorySummary": {"TotalSystemMemoryGiB": 64},
        "Processors": _link(f"{system}/Processors"), "Memory": _link(f"{system}/Memory"), "Storage": _link(f"{system}/Storage"),
        "EthernetInterfaces": _link(f"{system}/EthernetInterfaces"), "Links": {"ManagedBy": [_link(f"{V1}/Managers/1")]},
    }})  # fmt: skip
    _collection(
        tree,
        f"{V1}/Chassis",
        {"1": {"Power": _link(f"{chassis}/Power"), "Thermal": _link(f"{chassis}/Thermal")}},
    )
    _collection(tree, f"{V1}/Managers", {"1": {"FirmwareVersion": "CDI3A4F"}})
    tree[f"{chassis}/Power"] = {
        "PowerControl": [
            {"Name": "Server Power Control", "PowerConsumedWatts": 198},
            {"Name": "CPU Sub-system Power", "PowerConsumedWatts": 90},
        ],
        "PowerSupplies": [{"Name": f"PSU{n}", "MemberId": str(n - 1), "Status": OK} for n in (1, 2)],
        "Redundancy": [{"Name": "PSU Redundancy", "Mode": "N+m", "Status": OK}],
    }
    tree[f"{chassis}/Thermal"] = {
        "Fans": [{"Name": f"Fan {n} Tach", "Reading": 4500, "Status": OK} for n in range(1, 7)],
        "Temperatures": [
            {
                "Name": "Ambient Temp",
                "PhysicalContext": "Intake",
                "ReadingCelsius": 24,
                "UpperThresholdCritical": 47,
                "Status": OK,
            },
            {
                "Name": "CPU 1 DTS",
                "PhysicalContext": "CPU",
                "ReadingCelsius": -58,
                "UpperThresholdCritical": 0,
                "Status": OK,
            },
        ],
    }
    _collection(tree, f"{system}/Processors", {"1": _cpu("CPU 1"), "2": _cpu("CPU 2")})
    _collection(
        tree,
        f"{system}/Memory",
        {
            str(n): _dimm(f"DIMM {n}")
            if n < 3
            else {"Name": f"DIMM {n}", "CapacityMiB": None, "Status": {"State": "Absent"}}
            for n in range(1, 25)
        },
    )
    _collection(tree, f"{system}/Storage", {"RAID_Slot3": {
        "StorageControllers": [{"MemberId": "0", "Name": "ThinkSystem RAID 930-8i", "Status": OK}],
        "Drives": [_link(f"{system}/Storage/RAID_Slot3/Drives/Disk.{n}") for n in (0, 1)], "Volumes": _link(f"{system}/Storage/RAID_Slot3/Volumes"),
    }})  # fmt: skip
    for n in (0, 1):
        path = f"{system}/Storage/RAID_Slot3/Drives/Disk.{n}"
        tree[path] = {"@odata.id": path, "Id": f"Disk.{n}"} | _drive(
            f"S45NNA0M{n}", PredictedMediaLifeLeftPercent=91
        )
    _collection(tree, f"{system}/Storage/RAID_Slot3/Volumes", {"1": {"Name": "VD_0", "Status": OK}})
    _collection(
        tree,
        f"{system}/EthernetInterfaces",
        {f"NIC{n}": {"MACAddress": f"02:FC:00:00:00:0{n}", "SpeedMbps": 10000} for n in (1, 2)},
    )
    _firmware(tree, {"BMC-Primary": {"Name": "BMC (Primary)", "Version": "CDI3A4F"}})
    return tree


MAKERS: dict[str, Callable[[], Tree]] = {
    "Dell iDRAC 9": idrac9, "Dell iDRAC 10": idrac10, "HPE iLO 5": ilo5, "Huawei iBMC": ibmc, "Lenovo XCC": xcc,
}  # fmt: skip


def changed(tree: Tree, path: str, *keys: str | int, to: Any) -> Tree:
    """Return the tree with one value changed."""
    made = deepcopy(tree)
    where = made[path]
    for key in keys[:-1]:
        where = where[key]
    where[keys[-1]] = to
    return made
