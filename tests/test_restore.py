"""Taking up where the last run ended: how long nobody watched, and what the store's instants mean now."""

import json

from rigs.stores import HandClock, refusing_disk

from agent.clock import SystemClock
from agent.model import SECOND, Event, EventType, Priority
from agent.pipeline import Pipeline
from agent.restore import Away, restored, time_away
from agent.rules.engine import Engine
from agent.store.alive import Moment, format_alive
from agent.store.records import Addressed, EventFilter, Step
from agent.store.store import Store

YEAR = 365 * 86_400 * SECOND
WALL = 1_795_000_000 * SECOND


async def away(tmp_path, last, now, *, stored_at=None):
    """What is known after the alive file `last` (bytes, or a moment), and maybe an event stored then."""
    path = tmp_path / "alive"
    if last is not None:
        path.write_bytes(last if isinstance(last, bytes) else format_alive(last))
    async with await Store.open(tmp_path / "events.db", clock=SystemClock(), boot="old") as store:
        if stored_at is not None:
            event = Event("evt_1", EventType.AGENT_STARTED, stored_at, "agent", Priority.JOURNAL)
            await store.commit(Step((Addressed(event, ()),)))
        return await time_away(path, store, now)


async def test_within_a_boot_instants_stay(tmp_path):
    """The monotonic clock alone counts, whatever the wall clock did in between."""
    last, now = Moment("boot", 100 * SECOND, WALL), Moment("boot", 130 * SECOND, WALL - YEAR)

    assert await away(tmp_path, last, now) == Away(100 * SECOND, 0)


async def test_across_boots_the_wall_clock_bridges(tmp_path):
    """A reboot of 60 s: an instant 5 s before the last sign of life is 65 s ago."""
    last, now = Moment("old", 9_000 * SECOND, WALL), Moment("new", 10 * SECOND, WALL + 60 * SECOND)

    found = await away(tmp_path, last, now)

    assert found == Away(-50 * SECOND, -9_050 * SECOND)
    assert 8_995 * SECOND + found.shift == 10 * SECOND - 65 * SECOND


async def test_a_boot_in_1970_puts_nothing_into_the_future(tmp_path):
    """Before NTP has set the clock, what was stored is at most just now: no delay lasts for fifty years."""
    last, now = Moment("old", 9_000 * SECOND, WALL), Moment("new", 10 * SECOND, 20 * SECOND)

    assert await away(tmp_path, last, now) == Away(10 * SECOND, 10 * SECOND - 9_000 * SECOND)


async def test_a_torn_file_leaves_the_newest_event(tmp_path):
    """After a power cut the newest event is the last sign of life."""
    clock = SystemClock()
    now = Moment("new", 10 * SECOND, clock.wall() + 60 * SECOND)
    at = clock.monotonic() - 5 * SECOND

    found = await away(tmp_path, b"old 000000000", now, stored_at=at)

    assert found is not None
    assert abs(found.since - (10 - 65) * SECOND) < 5 * SECOND
    assert found.since == at + found.shift


async def test_the_first_start_was_away_from_nothing(tmp_path):
    """No file and no event: nobody looked away."""
    assert await away(tmp_path, None, Moment("new", 10 * SECOND, WALL)) is None


async def test_a_source_that_was_down_when_the_agent_was_killed_is_told(tmp_path):
    """Each interruption that the last run had not told, once: until it was over, or the agent was last alive."""
    down = {
        "plc": [8_000 * SECOND, None, "cable"],
        "opc": [8_990 * SECOND, 8_995 * SECOND, "restarted"],
        "new": [9_002 * SECOND, None, "too late to matter"],
    }
    clock = HandClock()
    async with await Store.open(tmp_path / "events.db", clock=clock, boot="new") as store:
        await store.commit(
            Step(states={f"down/{name}": json.dumps(kept).encode() for name, kept in down.items()})
        )
        engine = Engine((), (), down, mint=str, started=clock.monotonic())
        numbers = iter(range(100))
        pipeline = Pipeline(
            engine, store, lambda _: (), lambda _: None, clock, lambda _: f"evt_{next(numbers)}"
        )
        for _ in range(2):
            await restored(pipeline, store, Away(600 * SECOND, -8_400 * SECOND))  # 9000 s, then
            await store.flush()
        told = await store.events(EventFilter(), 10)
        assert sorted(
            (event.data["source"], event.data["reason"], *(at // SECOND for at in event.instants.values()))
            for event in (one.stored.event for one in told)
        ) == [("opc", "restarted", 590, 595), ("plc", "cable", -400, 600)]
        assert await store.states() == {}


async def test_a_disk_that_takes_nothing_does_not_keep_the_agent_from_starting(tmp_path):
    """Rules take up their state all the same; what came of it is stored when there is room."""
    clock = HandClock()
    async with await Store.open(tmp_path / "events.db", clock=clock, boot="new", tick=SECOND // 50) as store:
        await store.commit(Step(states={"rule/gone": b"of a rule that nobody has any more"}))
        engine = Engine((), (), {}, mint=str, started=clock.monotonic())
        numbers = iter(range(100))
        pipeline = Pipeline(
            engine, store, lambda _: (), lambda _: None, clock, lambda _: f"evt_{next(numbers)}"
        )
        with refusing_disk():
            await restored(pipeline, store, Away(9_000 * SECOND, 0))
            assert store.unavailable is not None
            assert not engine.tentative
        clock.instant += 2 * SECOND
        await store.flush()

        assert "rule/gone" not in await store.states()


async def test_a_store_that_was_damaged_is_told_once(tmp_path):
    """High, with what is missing and where the old file is; not again at the next start."""
    clock = HandClock()
    path = tmp_path / "events.db"
    path.write_bytes(b"no store at all " * 1000)
    told = []
    for _ in range(2):
        async with await Store.open(path, clock=clock, boot="new") as store:
            engine = Engine((), (), {}, mint=str, started=clock.monotonic())
            pipeline = Pipeline(engine, store, lambda _: (), lambda _: None, clock, lambda _: "evt_1")
            await restored(pipeline, store, None)
            told = [one.stored.event for one in await store.events(EventFilter(type="agent.state_lost"), 10)]

    [event] = told
    assert event.priority is Priority.HIGH
    assert event.data["file"].startswith(f"{path}.damaged-")
    assert event.data["waiting"] == 0
