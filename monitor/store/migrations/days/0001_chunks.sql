-- One UTC day of readings, a chunk a check; see monitor/store/codec.py for the blob.
CREATE TABLE chunks (
    row   INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,                -- the check
    level INTEGER NOT NULL,                 -- 0 as rolled, higher when merged, 9 for a whole day
    first INTEGER NOT NULL,                 -- ms since the epoch, of the first and the last reading
    last  INTEGER NOT NULL,
    low   INTEGER NOT NULL,                 -- commits
    high  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    data  BLOB NOT NULL
);
CREATE INDEX chunks_by_check ON chunks (number, first);
CREATE TABLE rolled (
    grp    INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL,                -- readings of the day up to this commit are in chunks
    sealed INTEGER NOT NULL DEFAULT 0       -- one chunk a check, and rollups made
);
CREATE TABLE columns (id INTEGER PRIMARY KEY, spec TEXT NOT NULL UNIQUE);
CREATE TABLE texts (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL UNIQUE, text TEXT NOT NULL);
