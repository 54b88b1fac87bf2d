"""Dead letters: found by what a person knows of them, sent again in order, or given up."""

from collections import Counter

import pytest
from rigs.stores import START_WALL, event, numbers, opened, recorded, refusing_disk, sql, step

from agent.errors import StoreUnavailable
from agent.store import dead_letters
from agent.store.orders import Stretch, Tally
from agent.store.records import (
    Addressed,
    Attempt,
    DeliveryState,
    EventFilter,
    MarkCharged,
    MarkDead,
    MarkDelivered,
    Selection,
    Step,
)

NEVER = 2**62


@pytest.fixture(autouse=True)
def small_bites(monkeypatch):
    """Every walk takes more than one bite."""
    monkeypatch.setattr(dead_letters, "_FLOOR", dead_letters._FLOOR.replace("LIMIT 500", "LIMIT 2"))
    monkeypatch.setattr(dead_letters, "_CEILING", dead_letters._CEILING.replace("LIMIT 500", "LIMIT 2"))


async def buried(store, count=6):
    """Events 1 to `count` for a and b, all dead; the rule of number n is rule-(n % 3)."""
    for number in range(1, count + 1):
        await store.commit(Step([Addressed(event(number), ("a", "b"))]))
    for seq in range(1, count + 1):
        store.mark(MarkDead("a", seq, 100 + seq, "400" if seq % 2 else "expired"))
        store.mark(MarkDead("b", seq, 100 + seq, "413"))


def keys(letters):
    return [(letter.status.destination, letter.seq) for letter in letters]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [(name, seq) for seq in range(1, 7) for name in "ab"]),
        (Selection(destination="b"), [("b", seq) for seq in range(1, 7)]),
        (Selection(seq=3), [("a", 3), ("b", 3)]),
        (Selection(destination="a", seq=3), [("a", 3)]),
        (Selection(destination="a", rule="rule-1"), [("a", 1), ("a", 4)]),
        (Selection(reason="expired"), [("a", 2), ("a", 4), ("a", 6)]),
        (Selection(destination="a", since_wall=START_WALL + 3), [("a", 3), ("a", 4), ("a", 5), ("a", 6)]),
        (Selection(destination="a", until_wall=START_WALL + 3), [("a", 1), ("a", 2)]),
        (Selection(reason="EXP"), [("a", 2), ("a", 4), ("a", 6)]),
        (Selection(reason="*pire?"), [("a", 2), ("a", 4), ("a", 6)]),
        (Selection(reason="pired"), []),
        (Selection(reason="4%"), []),
        (Selection(destination="b", rule="*-1"), [("b", 1), ("b", 4)]),
        (Selection(rule="rule"), []),
        (Selection(event_id="evt_3"), [("a", 3), ("b", 3)]),
        (Selection(reason="nothing of the kind"), []),
        (Selection(seq=NEVER), []),
    ],
)
async def test_a_selection_means_the_same_to_all_three(tmp_path, selection, expected):
    """What is listed is what is counted, what is resent, and what is dropped."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await buried(store)
        assert keys(await store.letters.dead(selection, 100)) == expected
        tallies, left = await store.letters.tally(selection)
        assert {name: tally.count for name, tally in tallies.items()} == Counter(name for name, _ in expected)
        assert left is None
        announced = recorded(store)

        assert (await store.letters.resend(selection)).count == len(expected)
        handed = [one for _, some in announced for one in some]
        assert [(one.destination, one.stored.seq) for one in handed] == expected
        assert await store.letters.dead(selection, 100) == []
        assert store.dead_count() == 12 - len(expected)
        for name, seq in expected:
            store.mark(MarkDead(name, seq, 200, "again"))

        assert (await store.letters.drop(Selection(reason="again"))).count == len(expected)
        assert (store.dead_count(), store.waiting_count()) == (12 - len(expected), 0)


async def test_a_long_order_is_done_a_stretch_at_a_time(tmp_path, monkeypatch):
    """Each goes on where the one before ended; what dies again meanwhile, or beyond the end that was set, is left."""
    monkeypatch.setattr(dead_letters, "BITE", 2)
    async with opened(tmp_path / "store.db", "a") as store:
        await store.commit(step(*range(1, 8)))
        for seq in range(1, 8):
            store.mark(MarkDead("a", seq, 100, "400"))
        stretches, after = [], 0
        while after is not None:
            walked = await store.letters.resend(Selection(), Stretch(after, upto=6, limit=3))
            stretches.append((walked.count, walked.next))
            after = walked.next
            if after == 4:
                store.mark(MarkDead("a", 4, 200, "again"))

        assert stretches == [(4, 4), (2, None)]
        assert keys(await store.letters.dead(Selection(), 10)) == [("a", 4), ("a", 7)]


async def test_a_count_says_what_stays_where_it_is(tmp_path):
    """Of when the events are; what is damaged, and what is for a destination that is gone, is not sent."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await buried(store, 3)
        await store.flush()
        await sql(store, "UPDATE event SET checksum = 0 WHERE seq = 2")
        await store.sync_destinations(["a"])

        tallies, _ = await store.letters.tally(Selection())
        assert tallies == {
            "a": Tally(2, START_WALL + 1, START_WALL + 3, damaged=1),
            "b": Tally(removed=2, damaged=1),
        }
        assert (await store.letters.resend(Selection())).count == 2


async def test_the_newest_letters_are_listed_last(tmp_path):
    """A limit cuts off the old ones."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await buried(store)

        assert keys(await store.letters.dead(Selection(), 3)) == [("b", 5), ("a", 6), ("b", 6)]


async def test_a_letter_tells_everything_that_is_known(tmp_path):
    """The event, when and why it died, each attempt."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        tries = (Attempt(5, 400, 0.25, "no such asset"), Attempt(6, None, 15.0, "timeout"))
        store.mark(MarkCharged("a", 2, tries[0], due_wall=9))
        store.mark(MarkDead("a", 2, 6, "refused three times", tries[1]))

        letter = await store.letters.one("a", 2)
        assert letter.stored.event == step(2).events[0].event
        assert letter.attempts == tries
        assert (letter.status.state, letter.status.previous, letter.status.reason) == (
            DeliveryState.DEAD,
            1,
            "refused three times",
        )
        assert await store.letters.one("a", 1) is None


async def test_a_resent_letter_waits_anew_and_keeps_its_history(tmp_path):
    """Pending with `resent`, nothing charged, handed over at once, and found again after a restart."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1))
        store.mark(MarkDead("a", 1, 6, "400", Attempt(5, 400, 0.25, "no")))
        announced = recorded(store)
        await store.letters.resend(Selection(destination="a", seq=1))

        [(_, [handed])] = announced
        assert (handed.resent, handed.charged, handed.due_wall) == (True, 0, 0)
        assert store.oldest_waiting("a").seq == 1
    async with opened(tmp_path / "store.db") as store:
        assert await store.waiting("a", 0, 10) == [handed]
        store.mark(MarkDead("a", 1, 7, "400", Attempt(8, 400, 0.5, "still no")))
        assert [one.text for one in (await store.letters.one("a", 1)).attempts] == ["no", "still no"]


async def test_what_is_delivered_or_waits_is_no_dead_letter(tmp_path):
    """Neither resent nor dropped by the widest selection."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1, 2))
        store.mark(MarkDelivered("a", 1, 6))

        assert (await store.letters.resend(Selection())).count == 0
        assert (await store.letters.drop(Selection())).count == 0
        assert numbers(await store.waiting("a", 0, 10)) == [2]


async def test_a_dropped_letter_stays_to_be_seen(tmp_path):
    """With the reason of its death, until its event is pruned."""
    async with opened(tmp_path / "store.db") as store:
        await store.commit(step(1))
        store.mark(MarkDead("a", 1, 6, "400"))
        await store.letters.drop(Selection())

        [listed] = await store.events(EventFilter(state=DeliveryState.DROPPED), 10)
        assert listed.deliveries[0].reason == "400"
        assert await store.letters.dead(Selection(), 10) == []


async def test_a_disk_that_refuses_changes_no_letter(tmp_path):
    """The person is told, nothing is handed over, the counters stand."""
    async with opened(tmp_path / "store.db", "a", "b") as store:
        await buried(store, 2)
        await store.flush()
        announced = recorded(store)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await store.letters.resend(Selection())

        assert announced == []
        assert store.dead_count() == 4
        assert len(await store.letters.dead(Selection(), 10)) == 4
