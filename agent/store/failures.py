"""What a plant engineer reads when SQLite says no: the file, the cause, the remedy."""

import sqlite3
from pathlib import Path
from typing import Final

_REMEDIES: Final = {
    sqlite3.SQLITE_FULL: "free some space on its disk; it goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk fails or is gone: look at the kernel's log (dmesg) and at the mount",
    sqlite3.SQLITE_READONLY: "its file system is mounted read-only: look at the kernel's log (dmesg), remount it",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: the next start moves it aside and salvages what can be read",
    sqlite3.SQLITE_NOTADB: "the file is no store, or none any more: the next start moves it aside and begins anew",
    sqlite3.SQLITE_CANTOPEN: "its folder must exist and belong to the user that edge-relay runs as",
    sqlite3.SQLITE_PERM: "the file must belong to the user that edge-relay runs as",
    sqlite3.SQLITE_BUSY: "another edge-relay is using it: stop that one, or ask it with `edge-relay status`",
    sqlite3.SQLITE_LOCKED: "another edge-relay is using it: stop that one, or ask it with `edge-relay status`",
}


def explain(path: Path, error: sqlite3.Error | OSError) -> str:
    """Say what happened to the store at `path` and what to do about it."""
    # Extended codes (SQLITE_IOERR_FSYNC) carry the primary one in the low byte (sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return f"the store {path}: {error}; {_REMEDIES.get(code, 'see the log of the agent')}"


def is_full(error: sqlite3.Error | OSError) -> bool:
    """The disk has no room (not: it fails)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def is_damage(error: sqlite3.Error | OSError) -> bool:
    """The file itself is broken, or is no database at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
