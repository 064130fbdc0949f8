"""The list of planted faults."""

from __future__ import annotations

from tests.show.fault import Faults
from tests.show.hall.hall import Hall

FAULTS: Faults[Hall] = Faults()
fault = FAULTS.fault
