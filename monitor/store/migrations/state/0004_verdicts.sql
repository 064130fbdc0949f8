-- The last judgement of each unit at each gate: a summary for the board, and the whole of it compressed.
CREATE TABLE verdicts (
    unit       TEXT NOT NULL,
    gate       TEXT NOT NULL,
    judged_at  REAL NOT NULL,
    good_until REAL,                        -- when the first evidence a good verdict rests on expires
    verdict    TEXT NOT NULL,
    coverage   REAL NOT NULL,
    reasons    TEXT NOT NULL,               -- JSON: [text, ...]
    counts     TEXT NOT NULL,               -- JSON: {status: items}
    categories TEXT NOT NULL,               -- JSON: {category: [verdict, worst status, {status: items}]}
    blocking   TEXT NOT NULL,               -- JSON: [how many, [the first of them, ...]]
    body       BLOB NOT NULL,               -- zlib: one unit of `check --format json`
    PRIMARY KEY (gate, unit)
);
