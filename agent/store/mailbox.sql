-- What a relay keeps for plants until they fetch it, version 1 (`PRAGMA user_version`). A released file is
-- never edited: what comes later is a numbered step of its own in mailbox.py.

PRAGMA application_id = 0x45524D42;  -- "ERMB": tells our file from another program's

-- `newest` counts the messages that there ever were; `total` their bytes.
CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    newest INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    acknowledged INTEGER NOT NULL DEFAULT 0  -- up to this one the plant has them on its own disk
) STRICT;

-- Each start numbers on under an epoch of its own: where the file was put back from a backup, numbers are used
-- twice, and a plant that holds one of before must not go on behind one of now.
CREATE TABLE run (
    channel INTEGER NOT NULL,
    first INTEGER NOT NULL,       -- the number from which on `epoch` holds, up to the next run
    epoch TEXT NOT NULL,          -- a number means nothing without it
    name TEXT NOT NULL,           -- the channel's, a second time: should its row be what is damaged
    PRIMARY KEY (channel, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    number INTEGER NOT NULL,      -- within the channel, contiguous
    total INTEGER NOT NULL,       -- bytes of the channel's messages up to and with this one
    size INTEGER NOT NULL,
    received INTEGER NOT NULL,    -- nanoseconds UTC
    id TEXT NOT NULL,
    checksum INTEGER NOT NULL,    -- CRC-32 over id, headers and body: SQLite does not see flipped bits
    headers BLOB NOT NULL,        -- JSON
    body BLOB NOT NULL
) STRICT;

-- All that is asked of many messages at once stands in it; bodies are read to be sent and for nothing else.
CREATE INDEX message_number ON message (channel, number, total, size, received);
