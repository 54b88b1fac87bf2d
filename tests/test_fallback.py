"""Fallbacks as they are looked for: what is late by now, and nothing before; the rows are `tests/store`'s."""

import logging

import pytest
from rigs.stores import HandClock, Rebooted, event, full_disk, numbers, opened

from agent.destinations.base import DestinationSection
from agent.fallback import Fallbacks
from agent.model import SECOND
from agent.store import fallback
from agent.store.records import Addressed, MarkDelivered, Step
from agent.store.store import Store

MINUTE = 60 * SECOND
AFTER = 10 * MINUTE


def looking(store, clock, **ways: str):
    """Fallbacks with these ways, each after ten minutes."""
    names = {*ways, *ways.values(), "c"}
    sections = {
        name: DestinationSection.model_validate(
            {"fallback": {"to": ways[name], "after": "10m"}} if name in ways else {}
        )
        for name in names
    }
    return Fallbacks(store, clock, lambda: sections)


async def made(store, clock, number, to="a", **changes: object):
    """An event that happens now."""
    await store.commit(Step([Addressed(event(number, at=clock.instant, **changes), (to,))]))


async def test_what_has_waited_for_so_long_goes_there_too_and_no_sooner(tmp_path):
    """Each at its own time, each once, and what was delivered in time not at all."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        fallbacks, went = looking(store, clock, a="b"), []
        for minute in range(16):
            if minute in (0, 1, 4):
                await made(store, clock, minute)
            if minute == 9:
                store.mark(MarkDelivered("a", 2, 1))
            await fallbacks.look()
            await fallbacks.look()
            went.append(numbers(await store.waiting("b", 0, 9)))
            clock.instant += MINUTE

        assert went[9:] == [[], [1], [1], [1], [1], [1, 3], [1, 3]]


async def test_an_agent_that_starts_anew_goes_on(tmp_path):
    """What fell back before is not sent twice; what became late while it was away goes now."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await made(store, clock, 1)
        clock.instant += AFTER
        await looking(store, clock, a="b").look()
        await made(store, clock, 2)
        store.mark(MarkDelivered("b", 1, 1))
    clock.instant += AFTER
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await looking(store, clock, a="b").look()

        assert numbers(await store.waiting("b", 0, 9)) == [2]


@pytest.mark.parametrize(("gone", "went"), [(AFTER - SECOND, []), (AFTER, [1])])
async def test_after_a_boot_the_wall_clock_says_how_long_it_was(tmp_path, gone, went):
    """The monotonic clock began anew, and by it the event would be of the future."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await made(store, clock, 1)
    clock = Rebooted(clock.wall() + gone)
    async with await Store.open(tmp_path / "store.db", clock=clock, boot="another") as store:
        await store.sync_destinations(["a", "b"])
        await looking(store, clock, a="b").look()

        assert numbers(await store.waiting("b", 0, 9)) == went


async def test_what_was_made_by_a_clock_that_was_years_ahead_is_late_some_time_too(tmp_path):
    """It has waited at least since the agent started, and holds up none that came after it."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await made(store, clock, 1)
    clock = Rebooted(clock.wall() - 10_000 * AFTER)
    async with await Store.open(tmp_path / "store.db", clock=clock, boot="another") as store:
        await store.sync_destinations(["a", "b"])
        fallbacks, went = looking(store, clock, a="b"), []
        for _ in range(3):
            await made(store, clock, 2)
            await fallbacks.look()
            went.append(numbers(await store.waiting("b", 0, 9)))
            clock.instant += AFTER

        assert went == [[], [1, 2], [1, 2, 3]]


async def test_two_that_stand_in_for_each_other_do_not_send_it_to_and_fro(tmp_path):
    """Each has its own events and those of the other, once."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        fallbacks = looking(store, clock, a="b", b="a")
        await made(store, clock, 1, "a")
        await made(store, clock, 2, "b")
        for _ in range(4):
            clock.instant += AFTER
            await fallbacks.look()

        for name in "ab":
            assert numbers(await store.waiting(name, 0, 9)) == [1, 2]


async def test_while_nothing_is_late_the_disk_is_not_asked(tmp_path):
    """Neither while nothing waits nor while it waits for a short time, nor of those without a fallback."""
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", "c", clock=clock) as store:
        await made(store, clock, 1, "c")
        clock.instant += AFTER
        await made(store, clock, 2, "a")
        clock.instant += AFTER - 1
        statements = []
        await store._turns.connection.set_trace_callback(statements.append)
        fallbacks = looking(store, clock, a="b")
        await fallbacks.look()
        assert statements == []
        clock.instant += 1
        await fallbacks.look()
        assert statements != []


async def test_a_disk_without_room_has_it_at_the_next_look(tmp_path, monkeypatch):
    """The agent goes on; what is late stays late, and goes in as many bites as it takes."""
    monkeypatch.setattr(fallback, "_CEILING", fallback._CEILING.replace("LIMIT 500", "LIMIT 90"))
    clock = HandClock()
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        await store.commit(Step([Addressed(event(n, at=clock.instant), ("a",)) for n in range(400)]))
        clock.instant += AFTER
        fallbacks = looking(store, clock, a="b")
        async with full_disk(store):
            await fallbacks.look()
            assert store.waiting_count("b") < 400
        await fallbacks.look()

        assert store.waiting_count("b") == 400


@pytest.mark.parametrize("again", [False, True])
async def test_it_is_logged_once_for_each_time_that_it_begins(tmp_path, caplog, again):
    """Not for each event of an outage; anew when the destination was well in between."""
    clock = HandClock()
    caplog.set_level(logging.WARNING)
    async with opened(tmp_path / "store.db", "a", "b", clock=clock) as store:
        fallbacks = looking(store, clock, a="b")
        for seq in (1, 2, 3):
            await made(store, clock, seq)
            clock.instant += AFTER
            await fallbacks.look()
            if again:
                store.mark(MarkDelivered("a", seq, 1))
                await fallbacks.look()

    said = [record for record in caplog.records if "they go to b as well" in record.getMessage()]
    assert len(said) == (3 if again else 1)
