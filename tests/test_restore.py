"""Taking up where the last run ended: how long nobody watched, and what the store's instants mean now."""

from agent.clock import SystemClock
from agent.model import SECOND, Event, EventType, Priority
from agent.restore import Away, time_away
from agent.store.alive import Moment, format_alive
from agent.store.records import Addressed, Step
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
