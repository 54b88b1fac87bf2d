"""The one task that uses the store's connection: jobs, each with the connection to itself, in turn.

Rules for whoever changes this file:
- Nobody else touches the connection: a reader beside an open transaction would see what may never be
  committed. A job leaves no transaction open.
- Nobody cancels this task, and a cancelled caller's job runs all the same: a transaction is never left
  half done. It ends by `close`, after everything queued, or by a defect, which `watch` raises.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from agent.errors import StoreDamaged, StoreUnavailable
from agent.store.failures import explain, is_damage
from agent.store.rescue import suspect

_T = TypeVar("_T")


class Turns:
    """See the module.

    Attributes:
        connection: for the job that runs, and nobody else.
        path: the store's file.
        closed: no job is taken any more.
        changes: counts up with every job that has changed a row, and whoever else has news.
    """

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self.connection: Final = connection
        self.path: Final = path
        self._jobs: deque[Callable[[], Awaitable[object]]] = deque()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._wake = asyncio.Event()
        self.closed = False
        self.changes = 0
        self._rows = connection.total_changes
        self._task = asyncio.create_task(self._take_turns(), name="store.writer")

    def add(self, job: Callable[[], Awaitable[object]]) -> None:
        """Run a job of the house itself; what it raises is a defect."""
        self._jobs.append(job)
        self._wake.set()

    async def run(self, job: Callable[[], Awaitable[_T]]) -> _T:
        """Run a job for somebody who waits for its result.

        Raises:
            StoreUnavailable: SQLite said no and the job is rolled back; or the store is closed.
        """
        self.refuse_if_closed()
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        async def turn() -> None:
            # A defect of a job ends the job, not the storing: it is raised where the result is awaited.
            attempt = asyncio.ensure_future(job())
            await asyncio.wait([attempt])
            error = attempt.exception()
            if error is None:
                if not future.done():
                    future.set_result(attempt.result())
                return
            await self.connection.rollback()
            told: BaseException = error
            if isinstance(error, sqlite3.Error | OSError):
                told = StoreUnavailable(explain(self.path, error))
            elif isinstance(error, StoreDamaged):  # met by a transaction of the writer's within the job
                told = StoreUnavailable(str(error))
            if not future.done():
                future.set_exception(told)
            # Damage ends the storing, also when nobody waits for the job any more.
            if isinstance(error, StoreDamaged):
                raise error
            if isinstance(error, sqlite3.Error | OSError):
                self.see_to(error)

        self._waiting.add(future)
        self.add(turn)
        try:
            return await future
        finally:
            self._waiting.discard(future)

    def see_to(self, error: sqlite3.Error | OSError) -> None:
        """A damaged file ends the storing: a page that cannot be read today is not read tomorrow, and is salvaged anew.

        Raises:
            StoreDamaged: it is; the next start knows.
        """
        if is_damage(error):
            suspect(self.path)
            raise StoreDamaged(explain(self.path, error)) from error

    def refuse_if_closed(self) -> None:
        """Raise StoreUnavailable when no job will run any more."""
        if self.closed:
            raise StoreUnavailable(f"the store {self.path} is closed")

    async def watch(self) -> None:
        """Return when the store was closed; safe to cancel. Whoever runs the store watches it.

        Raises:
            Exception: a defect; nothing can be stored until the process starts anew.
        """
        await asyncio.shield(self._task)

    async def close(self) -> None:
        """Run what is queued, then let go of the file.

        Raises:
            Exception: see `watch`.
        """
        self.closed = True
        self._wake.set()
        try:
            await asyncio.shield(self._task)
        finally:
            await self.connection.close()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back when no job will run any more, whatever the cause."""
        self._task.add_done_callback(lambda _: callback())

    async def _take_turns(self) -> None:
        try:
            while self._jobs or not self.closed:
                if self._jobs:
                    await self._jobs.popleft()()
                    self._count_changes()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self.closed = True
            for future in self._waiting:
                if not future.done():
                    future.set_exception(StoreUnavailable(f"the store {self.path} is closed"))

    def _count_changes(self) -> None:
        before, self._rows = self._rows, self.connection.total_changes  # between jobs nobody uses it
        self.changes += self._rows != before
