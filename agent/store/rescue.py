"""A damaged store never stops the agent: it is moved aside, never deleted, and what can be read begins a new one.

    events.db             damaged       -> events.db.damaged-20261121T080003Z (its log folded in, or beside it)
    events.db.salvage     being made    -> forgotten when it is found at a start: what it is made from is still there
    events.db.salvaged    complete      -> events.db, also when the move was interrupted

Rules for whoever changes this: the damaged file keeps its place until the new one is complete and on disk, so a
kill at any moment leaves either. Blocking work, in a thread of its own, before anything else runs.
"""

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from agent.clock import Clock
from agent.errors import StoreRefused
from agent.model import SECOND
from agent.store.failures import explain
from agent.store.salvage import LOST_KEY, Salvaged, make_empty, salvage
from agent.store.states import checksum_of
from agent.store.wreck import Wreck

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

_PAGE: Final = 4096
_INTERIOR: Final = 5
_COMPANIONS: Final = ("-wal", "-journal", "-shm")


async def tidy(path: Path) -> bool:
    """Finish what an interrupted rescue left; True when the last run found the store damaged.

    Raises:
        StoreRefused: the files cannot be moved.
    """
    return await in_thread(path, lambda: _tidy(path))


async def rescue(path: Path, reason: str, clock: Clock) -> None:
    """Put a new store in the place of a damaged one, with all that can be read.

    Raises:
        StoreRefused: not even an empty one can be made: the message says why.
    """
    _log.error("%s; what can be read of it is salvaged", reason)
    await in_thread(path, lambda: _rescue(path, reason, clock))


async def in_thread(path: Path, work: Callable[[], _T]) -> _T:
    """Run blocking work on the files of a store in a thread of its own.

    Raises:
        StoreRefused: in place of what SQLite or the disk said.
    """
    thread = ThreadPoolExecutor(1, "salvage")
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    except (sqlite3.Error, OSError) as error:
        raise StoreRefused(explain(path, error)) from error
    finally:
        thread.shutdown(wait=False)


def suspect(path: Path) -> None:
    """Remember for the next start that the store was found damaged."""
    with suppress(OSError):
        beside(path, ".suspect").touch()


def beside(path: Path, suffix: str) -> Path:
    """Where a file of a store stands that belongs to it."""
    return path.with_name(path.name + suffix)


def _tidy(path: Path) -> bool:
    beside(path, ".salvage").unlink(missing_ok=True)
    complete = beside(path, ".salvaged")
    if complete.exists():
        switch(path, complete, "interrupted")
    return beside(path, ".suspect").exists()


def _rescue(path: Path, reason: str, clock: Clock) -> None:
    # The ballast is room for just this: it is taken again when there is plenty.
    beside(path, ".ballast").unlink(missing_ok=True)
    target = beside(path, ".salvage")
    done = _salvage(path, target, clock)
    wall = clock.wall()
    stamp = f"{datetime.fromtimestamp(wall // SECOND, UTC):%Y%m%dT%H%M%SZ}"
    word = {**done.word(), "reason": reason, "file": str(_aside(path, stamp))}
    _note(target, json.dumps(word).encode())
    complete = beside(path, ".salvaged")
    target.replace(complete)
    switch(path, complete, stamp)
    _log.error(
        "the store begins anew: %d waiting events, %d dead letters and the state of %d rules are salvaged; the old file is %s",
        done.waiting,
        done.dead,
        done.states,
        word["file"],
    )


def _salvage(path: Path, target: Path, clock: Clock) -> Salvaged:
    pages = _schema_pages(target)
    wreck = Wreck(path)
    try:
        if not wreck.legible:
            wreck.close()
            _mend(path, pages)
            wreck = Wreck(path)
        return salvage(wreck, target, clock)
    finally:
        wreck.close()


def _schema_pages(scratch: Path) -> dict[int, bytes]:
    """The pages of an empty store that say where its tables begin, by their number: they are the same in each."""
    scratch.unlink(missing_ok=True)
    connection = sqlite3.connect(scratch, isolation_level=None)
    try:
        make_empty(connection)
    finally:
        connection.close()
    content = scratch.read_bytes()
    scratch.unlink()
    numbers = {1}
    if content[100] == _INTERIOR:  # sqlite.org/fileformat2.html, "B-tree Pages"
        cells = range(112, 112 + 2 * int.from_bytes(content[103:105], "big"), 2)
        places = [108, *(int.from_bytes(content[cell : cell + 2], "big") for cell in cells)]
        numbers |= {int.from_bytes(content[place : place + 4], "big") for place in places}
    return {number: content[(number - 1) * _PAGE : number * _PAGE] for number in sorted(numbers)}


def _mend(path: Path, pages: Mapping[int, bytes]) -> None:
    """Give the file the pages of an empty store that say where its tables begin; the old ones are kept beside it."""
    there = path.stat().st_size // _PAGE
    if there <= max(pages):
        return
    first = bytearray(pages[1])
    first[18:20] = b"\x02\x02"  # a write-ahead log
    first[28:32] = there.to_bytes(4, "big")
    first[32:40] = bytes(8)  # no list of free pages
    first[92:96] = first[24:28]
    with path.open("r+b") as file:
        for number, page in {**pages, 1: bytes(first)}.items():
            file.seek((number - 1) * _PAGE)
            beside(path, f".page-{number}").write_bytes(file.read(_PAGE))
            file.seek((number - 1) * _PAGE)
            file.write(page)


def _note(store: Path, word: bytes) -> None:
    connection = sqlite3.connect(store, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL").fetchall()
        connection.execute(
            "INSERT INTO state VALUES (?, ?, ?)", (LOST_KEY, word, checksum_of(LOST_KEY, word))
        )
    finally:
        connection.close()
    _sync(store)


def _aside(path: Path, stamp: str) -> Path:
    return beside(path, f".damaged-{stamp}")


def switch(path: Path, complete: Path, stamp: str) -> None:
    """Move the damaged one aside and the new one in its place; may be called again after an interruption."""
    aside = _aside(path, stamp)
    number = 1
    while aside.exists():
        number += 1
        aside = _aside(path, f"{stamp}-{number}")
    for page in path.parent.glob(f"{path.name}.page-*"):
        page.replace(beside(aside, page.name.removeprefix(path.name)))
    for suffix in _COMPANIONS:
        with suppress(FileNotFoundError):
            beside(path, suffix).replace(beside(aside, suffix))
    with suppress(FileNotFoundError):
        path.replace(aside)
    complete.replace(path)
    beside(path, ".suspect").unlink(missing_ok=True)
    _sync(path.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
