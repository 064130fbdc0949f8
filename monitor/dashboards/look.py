"""Colours, signs and words, the same as on Muster's own pages: never colour alone."""

from __future__ import annotations

from monitor.web.figures import STATES
from monitor.web.present import SIGNS
from monitor.web.unit_figures import CODES

GOOD, WARN, BAD, UNKNOWN, SHADOWED = "#009E73", "#E69F00", "#D55E00", "#7F7F7F", "#56B4E9"
LINES = ("#0072B2", "#CC79A7", "#009E73", "#E69F00", "#56B4E9", "#D55E00", "#F0E442")
VERDICTS = {"READY": GOOD, "CONDITIONAL": WARN, "NOT_READY": BAD, "UNKNOWN": UNKNOWN}
STATE_COLORS = {"OK": GOOD, "DEGRADED": WARN, "DOWN": BAD, "UNKNOWN": UNKNOWN, "SHADOWED": SHADOWED}
Mapping_ = dict[str, tuple[str, str]]
"""By number, as text: what is written for it, and its colour."""

MAPPINGS: dict[str, Mapping_] = {
    "verdict": {
        str(code): (f"{SIGNS[verdict]} {verdict}", VERDICTS[verdict]) for verdict, code in CODES.items()
    },
    "state": {
        str(code): (f"{SIGNS[state]} {state}", STATE_COLORS[state]) for code, state in enumerate(STATES)
    },
    "outcome": {
        "0": ("✔ ok", GOOD), "1": ("✖ failed", BAD), "2": ("? error", UNKNOWN), "3": ("⋯ not run", SHADOWED),
    },
    "yes": {"0": ("✖ no", BAD), "1": ("✔ yes", GOOD)},
    "released": {"0": ("✖ differs", BAD), "1": ("✔ as released", GOOD)},
    "free": {"0": ("✔ none", GOOD)},
}  # fmt: skip
