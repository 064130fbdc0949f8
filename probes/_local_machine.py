"""Whether a target is the monitor's own machine."""

from __future__ import annotations

import ipaddress
from typing import Literal

from probes._ssh import SshParams
from probes.api import Target

LOCAL_NAMES = ("local", "localhost")


def is_local(target: Target, via: Literal["local", "ssh"] | None, ssh: SshParams | None) -> bool:
    """Whether it is this machine; a loopback address with a way to log in may be a tunnel to another."""
    if via is not None:
        return via == "local"
    return target.address in LOCAL_NAMES or (ssh is None and _is_loopback(target.address))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
