-- Each use of a waiver: which row it covered, and what the row was without it. Append-only: a trigger holds it.
CREATE TABLE waiver_use (
    id INTEGER PRIMARY KEY,
    used_at REAL NOT NULL,
    day TEXT NOT NULL,
    waiver TEXT NOT NULL,
    terms TEXT NOT NULL,
    gate TEXT NOT NULL,
    unit TEXT NOT NULL,
    asset TEXT NOT NULL,
    item TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    UNIQUE (day, waiver, terms, gate, unit, asset, item, status)
) STRICT;

CREATE TRIGGER waiver_use_is_never_changed BEFORE UPDATE ON waiver_use
BEGIN SELECT RAISE(ABORT, 'waiver_use is append-only'); END;

CREATE TRIGGER waiver_use_is_never_deleted BEFORE DELETE ON waiver_use
BEGIN SELECT RAISE(ABORT, 'waiver_use is append-only'); END;
