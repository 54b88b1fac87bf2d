"""Makes room when the store is full: what is worth least goes first, and whatever was owed is declared as a gap.

First what is delivered everywhere; then (the recorded samples, which are not here) dead letters older than 30
days; then what is still owed, by priority from journal to critical, the oldest first. An event goes whole; it is
lost for the destinations where it was pending or dead, and for no other. The newest event, and the newest of each
destination, stay: `seq` and `previous` go on from them.

Rules for whoever changes this: all of it are jobs of `Turns`, each a bite; a deletion of something owed, its gap
and the `store.overflow` that tells it are one transaction. An outcome that comes for what is gone changes
nothing: it was declared lost, and a receiver that has it all the same has more than was promised.
"""

# ruff: noqa: S608 - statements are put together from constants; values are always bound

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.model import SECOND, EventType, Priority
from agent.store import gaps
from agent.store.blocks import Worth
from agent.store.counters import Counters
from agent.store.gaps import Gap, Ranges
from agent.store.plan import INSERT_DELIVERY, ROW, plan
from agent.store.records import Addressed, DeliveryState, Step
from agent.store.retention import delete_events
from agent.store.rows import EVENT_COLUMNS, INSERT_EVENT, decode_event, draft
from agent.store.turns import Turns
from agent.store.writer import Writer

BITE: Final = 500
_BLOCKS_A_BITE: Final = 16
_ALL: Final = 2**63
OLD_LETTERS: Final = 30 * 86_400 * SECOND
# So many records of gaps may wait; then the next one takes the place of those that begin first: what lies
# between those goes next, so that their pieces become one.
_RECORDS: Final = 64
_REPLACED: Final = 32

_EVENTS: Final = (
    "SELECT seq, priority, type, length(content) FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"
)
_OWED: Final = "SELECT seq, destination, state FROM delivery WHERE destination IN (SELECT id FROM destination) AND state IN (0, 2) AND "
_OWED_IN: Final = f"{_OWED} seq BETWEEN ? AND ?"
_OWED_OF: Final = f"{_OWED} seq IN (SELECT value FROM json_each(?))"
_LINKS_OF: Final = (
    "SELECT destination, previous, seq FROM delivery WHERE destination IN (SELECT id FROM destination) "
    "AND state IN (0, 2) AND seq IN (SELECT value FROM json_each(?))"
)
_LETTERS: Final = (
    "SELECT dead.seq, EXISTS (SELECT 1 FROM delivery AS other WHERE other.destination IN (SELECT id FROM destination) "
    "AND other.seq = dead.seq AND (other.state = 0 OR other.state = 2 AND other.settled_wall >= :before)) "
    "FROM delivery AS dead INDEXED BY delivery_dead WHERE dead.state = 2 AND dead.seq > :after "
    "AND NOT EXISTS (SELECT 1 FROM gap WHERE gap.seq = dead.seq) "
    f"ORDER BY dead.seq LIMIT {BITE}"
)
_RECORDED: Final = (
    f"SELECT {EVENT_COLUMNS} FROM gap JOIN event ON event.seq = gap.seq ORDER BY gap.first LIMIT {_RECORDS}"
)
_INSERT_GAP: Final = "INSERT INTO gap VALUES (?, ?, ?, ?, ?)"
_LOST: Final = "UPDATE destination SET lost = lost + ? WHERE id = ?"

Owed: TypeAlias = Mapping[int, Collection[tuple[int, DeliveryState]]]
"""Events by their number, and the destinations (keys) that they are pending or dead for."""
Declare: TypeAlias = Callable[[Gap], Addressed]


@dataclass(frozen=True, slots=True)
class _Found:
    """An event that may go: about how many bytes it takes, and whom it is owed."""

    seq: int
    size: int
    owed: Sequence[tuple[int, DeliveryState]]


class Eviction:
    """See the module.

    Attributes:
        declare: makes the event that tells a gap, and says to whom it goes.
    """

    def __init__(
        self, turns: Turns, counters: Counters, writer: Writer, clock: Clock, declare: Declare
    ) -> None:
        self.declare = declare
        self._turns = turns
        self._counters = counters
        self._writer = writer
        self._clock = clock

    async def settled(self) -> int | None:
        """Delete some of what nobody waits for; how many went, None when there is none. A job."""
        return await self._visit(Worth.SETTLED, _ALL, self._delete)

    async def owed(self, size: int) -> int | None:
        """Give up about so many bytes of what is owed and worth least; how many went, None: nothing may go. A job."""
        for worth in Worth:
            if worth is Worth.SETTLED:
                continue
            word = Priority[worth.name].word

            async def give_up(owed: Owed, word: str = word) -> int:
                return await self._give_up(owed, "undelivered", word)

            if (gone := await self._visit(worth, size, give_up)) is not None:
                return gone
        return None

    async def old_letters(self, after: int) -> tuple[int, int] | None:
        """Give up old dead letters above a number: which to go on above, and how many; None at the end. A job."""
        await self._settle()
        before = self._clock.wall() - OLD_LETTERS
        rows = list(
            await self._turns.connection.execute_fetchall(_LETTERS, {"after": after, "before": before})
        )
        if not rows:
            return None
        kept = self._counters.kept
        old = {seq for seq, owed in rows if not owed and seq not in kept}
        gone = await self._give_up(await self._owed_of(old), "dead letters", "any") if old else 0
        return rows[-1][0], gone

    async def _settle(self) -> None:
        """Outcomes that are not on disk would be taken for events that wait."""
        if not await self._writer.settle():
            raise StoreUnavailable(self._writer.unavailable or "")

    # --- what may go ----------------------------------------------------------------------------------------

    async def _visit(self, worth: Worth, size: int, let_go: Callable[[Owed], Awaitable[int]]) -> int | None:
        """Let go of the oldest of this worth, of so many bytes at the most; how many went, None when there are none."""
        await self._settle()
        visited: list[range] = []
        try:
            return await self._visit_blocks(worth, size, let_go, visited)
        except BaseException:
            for block in visited:  # nothing of it went
                self._counters.blocks.note(block.start, worth)
            raise

    async def _visit_blocks(
        self, worth: Worth, size: int, let_go: Callable[[Owed], Awaitable[int]], visited: list[range]
    ) -> int | None:
        found: list[_Found] = []
        enough = 0
        for _ in range(_BLOCKS_A_BITE):
            block = self._counters.blocks.take(worth)
            if block is None:
                break
            visited.append(block)
            found += await self._look(worth, block)
            enough = _enough(found, size)
            # The newest is noted with every commit: who goes on there would never come to an end.
            if enough < len(found) or len(found) >= BITE or self._counters.seq in block:
                break
        else:
            if not found:
                return 0
        for one in found[enough:]:
            self._counters.blocks.note(one.seq, worth)
        return await let_go({one.seq: one.owed for one in found[:enough]}) if found else None

    async def _look(self, worth: Worth, block: range) -> list[_Found]:
        connection = self._turns.connection
        ends = (block.start, block.stop - 1)
        owed: dict[int, list[tuple[int, DeliveryState]]] = {}
        for seq, key, state in await connection.execute_fetchall(_OWED_IN, ends):
            owed.setdefault(seq, []).append((key, DeliveryState(state)))
        kept = self._counters.kept
        found: list[_Found] = []
        for seq, priority, kind, size in await connection.execute_fetchall(_EVENTS, ends):
            if worth is not Worth.SETTLED:
                if seq not in owed or priority != Priority[worth.name] or kind == EventType.STORE_OVERFLOW:
                    continue
            elif seq in owed:
                continue
            if seq in kept:
                self._counters.hold_back(seq, worth)
            else:
                found.append(_Found(seq, size + ROW, owed.get(seq, [])))
        return found

    async def _owed_of(self, numbers: Collection[int]) -> dict[int, list[tuple[int, DeliveryState]]]:
        owed: dict[int, list[tuple[int, DeliveryState]]] = {seq: [] for seq in numbers}
        parameter = (orjson.dumps(sorted(numbers)).decode(),)
        for seq, key, state in await self._turns.connection.execute_fetchall(_OWED_OF, parameter):
            owed[seq].append((key, DeliveryState(state)))
        return owed

    # --- how it goes ----------------------------------------------------------------------------------------

    async def _delete(self, settled: Owed) -> int:
        await delete_events(self._turns.connection, settled)
        await self._turns.connection.commit()
        return len(settled)

    async def _give_up(self, owed: Owed, what: str, word: str) -> int:
        """Delete them and declare the gap: the numbers that the store then knows are as if they were counted anew."""
        connection, counters = self._turns.connection, self._counters
        replaced = await self._replaced()
        everything = {**owed, **await self._owed_of(replaced)}
        gap = self._gap(replaced, everything, await self._links(everything), what, word)
        declared = self.declare(gap)
        made = plan(
            [([draft(declared, counters.destinations)], ())],
            counters,
            self._writer.boot,
            self._writer.listener.reckon(),
        )
        await connection.executemany(INSERT_EVENT, made.events)
        await connection.executemany(INSERT_DELIVERY, made.deliveries)
        lost = _counted(everything)
        await connection.executemany(_LOST, [(count, key) for key, count in lost.items()])
        row = (made.seq, gap.seqs[0][0], gap.seqs[-1][1], gap.count, sum(lost.values()))
        await connection.execute(_INSERT_GAP, row)
        await delete_events(connection, everything)
        await connection.commit()
        # From here on nothing is awaited: an outcome that comes meanwhile is for what is gone.
        counters.advance(made.seq, made.previous, made.handed)
        counters.lose(everything, self._writer.disregard(everything))
        self._writer.listener.on_commit(Step((declared,)), made.handed[0])
        return len(everything)

    async def _links(self, numbers: Collection[int]) -> dict[str, Ranges]:
        """By destination: each that goes and the number before it that was addressed there."""
        parameter = (orjson.dumps(sorted(numbers)).decode(),)
        names = self._counters.names
        found: dict[str, Ranges] = {}
        for key, previous, seq in await self._turns.connection.execute_fetchall(_LINKS_OF, parameter):
            found[names[key]] = (*found.get(names[key], ()), (previous or 0, seq))
        return found

    def _gap(
        self, replaced: Mapping[int, Gap], everything: Owed, links: Mapping[str, Ranges], what: str, word: str
    ) -> Gap:
        names = self._counters.names
        lost = {names[key]: count for key, count in _counted(everything).items()}
        for earlier in replaced.values():
            for name, count in earlier.lost.items():
                lost[name] = lost.get(name, 0) + count
        seqs = gaps.joined(
            [*gaps.ranges(everything), *(piece for gap in replaced.values() for piece in gap.seqs)]
        )
        chains = gaps.chained([links, *(gap.chains for gap in replaced.values())])
        return Gap(what, word, seqs, lost, gaps.ranges(replaced), chains)

    async def _replaced(self) -> dict[int, Gap]:
        """The records of gaps whose place the next one takes, when too many wait."""
        connection = self._turns.connection
        [(many,)] = await connection.execute_fetchall("SELECT count(*) FROM gap")
        if many < _RECORDS:
            return {}
        rows = await connection.execute_fetchall(_RECORDED)
        found: dict[int, Gap] = {}
        pieces: Ranges = ()
        for row in rows:
            stored = decode_event(row)
            gap = None if stored is None else gaps.told(stored.event)
            if stored is None or gap is None or stored.seq in self._counters.kept:
                continue
            together = gaps.joined([*pieces, *gap.seqs])
            if len(together) <= gaps.MOST_RANGES:
                found[stored.seq], pieces = gap, together
            if len(found) == _REPLACED:
                break
        return found


def _enough(found: Sequence[_Found], size: int) -> int:
    """How many of them, from the first, have so many bytes."""
    for place, one in enumerate(found[:BITE]):
        size -= one.size
        if size <= 0:
            return place + 1
    return min(len(found), BITE)


def _counted(owed: Owed) -> dict[int, int]:
    """How many deliveries are lost, by the destination's key."""
    found: dict[int, int] = {}
    for deliveries in owed.values():
        for key, _ in deliveries:
            found[key] = found.get(key, 0) + 1
    return found
