"""SNMP traps: a hint from a device that makes its checks run at once, and never more than a hint."""
