"""All planted faults, in the order in which they are planted."""

from __future__ import annotations

from tests.show import faults_databases, faults_host, faults_middleware
from tests.show.fault import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "faults_databases", "faults_host", "faults_middleware"]
