"""Inventories made of what others keep (spreadsheets, Ansible, NetBox), as YAML for a person to review.

read (table, ansible, netbox) > draft (checked as an inventory is) > writing (YAML with its origins)
"""
