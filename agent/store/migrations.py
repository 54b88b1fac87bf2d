"""Brings a store of any released version to today's: numbered steps, each in a transaction of its own.

Rules for whoever changes the schema: append a step, never edit one that was released; the version of
a store (`PRAGMA user_version`) is the number of steps it has been through. A crash between two steps
leaves a store of the version in between, which the next start takes further.
"""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

import aiosqlite

from agent.errors import StoreRefused

STEPS: Final[tuple[str, ...]] = (files("agent.store").joinpath("schema.sql").read_text(encoding="utf-8"),)


async def migrate(connection: aiosqlite.Connection, path: Path, steps: Sequence[str] = STEPS) -> None:
    """Apply the steps that the store has not been through.

    Raises:
        StoreRefused: a newer program made it.
        sqlite3.Error: a step failed; the store is as it was before that step.
    """
    [(version,)] = await connection.execute_fetchall("PRAGMA user_version")
    if version > len(steps):
        raise StoreRefused(
            f"{path} was written by a newer edge-relay (store version {version}, this program knows "
            f"{len(steps)}): install that version again, or move the file aside to begin an empty store"
        )
    for number, step in enumerate(steps[version:], start=version + 1):
        try:
            await connection.executescript(
                f"BEGIN IMMEDIATE;\n{step}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        finally:
            await connection.rollback()
