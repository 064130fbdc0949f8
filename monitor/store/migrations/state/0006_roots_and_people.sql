-- An incident has a root (a check, an asset, or a unit), members with their own states, and people who
-- acknowledge it; work announced beforehand is maintenance; detectors of degradation are kept over restarts.
ALTER TABLE incident RENAME COLUMN "check" TO root;
ALTER TABLE incident ADD COLUMN severity TEXT NOT NULL DEFAULT 'warning';
ALTER TABLE incident ADD COLUMN rule TEXT NOT NULL DEFAULT '';          -- JSON: what opened it
ALTER TABLE incident ADD COLUMN recovered_at REAL;                      -- all members OK since
ALTER TABLE incident ADD COLUMN absorbed_by INTEGER REFERENCES incident (id);
ALTER TABLE incident ADD COLUMN damped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incident ADD COLUMN acked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE incident ADD COLUMN acked_at REAL;
ALTER TABLE incident ADD COLUMN ack_until REAL;
ALTER TABLE incident ADD COLUMN ack_comment TEXT NOT NULL DEFAULT '';
ALTER TABLE incident ADD COLUMN snoozed_until REAL;
ALTER TABLE incident ADD COLUMN tier INTEGER NOT NULL DEFAULT 0;        -- the highest tier told
ALTER TABLE incident ADD COLUMN next_at REAL;                           -- when telling is looked at again
DROP INDEX incident_open;
DROP INDEX incident_check;
CREATE UNIQUE INDEX incident_open ON incident (root) WHERE closed_at IS NULL;
CREATE INDEX incident_root ON incident (root, id);
CREATE INDEX incident_next ON incident (next_at) WHERE next_at IS NOT NULL;

ALTER TABLE incident_member ADD COLUMN state TEXT NOT NULL DEFAULT 'DOWN';
ALTER TABLE incident_member ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE incident_member ADD COLUMN since REAL NOT NULL DEFAULT 0;

CREATE TABLE incident_told (                -- of its beginning, by the residue of another
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    recipient TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (incident, recipient)
);

CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,                    -- a unit (its subtree), unit/asset or unit/asset/check
    mode TEXT NOT NULL CHECK (mode IN ('mute', 'skip')),
    starts_at REAL, ends_at REAL,           -- one-off, or the bounds of what recurs
    windows TEXT NOT NULL DEFAULT '',       -- JSON list: "sat 22:00-06:00"
    calendar TEXT NOT NULL DEFAULT '',
    zone TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    made_at REAL NOT NULL,
    ended_at REAL, ended_by TEXT NOT NULL DEFAULT ''
);

CREATE TABLE detector (
    "check" TEXT NOT NULL,
    metric TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY ("check", metric)
) WITHOUT ROWID;
