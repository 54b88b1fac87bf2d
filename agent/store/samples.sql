-- Recent samples, version 1. A file of any other version is moved aside: it is evidence, not truth.

PRAGMA application_id = 0x45525341;  -- "ERSA"
PRAGMA user_version = 1;

-- One run of the agent.
CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    started INTEGER NOT NULL,    -- monotonic nanoseconds of `boot`
    away_since INTEGER           -- since when nobody had watched; NULL: it never ran before
) STRICT;

CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    begin INTEGER NOT NULL,      -- monotonic nanoseconds: what came after this
    until INTEGER NOT NULL,      -- and up to this is in it
    "offset" INTEGER NOT NULL,   -- wall clock minus monotonic clock when it was written
    whole INTEGER NOT NULL,      -- 1: reading can start here
    lost_since INTEGER,          -- what came after this, up to `begin`, is lost; NULL: nothing is
    content BLOB NOT NULL        -- chunks.py
) STRICT;
