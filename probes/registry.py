"""From a probe's name to its declaration: explicit, and imported only when it is asked for.

Third parties add theirs by an entry point in the group `muster.probes` (name -> "package.module:PROBE").
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points

from probes.api import ProbeSpec

BUILT_IN: dict[str, str] = {
    "icmp": "probes.network.icmp",
    "tcp": "probes.network.tcp",
    "http": "probes.network.http",
    "dns": "probes.network.dns",
    "tls": "probes.network.tls",
    "ntp": "probes.network.ntp",
    "echo": "probes.network.echo",
    "path": "probes.network.path",
    "interfaces": "probes.network.interfaces",
    "iperf3": "probes.network.iperf3",
    "snmp": "probes.network.snmp",
    "throughput": "probes.network.throughput",
    "host": "probes.host.host",
    "exec": "probes.host.exec",
    "exporter": "probes.host.exporter",
    "ipmi": "probes.hardware.ipmi",
    "redfish": "probes.hardware.redfish",
    "smart": "probes.hardware.smart",
    "odbc": "probes.database.odbc",
    "oracle": "probes.database.oracle",
    "postgresql": "probes.database.postgresql",
    "sql": "probes.database.sql",
    "sensors": "probes.hardware.sensors",
    "entity": "probes.hardware.entity",
    "host_resources": "probes.hardware.host_resources",
    "printer": "probes.hardware.printer",
    "ups": "probes.hardware.ups",
    "certificate": "probes.software.certificate",
    "command": "probes.software.command",
    "cron": "probes.software.cron",
    "file": "probes.software.file",
    "group": "probes.software.group",
    "interface": "probes.software.interface",
    "limits": "probes.software.limits",
    "log": "probes.software.log",
    "mount": "probes.software.mount",
    "os_release": "probes.software.os_release",
    "package": "probes.software.package",
    "patch_age": "probes.software.patch_age",
    "port": "probes.software.port",
    "process": "probes.software.process",
    "service": "probes.software.service",
    "sysctl": "probes.software.sysctl",
    "time_sync": "probes.software.time_sync",
    "user": "probes.software.user",
    "mongodb": "probes.database.mongodb",
    "mysql": "probes.database.mysql",
    "redis": "probes.database.redis",
    "amqp": "probes.middleware.amqp",
    "elasticsearch": "probes.middleware.elasticsearch",
    "etcd": "probes.middleware.etcd",
    "kafka": "probes.middleware.kafka",
    "jmx": "probes.middleware.jmx",
    "ldap": "probes.middleware.ldap",
    "load_balancer": "probes.middleware.load_balancer",
    "memcached": "probes.middleware.memcached",
    "nginx": "probes.middleware.nginx",
    "zookeeper": "probes.middleware.zookeeper",
    "mqtt": "probes.middleware.mqtt",
    "nats": "probes.middleware.nats",
    "stomp": "probes.middleware.stomp",
    "s3": "probes.middleware.s3",
    "ipp": "probes.peripheral.ipp",
    "modbus": "probes.peripheral.modbus",
    "pcsc": "probes.peripheral.pcsc",
    "serial": "probes.peripheral.serial",
    "dlt645": "probes.peripheral.dlt645",
    "iso8583": "probes.peripheral.iso8583",
    "sip": "probes.peripheral.sip",
    "file_exchange": "probes.interface.file_exchange",
    "http_contract": "probes.interface.http_contract",
    "mail_roundtrip": "probes.interface.mail_roundtrip",
}


class UnknownProbe(LookupError):  # noqa: N818 - reads better where it is raised
    """No probe of that name, built in or installed."""


@cache
def names() -> tuple[str, ...]:
    """Return the names of all probes, built-in and third-party, sorted."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group="muster.probes"))}))


@cache
def get(name: str) -> ProbeSpec:
    """Return the declaration of the probe `name`. Raises `UnknownProbe`."""
    if name in BUILT_IN:
        spec = importlib.import_module(BUILT_IN[name]).PROBE
    else:
        found = [point for point in entry_points(group="muster.probes") if point.name == name]
        if not found:
            raise UnknownProbe(name)
        spec = found[0].load()
    if not isinstance(spec, ProbeSpec):
        msg = f"probe {name}: PROBE is no ProbeSpec"
        raise TypeError(msg)
    return spec
