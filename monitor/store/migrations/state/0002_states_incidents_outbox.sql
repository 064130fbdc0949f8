-- What is believed of each check, the spans in which it was not OK, and the messages these caused.

CREATE TABLE check_state (
    "check" TEXT PRIMARY KEY,
    state TEXT NOT NULL, phase TEXT NOT NULL,
    since REAL NOT NULL, decided_at REAL NOT NULL, changed_at REAL NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL,
    reach INTEGER NOT NULL, reach_at REAL NOT NULL,
    fit INTEGER NOT NULL, fit_at REAL NOT NULL,
    unknown INTEGER NOT NULL, unknown_at REAL NOT NULL,
    history INTEGER NOT NULL,
    attempted_at REAL NOT NULL, measured_at REAL NOT NULL,
    calm INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE incident (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    version INTEGER NOT NULL,
    "check" TEXT NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL,
    state TEXT NOT NULL, worst TEXT NOT NULL,
    began_at REAL NOT NULL, opened_at REAL NOT NULL, closed_at REAL,
    notified INTEGER NOT NULL,
    previous INTEGER REFERENCES incident (id)
);
CREATE UNIQUE INDEX incident_open ON incident ("check") WHERE closed_at IS NULL;
CREATE INDEX incident_check ON incident ("check", id);
CREATE INDEX incident_closed ON incident (closed_at);

CREATE TABLE incident_member (
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    "check" TEXT NOT NULL,
    joined_at REAL NOT NULL, left_at REAL,
    PRIMARY KEY (incident, "check")
) WITHOUT ROWID;

CREATE TABLE incident_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    incident INTEGER NOT NULL REFERENCES incident (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL, detail TEXT NOT NULL,
    evidence_at REAL
);
CREATE INDEX incident_history_incident ON incident_history (incident, id);

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    thread TEXT NOT NULL,
    recipient TEXT NOT NULL,
    payload TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('queued', 'sending', 'sent', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    queued_at REAL NOT NULL, due_at REAL NOT NULL, expires_at REAL NOT NULL,
    lease_until REAL, finished_at REAL,
    error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_open ON outbox (due_at) WHERE status IN ('queued', 'sending');
CREATE INDEX outbox_thread ON outbox (thread, recipient, id);
CREATE INDEX outbox_finished ON outbox (status, finished_at);
