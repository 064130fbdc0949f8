"""All planted faults, in the order in which they are planted, and the data centre for them."""

from __future__ import annotations

from tests.show.centre import faults_databases, faults_host, faults_middleware
from tests.show.centre.data_centre import data_centre as running
from tests.show.centre.planting import FAULTS

__all__ = ["FAULTS", "faults_databases", "faults_host", "faults_middleware", "running"]
