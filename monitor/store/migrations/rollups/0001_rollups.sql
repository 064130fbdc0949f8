-- A day of one check in buckets of one width; see monitor/store/rollups.py for the blob.
CREATE TABLE rollups (
    number INTEGER NOT NULL,
    day    INTEGER NOT NULL,                -- days since the epoch
    data   BLOB NOT NULL,
    PRIMARY KEY (number, day)
);
