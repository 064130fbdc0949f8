"""All planted faults, in the order in which they are planted, and the hall that they are planted in."""

from __future__ import annotations

from tests.show.hall import faults_counter, faults_devices, faults_interfaces, faults_servers
from tests.show.hall.hall import hall as running
from tests.show.hall.planting import FAULTS

__all__ = ["FAULTS", "faults_counter", "faults_devices", "faults_interfaces", "faults_servers", "running"]
