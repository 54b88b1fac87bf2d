"""The store's bound: what goes first, what is told of it, and that nothing goes in silence."""

import asyncio
from contextlib import asynccontextmanager

from rigs.stores import HandClock, event, numbers, opened, recorded, sql

from agent.model import SECOND, EventType, Priority
from agent.store.gaps import told
from agent.store.records import Addressed, Attempt, EventFilter, MarkCharged, MarkDead, MarkDelivered, Step

LIMIT = 2_300_000  # 1.27 MB are for events, the rest for the log and the ballast
DAY = 86_400 * SECOND


def bulk(number, priority=Priority.HIGH, to=("a",), size=3_000):
    """An event that takes about a page."""
    one = event(number, priority=priority, data={"value": number, "bulk": "x" * size})
    return Addressed(one, tuple(to))


@asynccontextmanager
async def bounded(path, *names: str, clock=None, limit=LIMIT, to=()):
    """A store with a bound, and what it told of itself: events of its own go to `to`."""
    async with opened(path, *(names or ("a",)), clock=clock) as store:
        heard = []
        store.room.limit = lambda: limit
        store.room.tell = heard.append
        store.room.address = lambda made: heard.append(made) or Addressed(made, tuple(to))
        yield store, heard


def gap_of(made):
    """The numbers that a `store.overflow` names."""
    return [seq for first, last in made.data["seqs"] for seq in range(first, last + 1)]


async def rows(store):
    """What is left: numbers of events."""
    return [seq for (seq,) in await sql(store, "SELECT seq FROM event ORDER BY seq")]


async def test_with_room_nothing_goes(tmp_path):
    """Nor is anything written."""
    async with bounded(tmp_path / "store.db") as (store, heard):
        await store.commit(Step([bulk(number) for number in range(1, 100)]))
        await store.room.keep()

        assert heard == []
        assert len(await rows(store)) == 99


async def test_what_is_delivered_goes_first_and_is_no_loss(tmp_path):
    """However important it was; what is undelivered stays, and nothing is told."""
    async with bounded(tmp_path / "store.db", "a", "b") as (store, heard):
        await store.commit(Step([bulk(number, Priority.CRITICAL, ("a", "b")) for number in range(1, 201)]))
        await store.commit(Step([bulk(number, Priority.JOURNAL) for number in range(201, 301)]))
        for seq in range(1, 200):
            store.mark(MarkDelivered("a", seq, 0))
            if seq != 100:
                store.mark(MarkDelivered("b", seq, 0))
        await store.room.keep()

        left = await rows(store)
        assert heard == []
        assert set(range(200, 301)) | {100} <= set(left)
        assert len(left) < 300
        assert (store.waiting_count("a"), store.waiting_count("b")) == (101, 2)


async def test_what_is_owed_goes_by_its_priority_the_oldest_first(tmp_path):
    """Journal, low, medium, high, critical; each is named by exactly one gap, sent like any event."""
    order = [Priority.CRITICAL, Priority.HIGH, Priority.JOURNAL, Priority.LOW, Priority.MEDIUM]
    async with bounded(tmp_path / "store.db", "a", "b", to=("b",)) as (store, heard):
        announced = recorded(store)
        lost, told_now = [], []
        for start in range(1, 2000, 100):
            priority = order[start // 100 % 5]
            await store.commit(Step([bulk(number, priority) for number in range(start, start + 100)]))
            told_before = len(told_now)
            await store.room.keep()
            told_now = [one for one in heard if one.type is EventType.STORE_OVERFLOW]
            assert all(one.priority is Priority.HIGH and one.subject == "store" for one in heard)
            lost = [seq for one in told_now for seq in gap_of(one)]
            page = await sql(store, "SELECT seq, priority FROM event WHERE type <> 'store.overflow'")
            gone = {one.data["priority"] for one in told_now}
            # What has less worth than what went most recently is used up, but for the newest.
            if len(told_now) > told_before:
                worst = Priority[told_now[-1].data["priority"].upper()]
                assert all(
                    priority >= worst
                    for seq, priority in page
                    if seq != store._counters.seq and seq not in store._counters.kept
                )

        assert gone >= {"journal", "low", "medium"}
        assert sorted(lost) == sorted(set(lost))
        assert not set(lost) & set(await rows(store))
        sent = [one for step, deliveries in announced for one in deliveries if one.destination == "b"]
        assert [one.stored.event for one in sent] == [
            one for one in heard if one.type is EventType.STORE_OVERFLOW
        ]
        assert numbers(sent) == numbers(await store.waiting("b", 0, 1000))


async def test_it_says_when_it_fills_once(tmp_path):
    """At 80 %, with who holds most; again only after it had fallen below 70 %."""
    async with bounded(tmp_path / "store.db", "a", "b") as (store, heard):
        await store.commit(Step([bulk(number, to=("a", "b")) for number in range(1, 270)]))
        store.mark(MarkDead("b", 1, 0, "400"))
        store.mark(MarkDelivered("b", 2, 0))
        await store.room.keep()
        await store.room.keep()
        [first] = heard
        for seq in range(1, 120):
            for name in ("a", "b"):
                store.mark(MarkDelivered(name, seq, 0))
        await store.room.keep()
        assert not store.room.filling
        await store.commit(Step([bulk(number) for number in range(300, 400)]))
        await store.room.keep()

        assert [one.type for one in heard] == [EventType.STORE_FILLING] * 2
        assert first.priority is Priority.HIGH
        assert first.data["destination"] == "a"
        assert first.data["waiting"] == 269
        assert "store.max_size" in first.data["message"]


async def test_samples_go_before_anything_that_is_owed(tmp_path):
    """They are asked to be smaller, then left alone again when there is room."""
    samples = tmp_path / "samples.db"
    samples.write_bytes(b"x" * 1_900_000)
    asked = []

    async def shrink(most):
        asked.append(most)
        if most is not None:
            samples.write_bytes(b"x" * most)

    async with bounded(tmp_path / "store.db", limit=4_000_000) as (store, heard):
        store.room.beside, store.room.shrink = [samples], shrink
        await store.commit(Step([bulk(number) for number in range(1, 200)]))
        await store.room.keep()
        assert [one.type for one in heard] == [EventType.STORE_FILLING]
        assert asked == [1_000_000]
        for seq in range(1, 199):
            store.mark(MarkDelivered("a", seq, 0))
        await store.flush()
        await store.prune(0)
        await store.room.keep()

        assert asked == [1_000_000, None]


async def test_old_dead_letters_go_before_what_waits(tmp_path):
    """After 30 days; younger ones go with the events of their priority."""
    clock = HandClock()
    async with bounded(tmp_path / "store.db", "a", "b", clock=clock) as (store, heard):
        await store.commit(Step([bulk(number, Priority.CRITICAL, ("a", "b")) for number in range(1, 51)]))
        for seq in range(1, 51):
            store.mark(MarkCharged("a", seq, Attempt(0, 500, 0.1, "no"), 0))
            store.mark(MarkDead("a", seq, clock.wall(), "400"))
            if seq != 7:
                store.mark(MarkDelivered("b", seq, 0))
        await store.flush()
        clock.instant += 31 * DAY
        await store.commit(Step([bulk(number, Priority.JOURNAL) for number in range(51, 340)]))
        for seq in range(51, 60):
            store.mark(MarkDead("a", seq, clock.wall(), "400"))
        await store.room.keep()

        first, *_ = [one for one in heard if one.type is EventType.STORE_OVERFLOW]
        assert first.data["what"] == "dead letters"
        assert gap_of(first) == [*range(1, 7), *range(8, 50)]
        assert first.data["destinations"] == {"a": 48}
        assert await sql(store, "SELECT DISTINCT seq FROM attempt") == [(7,), (50,)]
        assert set(range(60, 300)) <= set(await rows(store)) or len(heard) > 2
        assert (
            store.dead_count("a") == (await sql(store, "SELECT count(*) FROM delivery WHERE state = 2"))[0][0]
        )


async def test_a_loss_is_charged_only_where_something_was_owed(tmp_path):
    """What a has taken is lost for b alone, and the chain of both goes on."""
    async with bounded(tmp_path / "store.db", "a", "b", limit=1_000_000) as (store, heard):
        await store.commit(Step([bulk(number, to=("a", "b")) for number in range(1, 201)]))
        for seq in range(1, 181):
            store.mark(MarkDelivered("a", seq, 0))
        await store.room.keep()
        lost = [one for one in heard if one.type is EventType.STORE_OVERFLOW]
        announced = recorded(store)
        await store.commit(Step([bulk(201, to=("a", "b"))]))

        counts = {}
        for one in lost:
            for name, count in one.data["destinations"].items():
                counts[name] = counts.get(name, 0) + count
        seqs = [seq for one in lost for seq in gap_of(one)]
        assert counts["b"] == len(seqs)
        assert counts.get("a", 0) == len([seq for seq in seqs if seq > 180])
        assert store.room.status()["lost"] == counts
        assert [one.previous for one in announced[0][1]] == [200, 200]


async def test_it_survives_a_restart_what_was_lost(tmp_path):
    """The counts are on disk; blocks of an earlier run are looked at anew."""
    for _ in range(2):
        async with bounded(tmp_path / "store.db", to=("a",)) as (store, heard):
            first = store.seq
            await store.commit(Step([bulk(first + number, Priority.LOW) for number in range(1, 300)]))
            await store.room.keep()
            before = store.room.status()["lost"]["a"]
            assert any(one.type is EventType.STORE_OVERFLOW for one in heard)
    async with bounded(tmp_path / "store.db") as (store, _):
        assert store._counters.destinations["a"].lost == before
        waiting = await sql(store, "SELECT count(*) FROM delivery WHERE state = 0")
        assert waiting == [(store.waiting_count("a"),)]


async def test_records_of_gaps_do_not_fill_the_store_themselves(tmp_path):
    """When many wait, a later one takes their place: it names all that they named, and them."""
    async with bounded(tmp_path / "store.db", "a", limit=600_000, to=("a",)) as (store, heard):
        for start in range(1, 4001, 20):
            await store.commit(
                Step([bulk(number, Priority.LOW, size=1_500) for number in range(start, start + 20)])
            )
            await store.room.keep()
        overflows = await sql(store, "SELECT count(*) FROM event WHERE type = 'store.overflow'")
        [(records,)] = await sql(store, "SELECT count(*) FROM gap")

        assert records == overflows[0][0] <= 80
        left = await store.waiting("a", 0, 10_000)
        named = set()
        for one in left:
            if one.stored.event.type is EventType.STORE_OVERFLOW:
                named |= set(gap_of(one.stored.event))
        assert named | set(numbers(left)) == set(range(1, store.seq + 1))
        assert not named & set(numbers(left))
        assert any("replaces" in one.data for one in heard)
        assert told(heard[-1]).count == heard[-1].data["count"]


async def test_an_outcome_of_what_was_given_up_changes_nothing(tmp_path):
    """A dispatcher may still hold it, or have it on the way: counts stay right, nothing is left behind."""
    async with bounded(tmp_path / "store.db", limit=1_000_000) as (store, heard):
        await store.commit(Step([bulk(number) for number in range(1, 251)]))
        keeping = asyncio.create_task(store.room.keep())
        for seq in range(1, 120):
            await asyncio.sleep(0)
            store.mark(MarkCharged("a", seq, Attempt(0, 500, 0.1, "no"), 0))
            store.mark(MarkDelivered("a", seq, 0) if seq % 2 else MarkDead("a", seq, 0, "400"))
        await keeping
        lost = [seq for one in heard if one.type is EventType.STORE_OVERFLOW for seq in gap_of(one)]
        for seq in lost:
            store.mark(MarkCharged("a", seq, Attempt(0, 500, 0.1, "no"), 0))
            store.mark(MarkDelivered("a", seq, 0))
        await store.flush()

        states = dict(await sql(store, "SELECT state, count(*) FROM delivery GROUP BY state"))
        assert lost
        assert (store.waiting_count("a"), store.dead_count("a")) == (states.get(0, 0), states.get(2, 0))
        assert await sql(store, "SELECT seq FROM attempt WHERE seq NOT IN (SELECT seq FROM event)") == []
        assert not store._counters._miscounted


async def test_when_nothing_but_critical_is_left_the_oldest_goes(tmp_path):
    """High first, then critical: refusing what is new would lose what matters most now."""
    async with bounded(tmp_path / "store.db", limit=1_000_000) as (store, heard):
        await store.commit(Step([bulk(number, Priority.CRITICAL) for number in range(1, 301)]))
        await store.commit(Step([bulk(301, Priority.HIGH), bulk(302)]))
        await store.room.keep()

        overflows = [one for one in heard if one.type is EventType.STORE_OVERFLOW]
        assert [one.data["priority"] for one in overflows][:2] == ["high", "critical"]
        assert gap_of(overflows[0]) == [301]
        assert gap_of(overflows[1])[0] == 1
        assert store.room.usage.share <= 1


async def test_it_keeps_the_bound_by_itself_while_events_pour_in(tmp_path):
    """The file never grows beyond the limit, whatever comes; commits go between."""
    path = tmp_path / "store.db"
    async with bounded(path, limit=LIMIT) as (store, _):
        await store.room.keep()
        keeper = asyncio.create_task(store.room.run())
        largest = 0
        for start in range(1, 3001, 10):
            await store.commit(Step([bulk(number, Priority.LOW) for number in range(start, start + 10)]))
            files = [each.stat().st_size for each in tmp_path.iterdir()]
            largest = max(largest, sum(files))
        keeper.cancel()
        await asyncio.wait([keeper])

        assert (
            largest <= LIMIT * 1.05 + 4_000_000
        )  # the log may be at its full size, which a real limit has room for
        listed = await store.events(EventFilter(), 5)
        assert listed[-1].seq == store.seq


async def test_an_outcome_that_comes_while_it_is_given_up_is_counted_once(tmp_path):
    """Between the look and the commit: it was declared lost by then, and the counts are those of the disk."""
    async with bounded(tmp_path / "store.db", limit=1_000_000) as (store, heard):

        def address(made):
            first, second, third, *_ = gap_of(made)
            store.mark(MarkDelivered("a", first, 0))
            store.mark(MarkDead("a", second, 0, "400"))
            store.mark(MarkCharged("a", third, Attempt(0, 500, 0.1, "no"), 0))
            heard.append(made)
            return Addressed(made, ())

        store.room.address = address
        await store.commit(Step([bulk(number) for number in range(1, 251)]))
        await store.room.keep()
        counted = store.waiting_count("a"), store.dead_count("a")
        await store.flush()

        assert heard
        assert counted == ((await sql(store, "SELECT count(*) FROM delivery WHERE state = 0"))[0][0], 0)
        assert await sql(store, "SELECT count(*) FROM attempt") == [(0,)]
        assert not store._counters._miscounted


async def test_what_is_not_remembered_as_given_up_leaves_nothing_behind(tmp_path):
    """Only so much is remembered; beyond that an outcome finds no row, and all is counted anew."""
    async with bounded(tmp_path / "store.db", limit=1_000_000) as (store, heard):
        await store.commit(Step([bulk(number) for number in range(1, 251)]))
        await store.room.keep()
        store._counters._gone.clear()
        store.mark(MarkCharged("a", gap_of(heard[-1])[0], Attempt(0, 500, 0.1, "no"), 0))
        store.mark(MarkDelivered("a", gap_of(heard[-1])[0], 0))
        await store.flush()
        await store._counters.refresh(store._turns.connection, ())

        assert await sql(store, "SELECT count(*) FROM attempt") == [(0,)]
        assert [(store.waiting_count("a"),)] == await sql(
            store, "SELECT count(*) FROM delivery WHERE state = 0"
        )
