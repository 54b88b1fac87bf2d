"""The recorder: what the rules saw is in the file a minute later, and nothing waits for its disk."""

import asyncio
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from rigs.rules import high, rule
from rigs.stores import START_WALL, HandClock, eventually, opened, refusing_disk

from agent.config.model import SamplesSection
from agent.errors import StoreUnavailable
from agent.model import SECOND, Link, Quality, Reading, TagSpec
from agent.pipeline import Pipeline
from agent.recorder import Recorder, watched
from agent.rules.engine import Engine
from agent.rules.spec import Absence, Announcement, Awaited, Priority
from agent.store.chunks import ALIVE, LINK, TAG
from agent.store.samples import read_samples

TAGS = {name: TagSpec(name, "plc", stale_after=3 * SECOND) for name in ("T", "U")}
TRACK = (TAG, "T")
ALL = (0, START_WALL * 2)


def configuration(*rules, **section):
    """What the recorder looks at of one."""
    return SimpleNamespace(
        rules=rules or (rule(high(170)),), tags=TAGS, store=SimpleNamespace(samples=SamplesSection(**section))
    )


@asynccontextmanager
async def recording(path, **section):
    """A recorder at work, and its clock; it is stopped at the end."""
    clock = HandClock()
    recorder = Recorder(path, clock)
    recorder.watch(configuration(**section))
    task = asyncio.create_task(recorder.run("boot", None), name="recorder")
    yield recorder, clock
    task.cancel()
    await asyncio.wait([task])
    await recorder.stop()


def sample(clock, value, tag="T"):
    return Reading(tag, value, Quality.GOOD, clock.monotonic())


def values(path):
    return [
        [hold.value for hold in recorded.tracks.get(TRACK, ())]
        for recorded in read_samples(path, [TRACK], *ALL)
    ]


async def test_what_was_seen_is_written_each_minute(tmp_path):
    """Without being asked; of tags that no rule looks at, nothing."""
    path = tmp_path / "samples.db"
    async with recording(path) as (recorder, clock):
        recorder.note([Link("plc", up=True, at=clock.monotonic()), sample(clock, 20), sample(clock, 7, "U")])
        clock.instant += 61 * SECOND
        await eventually(lambda: recorder._whole is not None)
        await eventually(lambda: values(path) == [[20]])
        [recorded] = read_samples(path, [TRACK, (TAG, "U"), (LINK, "plc")], *ALL)

    assert set(recorded.tracks) == {TRACK, (LINK, "plc")}
    assert (recorded.offset, recorded.away_since) == (START_WALL, None)


async def test_a_plant_at_rest_writes_nothing(tmp_path):
    """Minute after minute of the same values: the file is not touched."""
    path = tmp_path / "samples.db"
    async with recording(path) as (recorder, clock):
        recorder.note([sample(clock, 20)])
        clock.instant += SECOND
        await recorder.flush()
        before = [
            (file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(tmp_path.iterdir())
        ]
        for _ in range(3600 * 3):
            recorder.note([sample(clock, 20)])
            clock.instant += SECOND
            if clock.instant % (600 * SECOND) == 0:
                await recorder._gather()
        await recorder._gather()
        after = [
            (file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in sorted(tmp_path.iterdir())
        ]

    assert after == before
    [recorded] = read_samples(path, [TRACK], *ALL)
    held = recorded.tracks[TRACK][0]
    assert (held.times, held.last - held.first) == (3600 * 3 + 1, 3600 * 3 * SECOND), (
        "stopping writes the rest"
    )


async def test_what_was_just_seen_is_there_when_somebody_asks(tmp_path):
    """A flush, and later the rest: no hold is torn by it."""
    path = tmp_path / "samples.db"
    async with recording(path) as (recorder, clock):
        for value in (20, 20, 20):
            recorder.note([sample(clock, value)])
            clock.instant += SECOND
            await recorder.flush()
        recorder.note([sample(clock, 21)])

    assert values(path) == [[20, 21]]


async def test_a_disk_that_refuses_costs_samples_alone(tmp_path, caplog):
    """It is said once, and when it is over; what was lost is known to be lost."""
    path = tmp_path / "samples.db"
    async with recording(path) as (recorder, clock):
        recorder.note([sample(clock, 20)])
        await recorder.flush()
        lost_since = clock.instant
        with refusing_disk():
            for value in range(3):
                clock.instant += SECOND
                recorder.note([sample(clock, value)])
                with pytest.raises(StoreUnavailable, match=r"samples\.db"):
                    await recorder.flush()
            assert "samples.db" in recorder.status()["unavailable"]
        clock.instant += SECOND
        recorder.note([sample(clock, 30)])
        await recorder.flush()
        assert recorder.status()["unavailable"] is None

    assert values(path) == [[20, 30]]
    [recorded] = read_samples(path, [TRACK], *ALL)
    assert recorded.lost == [(lost_since, lost_since + 3 * SECOND)]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "recent samples are lost, everything else goes on",
        "recent samples are kept again",
    ]


async def test_what_is_held_is_said_anew_after_a_loss(tmp_path):
    """A connection that is up all the time is up after the loss too, although its beginning is far back or lost."""
    path = tmp_path / "samples.db"
    tracks = [TRACK, (LINK, "plc")]
    async with recording(path) as (recorder, clock):
        recorder.note([Link("plc", up=True, at=clock.monotonic()), sample(clock, 20)])
        await recorder.flush()
        with refusing_disk():
            clock.instant += SECOND
            recorder.note([sample(clock, 30)])
            with pytest.raises(StoreUnavailable):
                await recorder.flush()
        clock.instant += SECOND
        recorder.note([sample(clock, 30)])
        await recorder.flush()
        since = START_WALL + clock.instant
    [recorded] = read_samples(path, tracks, *ALL)
    [whole] = read_samples(path, tracks, since, since + SECOND)

    assert [hold.value for hold in recorded.tracks[TRACK]] == [20, 30]
    assert [[hold.value for hold in whole.tracks[track]] for track in tracks] == [[30], [True]]
    assert whole.begin > recorded.begin


async def test_a_damaged_file_is_begun_anew(tmp_path, caplog):
    """The agent starts and records; the old file is put aside."""
    path = tmp_path / "samples.db"
    path.write_bytes(b"nonsense" * 999)
    async with recording(path) as (recorder, clock):
        recorder.note([sample(clock, 20)])
        await recorder.flush()

    assert values(path) == [[20]]
    assert (tmp_path / "samples.db.damaged").read_bytes() == b"nonsense" * 999
    assert "samples.db.damaged" in caplog.text


async def test_it_can_be_switched_off(tmp_path):
    """`keep: 0s`: no file, no memory."""
    async with recording(tmp_path / "samples.db", keep="0s") as (recorder, clock):
        recorder.note([sample(clock, 20)])
        assert recorder._pending == []
        await recorder.flush()

    assert list(tmp_path.iterdir()) == []


async def test_a_note_costs_next_to_nothing(tmp_path):
    """Less than 0.3 us a reading on the road of every reading."""
    async with recording(tmp_path / "samples.db") as (recorder, clock):
        batch = [sample(clock, 20)]
        began = time.perf_counter()
        for _ in range(10_000):
            recorder.note(batch)
        each = (time.perf_counter() - began) / 10_000

    assert each < 0.3e-6 * 5, "ample, for a busy machine"


def test_the_shortest_absence_that_a_rule_notices():
    """Of the tag, the rule, or what it expects; and only tags that rules look at."""
    say = Announcement("sample", 1, 0, 0, Priority.LOW)
    expecting = rule(Absence(say, Awaited.SAMPLE, 2 * SECOND), name="A", tag="U", stale_after=SECOND)

    assert watched([rule(high("U"))], TAGS) == {
        (TAG, "T"): 3 * SECOND,
        (TAG, "U"): 3 * SECOND,
        (ALIVE, "plc"): None,
    }
    assert watched([expecting], TAGS) == {(TAG, "U"): SECOND, (ALIVE, "plc"): 2 * SECOND}


async def test_only_what_the_rules_have_taken_is_noted(tmp_path):
    """A batch whose commit failed was not seen by any rule, and is not recorded as if it were."""
    clock, noted = HandClock(), []
    async with opened(tmp_path / "events.db", clock=clock) as store:
        rules, started = [rule(high(170))], clock.monotonic()
        engine = Engine(rules, TAGS.values(), ["plc"], mint=lambda _: "evt_1", started=started)
        pipeline = Pipeline(engine, store, lambda _: ("a",), lambda _: None, clock, lambda _: "evt_2")
        pipeline.note = noted.append
        calm, high_one = [sample(clock, 20)], [sample(clock, 200)]
        await pipeline.emit(calm)
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await pipeline.emit(high_one)

    assert noted == [calm]
