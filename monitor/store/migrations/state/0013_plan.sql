-- What the plan says of each unit as it was judged last, and what was open of it at the end of each day.
CREATE TABLE unit_plan (
    gate TEXT NOT NULL,
    unit TEXT NOT NULL,
    at   REAL NOT NULL,                     -- when it was judged
    body TEXT NOT NULL,                     -- JSON: a unit of muster.plan/1
    PRIMARY KEY (gate, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE verdict_day (
    gate    TEXT NOT NULL,
    day     TEXT NOT NULL,                  -- the unit's own date
    unit    TEXT NOT NULL,
    verdict TEXT NOT NULL,
    failing INTEGER NOT NULL,               -- blockers and majors
    unknown INTEGER NOT NULL,
    PRIMARY KEY (gate, day, unit)
) STRICT, WITHOUT ROWID;
