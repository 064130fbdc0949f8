-- Checks, what they report, their facts, and the evidence that outlives retention.
CREATE TABLE checks (
    number INTEGER PRIMARY KEY,             -- dense from 0; 64 in a row make a group of the samples
    id     TEXT NOT NULL UNIQUE             -- unit/asset/check
);
CREATE TABLE layouts (
    number INTEGER PRIMARY KEY,
    spec   TEXT NOT NULL UNIQUE             -- JSON: [[[metric, resolution or null], ...], [phase, ...]]
);
CREATE TABLE check_layouts (
    number INTEGER NOT NULL REFERENCES checks (number),
    layout INTEGER NOT NULL REFERENCES layouts (number),
    PRIMARY KEY (number, layout)
) WITHOUT ROWID;
CREATE TABLE facts (
    number    INTEGER NOT NULL REFERENCES checks (number),
    name      TEXT NOT NULL,
    since     REAL NOT NULL,
    last_seen REAL NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (number, name, since)
) WITHOUT ROWID;
CREATE TABLE evidence (
    reference TEXT NOT NULL,                -- a sign-off or an incident
    id        TEXT NOT NULL,
    at        REAL NOT NULL,
    reading   TEXT NOT NULL,                -- JSON
    PRIMARY KEY (reference, id, at)
) WITHOUT ROWID;
