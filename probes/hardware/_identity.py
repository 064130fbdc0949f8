"""Who made a device, and where makers without ENTITY-MIB keep model, serial number and firmware."""

from __future__ import annotations

import re

ENTERPRISES = {
    2: "IBM", 9: "Cisco", 11: "HP", 43: "3Com", 63: "Apple", 77: "Microsoft", 171: "D-Link",
    207: "Allied Telesis", 232: "HPE", 253: "Xerox", 311: "Microsoft", 318: "APC", 367: "Ricoh",
    476: "Vertiv", 534: "Eaton", 641: "Lexmark", 674: "Dell", 705: "Eaton (MGE)", 789: "NetApp",
    850: "Tripp Lite", 890: "Zyxel", 935: "Phoenixtec", 1129: "Toshiba", 1248: "Epson", 1347: "Kyocera",
    1588: "Brocade", 1602: "Canon", 1916: "Extreme", 1991: "Foundry", 2001: "OKI", 2011: "Huawei",
    2435: "Brother", 2468: "Ingrasys", 2636: "Juniper", 3224: "Juniper (NetScreen)", 3320: "BDCOM",
    3375: "F5", 3495: "Squid", 3902: "ZTE", 4413: "Broadcom", 4526: "Netgear", 4881: "Ruijie",
    5089: "Clavister", 5624: "Enterasys", 5651: "Maipu", 6339: "Digital China", 6527: "Nokia",
    6574: "Synology", 6876: "VMware", 6889: "Avaya", 7779: "Infoblox", 9304: "CTS", 9833: "Legendsec",
    10368: "Konica Minolta", 10876: "Supermicro", 11863: "TP-Link", 12124: "Isilon", 12325: "FreeBSD",
    12356: "Fortinet", 13400: "Emerson", 14331: "Topsec", 14525: "Juniper (Trapeze)", 14823: "Aruba",
    14988: "MikroTik", 15227: "Venustech", 15983: "Meru", 18334: "Konica Minolta", 19849: "NSFOCUS",
    21239: "Geist", 21671: "VSS Monitoring", 24681: "QNAP", 25053: "Ruckus", 25461: "Palo Alto Networks",
    25506: "H3C", 27971: "Infosec", 30065: "Arista", 31648: "DPtech", 34774: "Huawei", 35047: "Sangfor",
    36849: "Samsung", 37940: "WRD", 38616: "METEL", 39165: "Hikvision", 40614: "EAST", 41112: "Ubiquiti",
    45577: "Sangfor", 50001: "Hikvision",
}  # fmt: skip
"""By the private enterprise number in sysObjectID (IANA); agents of no maker (net-snmp) are left out."""
ENTERPRISE = "1.3.6.1.4.1."

SCALARS: dict[str, dict[str, tuple[str, ...]]] = {
    "2.3.51": {"model": ("3.1.5.2.1.5.0",), "serial": ("3.1.5.2.1.3.0",)},
    "9": {"serial": ("3.6.3.0",)},
    "11.2.36.1.1.2": {"serial": ("9.0",)},
    "171.12.1.1": {"serial": ("12.0",)},
    "232.2.2": {"model": ("4.2.0",), "serial": ("2.1.0",)},
    "232.22.2.3.1.1.1": {"model": ("3.1",), "serial": ("7.1",), "firmware": ("8.1",)},
    "318.1.1.1.1": {"model": ("1.1.0",), "serial": ("2.3.0",), "firmware": ("2.1.0",)},
    "318.1.1.12.1": {"model": ("5.0",), "serial": ("6.0",), "firmware": ("3.0",)},
    "476.1.42.2": {"model": ("4.2.1.4.1",), "firmware": ("4.2.1.5.1",)},
    "534.1.1": {"model": ("2.0",), "firmware": ("3.0",)},
    "674.10892.5.1": {"model": ("3.12.0",), "serial": ("3.2.0",), "firmware": ("1.8.0",)},
    "705.1.1": {"model": ("2.0",), "serial": ("7.0",), "firmware": ("4.0",)},
    "789.1.1": {"model": ("5.0",), "serial": ("9.0",), "firmware": ("2.0",)},
    "850.1.1": {"model": ("1.2.1.5.1",), "serial": ("2.1.1.5.1",)},
    "935.1.1.1.1": {"model": ("1.1.0",), "serial": ("2.3.0",), "firmware": ("2.1.0",)},
    "1588.2.1.1.1.1": {"firmware": ("6.0",)},
    "1991.1.1": {"serial": ("1.1.2.0",), "firmware": ("2.1.11.0",)},
    "2011.2.235.1.1.1": {"model": ("6.0",), "serial": ("7.0",)},
    "2011.6.174.1.2.100.1": {"model": ("2.1",), "serial": ("5.1",), "firmware": ("3.1",)},
    "2636.3.1": {"model": ("2.0",), "serial": ("3.0",)},
    "4881.1.1.10.2.1.1": {"model": ("26.0",), "serial": ("24.0",), "firmware": ("2.0",)},
    "6339.100.1": {"firmware": ("3.0",)},
    "12356.100.1.1": {"serial": ("1.0",)},
    "14525.4.2.1": {"serial": ("1.0",), "firmware": ("4.0",)},
    "14823.2.2.1.2.1": {"model": ("3.0",), "serial": ("11.0",)},
    "21239.5.1.1": {"model": ("8.0",), "serial": ("10.0",), "firmware": ("2.0",)},
    "25461.2.1.2.1": {"serial": ("3.0",), "firmware": ("1.0",)},
    "31648.3": {"serial": ("14.0",), "firmware": ("3.0",)},
    "39165.1": {"model": ("1.0",), "vendor": ("6.0",), "firmware": ("3.0",)},
    "50001.1": {"serial": ("3.0",)},
    "34774.4.1.1": {"serial": ("1.0",), "firmware": ("6.0",)},
}
"""Below `1.3.6.1.4.1.`: what follows it for each fact."""
STANDARD: dict[str, tuple[str, ...]] = {
    "model": ("1.3.6.1.2.1.33.1.1.2.0",),
    "vendor": ("1.3.6.1.2.1.33.1.1.1.0",),
    "firmware": ("1.3.6.1.2.1.33.1.1.3.0",),
    "serial": ("1.3.6.1.2.1.43.5.1.1.17.1",),
}
"""UPS-MIB and Printer-MIB."""
ALSO = {"11": ("232",), "2011": ("34774",), "705": ("534",), "13400": ("476",)}
"""Makers whose devices keep some of it below another number."""
OF_ANY = ("8072", "2021")
"""Enterprise numbers of agents that many makers use."""
_VERSION = re.compile(r"(?i)\b(?:software|firmware|os)?,?\s*(?:version|release|ver|v)[:.]?\s*(\d[\w.()\-/]*)")


_NUMBERS = re.compile(r"\b[vV]?(\d+(?:\.\d+)+[\w.()\-]*)")


def enterprise(object_id: str) -> str:
    """Return the private enterprise number in an object identifier; an empty text where it has none."""
    rest = object_id.removeprefix(ENTERPRISE)
    return rest.split(".")[0] if rest != object_id else ""


def vendor(object_id: str) -> str:
    """Return who is registered for the number in sysObjectID; an empty text where that says no maker."""
    number = enterprise(object_id)
    return ENTERPRISES.get(int(number), "") if number.isdigit() and len(number) < 9 else ""


def places(object_id: str) -> dict[str, list[str]]:
    """Return the objects that may tell each fact of a device with this sysObjectID: the standard's first."""
    number = enterprise(object_id)
    every = not number or number in OF_ANY or int(number) not in ENTERPRISES
    found = {fact: list(oids) for fact, oids in STANDARD.items()}
    for root, facts in SCALARS.items():
        if every or root.split(".")[0] in (number, *ALSO.get(number, ())):
            for fact, rests in facts.items():
                found.setdefault(fact, []).extend(f"{ENTERPRISE}{root}.{rest}" for rest in rests)
    return found


def _balanced(text: str) -> str:
    return text.rstrip(").,") if text.count("(") < text.count(")") else text


def version(firmware: str, description: str) -> str:
    """Return the version that the software's text begins with, or that sysDescr names; else an empty text."""
    for expression, text in ((_NUMBERS, firmware), (_VERSION, firmware), (_VERSION, description)):
        match = expression.search(text[:500])
        if match:
            return _balanced(match[1].rstrip(".,"))
    return ""
