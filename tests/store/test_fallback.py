"""What goes to another destination although it was not addressed there: once, late, beside the chain."""

import pytest
from rigs.stores import START_WALL, event, numbers, opened, recorded, refusing_disk, sql, step

from agent.errors import StoreUnavailable
from agent.model import EventType
from agent.store import fallback, replay
from agent.store.orders import Replay, Tally
from agent.store.records import Addressed, MarkDead, MarkDelivered, Selection, Step


@pytest.fixture(autouse=True)
def small_bites(monkeypatch):
    """Every walk takes more than one bite."""
    monkeypatch.setattr(fallback, "_CEILING", fallback._CEILING.replace("LIMIT 500", "LIMIT 2"))
    monkeypatch.setattr(replay, "CEILING", replay.CEILING.replace("LIMIT 500", "LIMIT 2"))


def older_than(number):
    """Late is what happened before this instant."""
    return lambda stored: stored.event.at < number


async def fall(store, late, name="a", to="b"):
    """Look as the agent does, until nothing is left; the numbers that went, in order."""
    announced, after, count = recorded(store), 0, 0
    while (walked := await store.letters.fall_back(name, to, after, late)).next not in (None, after):
        after = walked.next
        count += walked.count
    handed = [one for _, some in announced for one in some]
    assert len(handed) == count + walked.count
    assert {one.destination for one in handed} <= {to}
    return numbers(handed)


async def test_what_is_late_goes_there_too(tmp_path):
    """Under the same number, late, behind what was addressed there; the first one has it still to take."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("b",)))
        await store.commit(step(2, 3, 4, 5))

        assert await fall(store, older_than(5)) == [2, 3, 4]
        assert numbers(await store.waiting("a", 0, 9)) == [2, 3, 4, 5]
        assert [(one.stored.seq, one.previous, one.resent) for one in await store.waiting("b", 1, 9)] == [
            (2, 1, True),
            (3, 1, True),
            (4, 1, True),
        ]
        assert (store.waiting_count("a"), store.waiting_count("b")) == (4, 4)
        assert store.oldest_waiting("b").seq == 1


async def test_the_chain_of_live_events_goes_on_beside_it(tmp_path):
    """The next event that is addressed there names the one before it that was, as if nothing had come between."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, to=("b",)))
        await store.commit(step(2))
        await fall(store, older_than(9))
        await store.commit(step(3, to=("b",)))

        assert [(one.stored.seq, one.previous) for one in await store.waiting("b", 0, 9)] == [
            (1, None),
            (2, 1),
            (3, 1),
        ]


async def test_nothing_is_addressed_twice(tmp_path):
    """Not after a restart, not what went there by itself, whatever became of it."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, to=("a", "b")))
        await store.commit(step(3, 4))
        store.mark(MarkDelivered("b", 1, 50))
        assert await fall(store, older_than(9)) == [3, 4]
        store.mark(MarkDelivered("b", 3, 50))
        store.mark(MarkDead("b", 4, 50, "400"))
        assert await fall(store, older_than(9)) == []
    async with opened(tmp_path / "store.db", "a", "b") as store:
        assert await fall(store, older_than(9)) == []
        assert numbers(await store.waiting("b", 0, 9)) == [2]


async def test_what_falls_back_falls_no_further(tmp_path):
    """Neither in a circle nor on to a third; nor does what a person sends again."""
    async with opened(tmp_path / "store.db", "a", "b", "c") as store:
        await store.commit(step(1, 2))
        store.mark(MarkDead("a", 2, 50, "400"))
        await store.letters.resend(Selection())

        assert await fall(store, older_than(9)) == [1]
        assert await fall(store, older_than(9), "b", "a") == []
        assert await fall(store, older_than(9), "b", "c") == []


async def test_nobody_is_told_of_itself(tmp_path):
    """That b fails waits for a, and is not sent to b."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(Step([Addressed(event(1, subject="destination:b"), ("a",))]))
        await store.commit(step(2))

        assert await fall(store, older_than(9)) == [2]


async def test_what_was_just_delivered_does_not_fall_back(tmp_path):
    """Also while the disk does not know of it."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, 3))
        store.mark(MarkDelivered("a", 2, 50))

        assert await fall(store, older_than(9)) == [1, 3]


async def test_what_is_damaged_stays_where_it_waits(tmp_path):
    """There it becomes a dead letter; it holds up nothing here."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, 3))
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq = 1")

        assert await fall(store, older_than(9)) == [2, 3]


async def test_a_disk_that_refuses_addresses_nothing(tmp_path):
    """It is tried again at the next look."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await store.commit(step(1, 2, 3))
        announced = recorded(store)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.letters.fall_back("a", "b", 0, older_than(9))
        assert (announced, store.waiting_count("b")) == ([], 0)

        assert await fall(store, older_than(9)) == [1, 2, 3]


async def test_a_new_destination_gets_what_was_before_it(tmp_path):
    """What it wants of what is kept, also what others have taken; nothing that it has had, or that is about it."""
    async with opened(tmp_path / "store.db", "a") as store:
        await store.commit(step(1, 2, 3, 4))
        await store.commit(Step([Addressed(event(5, subject="destination:b"), ("a",))]))
        await store.commit(Step([Addressed(event(6, type=EventType.TAG_CHANGED), ())]))
        store.mark(MarkDelivered("a", 1, 50))
        await store.sync_destinations(["a", "b"])
        await store.commit(step(7, to=("a", "b")))
        wanted = Replay(since_wall=START_WALL + 2)

        def wants(each):
            return each.at != 4

        tallies, left = await store.letters.after_all_tally("b", wanted, wants)
        assert (tallies, left) == ({"b": Tally(3, START_WALL + 2, START_WALL + 6)}, None)
        assert (await store.letters.send_after_all("b", wanted, wants)).count == 3
        assert [(one.stored.seq, one.resent) for one in await store.waiting("b", 0, 9)] == [
            (2, True),
            (3, True),
            (6, True),
            (7, False),
        ]
        assert (await store.letters.send_after_all("b", wanted, wants)).count == 0
        with pytest.raises(KeyError):
            await store.letters.send_after_all("c", wanted, wants)
