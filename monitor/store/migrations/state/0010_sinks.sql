-- How far each sink has written, and every change of a verdict: kept for the sinks, and as long as incidents.
CREATE TABLE sink (
    name     TEXT PRIMARY KEY,
    position TEXT NOT NULL                  -- JSON, see monitor/sinks/position.py
) WITHOUT ROWID;

CREATE TABLE verdict_change (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    unit     TEXT NOT NULL,
    gate     TEXT NOT NULL,
    at       REAL NOT NULL,                 -- when it was judged
    before   TEXT NOT NULL,                 -- empty: it was judged for the first time
    verdict  TEXT NOT NULL,
    coverage REAL NOT NULL,
    counts   TEXT NOT NULL                  -- JSON: {status: items}
);
CREATE INDEX verdict_change_at ON verdict_change (at);

CREATE TRIGGER verdict_first AFTER INSERT ON verdicts
BEGIN
    INSERT INTO verdict_change (unit, gate, at, before, verdict, coverage, counts)
    VALUES (new.unit, new.gate, new.judged_at, '', new.verdict, new.coverage, new.counts);
END;

CREATE TRIGGER verdict_changed AFTER UPDATE ON verdicts WHEN old.verdict <> new.verdict
BEGIN
    INSERT INTO verdict_change (unit, gate, at, before, verdict, coverage, counts)
    VALUES (new.unit, new.gate, new.judged_at, old.verdict, new.verdict, new.coverage, new.counts);
END;
