"""The list of planted faults."""

from __future__ import annotations

from tests.show.centre.data_centre import DataCentre
from tests.show.fault import Faults

FAULTS: Faults[DataCentre] = Faults()
fault = FAULTS.fault
