"""What a trap tells of, by the object that names it. Pure."""

from __future__ import annotations

GENERIC = "1.3.6.1.6.3.1.1.5"
"""snmpTraps (RFC 3418)."""
KINDS = {
    f"{GENERIC}.1": "cold_start", f"{GENERIC}.2": "warm_start", f"{GENERIC}.3": "link_down",
    f"{GENERIC}.4": "link_up", f"{GENERIC}.5": "authentication_failure",
    "1.3.6.1.2.1.33.2.1": "ups_on_battery", "1.3.6.1.2.1.33.2.0.1": "ups_on_battery",
    "1.3.6.1.4.1.318.0.5": "ups_on_battery",
}  # fmt: skip
"""RFC 1628's upsTrapOnBattery has a 0 more where it comes as a trap of version 1; then APC's upsOnBattery."""
FAMILIES = {
    "1.3.6.1.2.1.33.2": "ups",
    "1.3.6.1.4.1.318": "ups",
    "1.3.6.1.4.1.476.1.42": "ups",
    "1.3.6.1.4.1.534.1": "ups",
    "1.3.6.1.4.1.705.1": "ups",
    "1.3.6.1.4.1.935": "ups",
    "1.3.6.1.4.1.2011.6.174": "ups",
}
"""RFC 1628; APC, Vertiv, Eaton, MGE, Megatec and Huawei: whatever of a power supply has changed."""
ALL = (*dict.fromkeys((*KINDS.values(), *FAMILIES.values())), "other")
ASKING = frozenset(ALL) - {"authentication_failure", "other"}
"""After these the asset's checks run at once."""


def kind(oid: str) -> str:
    """Return the kind of a trap, by its snmpTrapOID."""
    if oid in KINDS:
        return KINDS[oid]
    return next(
        (name for root, name in FAMILIES.items() if oid == root or oid.startswith(f"{root}.")), "other"
    )
