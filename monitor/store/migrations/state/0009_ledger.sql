-- What people stated, asked, approved and signed at gates, in order. Each entry's digest covers the one before:
-- an entry that was changed, left out or moved shows. Append-only: triggers hold it.
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    gate TEXT NOT NULL,
    unit TEXT NOT NULL,
    asset TEXT NOT NULL,
    item TEXT NOT NULL,
    body TEXT NOT NULL,
    previous TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE
) STRICT;

CREATE INDEX ledger_by_unit ON ledger (unit, gate, seq);

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;

CREATE TRIGGER ledger_is_never_deleted BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'ledger is append-only'); END;
