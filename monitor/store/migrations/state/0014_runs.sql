-- Every readiness run with its units' results, every change of an item's status, and what was asked then.
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    gate        TEXT NOT NULL,
    mode        TEXT NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL NOT NULL,
    actor       TEXT NOT NULL,
    version     TEXT NOT NULL,              -- of Muster
    inventory   TEXT NOT NULL,              -- digest over the units' digests
    checklists  TEXT NOT NULL,              -- JSON: [[id, digest], ...]
    units       INTEGER NOT NULL            -- how many were judged
) STRICT;
CREATE INDEX runs_at ON runs (finished_at);

CREATE TABLE run_units (
    run         INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    unit        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    unit_digest TEXT NOT NULL,
    body        BLOB NOT NULL               -- zstd: a unit of muster.check/1 without remedies
) STRICT;
CREATE UNIQUE INDEX run_units_by_unit ON run_units (unit, run);
CREATE INDEX run_units_by_run ON run_units (run);

CREATE TABLE item_state (                   -- the newest statuses, to find changes by
    gate        TEXT NOT NULL,
    unit        TEXT NOT NULL,
    at          REAL NOT NULL,
    unit_digest TEXT NOT NULL,
    checklists  TEXT NOT NULL,
    body        BLOB NOT NULL,              -- zstd: [[item, asset, status, reason, actual], ...]
    PRIMARY KEY (gate, unit)
) STRICT;

CREATE TABLE item_changes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    gate        TEXT NOT NULL,
    unit        TEXT NOT NULL,
    at          REAL NOT NULL,
    run         INTEGER,                    -- NULL: the daemon judged
    unit_digest TEXT NOT NULL,
    checklists  TEXT NOT NULL,
    body        BLOB NOT NULL               -- zstd: [[item, asset, before, status, reason, actual], ...]
) STRICT;
CREATE INDEX item_changes_by_unit ON item_changes (unit, gate, at);
CREATE INDEX item_changes_at ON item_changes (at);

CREATE TABLE subjects (                     -- what a unit was, by its digest
    digest TEXT PRIMARY KEY,
    items  TEXT NOT NULL,                   -- digest of the items it was asked; empty for items themselves
    body   BLOB NOT NULL                    -- zstd: the canonical JSON that the digest is of
) STRICT;
