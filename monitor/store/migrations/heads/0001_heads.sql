-- Readings since their group was last rolled: first in the order of commits, then sorted by group.
CREATE TABLE log (
    seq    INTEGER PRIMARY KEY,             -- the commit
    count  INTEGER NOT NULL,
    sizes  BLOB NOT NULL,                   -- uint16 words of each record
    data   BLOB NOT NULL                    -- records, see monitor/store/records.py
);
CREATE TABLE heads (
    row   INTEGER PRIMARY KEY,
    grp   INTEGER NOT NULL,
    low   INTEGER NOT NULL,                 -- commits of the records in it: low <= seq <= high
    high  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_day INTEGER NOT NULL,             -- since the epoch, of the readings
    last_day  INTEGER NOT NULL,
    sizes BLOB NOT NULL,                    -- uint16 words of each record
    ends  BLOB NOT NULL,                    -- uint32 byte offsets at which each check's records end
    data  BLOB NOT NULL
);
CREATE INDEX heads_by_group ON heads (grp, high);
CREATE TABLE latest (
    grp  INTEGER PRIMARY KEY,
    data BLOB NOT NULL                      -- last attempt and last measurement of each check
);
CREATE TABLE texts (
    hash INTEGER PRIMARY KEY,
    day  INTEGER NOT NULL,                  -- last day on which it was used
    text TEXT NOT NULL
);
CREATE INDEX texts_by_day ON texts (day);
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('committed', 0), ('settled', 0), ('cut', 0), ('kept', 0),
    ('changes', 0);
