-- Messages go by several channels; many at once are folded into a summary. Un-acknowledged time has a beginning.
ALTER TABLE incident ADD COLUMN told_at REAL;                           -- when what is new was last told

CREATE TABLE outbox_next (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    recipient TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'dead', 'folded')),
    attempts INTEGER NOT NULL DEFAULT 0,
    queued_at REAL NOT NULL, due_at REAL NOT NULL, expires_at REAL NOT NULL,
    lease_until REAL, finished_at REAL,
    error TEXT NOT NULL DEFAULT '',
    channel TEXT NOT NULL DEFAULT 'mail',
    notice TEXT NOT NULL DEFAULT '',                                    -- of an incident's event, or 'summary'
    folded_into INTEGER REFERENCES outbox_next (id) ON DELETE SET NULL, -- the summary that tells it instead
    payload TEXT NOT NULL               -- last: it is long, and SQLite reads through it to what stands behind
);
INSERT INTO outbox_next (id, key, thread, recipient, payload, status, attempts, queued_at, due_at, expires_at,
        lease_until, finished_at, error)
    SELECT id, key, thread, recipient, payload, status, attempts, queued_at, due_at, expires_at,
        lease_until, finished_at, error FROM outbox;
DROP TABLE outbox;
ALTER TABLE outbox_next RENAME TO outbox;
CREATE INDEX outbox_open ON outbox (due_at) WHERE status IN ('queued', 'sending');
CREATE INDEX outbox_thread ON outbox (thread, recipient, id);
CREATE INDEX outbox_finished ON outbox (status, finished_at);
CREATE INDEX outbox_queued ON outbox (queued_at, notice);
CREATE INDEX outbox_recipient ON outbox (recipient, queued_at, status) WHERE notice NOT IN ('', 'summary');
CREATE INDEX outbox_summary ON outbox (recipient, status, attempts) WHERE notice = 'summary';
CREATE INDEX outbox_folded ON outbox (folded_into) WHERE folded_into IS NOT NULL;
