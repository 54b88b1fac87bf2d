"""What is in memory and what is in the store: the moments at which an event could be lost or taken twice."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from rigs.dispatching import BOOT, NAME, delivery, fits
from rigs.virtual_time import VirtualClock

from agent.dispatch.backlog import Backlog
from agent.dispatch.room import MEMORY, PAGE
from agent.model import Priority
from agent.store.records import Part

pytestmark = pytest.mark.virtual_time

PAST = -1  # made before the agent started


class SlowStore:
    """Gives, on `answer`, the page as it was when it was asked for: what was committed since is not in it."""

    def __init__(self):
        self.rows = []
        self.over = set()
        self.asked = []
        self._go = asyncio.Event()

    async def waiting(self, destination, after, limit, part=Part.ALL, subject=""):
        assert destination == NAME
        self.asked.append((after, part))
        rows = (row for row in self.rows if row.stored.seq > after and row.stored.seq not in self.over)
        page = [row for row in rows if fits(row, part, subject)][:limit]
        await self._go.wait()
        self._go.clear()
        return page

    async def answer(self):
        self._go.set()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def reading(*rows, lanes=False, strict=False):
    """A backlog whose first page was just asked for, when the store held these."""
    store = SlowStore()
    store.rows.extend(rows)
    backlog = Backlog(NAME, store, VirtualClock(), longest_wait=0, lanes=lanes, strict=strict, boot=BOOT)
    task = asyncio.create_task(backlog.read(lambda: None))
    await asyncio.sleep(0.01)
    yield store, backlog
    task.cancel()
    await asyncio.wait([task])


def drain(backlog, store):
    """Everything in memory, in the order in which it may be tried; each has its outcome."""
    numbers = []
    while entries := backlog.queue.take(VirtualClock().monotonic()):
        numbers += [entry.seq for entry in entries]
        store.over.update(numbers)
        backlog.settle(entries)
    return numbers


async def test_what_is_committed_while_a_page_is_read_is_not_missed():
    """The page is from before it; it was handed over."""
    async with reading() as (store, backlog):
        store.rows.append(delivery(1))
        assert not backlog.offer(delivery(1))
        await store.answer()

        assert drain(backlog, store) == [1]
        assert not backlog.behind


async def test_what_is_in_the_page_and_handed_over_is_taken_once():
    """Handed over while the page is on its way, or late, after it came."""
    async with reading(delivery(1), delivery(2, "b"), delivery(3)) as (store, backlog):
        assert not backlog.offer(delivery(1))
        assert not backlog.offer(delivery(2, "b"))
        await store.answer()
        assert drain(backlog, store) == [1, 2, 3]
        assert not backlog.offer(delivery(3))

        assert drain(backlog, store) == []


async def test_more_than_can_be_remembered_while_a_page_is_read_is_read():
    """It stays behind until a page has shown the end."""
    async with reading() as (store, backlog):
        store.rows = [delivery(seq, f"s{seq}") for seq in range(1, 2 * PAGE)]
        for row in store.rows:
            backlog.offer(row)
        await store.answer()
        assert backlog.behind
        for _ in range(3):
            await store.answer()

        assert drain(backlog, store) == list(range(1, 2 * PAGE))
        assert not backlog.behind


async def test_a_spilled_subject_that_goes_on_while_it_is_read_is_read_on():
    """What is committed to it meanwhile is in no page yet, and comes after what is."""
    async with reading() as (store, backlog):
        await store.answer()
        store.rows = [delivery(seq) for seq in range(1, PAGE + 6)]
        for row in store.rows:
            backlog.offer(row)
        assert drain(backlog, store) == list(range(1, PAGE + 1))
        await asyncio.sleep(0.01)  # the rest of it is asked for
        store.rows.append(delivery(PAGE + 6))
        assert not backlog.offer(delivery(PAGE + 6))
        await store.answer()
        assert drain(backlog, store) == list(range(PAGE + 1, PAGE + 6))
        await asyncio.sleep(0.01)
        await store.answer()
        assert drain(backlog, store) == [PAGE + 6]
        assert backlog.offer(delivery(PAGE + 7))


async def test_a_dead_letter_sent_again_is_taken_once():
    """Handed over twice, or in a page that is still to come."""
    async with reading() as (store, backlog):
        again = delivery(5, resent=True)
        store.rows = [again]
        assert not backlog.offer(again)  # not read so far
        await store.answer()
        if not backlog.queue:
            await store.answer()
        assert not backlog.offer(again)

        assert drain(backlog, store) == [5]
        assert backlog.offer(delivery(2, resent=True))  # dead for longer: its number lies behind


async def test_a_dead_letter_sent_again_in_the_midst_of_a_page_that_is_read_is_not_missed():
    """The page is full and from before it, and ends behind its number; others come after it."""
    rows = [delivery(seq, f"s{seq}") for seq in range(2, 2 * PAGE, 2)]
    async with reading(*rows) as (store, backlog):
        store.rows = sorted([*rows, delivery(5, resent=True)], key=lambda row: row.stored.seq)
        assert not backlog.offer(delivery(5, resent=True))
        while backlog.behind or backlog.queue:
            assert len(drain(backlog, store)) < PAGE
            await store.answer()

    assert 5 in store.over
    assert store.over == {row.stored.seq for row in store.rows}


async def test_what_is_sent_again_while_later_ones_of_its_subject_are_read_loses_none_of_them():
    """Somebody resends the newest dead letters, then the oldest, of one rule: the page that was being read is read again."""
    first = [delivery(seq, resent=True) for seq in range(1_001, 1_001 + 2 * PAGE)]
    async with reading() as (store, backlog):
        await store.answer()
        store.rows = list(first)
        for row in first:
            backlog.offer(row)
        assert len(drain(backlog, store)) == PAGE
        await asyncio.sleep(0.01)  # the rest of it is asked for
        store.rows.insert(0, delivery(5, resent=True))
        assert not backlog.offer(delivery(5, resent=True))
        for _ in range(6):
            await store.answer()
            drain(backlog, store)

    assert store.over == {row.stored.seq for row in store.rows}


async def test_in_strict_order_nothing_is_lost_when_memory_was_full_and_dead_letters_come():
    """All of it is one subject: what is sent again, and what is new, is read behind what fills memory."""
    async with reading(strict=True) as (store, backlog):
        await store.answer()
        store.rows = [delivery(seq) for seq in range(100, 100 + MEMORY + 2 * PAGE)]
        for row in store.rows:
            backlog.offer(row)
        store.rows.insert(0, delivery(5, resent=True))
        backlog.offer(delivery(5, resent=True))
        for _ in range(8):
            drain(backlog, store)
            await store.answer()

    assert store.over == {row.stored.seq for row in store.rows}


async def test_nothing_is_read_while_memory_is_full():
    """And nothing at all once it keeps up."""
    async with reading() as (store, backlog):
        await store.answer()
        for seq in range(1, 50):
            backlog.offer(delivery(seq))
        await asyncio.sleep(100)

        assert store.asked == [(0, Part.ALL)]


async def test_an_urgent_subject_is_read_ahead_of_its_page_once():
    """Handed over late, or met by a page, it is known; what comes of it now goes straight into memory."""
    rest = [delivery(seq, f"s{seq}", priority=Priority.LOW, at=PAST) for seq in range(1, 2 * PAGE)]
    urgent, later = (delivery(2 * PAGE + number, "a", at=PAST) for number in (0, 1))
    async with reading(*rest, urgent, lanes=True) as (store, backlog):
        for _ in range(3):
            await store.answer()
        assert store.asked[:3] == [(0, Part.URGENT), (0, Part.ALL), (0, Part.SUBJECT)]
        assert not backlog.offer(urgent)
        assert drain(backlog, store)[0] == 2 * PAGE
        assert not backlog.offer(urgent)
        store.rows.append(later)
        assert backlog.offer(later)
        assert not backlog.offer(later)
        await store.answer()
        assert drain(backlog, store) == [2 * PAGE + 1, *range(PAGE + 1, 2 * PAGE)]
        await store.answer()

        assert not backlog.behind


async def test_a_live_alarm_is_read_behind_what_waits_of_its_subject():
    """At once, before any page; its earlier events, which are not urgent, go before it."""
    earlier = [delivery(seq, "a", priority=Priority.LOW, at=PAST) for seq in (2, 5)]
    rest = [delivery(seq, f"s{seq}", priority=Priority.LOW, at=PAST) for seq in (1, 3, 4)]
    async with reading(*sorted([*earlier, *rest], key=lambda row: row.stored.seq), lanes=True) as (
        store,
        backlog,
    ):
        store.rows.append(delivery(6, "a", priority=Priority.CRITICAL, at=VirtualClock().monotonic()))
        assert backlog.offer(store.rows[-1])
        await store.answer()
        await store.answer()

        assert store.asked == [(0, Part.URGENT), (0, Part.SUBJECT), (0, Part.ALL)]
        assert drain(backlog, store) == [2, 5, 6]
        await store.answer()
        assert drain(backlog, store) == [1, 3, 4]


async def test_in_strict_order_everything_is_read_from_the_front():
    """One queue: no lanes, no subject ahead of another, whatever is live."""
    rows = [delivery(seq, f"s{seq}", priority=Priority.LOW) for seq in range(1, 2 * PAGE)]
    async with reading(*rows, strict=True) as (store, backlog):
        store.rows.append(delivery(2 * PAGE, "alarm", priority=Priority.CRITICAL))
        assert not backlog.offer(store.rows[-1])
        numbers = []
        for _ in range(3):
            await store.answer()
            numbers += drain(backlog, store)
            await asyncio.sleep(0.01)

        assert numbers == list(range(1, 2 * PAGE + 1))
        assert backlog.offer(delivery(2 * PAGE + 1))
