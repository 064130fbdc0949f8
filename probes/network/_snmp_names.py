"""Names of objects of common MIBs, as numbers: so that a check may say `sysUpTime.0` or `ifInOctets.3`.

From RFC 3418 (SNMPv2-MIB), RFC 2863 (IF-MIB), RFC 3635 (EtherLike-MIB), RFC 2790 (HOST-RESOURCES-MIB),
RFC 6933 (ENTITY-MIB), RFC 3433 (ENTITY-SENSOR-MIB), RFC 3411 (SNMP-FRAMEWORK-MIB), RFC 4293 (IP-MIB),
RFC 4022 (TCP-MIB), RFC 4188 (BRIDGE-MIB), RFC 1628 (UPS-MIB), RFC 3805 (Printer-MIB) and UCD-SNMP-MIB. An
object that is no column is written with `.0`; a column with what its table is indexed by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MIB_2 = "1.3.6.1.2.1"
GROUPS: dict[str, str] = {
    f"{MIB_2}.1": "sysDescr sysObjectID sysUpTime sysContact sysName sysLocation sysServices",
    f"{MIB_2}.2": "ifNumber",
    f"{MIB_2}.2.2.1": (
        "ifIndex ifDescr ifType ifMtu ifSpeed ifPhysAddress ifAdminStatus ifOperStatus ifLastChange "
        "ifInOctets ifInUcastPkts ifInNUcastPkts ifInDiscards ifInErrors ifInUnknownProtos ifOutOctets "
        "ifOutUcastPkts ifOutNUcastPkts ifOutDiscards ifOutErrors ifOutQLen ifSpecific"
    ),
    f"{MIB_2}.31.1.1.1": (
        "ifName ifInMulticastPkts ifInBroadcastPkts ifOutMulticastPkts ifOutBroadcastPkts ifHCInOctets "
        "ifHCInUcastPkts ifHCInMulticastPkts ifHCInBroadcastPkts ifHCOutOctets ifHCOutUcastPkts "
        "ifHCOutMulticastPkts ifHCOutBroadcastPkts ifLinkUpDownTrapEnable ifHighSpeed ifPromiscuousMode "
        "ifConnectorPresent ifAlias ifCounterDiscontinuityTime"
    ),
    f"{MIB_2}.10.7.2.1": (
        "dot3StatsIndex dot3StatsAlignmentErrors dot3StatsFCSErrors dot3StatsSingleCollisionFrames "
        "dot3StatsMultipleCollisionFrames dot3StatsSQETestErrors dot3StatsDeferredTransmissions "
        "dot3StatsLateCollisions dot3StatsExcessiveCollisions dot3StatsInternalMacTransmitErrors "
        "dot3StatsCarrierSenseErrors - dot3StatsFrameTooLongs - - dot3StatsInternalMacReceiveErrors "
        "dot3StatsEtherChipSet dot3StatsSymbolErrors dot3StatsDuplexStatus"
    ),
    f"{MIB_2}.4": "ipForwarding ipDefaultTTL ipInReceives ipInHdrErrors ipInAddrErrors ipForwDatagrams",
    f"{MIB_2}.6": (
        "tcpRtoAlgorithm tcpRtoMin tcpRtoMax tcpMaxConn tcpActiveOpens tcpPassiveOpens tcpAttemptFails "
        "tcpEstabResets tcpCurrEstab tcpInSegs tcpOutSegs tcpRetransSegs"
    ),
    f"{MIB_2}.17.2": (
        "dot1dStpProtocolSpecification dot1dStpPriority dot1dStpTimeSinceTopologyChange "
        "dot1dStpTopChanges dot1dStpDesignatedRoot dot1dStpRootCost dot1dStpRootPort"
    ),
    f"{MIB_2}.17.2.15.1": (
        "dot1dStpPort dot1dStpPortPriority dot1dStpPortState dot1dStpPortEnable dot1dStpPortPathCost"
    ),
    f"{MIB_2}.25.1": (
        "hrSystemUptime hrSystemDate hrSystemInitialLoadDevice hrSystemInitialLoadParameters "
        "hrSystemNumUsers hrSystemProcesses hrSystemMaxProcesses"
    ),
    f"{MIB_2}.25.2": "- hrMemorySize",
    f"{MIB_2}.25.2.3.1": (
        "hrStorageIndex hrStorageType hrStorageDescr hrStorageAllocationUnits hrStorageSize hrStorageUsed "
        "hrStorageAllocationFailures"
    ),
    f"{MIB_2}.25.3.2.1": "hrDeviceIndex hrDeviceType hrDeviceDescr hrDeviceID hrDeviceStatus hrDeviceErrors",
    f"{MIB_2}.25.3.3.1": "hrProcessorFrwID hrProcessorLoad",
    f"{MIB_2}.25.4.2.1": (
        "hrSWRunIndex hrSWRunName hrSWRunID hrSWRunPath hrSWRunParameters hrSWRunType hrSWRunStatus"
    ),
    f"{MIB_2}.25.5.1.1": "hrSWRunPerfCPU hrSWRunPerfMem",
    f"{MIB_2}.33.1.1": (
        "upsIdentManufacturer upsIdentModel upsIdentUPSSoftwareVersion upsIdentAgentSoftwareVersion "
        "upsIdentName"
    ),
    f"{MIB_2}.33.1.2": (
        "upsBatteryStatus upsSecondsOnBattery upsEstimatedMinutesRemaining upsEstimatedChargeRemaining "
        "upsBatteryVoltage upsBatteryCurrent upsBatteryTemperature"
    ),
    f"{MIB_2}.33.1.4": "upsOutputSource upsOutputFrequency upsOutputNumLines",
    f"{MIB_2}.33.1.4.4.1": (
        "upsOutputLineIndex upsOutputVoltage upsOutputCurrent upsOutputPower upsOutputPercentLoad"
    ),
    f"{MIB_2}.43.10.2.1": "- - - prtMarkerLifeCount",
    f"{MIB_2}.43.11.1.1": (
        "- - - - - prtMarkerSuppliesDescription prtMarkerSuppliesSupplyUnit prtMarkerSuppliesMaxCapacity "
        "prtMarkerSuppliesLevel"
    ),
    f"{MIB_2}.47.1.1.1.1": (
        "entPhysicalIndex entPhysicalDescr entPhysicalVendorType entPhysicalContainedIn entPhysicalClass "
        "entPhysicalParentRelPos entPhysicalName entPhysicalHardwareRev entPhysicalFirmwareRev "
        "entPhysicalSoftwareRev entPhysicalSerialNum entPhysicalMfgName entPhysicalModelName"
    ),
    f"{MIB_2}.99.1.1.1": (
        "entPhySensorType entPhySensorScale entPhySensorPrecision entPhySensorValue entPhySensorOperStatus"
    ),
    "1.3.6.1.6.3.10.2.1": "snmpEngineID snmpEngineBoots snmpEngineTime snmpEngineMaxMessageSize",
    "1.3.6.1.4.1.2021.4": (
        "memIndex memErrorName memTotalSwap memAvailSwap memTotalReal memAvailReal memTotalSwapTXT - - - "
        "memTotalFree memMinimumSwap memShared memBuffer memCached"
    ),
    "1.3.6.1.4.1.2021.10.1": "laIndex laNames laLoad laConfig laLoadInt laLoadFloat",
    "1.3.6.1.4.1.2021.9.1": (
        "dskIndex dskPath dskDevice dskMinimum dskMinPercent dskTotal dskAvail dskUsed dskPercent"
    ),
}
"""By the object above them, in the order of their numbers from 1; - is a number without a name here."""


def _numbers() -> Iterator[tuple[str, str]]:
    for above, names in GROUPS.items():
        for number, name in enumerate(names.split(), 1):
            if name != "-":
                yield name, f"{above}.{number}"


NUMBERS = dict(_numbers())
_WRITTEN = re.compile(r"(?:([A-Za-z][A-Za-z0-9-]*)::)?([A-Za-z][A-Za-z0-9-]*)((?:\.\d{1,10})*)")
_NUMBERED = re.compile(r"\.?([0-2](?:\.\d{1,10}){1,127})")


def number(written: str) -> str:
    """Return the object identifier of a number or name. Raises ValueError with what to write instead."""
    numbered = _NUMBERED.fullmatch(written)
    if numbered:
        if any(int(arc) > 0xFFFFFFFF for arc in numbered[1].split(".")):
            msg = f"{written!r} is no object identifier: a number in it is over 4294967295"
            raise ValueError(msg)
        return numbered[1]
    named = _WRITTEN.fullmatch(written)
    if named is None or named[2] not in NUMBERS:
        msg = f"{written!r} is neither an object identifier nor a name that is known; write its number"
        raise ValueError(msg)
    return NUMBERS[named[2]] + named[3]
