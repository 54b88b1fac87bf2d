"""A damaged file never stops the agent: what can be read begins a new store, and what is missing is said."""

import asyncio
import json
import os
import random
import sqlite3
import sys
from contextlib import closing, suppress
from itertools import product

import pytest
from rigs.stores import BOOT, HandClock, event, opened, recorded, sql, step

from agent.errors import EdgeRelayError, StoreDamaged, StoreRefused, StoreUnavailable
from agent.model import Priority
from agent.store.records import (
    Addressed,
    Attempt,
    DestinationFacts,
    EventFilter,
    MarkCharged,
    MarkDead,
    MarkDelivered,
    Selection,
    Step,
)
from agent.store.rows import decode_event
from agent.store.salvage import LOST_KEY
from agent.store.store import Store

PAGE = 4096
EVENTS = 600
DAMAGES = int(os.environ.get("EDGE_RELAY_DAMAGES", "27"))
# Damages that were too much once: of a key, of what is not needed, of the header's and the schema's text.
ONCE_TOO_MUCH = {72, 76, 81, 122, 144, 153}
NAMES = ("a", "b", "c")


def one(number):
    data = {"value": number, "text": "x" * (number * 37 % 700 + (9_000 if number % 97 == 0 else 0))}
    return event(number, data=data, priority=list(Priority)[number % 5])


@pytest.fixture(scope="module")
def wrecks(tmp_path_factory):
    """Two stores with the same content: one that ended in good order, and one that was killed with a full log."""
    folder = tmp_path_factory.mktemp("wrecks")

    async def build():
        async with opened(folder / "whole.db", *NAMES) as store:
            for start in range(1, EVENTS + 1, 50):
                batch = [
                    Addressed(one(number), NAMES[: number % 3 + 1]) for number in range(start, start + 50)
                ]
                await store.commit(Step(batch, {f"rule/{start}": b"state %d" % start}))
                if start == EVENTS // 2 + 1:
                    await sql(store, "PRAGMA wal_checkpoint(TRUNCATE)")
            for seq in range(1, EVENTS, 2):
                store.mark(MarkDelivered("a", seq, 5))
            for seq in range(2, EVENTS, 20):
                store.mark(MarkCharged("a", seq, Attempt(0, 500, 0.5, "no"), 7))
                store.mark(MarkDead("a", seq, 9, "400"))
            await store.set_destination("b", DestinationFacts("410", 11, "holiday", 12, 13))
            await store.flush()
            for name in ("killed.db", "killed.db-wal"):
                (folder / name).write_bytes((folder / name.replace("killed", "whole")).read_bytes())

    asyncio.run(build())
    return folder


def truth(path):
    """What a plain SQLite finds by number, row by row: waiting (name, id), all events (id), all deliveries (name, id)."""
    names = dict(enumerate(NAMES, 1))
    waiting, addressed, events = set(), set(), {}
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA writable_schema = ON")
        for seq in range(1, EVENTS + 1):
            with suppress(sqlite3.Error):
                for row in connection.execute(
                    'SELECT seq, id, type, priority, subject, tag, rule, at, boot, "offset", content, checksum '
                    "FROM event WHERE seq = ?",
                    (seq,),
                ):
                    stored = decode_event(row)
                    if stored is not None:
                        events[seq] = stored.event
        for (key, name), (seq, found) in product(names.items(), events.items()):
            with suppress(sqlite3.Error):
                for (state,) in connection.execute(
                    "SELECT state FROM delivery WHERE destination = ? AND seq = ?", (key, seq)
                ):
                    addressed.add((name, found.id))
                    if state == 0:
                        waiting.add((name, found.id))
    return waiting, addressed, events


DAMAGE = {
    "flips": lambda dice, raw: [flip(dice, raw) for _ in range(20)],
    "zeros": lambda dice, raw: fill(dice, raw, bytes(PAGE)),
    "noise": lambda dice, raw: fill(dice, raw, dice.randbytes(PAGE)),
    "first page": lambda dice, raw: raw.__setitem__(slice(0, PAGE), dice.randbytes(PAGE)),
    "header": lambda dice, raw: [flip(dice, raw, 100) for _ in range(3)],
    "schema": lambda dice, raw: [flip(dice, raw, 3 * PAGE) for _ in range(5)],
    "shorter": lambda dice, raw: raw.__delitem__(slice(dice.randrange(PAGE, len(raw)), None)),
    "a tenth": lambda dice, raw: [fill(dice, raw, bytes(PAGE)) for _ in range(len(raw) // PAGE // 10)],
    "wrong pages": lambda dice, raw: [swap(dice, raw) for _ in range(3)],
}


def flip(dice, raw, end=None):
    place = dice.randrange(end or len(raw))
    if place not in range(60, 64):  # the version: a store of a newer program is refused, with its remedy
        raw[place] ^= 1 << dice.randrange(8)


def fill(dice, raw, page):
    place = dice.randrange(1, len(raw) // PAGE) * PAGE
    raw[place : place + PAGE] = page


def swap(dice, raw):
    first, second = (dice.randrange(1, len(raw) // PAGE) * PAGE for _ in range(2))
    raw[first : first + PAGE], raw[second : second + PAGE] = (
        raw[second : second + PAGE],
        raw[first : first + PAGE],
    )


async def survivors(path):
    """Open it as often as the agent would be started anew; what it has in the end."""
    for _ in range(3):
        try:
            store = await Store.open(path, clock=HandClock(), boot=BOOT)
        except StoreDamaged:
            continue
        try:
            await store.sync_destinations(NAMES)
            waiting = {name: await store.waiting(name, 0, 10_000) for name in NAMES}
            states = await store.states()
            await store.commit(step(10_000, to=NAMES))
        except StoreUnavailable:
            continue
        else:
            return waiting, states
        finally:
            with suppress(EdgeRelayError):
                await store.close()
    raise AssertionError("it does not come up")


@pytest.mark.parametrize("seed", sorted({*range(DAMAGES), *ONCE_TOO_MUCH}))
def test_it_starts_whatever_the_damage_and_brings_back_what_can_be_read(wrecks, tmp_path, seed):
    """Nothing is invented; after a salvage every waiting event that a plain look-up finds waits again, in order."""
    dice = random.Random(seed)
    kind = list(DAMAGE)[seed % len(DAMAGE)]
    before, addressed, events = truth(wrecks / "whole.db")
    state, logged = ("killed", True) if seed % 4 == 3 else ("whole", False)
    files = {end: bytearray((wrecks / f"{state}.db{end}").read_bytes()) for end in ("", "-wal")[: 1 + logged]}
    DAMAGE[kind](dice, files["-wal" if logged and seed % 8 == 3 else ""])
    path = tmp_path / "events.db"
    for end, raw in files.items():
        (tmp_path / f"events.db{end}").write_bytes(raw)
        (tmp_path / f"look.db{end}").write_bytes(raw)
    waiting, states = asyncio.run(survivors(path))

    found = {(name, each.stored.event.id) for name, many in waiting.items() for each in many}
    assert found <= addressed | {(name, "evt_10000") for name in NAMES}
    originals = {each.id: each for each in events.values()}
    for many in waiting.values():
        chain = None
        for each in many:
            assert each.stored.event == originals[each.stored.event.id]
            chain = each.stored.seq
        assert chain is None or [each.stored.seq for each in many] == sorted(each.stored.seq for each in many)
    if LOST_KEY not in states:
        return
    word = json.loads(states[LOST_KEY])
    assert list(tmp_path.glob("events.db.damaged-*"))
    readable, _, _ = truth(tmp_path / "look.db")
    if kind != "wrong pages":  # a scan that meets them ends without a word
        assert found >= readable & before
    assert word["waiting"] == len(found)
    for many in waiting.values():
        assert [each.previous for each in many] == [None, *(each.stored.seq for each in many)][: len(many)]


async def test_a_salvaged_store_goes_on_in_a_new_epoch(wrecks, tmp_path):
    """Ids stay, numbers are new, chains begin anew; dead letters and history keep their places; it is said once."""
    path = tmp_path / "events.db"
    raw = bytearray((wrecks / "whole.db").read_bytes())
    content = raw.find(b'"value":400,')
    start = content // PAGE * PAGE
    raw[start : start + PAGE] = bytes(PAGE)
    path.write_bytes(raw)
    async with opened(wrecks / "whole.db", *NAMES) as store:
        epoch, last = store.epoch, store.seq
        dead = {one.stored.event.id for one in await store.letters.dead(Selection(), 1000)}
    async with opened(path, *NAMES) as store:
        states = await store.states()
        word = json.loads(states.pop(LOST_KEY))
        announced = recorded(store)
        await store.commit(step(9_000, to=NAMES))
        waiting = await store.waiting("c", 0, 1000)
        letters = await store.letters.dead(Selection(), 1000)
        listed = await store.events(EventFilter(), 10_000)

        assert store.epoch != epoch
        assert word["old_epoch"] == epoch
        assert word["last_seq"] == last
        assert 400 in [seq for first, end in word["lost"]["a"] for seq in range(first, end + 1)]
        assert len(states) == 12
        assert (await store.destination_facts())["b"] == DestinationFacts("410", 11, "holiday", 12, 13)
        assert all(one.stored.seq > last for one in waiting)
        assert waiting[0].previous is None
        assert [one.previous for one in announced[0][1]] == [
            (await store.waiting(name, 0, 1000))[-2].stored.seq for name in NAMES
        ]
        assert len({one.stored.event.id for one in letters} & dead) >= len(dead) - 6
        assert all(one.seq <= last for one in letters)
        assert await store.letters.resend(Selection(seq=letters[0].seq))
        assert len(listed) > EVENTS * 0.9
        assert store.waiting_count("c") == len(waiting)


@pytest.mark.parametrize("stage", ["being made", "complete", "half moved"])
async def test_a_rescue_that_was_killed_is_taken_up_again(wrecks, tmp_path, stage):
    """At any moment either the damaged file is in its place or the new one is complete."""
    path = tmp_path / "events.db"
    damaged = bytearray((wrecks / "whole.db").read_bytes())
    damaged[40 * PAGE : 44 * PAGE] = bytes(4 * PAGE)
    path.write_bytes(damaged)
    if stage == "being made":
        (tmp_path / "events.db.salvage").write_bytes(b"half of it")
        (tmp_path / "events.db.salvage-journal").write_bytes(b"")
    else:
        (tmp_path / "events.db.salvaged").write_bytes((wrecks / "whole.db").read_bytes())
    if stage == "half moved":
        path.rename(tmp_path / "events.db.damaged-20261121T080003Z")
    async with opened(path, *NAMES) as store:
        assert (await store.waiting("c", 0, 10))[0].stored.event.id == "evt_2"
        assert (LOST_KEY in await store.states()) == (stage == "being made")

    assert len([each for each in tmp_path.iterdir() if "damaged" in each.name]) == 1
    assert not (tmp_path / "events.db.salvaged").exists()


async def test_what_is_no_store_at_all_is_moved_aside(tmp_path):
    """A text, say; the agent begins an empty store, and says so."""
    path = tmp_path / "events.db"
    path.write_bytes(b"not a database, but long enough to be looked at" * 1000)
    async with opened(path) as store:
        await store.commit(step(1))
        assert json.loads((await store.states())[LOST_KEY])["waiting"] == 0
    aside = min(tmp_path.glob("events.db.damaged-*"), key=lambda each: len(each.name))
    assert aside.stat().st_size == 47_000


async def test_damage_that_is_met_at_work_is_mended_at_the_next_start(wrecks, tmp_path, monkeypatch):
    """A file too large to be looked through at the start: the store ends, and knows why when it is opened again."""
    monkeypatch.setattr("agent.store.opening._SMALL", 0)
    path = tmp_path / "events.db"
    raw = bytearray((wrecks / "whole.db").read_bytes())
    start = raw.find(b'"value":300,') // PAGE * PAGE
    raw[start : start + PAGE] = b"\xff" * PAGE
    path.write_bytes(raw)
    store = await Store.open(path, clock=HandClock(), boot=BOOT)
    await store.sync_destinations(NAMES)
    with pytest.raises(StoreUnavailable, match="the next start"):
        await store.waiting("a", 0, 1000)
    with pytest.raises(StoreDamaged, match="the next start"):
        await store.watch()
    with pytest.raises(StoreDamaged):
        await store.close()
    async with opened(path, *NAMES) as again:
        assert len(await again.waiting("a", 0, 1000)) > 200
        assert "found damaged" in json.loads((await again.states())[LOST_KEY])["reason"]
    async with opened(path, *NAMES) as again:
        assert LOST_KEY in await again.states()
    assert len(list(tmp_path.glob("events.db.damaged-*"))) == 1


async def test_a_running_store_is_not_rescued_from_under_its_agent(wrecks, tmp_path):
    """Whoever comes second is refused, also when the file is damaged."""
    path = tmp_path / "events.db"
    path.write_bytes((wrecks / "whole.db").read_bytes())
    async with opened(path, *NAMES) as store:
        await store.commit(step(1))
        # In the other process: whoever closes the file in this one gives up its lock.
        script = (
            "import asyncio, sys, pathlib\nfrom agent.clock import SystemClock\nfrom agent.store.store import Store\n"
            "path = pathlib.Path(sys.argv[1])\nwith path.open('r+b') as file:\n file.seek(40960)\n file.write(bytes(4096))\n"
            "asyncio.run(Store.open(path, clock=SystemClock(), boot='x'))"
        )
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(path), stderr=asyncio.subprocess.PIPE
        )
        _, told = await child.communicate()

        assert b"another edge-relay is using it" in told
        assert not list(tmp_path.glob("*damaged*"))


def test_a_newer_store_and_another_program_are_still_refused(tmp_path):
    """Those are not damaged: moving them aside would be wrong."""
    other = sqlite3.connect(tmp_path / "events.db")
    other.execute("CREATE TABLE wine (name TEXT)")
    other.close()

    with pytest.raises(StoreRefused, match="another program"):
        asyncio.run(Store.open(tmp_path / "events.db", clock=HandClock(), boot=BOOT))


async def salvaged(path):
    """What waits for each once the store was opened as one that is damaged."""
    (path.parent / f"{path.name}.suspect").touch()
    async with opened(path, *NAMES) as store:
        assert LOST_KEY in await store.states()
        return {(name, one.stored.event.id) for name in NAMES for one in await store.waiting(name, 0, 10_000)}


async def test_a_destroyed_first_page_costs_nothing_but_itself(wrecks, tmp_path):
    """It says where the tables begin, which is the same in every store; what it was is kept."""
    raw = bytearray((wrecks / "whole.db").read_bytes())
    raw[:PAGE] = random.Random(1).randbytes(PAGE)
    (tmp_path / "events.db").write_bytes(raw)
    before, _, _ = truth(wrecks / "whole.db")

    assert await salvaged(tmp_path / "events.db") == before
    [page] = tmp_path.glob("*.page-1")
    assert page.read_bytes() == raw[:PAGE]


async def test_what_was_delivered_before_is_in_no_chain(tmp_path):
    """A receiver of the new epoch is never told to have had a number of the old one."""
    path = tmp_path / "events.db"
    async with opened(path, *NAMES) as store:
        await store.commit(step(1, 2, 3, to=NAMES))
        for seq in (1, 2, 3):
            store.mark(MarkDelivered("a", seq, 0))
    await salvaged(path)
    async with opened(path, *NAMES) as store:
        announced = recorded(store)
        await store.commit(step(4, to=("a", "b")))

        assert [(one.stored.seq, one.previous) for one in announced[0][1]] == [(7, None), (7, 6)]


async def test_damage_that_is_met_by_a_reader_s_own_settling_ends_the_storing(wrecks, tmp_path, monkeypatch):
    """Who asked is told that the store is unavailable; the agent that watches it starts anew."""
    monkeypatch.setattr("agent.store.opening._SMALL", 0)
    path = tmp_path / "events.db"
    raw = bytearray((wrecks / "whole.db").read_bytes())
    with closing(sqlite3.connect(wrecks / "whole.db")) as connection:
        [(root,)] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'attempt'")
    raw[(root - 1) * PAGE : root * PAGE] = b"\xff" * PAGE
    path.write_bytes(raw)
    store = await Store.open(path, clock=HandClock(), boot=BOOT)
    await store.sync_destinations(NAMES)
    store.mark(MarkCharged("c", 2, Attempt(0, 500, 0.5, "no"), 7))
    with pytest.raises(StoreUnavailable, match="the next start"):
        await store.events(EventFilter(), 1)
    with pytest.raises(StoreDamaged, match="the next start"):
        async with asyncio.timeout(30):
            await store.watch()
    with pytest.raises(StoreDamaged):
        await store.close()


async def test_a_destination_s_facts_that_are_no_text_any_more_hold_up_no_start(wrecks, tmp_path):
    """One flipped bit makes a text bytes, which a new store would not take; its name is what matters."""
    path = tmp_path / "events.db"
    raw = bytearray((wrecks / "whole.db").read_bytes())
    head = bytes([9, 0, 15, 19, 27])  # the record's kinds of value, before `b`, `410` and `holiday`
    place = raw.index(b"b410holiday") - 9
    assert raw[place : place + 5] == head
    raw[place + 4] ^= 1
    path.write_bytes(raw)
    before, _, _ = truth(wrecks / "whole.db")

    assert await salvaged(path) == before


async def test_what_only_an_index_has_lost_is_found_at_the_start(wrecks, tmp_path):
    """What waits is read by an index; a row that is not in it would wait for ever, and nothing would tell."""
    path = tmp_path / "events.db"
    path.write_bytes((wrecks / "whole.db").read_bytes())
    before, _, _ = truth(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        index = "CREATE INDEX delivery_pending ON delivery (destination, seq) WHERE state = 0"
        connection.execute("DROP INDEX delivery_pending")
        connection.execute(f"{index} AND seq <> 452")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'delivery_pending'", (index,))
    async with opened(path, *NAMES) as store:
        found = {(name, one.stored.event.id) for name in NAMES for one in await store.waiting(name, 0, 1000)}

    assert found == before


async def test_all_that_is_lost_is_counted_though_not_all_is_named(tmp_path):
    """A body has to fit its receiver; the number is right all the same."""
    path = tmp_path / "events.db"
    async with opened(path) as store:
        await store.commit(step(*range(1, 1_001)))
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq % 2 = 0")
    (tmp_path / "events.db.suspect").touch()
    async with opened(path) as store:
        word = json.loads((await store.states())[LOST_KEY])

    assert word["lost_count"] == 500
    assert len(word["lost"]["a"]) == 200
