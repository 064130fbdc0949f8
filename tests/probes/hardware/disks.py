"""What smartctl, md and the tools of RAID controllers print, shortened.

smartctl's JSON is of its version 7 as its own documents and sources have it; storcli's, perccli's and ssacli's after
their makers' documents. No such disk or controller was at hand.
"""

# ruff: noqa: E501, E101 - lines are as the tools make them

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def _head(status: int = 0, *messages: str) -> Json:
    said = [{"string": each, "severity": "error"} for each in messages]
    return {
        "json_format_version": [1, 0],
        "smartctl": {"version": [7, 3], "exit_status": status, "messages": said},
    }


def _attribute(number: int, name: str, value: int, raw: int, failed: str = "") -> Json:
    return {"id": number, "name": name, "value": value, "worst": value, "thresh": 10, "when_failed": failed,
            "raw": {"value": raw, "string": str(raw)}}  # fmt: skip


def ata(serial: str, *, passed: bool | None = True, attributes: tuple[Json, ...] = (), **more: Any) -> Json:
    own = (
        _attribute(5, "Reallocated_Sector_Ct", 100, 0), _attribute(9, "Power_On_Hours", 98, 12345),
        _attribute(197, "Current_Pending_Sector", 100, 0), _attribute(198, "Offline_Uncorrectable", 100, 0),
    )  # fmt: skip
    changed = {each["id"] for each in attributes}
    table = [each for each in own if each["id"] not in changed] + list(attributes)
    verdict = {} if passed is None else {"smart_status": {"passed": passed}}
    return _head() | verdict | {
        "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"}, "model_name": "ST4000NM0035-1V4107",
        "serial_number": serial, "user_capacity": {"blocks": 7814037168, "bytes": 4000787030016},
        "ata_smart_attributes": {"revision": 10, "table": table}, "temperature": {"current": 34},
        "power_on_time": {"hours": 12345},
    } | more  # fmt: skip


def nvme(serial: str, *, warning: int = 0, used: int = 3, passed: bool = True) -> Json:
    return _head() | {
        "device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"}, "model_name": "SAMSUNG MZQLB960HAJR-00007",
        "serial_number": serial, "user_capacity": {"bytes": 960197124096}, "smart_status": {"passed": passed},
        "nvme_smart_health_information_log": {
            "critical_warning": warning, "temperature": 41, "available_spare": 98, "available_spare_threshold": 10,
            "percentage_used": used, "media_errors": 2, "power_on_hours": 22222,
        },
    }  # fmt: skip


def sas(serial: str, *, defects: int = 0, passed: bool = True) -> Json:
    return _head() | {
        "device": {"name": "/dev/bus/0", "type": "megaraid,8", "protocol": "SCSI"}, "scsi_model_name": "HGST HUC101860CSS200",
        "serial_number": serial, "user_capacity": {"bytes": 600127266816}, "smart_status": {"passed": passed},
        "scsi_grown_defect_list": defects, "temperature": {"current": 29, "drive_trip": 65},
        "scsi_percentage_used_endurance_indicator": 1,
    }  # fmt: skip


SSD_WORN = ata(
    "S1", attributes=(_attribute(177, "Wear_Leveling_Count", 12, 2600),), model_name="SAMSUNG MZ7LH480"
)
SECTORS = ata(
    "S2",
    attributes=(
        _attribute(5, "Reallocated_Sector_Ct", 90, 24),
        _attribute(197, "Current_Pending_Sector", 100, 8),
    ),
)
BELOW = ata("S3", attributes=(_attribute(5, "Reallocated_Sector_Ct", 5, 4000, "now"),))
FAILED = ata("S4", passed=False)
STANDBY = _head(2, "Device is in STANDBY mode, exit(2)")
DENIED = _head(2, "Smartctl open device: /dev/sda failed: Permission denied")
NO_HEALTH = ata("S5", passed=None)


def printed(document: Json) -> str:
    return json.dumps(document)


MDSTAT = """Personalities : [raid1] [raid6] [raid5] [raid4]
md1 : active raid5 sdd1[3] sdc1[1] sdb1[0]
      1953260544 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/3] [UUU]
      [==>..................]  check = 12.6% (123/976) finish=127.5min speed=33440K/sec
      bitmap: 0/8 pages [0KB], 65536KB chunk

md0 : active (auto-read-only) raid1 sdb2[1] sda2[0]
      976630464 blocks super 1.2 [2/2] [UU]

unused devices: <none>
"""
MDSTAT_DEGRADED = """Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0](F)
      976630464 blocks super 1.2 [2/1] [_U]

md127 : inactive sdc1[0](S)
      976630464 blocks super 1.2

unused devices: <none>
"""
MDSTAT_REBUILDING = """Personalities : [raid1]
md0 : active raid1 sdc1[2] sda1[0]
      976630464 blocks super 1.2 [2/1] [U_]
      [==>..................]  recovery = 12.6% (123061312/976630464) finish=127.5min speed=111550K/sec

md2 : active raid1 sdc2[2] sda2[0]
      976630464 blocks super 1.2 [2/1] [U_]
      	resync=DELAYED

unused devices: <none>
"""


def storcli(vd: str = "Optl", pd: str = "Onln", battery: str = "Optl") -> Json:
    return {"Controllers": [{
        "Command Status": {"CLI Version": "007.1907.0000.0000", "Controller": 0, "Status": "Success", "Description": "None"},
        "Response Data": {
            "Product Name": "PERC H730P Mini", "Serial Number": "56J00XR", "Virtual Drives": 1, "Physical Drives": 2,
            "VD LIST": [{"DG/VD": "0/0", "TYPE": "RAID1", "State": vd, "Access": "RW", "Size": "446.625 GB", "Name": "os"}],
            "PD LIST": [
                {"EID:Slt": "32:0", "DID": 0, "State": "Onln", "DG": 0, "Size": "446.625 GB", "Model": "MZ7LH480"},
                {"EID:Slt": "32:1", "DID": 1, "State": pd, "DG": 0, "Size": "446.625 GB", "Model": "MZ7LH480"},
            ],
            "BBU_Info": [{"Model": "BBU", "State": battery, "RetentionTime": "0 hour(s)", "Temp": "33C"}],
        },
    }]}  # fmt: skip


STORCLI_REFUSED = {
    "Controllers": [{"Command Status": {"Controller": 0, "Status": "Failure", "Description": "not root"}}]
}


def ssacli(array: str = "OK", disk: str = "OK") -> str:
    return f"""
Smart Array P408i-a SR Gen10 in Slot 0 (Embedded)  (sn: PEYHB0ARH8Z0AB)

   Port Name: 1I

   Array A (SAS, Unused Space: 0  MB)

      logicaldrive 1 (279.37 GB, RAID 1, {array})

      physicaldrive 1I:1:1 (port 1I:box 1:bay 1, SAS HDD, 300 GB, OK)
      physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SAS HDD, 300 GB, {disk})
      physicaldrive 1I:1:3 (port 1I:box 1:bay 3, SAS HDD, 300 GB, OK, spare)

   SEP (Vendor ID HPE, Model Smart Adapter) 379  (WWID: 51402EC0123)
"""


SSACLI_STATUS = """
Smart Array P408i-a SR Gen10 in Slot 0 (Embedded)
   Controller Status: OK
   Cache Status: OK
   Battery/Capacitor Status: Failed (Replace Batteries)
"""
