-- The store, version 1 (`PRAGMA user_version`). A released file is never edited: what comes later is
-- a numbered step of its own in migrations.py.

PRAGMA application_id = 0x45524C59;  -- "ERLY": tells our file from another program's

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Made with the store and kept in it: `seq` means nothing without it.
INSERT INTO meta VALUES ('epoch', lower(hex(randomblob(8))));

-- One row for every destination there ever was: its integer stands in each delivery, and the chain
-- of `previous` goes on when a removed one comes back.
CREATE TABLE destination (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    disabled TEXT,               -- why, until a person enables it
    paused TEXT,                 -- why, until a person resumes it; its events wait
    paused_at_wall INTEGER,
    paused_for INTEGER,          -- nanoseconds; NULL: no end was given
    failing_since_wall INTEGER,
    lost INTEGER NOT NULL DEFAULT 0  -- deliveries given up for want of room, each named by a gap
) STRICT;

-- `seq` is contiguous: only a committed transaction uses numbers up. The newest row is never pruned,
-- so the greatest `seq` on disk is the counter.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    priority INTEGER NOT NULL,
    subject TEXT NOT NULL,
    tag TEXT NOT NULL,
    rule TEXT NOT NULL,
    at INTEGER NOT NULL,         -- monotonic nanoseconds of `boot`
    boot TEXT NOT NULL,
    "offset" INTEGER NOT NULL,   -- wall clock minus monotonic clock when stored
    content BLOB NOT NULL,       -- JSON: data and instants, and how far the clock was believed if not fully
    checksum INTEGER NOT NULL    -- CRC-32 over all of the above: SQLite does not see flipped bits
) STRICT;

-- States: 0 pending, 1 delivered, 2 dead, 3 dropped (records.DeliveryState). There is no "in flight":
-- a row is pending until its outcome is committed. The newest row of a destination is never pruned:
-- it is what the next `previous` comes from.
CREATE TABLE delivery (
    destination INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    previous INTEGER,
    state INTEGER NOT NULL DEFAULT 0,
    charged INTEGER NOT NULL DEFAULT 0,
    due_wall INTEGER NOT NULL DEFAULT 0,
    resent INTEGER NOT NULL DEFAULT 0,
    settled_wall INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    subject INTEGER NOT NULL,    -- CRC-32 of the event's subject: what is read on its own, ahead of the rest
    urgent INTEGER NOT NULL,     -- 1: critical or high
    PRIMARY KEY (destination, seq)
) STRICT, WITHOUT ROWID;

-- Partial, so that millions of settled rows cost nothing. Queries name them (INDEXED BY): without
-- statistics the planner would walk the table itself, 240 ms a fetch at 5,000,000 rows.
-- `state` is in two of them although it is always the same there: only so can they be counted at the
-- start without a look at each row (0.12 s instead of 0.75 s for a million).
CREATE INDEX delivery_pending ON delivery (destination, seq, state) WHERE state = 0;
CREATE INDEX delivery_urgent ON delivery (destination, seq) WHERE state = 0 AND urgent = 1;
CREATE INDEX delivery_subject ON delivery (destination, subject, seq) WHERE state = 0;
CREATE INDEX delivery_dead ON delivery (seq, destination, state) WHERE state = 2;

-- The last ten charged attempts of a delivery.
CREATE TABLE attempt (
    destination INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at_wall INTEGER NOT NULL,
    status INTEGER,
    latency REAL NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (destination, seq, number)
) STRICT, WITHOUT ROWID;

-- What was given up for want of room: one row for each eviction, written in its transaction. `seq` is the
-- `store.overflow` that tells it, with the exact numbers; the row lives as long as that event.
CREATE TABLE gap (
    seq INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    events INTEGER NOT NULL,
    deliveries INTEGER NOT NULL
) STRICT;

CREATE TABLE state (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL    -- CRC-32 over key and value
) STRICT, WITHOUT ROWID;

-- Messages that came in (issue 6): once each, known again by what their sender has signed. States: 0 waiting
-- to be acted on, 1 begun, 2 on its way as an event, 3 settled (records.MessageState).
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,    -- SHA-256, cut, of the signed id, else of the body
    relay TEXT NOT NULL,
    identity TEXT NOT NULL,      -- as its sender signed it; empty: nothing it is called is signed
    type TEXT NOT NULL,
    sender TEXT NOT NULL,        -- which key
    stamp INTEGER,               -- seconds UTC that its sender signed
    at_wall INTEGER NOT NULL,    -- when it was taken
    route TEXT NOT NULL,
    state INTEGER NOT NULL,
    seq INTEGER,                 -- of the event that carries it
    outcome TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    body BLOB,                   -- until it is settled
    checksum INTEGER NOT NULL    -- CRC-32 over key, relay, route and body: no flipped bit moves a machine
) STRICT;
CREATE INDEX inbox_open ON inbox (number) WHERE state < 2;
CREATE INDEX inbox_sent ON inbox (seq) WHERE state = 2;
CREATE INDEX inbox_failed ON inbox (seq) WHERE outcome = 'failed' AND seq IS NOT NULL;  -- may be sent again

-- What was asked of machines and alarms by messages, and what became of it. Refusals of one sender for one
-- reason share a row an hour (`count`).
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    at_wall INTEGER NOT NULL,
    relay TEXT NOT NULL,
    identity TEXT NOT NULL,
    sender TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    old TEXT,                    -- JSON
    new TEXT,                    -- JSON
    outcome TEXT NOT NULL,       -- acting, done, rejected, failed, unknown
    reason TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX audit_time ON audit (at_wall);  -- or each look for what is old would read all 64 MB
