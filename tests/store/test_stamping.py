"""Stamps of events from before the clock was known: mended for whoever has not seen them, and then fixed."""

import asyncio
import json

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from rigs.stores import BOOT, HandClock, event, opened, refusing_disk, step

from agent.delivery.body import Identity, Place, render
from agent.desk import Desk
from agent.errors import StoreUnavailable
from agent.model import SECOND
from agent.stamps import Reckoning, Standing
from agent.store.records import EventFilter, MarkDead, MarkDelivered, Selection, Stored
from agent.store.stamping import Stamps
from agent.store.store import Store

WRONG = Reckoning(0, Standing.WRONG)
RIGHT = Reckoning(1_795_000_000 * SECOND, Standing.TRUSTED)
IDENTITY = Identity("dresden", "line-4", "k3v9")


async def sent(store, destination="a"):
    """What each waiting event would be sent as now, by number; it may be seen."""
    bodies = {}
    for delivery in await store.waiting(destination, 0, 100):
        known = await store.stamps.stamp(destination, delivery.stored)
        place = Place(delivery.stored.seq, delivery.previous, known.offset, known.standing)
        bodies[delivery.stored.seq] = render(delivery.stored.event, place, IDENTITY)
    return bodies


def told(body):
    """The year of its stamps, and what it says about the clock."""
    read = json.loads(body)
    assert read["timestamp"][:4] == read["data"]["onset"][:4]
    return read["timestamp"][:4], read["data"].get("clock")


async def test_what_waits_when_the_clock_is_set_is_stamped_by_it(tmp_path):
    """Also after a restart; and what is stored from then on needs no mending."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
        store.reckon = lambda: RIGHT
        await store.correct()
        await store.commit(step(2))
        before = await sent(store)
        assert [told(body) for body in before.values()] == [("2026", None), ("2026", None)]
    async with opened(path) as store:
        assert await sent(store) == before


async def test_what_may_have_been_seen_stays_as_it_was(tmp_path):
    """By one destination; another that has not seen it gets the better stamp. To the byte, over restarts."""
    path = tmp_path / "events.db"
    async with opened(path, "a", "b") as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1, to=("a", "b")))
        first = await sent(store)
        assert told(first[1]) == ("1970", "unsynchronized")
        store.reckon = lambda: RIGHT
        await store.correct()
        assert await sent(store) == first
        other = await sent(store, "b")
        assert told(other[1]) == ("2026", None)
    async with opened(path, "a", "b") as store:
        assert await sent(store) == first
        assert await sent(store, "b") == other


async def test_an_attempt_that_found_no_connection_fixes_nothing(tmp_path):
    """TLS fails in 1970: those attempts must not keep the stamp from being mended; an earlier one that got through does."""
    async with opened(tmp_path / "events.db") as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1, 2))
        first = await sent(store)
        store.stamps.unseen("a", 1)
        await sent(store)
        store.stamps.unseen("a", 1)
        store.stamps.unseen("a", 2)
        store.reckon = lambda: RIGHT
        await store.correct()
        now = await sent(store)

        assert told(now[1]) == ("2026", None)
        assert now[2] == first[2]


async def test_what_comes_later_is_not_stamped_by_what_was_known_before(tmp_path):
    """The clock was proven, and is refuted since: an event of now says so."""
    async with opened(tmp_path / "events.db") as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
        store.reckon = lambda: RIGHT
        await store.correct()
        store.reckon = lambda: WRONG
        await store.commit(step(2))

        assert [told(body) for body in (await sent(store)).values()] == [
            ("2026", None),
            ("1970", "unsynchronized"),
        ]


async def test_what_waits_from_an_earlier_run_stays_marked(tmp_path):
    """It may have been seen before the restart, and in another boot nobody knows what its instants mean."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
    for boot in (BOOT, "another"):
        async with await Store.open(path, clock=HandClock(), boot=boot) as store:
            store.reckon = lambda: RIGHT
            await store.correct()
            assert told((await sent(store))[1]) == ("1970", "unsynchronized")


async def test_a_disk_that_does_not_take_the_correction_leaves_all_as_it_was(tmp_path):
    """Nothing is stamped by what a kill would forget."""
    async with opened(tmp_path / "events.db") as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
        store.reckon = lambda: RIGHT
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.correct()
        [waiting] = await store.waiting("a", 0, 10)

        assert store.stamps.known(waiting.stored, "a") == WRONG


async def test_no_attempt_begins_while_the_clock_is_corrected():
    """It waits for what it is to be stamped with, or a kill would tell another one afterwards."""
    stamps, stored, disk = (
        Stamps(None, 0),
        Stored(1, event(1), BOOT, 0, Standing.WRONG),
        asyncio.Event(),
    )
    correcting = asyncio.create_task(stamps.correct(RIGHT, 1, lambda _: disk.wait()))
    await asyncio.sleep(0)
    attempt = asyncio.create_task(stamps.stamp("a", stored))
    await asyncio.sleep(0)
    assert not attempt.done()
    disk.set()

    assert await attempt == RIGHT
    await correcting


async def test_people_see_the_best_that_is_known_and_what_they_send_again_has_it(tmp_path):
    """The letter died with the old stamp; it goes out anew, `late`, with the right one."""
    async with opened(tmp_path / "events.db") as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
        await sent(store)
        store.mark(MarkDead("a", 1, 0, "400"))
        store.reckon = lambda: RIGHT
        await store.correct()
        [listed] = await Desk(store, IDENTITY).events({})
        assert listed["timestamp"].startswith("2026")
        assert (await store.letters.resend(Selection())).count == 1

        assert told((await sent(store))[1]) == ("2026", None)


async def test_what_was_delivered_and_not_yet_marked_on_disk_is_marked_with_the_correction(tmp_path):
    """A kill after it must not send the same event with other stamps."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        store.reckon = lambda: WRONG
        await store.commit(step(1))
        await sent(store)
        store.mark(MarkDelivered("a", 1, 0))
        store.reckon = lambda: RIGHT
        await store.correct()
        rows = await store._turns.connection.execute_fetchall("SELECT state FROM delivery")

        assert [tuple(row) for row in rows] == [(1,)]
        [listed] = await store.events(EventFilter(), 1)
        assert listed.stored.standing is Standing.WRONG


class Stamping(RuleBasedStateMachine):
    """Events, attempts, corrections, kills and reboots in any order."""

    def __init__(self):
        super().__init__()
        self.kept, self.boot, self.events = None, 0, []
        self.seen = {}
        self.clock = WRONG
        self.start()

    def start(self):
        self.stamps = Stamps(self.kept, len(self.events))
        self.clock = WRONG

    @rule()
    def store(self):
        seq = len(self.events) + 1
        stored = Stored(seq, event(seq), f"boot {self.boot}", self.clock.offset, self.clock.standing)
        self.events.append(stored)

    @precondition(lambda self: self.events)
    @rule(data=st.data(), destination=st.sampled_from("ab"), connected=st.booleans())
    def attempt(self, data, destination, connected):
        stored = data.draw(st.sampled_from(self.events))
        key = destination, stored.seq
        stamp = done(self.stamps.stamp(destination, stored))
        assert stamp == self.seen.get(key, stamp)
        assert stamp.standing >= stored.standing
        assert stamp in (
            stored.reckoning,
            self.right(stored, Standing.TRUSTED),
            self.right(stored, Standing.UNPROVEN),
        )
        if connected:
            self.seen[key] = stamp
        else:
            self.stamps.unseen(destination, stored.seq)

    def right(self, stored, standing):
        return Reckoning((int(stored.boot.split()[1]) + 1) * 1000 + standing, standing)

    @rule(standing=st.sampled_from([Standing.UNPROVEN, Standing.TRUSTED]), stored=st.booleans())
    def learn(self, standing, stored):
        known = Reckoning((self.boot + 1) * 1000 + standing, standing)

        async def keep(kept):
            if not stored:
                raise StoreUnavailable("full")
            self.kept = kept

        if standing > self.clock.standing:
            self.clock = known
            try:
                done(self.stamps.correct(known, len(self.events), keep))
            except StoreUnavailable:
                assert not stored

    @rule()
    def dip(self):
        self.clock = WRONG

    @rule(reboot=st.booleans())
    def kill(self, reboot):
        self.boot += reboot
        self.start()

    @invariant()
    def nothing_proven_is_touched(self):
        for stored in self.events:
            if stored.standing is Standing.TRUSTED:
                assert self.stamps.known(stored) == stored.reckoning


def done(coroutine):
    """What a coroutine gives that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


def test_a_stamp_that_may_have_been_seen_never_changes():
    """Whatever is learned of the clock, whoever is killed when."""
    run_state_machine_as_test(Stamping)
