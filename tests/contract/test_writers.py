"""What every writer guarantees (see `agent.sources.writing.Writer`), over every kind of source that writes."""

import asyncio
import contextlib
import math
import time

import pytest
from rigs.source_session import PATIENCE, running
from rigs.writer_kinds import WRITERS

from agent.model import Quality
from agent.sources.writing import WriteRefused, WriteUncertain


@pytest.fixture(params=WRITERS)
def kind(request):
    return WRITERS[request.param](request)


@contextlib.asynccontextmanager
async def at_work(kind, **keys: object):
    """A device and a session that reads it; both, and the writer that lies behind the door."""
    async with kind, running(kind.config(**keys)) as session:
        await session.until(lambda: session.door.writer)
        yield session, session.door.writer


async def reached(condition):
    """Wait until `condition()` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_is_written_is_read_back(kind):
    """On demand, and by the next poll, which tells it as any other change."""
    async with at_work(kind) as (session, writer):
        await writer.write("T", 21.5)
        await writer.write("SWITCH", True)
        back = [await writer.read(tag) for tag in ("T", "SWITCH")]
        await writer.write("SWITCH", False)
        off = await writer.read("SWITCH")
        await session.until(lambda: 21.5 in session.values)

    assert [(one.tag, one.value, one.quality) for one in (*back, off)] == [
        ("T", 21.5, Quality.GOOD),
        ("SWITCH", True, Quality.GOOD),
        ("SWITCH", False, Quality.GOOD),
    ]
    assert kind.sent() == 3


async def test_nothing_is_emitted_for_what_is_asked_or_written(kind):
    """What the rules see comes from the polls alone: a read on demand is for whoever asked."""
    async with at_work(kind) as (session, writer):
        await writer.write("T", 7)
        read = await writer.read("T")
        await session.until(lambda: 7 in session.values)

        assert read not in session.seen
        assert not [one for one in session.readings("T") if one.received == read.received]


async def test_what_the_device_refuses_leaves_it_as_it_was(kind):
    """The reason is for a person, and nothing is tried a second time."""
    async with at_work(kind) as (_, writer):
        before = kind.held()
        with pytest.raises(WriteRefused) as refused:
            await writer.write("BLOCKED", 5)

        assert kind.held() == before
        assert kind.sent() <= 1
        assert len(str(refused.value)) > 20


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("T", math.nan),
        ("T", math.inf),
        ("T", -math.inf),
        ("T", 1e300),
        ("T", 10**400),
        ("T", "21.5"),
        ("T", True),
        ("SWITCH", 1),
        ("SWITCH", "true"),
        ("READ", 5),
        ("NOBODY", 5),
    ],
)
async def test_what_cannot_be_written_is_not_sent(kind, tag, value):
    """Neither a number of no meaning, nor a value of another kind, nor a tag without `write`."""
    async with at_work(kind) as (_, writer):
        with pytest.raises(WriteRefused):
            await writer.write(tag, value)

        assert kind.sent() == 0


async def test_the_last_word_keeps_it_back(kind):
    """It is asked once, when everything that was to be waited for is there; what it raises comes back, nothing went."""
    asked = []

    def no():
        asked.append(kind.sent())
        raise WriteRefused("the door is open")

    async with at_work(kind) as (_, writer):
        for tag, value in (("T", 5), ("SWITCH", True)):
            with pytest.raises(WriteRefused, match="the door is open"):
                await writer.write(tag, value, no)
        assert (kind.sent(), kind.held().get("T", 0)) == (0, 0)
        await writer.write("T", 7, lambda: asked.append(kind.sent()))
        assert kind.sent() == 1
        assert (await writer.read("T")).value == 7

    assert asked == [0, 0, 0]


async def test_silence_is_uncertain(kind):
    """It was sent once, nobody knows what became of it, and that is said in time."""
    async with at_work(kind) as (_, writer):
        kind.line.dead = True
        began = time.monotonic()
        with pytest.raises((WriteUncertain, WriteRefused)) as ended:
            await writer.write("T", 5)
        took = time.monotonic() - began
        kind.line.dead = False

        assert took < kind.bound
        assert kind.sent() <= 1
        # Who looks at the variable first and gets no answer has sent nothing.
        assert ended.type is WriteUncertain or "nothing was sent" in str(ended.value)


async def test_a_line_that_is_cut_is_uncertain_or_nothing_was_sent(kind):
    """Never silently well, never sent again over the next connection."""
    async with at_work(kind) as (session, writer):
        kind.line.delay = 0.2
        task = asyncio.create_task(writer.write("T", 5), name="write")
        await asyncio.sleep(0.05)
        kind.line.cut()
        with pytest.raises((WriteUncertain, WriteRefused)):
            await task
        await asyncio.wait({session.task}, timeout=PATIENCE)

        assert session.door.writer is None
        assert kind.sent() <= 1


async def test_the_door_is_open_while_connected_and_not_before_or_after(kind):
    """And who kept the writer of a session that is over sends nothing with it."""
    async with kind:
        async with running(kind.config()) as session:
            assert session.door.writer is None
            await session.until(lambda: session.door.writer)
            assert session.links
            writer = session.door.writer
            kind.line.cut()
            await asyncio.wait({session.task}, timeout=PATIENCE)
            assert session.door.writer is None
        with pytest.raises(WriteRefused):
            await writer.write("T", 5)
        read = await writer.read("T")

        assert kind.sent() == 0
    assert read.quality is Quality.BAD
    assert read.reason


async def test_without_a_grant_the_door_stays_closed(kind):
    """Whatever else the session does."""
    async with kind, running(kind.config(grants=False)) as session:
        await session.until(lambda: session.values)
        await session.offered(3)

        assert session.door.writer is None
        assert kind.sent() == 0


async def test_a_write_that_is_cancelled_leaves_nothing_stuck(kind):
    """The session goes on, and the next one is written, and reads as itself."""
    async with at_work(kind) as (session, writer):
        kind.line.delay = 0.1
        for wait in (0, 0.02, 0.05):
            task = asyncio.create_task(writer.write("T", 5), name="write")
            await asyncio.sleep(wait)
            task.cancel()
            await asyncio.wait({task}, timeout=PATIENCE)
            assert task.cancelled()
        kind.line.delay = 0.0
        await writer.write("T", 6)
        read = await writer.read("T")
        await session.offered(2)

    assert read.value == 6
    assert kind.sent() <= 4


async def test_calls_side_by_side_each_get_their_own_answer(kind):
    """Writes and reads of several tags at once, beside the polls."""
    async with at_work(kind) as (session, writer):
        numbers = [float(n) for n in range(1, 11)]
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(writer.write("T", number))
            switches = [group.create_task(writer.read("SWITCH")) for _ in numbers]
            group.create_task(writer.write("SWITCH", True))
        last = await writer.read("T")
        await session.until(lambda: last.value in session.values)

    assert last.value in numbers
    assert {type(task.result().value) for task in switches} == {bool}
    assert kind.sent() == len(numbers) + 1
