"""The mailbox of a relay: messages on disk until plants have fetched them, in a database of its own.

What is offered while a transaction is under way shares the next one, so that many senders pay for one sync.
What the plant has acknowledged stays readable until its room is wanted, or for as long as it is kept: an
agent that was restored from a backup may go back.

Rules for whoever changes this file: nothing is answered before COMMIT came back; what the plant has not
acknowledged is removed by `expire` and by nothing else, which says how much it was. Numbers of a channel
mean something together with their epoch alone. Nothing behind COMMIT can fail: what is stored would be
refused, and its numbers given again.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.store.failures import explain
from agent.store.mailbox_box import Box, Offered, Part, Put
from agent.store.mailbox_file import open_mailbox
from agent.store.mailbox_rows import (
    Level,
    Message,
    forget_before,
    forget_bytes,
    grown,
    insert,
    last_received,
    load,
    read_messages,
    row_of,
    survey,
    used_bytes,
    write_levels,
)
from agent.store.turns import Turns

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 1_000  # messages that are removed in one transaction, so that senders need not wait for it
_LEAST_ROOM: Final = 1_000_000  # bytes: room is made in steps of this
_RETURNED: Final = 2_500  # pages given back to the disk with them


class Mailbox:
    """See the module.

    Attributes:
        boxes: the channels of the configuration, by name.
        left: messages that wait in channels which the configuration does not have any more, by name.
        unavailable: why nothing can be stored, with the remedy; None while all is well.
        writing_since: monotonic instant at which the transaction under way began; None: none is.
        used: bytes of the file that are in use.
        last_received: when the last message had come as it was opened, nanoseconds UTC; 0: there was none.
    """

    def __init__(
        self,
        turns: Turns,
        boxes: Sequence[Box],
        left: Mapping[str, int],
        bound: int,
        used: int,
        last_received: int,
        clock: Clock,
    ) -> None:
        self.boxes: Final = {box.name: box for box in boxes}
        self.left: Final = left
        self.unavailable: str | None = None
        self.writing_since: int | None = None
        self.used = used
        self.last_received: Final = last_received
        self._bound = bound
        self._turns = turns
        self._clock = clock
        self._queue: list[Offered] = []
        self._acknowledged: dict[Box, int] = {}
        self._scheduled = False
        turns.when_ended(self._end)

    @classmethod
    async def open(cls, path: Path, bounds: Mapping[str, int], bound: int, clock: Clock) -> Self:
        """Open or make the mailbox with a channel for each of `bounds`, the bytes it may keep; `bound`: all together, in the file.

        Raises:
            StoreRefused: the file cannot be opened, the message says why.
        """
        connection = await open_mailbox(path, clock)
        turns = Turns(connection, path)
        try:
            found = await turns.run(lambda: load(connection, bounds))
            used = await turns.run(lambda: used_bytes(connection))
            last = await turns.run(lambda: last_received(connection))
        except BaseException:
            await turns.close()
            raise
        boxes = [
            Box(key, name, runs, bounds[name], level)
            for name, (key, runs, level) in found.items()
            if name in bounds
        ]
        left = {name: level.waiting for name, (_, _, level) in found.items() if name not in bounds}
        return cls(turns, boxes, left, bound, used, last, clock)

    # --- in ----------------------------------------------------------------------------------------------

    async def put(self, box: Box, message: Message) -> Put:
        """Store a message; return when it is on disk, or will not be for want of room.

        Raises:
            StoreUnavailable: the disk does not take it now.
        """
        size = message.size
        if box.level.total - box.level.taken + box.queued + size > box.bound:
            return Put.CHANNEL_FULL
        if self._needed(size) > self._spare():
            return Put.MAILBOX_FULL
        self._turns.refuse_if_closed()
        offered = Offered(box, message, asyncio.get_running_loop().create_future())
        self._queue.append(offered)
        box.queued += size
        self._schedule()
        await offered.future
        return Put.STORED

    def acknowledge(self, box: Box, number: int) -> None:
        """The plant has everything up to `number` on its own disk; the furthest word counts."""
        if number > max(box.level.acknowledged, self._acknowledged.get(box, 0)):
            self._acknowledged[box] = number
            self._schedule()

    @property
    def queued(self) -> int:
        """Bytes that are offered and not on disk yet, whether their senders still wait or not."""
        return sum(box.queued for box in self.boxes.values())

    def _needed(self, more: int = 0) -> int:
        """Bytes that the file lacks when all that is offered is in it; below 0: there is room."""
        return self.used + self.queued + more - self._bound

    def _spare(self) -> int:
        """Bytes of what the plants have: its room is given to what comes."""
        return sum(box.level.taken - box.level.before for box in self.boxes.values())

    def _schedule(self) -> None:
        if not self._scheduled and not self._turns.closed:
            self._scheduled = True
            self._turns.add(self._transaction)

    async def _transaction(self) -> None:
        self._scheduled = False
        group, self._queue = self._queue, []
        acknowledged, self._acknowledged = self._acknowledged, {}
        self.writing_since = self._clock.monotonic()
        used = self.used
        try:
            levels = await self._write(group, acknowledged)
            self.used = await used_bytes(self._turns.connection)
            await self._turns.connection.commit()
        except (sqlite3.Error, OSError) as error:
            await self._turns.connection.rollback()
            self.used = used
            self._fall(group, explain(self._turns.path, error))
            self._turns.see_to(error)
        else:
            self._announce(group, levels)
        finally:
            self.writing_since = None
            for offered in group:
                offered.box.queued -= offered.message.size

    async def _write(self, group: Sequence[Offered], acknowledged: Mapping[Box, int]) -> dict[Box, Level]:
        connection = self._turns.connection
        levels = {offered.box: offered.box.level for offered in group}
        for box, number in acknowledged.items():
            level = box.level
            levels[box] = await survey(connection, box.key, level.newest, level.total, number)
        rows = []
        for offered in group:
            box = offered.box
            levels[box] = grown(levels[box], offered.message)
            rows.append(row_of(box.key, levels[box], offered.message))
        await insert(connection, rows)
        for box, level in levels.items():
            if (excess := level.total - level.before - box.bound) > 0:
                levels[box] = await forget_bytes(connection, box.key, level, max(excess, _LEAST_ROOM))
        await self._make_room(levels)
        await write_levels(connection, {box.key: level for box, level in levels.items()})
        return levels

    async def _make_room(self, levels: dict[Box, Level]) -> None:
        """Have what the plants took go, that of the channel with the most of it first."""
        while (lacking := self._needed()) > 0:
            now = {box: levels.get(box, box.level) for box in self.boxes.values()}
            box = max(now, key=lambda each: now[each].taken - now[each].before)
            if now[box].taken <= now[box].before:
                return
            connection = self._turns.connection
            levels[box] = await forget_bytes(connection, box.key, now[box], max(lacking, _LEAST_ROOM))
            self.used -= levels[box].before - now[box].before

    def _announce(self, group: Sequence[Offered], levels: Mapping[Box, Level]) -> None:
        if self.unavailable is not None:
            _log.warning("the store %s takes messages again", self._turns.path)
            self.unavailable = None
        for box, level in levels.items():
            brought = level.newest > box.level.newest
            box.level = level
            if brought:
                box.wake()
        for offered in group:
            if not offered.future.done():  # its sender is gone: it will post it again
                offered.future.set_result(None)

    def _fall(self, group: Sequence[Offered], reason: str) -> None:
        if self.unavailable is None:
            _log.warning("nothing can be stored: %s", reason)
        self.unavailable = reason
        for offered in group:
            if not offered.future.done():
                offered.future.set_exception(StoreUnavailable(reason))

    # --- out ---------------------------------------------------------------------------------------------

    async def read(self, box: Box, after: int, since: int, *, most: int, size: int) -> Part:
        """Give the messages behind a number that came after the instant `since` (nanoseconds UTC).

        Args:
            box: the channel.
            after: the number.
            since: 0: all.
            most: messages at the most.
            size: bytes at the most, but one message in any case.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        connection = self._turns.connection
        messages, damaged, last = await self._turns.run(
            lambda: read_messages(connection, box.key, after, since, most=most, size=size)
        )
        if damaged:
            _log.error(
                "%d messages of the channel %s are damaged on disk and left out: see to the disk",
                damaged,
                box.name,
            )
        return Part(messages, last, damaged)

    async def expire(self, box: Box, instant: int) -> int:
        """Remove what came before an instant (nanoseconds UTC), taken or not; give how many the plant never had.

        Raises:
            StoreUnavailable: the disk does not take it now.
        """
        lost = 0
        while (oldest := box.level.oldest) <= box.level.newest:
            lost += await self._turns.run(lambda: self._expire(box, instant))
            if box.level.oldest == oldest:
                break
        return lost

    async def _expire(self, box: Box, instant: int) -> int:
        connection = self._turns.connection
        level, lost = await forget_before(connection, box.key, box.level, instant, _AT_ONCE)
        await connection.commit()
        await connection.execute_fetchall(f"PRAGMA incremental_vacuum({_RETURNED})")
        box.level = level
        self.used = await used_bytes(connection)
        return lost

    # --- life --------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Return when it is closed; whoever runs it watches it.

        Raises:
            StoreDamaged: the next start salvages what can be read.
        """
        await self._turns.watch()

    async def close(self) -> None:
        """Write what is offered, and let go of the file."""
        await self._turns.close()

    def _end(self) -> None:
        self.unavailable = f"the store {self._turns.path} is closed"
        for offered in self._queue:
            if not offered.future.done():
                offered.future.set_exception(StoreUnavailable(self.unavailable))
        self._queue = []
        for box in self.boxes.values():
            box.wake()
