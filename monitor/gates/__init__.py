"""People's part of a gate: what they state, except and sign, and the ledger that keeps it."""
