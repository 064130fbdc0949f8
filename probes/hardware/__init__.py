"""Devices and what they are made of: what they tell by SNMP, Redfish, IPMI and their disks' own records."""
