"""Produced = delivered + dead-lettered + waiting + declared gaps, exactly, for each destination, whatever happens."""

import asyncio
import os
import random
import shutil

import pytest
from rigs.stores import BOOT, HandClock, event, sql

from agent.model import SECOND, EventType, Priority
from agent.store.gaps import told
from agent.store.records import Addressed, Attempt, MarkCharged, MarkDead, MarkDelivered, Selection, Step
from agent.store.store import Store

HISTORIES = int(os.environ.get("EDGE_RELAY_HISTORIES", "5"))
STEPS = 80
NAMES = ("a", "b", "c")
LIMIT = 600_000  # a third of a megabyte is for events
DAY = 86_400 * SECOND


class History:
    """One store, what became of it by its own account, and by that of a receiver that notes everything."""

    def __init__(self, folder, dice):
        self.folder, self.dice, self.clock = folder, dice, HandClock()
        self.lives = 0
        self.number = 0
        self.produced = {name: set() for name in NAMES}
        self.delivered = {name: set() for name in NAMES}
        self.named = set()

    async def open(self):
        path = self.folder / f"{self.lives}.db"
        self.store = await Store.open(path, clock=self.clock, boot=BOOT)
        await self.store.sync_destinations(NAMES)
        room = self.store.room
        room.limit = lambda: LIMIT
        room.address = lambda made: Addressed(made, tuple(self.dice.sample(NAMES, self.dice.randrange(4))))
        self.store.on_commit = self.note

    def note(self, done, deliveries):
        for one in deliveries:
            if not one.resent:
                self.produced[one.destination].add(one.stored.seq)
        for addressed in done.events:
            if addressed.event.type is EventType.STORE_OVERFLOW:
                gap = told(addressed.event)
                self.named |= {seq for first, last in gap.seqs for seq in range(first, last + 1)}

    async def make(self):
        events = []
        for _ in range(self.dice.randrange(1, 40)):
            self.number += 1
            data = {"bulk": "x" * self.dice.randrange(4_000)}
            one = event(self.number, priority=self.dice.choice(list(Priority)), data=data)
            events.append(Addressed(one, tuple(self.dice.sample(NAMES, self.dice.randrange(4)))))
        await self.store.commit(Step(events))

    def mark(self, name, seq):
        match self.dice.randrange(4):
            case 0:
                self.store.mark(MarkCharged(name, seq, Attempt(0, 500, 0.1, "no"), 0))
                self.store.mark(MarkDead(name, seq, self.clock.wall(), "400"))
            case _:
                self.delivered[name].add(seq)
                self.store.mark(MarkDelivered(name, seq, 0))

    async def deliver(self):
        name = self.dice.choice(NAMES)
        after = self.dice.choice([0, 0, self.store.seq // 2])
        for one in await self.store.waiting(name, after, self.dice.randrange(60)):
            if self.dice.random() < 0.8:
                self.mark(name, one.stored.seq)

    async def keep(self):
        """Beside it a dispatcher reports what it had in memory, also of what is being given up."""
        held = [(name, one.stored.seq) for name in NAMES for one in await self.store.waiting(name, 0, 30)]
        keeping = asyncio.create_task(self.store.room.keep())
        for name, seq in self.dice.sample(held, self.dice.randrange(len(held) + 1)):
            await asyncio.sleep(0)
            self.mark(name, seq)
        await keeping

    async def tidy(self):
        await self.store.flush()
        await self.store.prune(self.dice.choice([0, 10 * DAY]))

    async def resend(self):
        await self.store.letters.resend(Selection(destination=self.dice.choice(NAMES)))

    async def age(self):
        self.clock.instant += self.dice.randrange(40) * DAY

    async def kill(self):
        """What is on disk between two turns is all that is left; sometimes the middle of making room."""
        keeping = asyncio.create_task(self.store.room.keep())
        for _ in range(self.dice.randrange(12)):
            await asyncio.sleep(0)
        new = self.folder / f"{self.lives + 1}.db"

        async def copy():
            for end in ("", "-wal"):
                source = self.folder / f"{self.lives}.db{end}"
                if source.exists():
                    shutil.copyfile(source, f"{new}{end}")

        produced, named = {name: set(self.produced[name]) for name in NAMES}, set(self.named)
        at = asyncio.create_task(self.store._turns.run(copy))
        at.add_done_callback(
            lambda _: (produced.update({n: set(self.produced[n]) for n in NAMES}), named.update(self.named))
        )
        await at
        self.produced, self.named = produced, named
        self.store.on_commit = lambda *_: None
        await keeping
        await self.store.close()
        self.lives += 1
        await self.open()

    async def check(self):
        """The store's own count, row by row."""
        await self.store.flush()
        lost = dict(await sql(self.store, "SELECT name, lost FROM destination"))
        for key, name in enumerate(NAMES, 1):
            rows = dict(await sql(self.store, "SELECT seq, state FROM delivery WHERE destination = ?", key))
            gone = self.produced[name] - rows.keys()
            assert rows.keys() <= self.produced[name]
            assert gone <= self.delivered[name] | self.named, "something went in silence"
            assert gone - self.delivered[name] <= self.named
            assert len(gone - self.delivered[name]) <= lost[name] <= len(gone & self.named)
            states = list(rows.values())
            assert self.store.waiting_count(name) == states.count(0)
            assert self.store.dead_count(name) == states.count(2)
        [(newest,)] = await sql(self.store, "SELECT max(seq) FROM event")
        assert self.store.seq == (newest or 0)
        orphans = "SELECT count(*) FROM {} WHERE seq NOT IN (SELECT seq FROM event)"
        for table in ("delivery", "attempt", "gap"):
            assert await sql(self.store, orphans.format(table)) == [(0,)]


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_nothing_goes_in_silence(tmp_path, seed):
    """Random events, outcomes, evictions, kills: each number is delivered, dead, waiting or named by a gap."""
    dice = random.Random(seed)
    history = History(tmp_path, dice)
    await history.open()
    actions = [history.make] * 9 + [history.deliver] * 4 + [history.keep] * 3
    actions += [history.tidy, history.resend, history.age, history.kill]
    for _ in range(STEPS):
        await dice.choice(actions)()
        if dice.random() < 0.2:
            await history.check()
    while not history.named:  # every history has to do with a full store
        await history.make()
        await history.keep()
    await history.check()
    await history.store.close()
