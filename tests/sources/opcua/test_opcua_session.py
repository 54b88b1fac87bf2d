"""A session with a real server: what it reads, and what it does when things go wrong."""

import asyncio
import datetime as dt
import gc
import logging
import threading
from pathlib import Path

import pytest
from asyncua import ua
from rigs.opcua_server import NAMESPACE, Line
from rigs.opcua_session import FAST, configure, until, watching

from agent.errors import StoreUnavailable
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED
from agent.model import MILLISECOND, SECOND, Alive, Link, Quality, Reading
from agent.sources.opcua.source import Timing, newest


def alive() -> float:
    return ITEMS_ALIVE.labels("boiler")._value.get()


# What is read


async def test_values_with_their_source_time(plant):
    """The first value is a baseline, the next are changes; the device's stamp travels along."""
    plant.add("steam", 1.5)
    stamp = dt.datetime(2026, 11, 21, 7, 30, tzinfo=dt.UTC)
    async with watching(configure(plant.url, "steam")) as watch:
        await watch.until(lambda: watch.values("steam") == [1.5])
        plant.set("steam", 2.5, stamp=stamp)
        await watch.until(lambda: watch.values("steam") == [1.5, 2.5])
        baseline, change = watch.readings("steam")

    assert baseline.baseline
    assert Reading("steam", 2.5, Quality.GOOD, change.received, "", 1795246200 * SECOND) == change
    assert isinstance(watch.seen[0], Link)
    assert watch.seen[0].up


async def test_quality_comes_with_the_value(plant):
    """Uncertain keeps its value, bad has none but a reason, and good comes back."""
    plant.add("valve", True)
    async with watching(configure(plant.url, "valve")) as watch:
        await watch.until(lambda: watch.values("valve") == [True])
        plant.set("valve", False, status=ua.StatusCodes.UncertainLastUsableValue)
        await watch.until(lambda: len(watch.readings("valve")) == 2)
        plant.set("valve", False, status=ua.StatusCodes.BadNoCommunication)
        await watch.until(lambda: len(watch.readings("valve")) == 3)
        plant.set("valve", False)
        await watch.until(lambda: len(watch.readings("valve")) == 4)
        seen = watch.readings("valve")

    assert [(one.value, one.quality) for one in seen] == [
        (True, Quality.GOOD),
        (False, Quality.UNCERTAIN),
        (None, Quality.BAD),
        (False, Quality.GOOD),
    ]
    assert seen[2].reason.startswith("BadNoCommunication: ")


async def test_the_first_value_is_the_baseline_though_a_bad_one_came_before(plant):
    """A server that has not read the device yet says so first; what follows is a start, no change."""
    plant.add("late", 1)
    plant.set("late", 1, status=ua.StatusCodes.BadWaitingForInitialData)
    async with watching(configure(plant.url, "late")) as watch:
        await watch.until(lambda: len(watch.readings("late")) == 1)
        plant.set("late", 1)
        await watch.until(lambda: len(watch.readings("late")) == 2)
        plant.set("late", 2)
        await watch.until(lambda: len(watch.readings("late")) == 3)

    assert [one.baseline for one in watch.readings("late")] == [True, True, False]


async def test_a_constant_value_stays_fresh_by_keep_alives(plant):
    """Proof of life comes about once a second, and no value is made up for it."""
    plant.add("constant", 5)
    async with watching(configure(plant.url, "constant")) as watch:
        await watch.until(lambda: len(watch.proofs) == 3)
        gaps = [later.at - sooner.at for sooner, later in zip(watch.proofs, watch.proofs[1:], strict=False)]

    assert watch.values("constant") == [5]
    assert all(SECOND <= gap < 1.5 * SECOND for gap in gaps)


async def test_pulses_between_two_publishes_are_all_seen_in_order(plant):
    """With a queue of one, the default of the protocol, only the last would be (opcua-asyncio#1184)."""
    plant.add("pulse", 0)
    config = configure(plant.url, "pulse", publish_every="1s", sample_every="50ms")
    async with watching(config, Timing(keep_alive=SECOND, silence=5 * SECOND)) as watch:
        await watch.until(lambda: watch.values("pulse") == [0])
        for value in range(1, 31):
            plant.set("pulse", value)
        await watch.until(lambda: 30 in watch.values("pulse"))

    assert watch.values("pulse") == list(range(31))


async def test_a_burst_is_neither_dropped_nor_reordered(plant):
    """Asyncua's own queue keeps 1,000 and drops the oldest unsaid; its async handlers overtake each other."""
    names = [f"burst{number}" for number in range(400)]
    for name in names:
        plant.add(name, 0)
    async with watching(configure(plant.url, *names)) as watch:
        await watch.until(lambda: len(watch.seen) > 400)

        async def flood():
            for value in range(1, 6):
                for name in names:
                    data = ua.DataValue(ua.Variant(value))
                    await plant.server.write_attribute_value(ua.NodeId(name, plant.index), data)

        await asyncio.to_thread(plant.call, flood())
        await watch.until(lambda: all(watch.values(name)[-1:] == [5] for name in names))

    assert all(watch.values(name) == [0, 1, 2, 3, 4, 5] for name in names)


async def test_values_that_the_server_dropped_are_noticed(plant, caplog):
    """The overflow bit counts as good, so nobody else would say it; once is enough."""
    plant.add("fast", 0)
    with caplog.at_level(logging.WARNING, "agent"):
        async with watching(configure(plant.url, "fast")) as watch:
            await watch.until(lambda: watch.values("fast") == [0])
            for value in (1, 2):
                plant.set("fast", value, status=0x480)
            await watch.until(lambda: 2 in watch.values("fast"))

    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "raise queue_size, or lower publish_every"
    ]


# Items that the server refuses


async def test_a_refused_node_is_bad_alone(plant):
    """One wrong node id suppresses no other (telegraf#8871), and says what to check."""
    plant.add("right", 1)
    async with watching(configure(plant.url, "right", "wrong", "nsu=urn:not:there;s=x")) as watch:
        await watch.until(lambda: watch.values("right") == [1])
        assert (alive(), ITEMS_WANTED.labels("boiler")._value.get()) == (1, 3)
        wrong, foreign = watch.readings("wrong")[0], watch.readings("nsu=urn:not:there;s=x")[0]

    assert (wrong.value, wrong.quality) == (None, Quality.BAD)
    assert wrong.reason.startswith(
        f"nsu={NAMESPACE};s=wrong was refused, BadNodeIdUnknown: check the node id"
    )
    assert foreign.reason.startswith(
        "the server has no namespace urn:not:there; it has http://opcfoundation.org/UA/"
    )
    assert NAMESPACE in foreign.reason


async def test_a_node_that_appears_later_comes_alive(plant):
    """A PLC answers before its program runs; asyncua drops such an item for ever."""
    async with watching(configure(plant.url, "program")) as watch:
        await watch.until(lambda: watch.up)
        assert alive() == 0
        plant.add("program", 9)
        await watch.until(lambda: watch.values("program") == [None, 9])
        assert alive() == 1
        assert watch.readings("program")[1].baseline


async def test_a_node_that_vanishes_and_returns_is_found_again(plant):
    """Its item may stay deaf after the program was loaded anew (Azure/Industrial-IoT#1890): ask for a new one."""
    plant.add("reloaded", 1)
    async with watching(configure(plant.url, "reloaded")) as watch:
        await watch.until(lambda: watch.values("reloaded") == [1])
        items = next(iter(plant.server.iserver.subscription_service.subscriptions.values()))
        before = set(items.monitored_item_srv._monitored_items)
        plant.set("reloaded", 1, status=ua.StatusCodes.BadNodeIdUnknown)
        await watch.until(lambda: alive() == 0)
        await watch.until(lambda: before.isdisjoint(items.monitored_item_srv._monitored_items))
        plant.set("reloaded", 2)
        await watch.until(lambda: watch.values("reloaded")[-1] == 2)
        await watch.until(lambda: alive() == 1)
        assert len(items.monitored_item_srv._monitored_items) == 1


async def test_no_request_exceeds_the_operation_limits(plant):
    """MaxMonitoredItemsPerCall is read and kept (telegraf#11455: BadTooManyOperations)."""
    names = [f"limited{number}" for number in range(25)]
    for name in names:
        plant.add(name, 1)
    with plant.limiting_calls(10):
        async with watching(configure(plant.url, *names)) as watch:
            await watch.until(lambda: all(watch.values(name) == [1] for name in names))

    assert plant.requested == [10, 10, 5]


# Losing the server


async def test_a_stopped_server_ends_the_session_and_the_next_one_works(plant):
    """At once, with what was read before delivered; the new session begins with a baseline."""
    plant.add("stopped", 1)
    async with watching(configure(plant.url, "stopped")) as watch:
        await watch.until(lambda: watch.values("stopped") == [1])
        await asyncio.to_thread(plant.stop)
        assert "closed the connection, or the network broke" in await watch.error(within=1)
    async with watching(configure(plant.url, "stopped")) as watch:
        assert "nothing answers at this address and port" in await watch.error()
    plant.restart()
    async with watching(configure(plant.url, "stopped")) as watch:
        await watch.until(lambda: watch.values("stopped") == [1])
        assert watch.readings("stopped")[0].baseline


async def test_a_namespace_is_found_wherever_the_restart_has_put_it(plant):
    """Under its old index there is another value now (node-red-contrib-opcua#478)."""
    plant.add("moved", 1)
    plant.add("moved", 2, index=plant.index + 1)
    names = plant.call(plant.server.get_namespace_array())
    async with watching(configure(plant.url, "moved")) as watch:
        await watch.until(lambda: watch.values("moved") == [1])
    plant.write_node(2255, [*names[: plant.index], "urn:in:between", *names[plant.index :]])
    try:
        await asyncio.to_thread(plant.stop)
        plant.restart()
        async with watching(configure(plant.url, "moved")) as watch:
            await watch.until(lambda: watch.values("moved") == [2])
    finally:
        plant.write_node(2255, names)


async def test_a_slow_server_is_not_a_lost_one(plant):
    """Asyncua's own watchdog gives every server one second: answers after 1.3 s ended the session."""
    plant.add("slow", 0)
    async with Line(plant.port) as line:
        config = configure(line.url, "slow", timeout="5s")
        async with watching(config, Timing(keep_alive=100 * MILLISECOND)) as watch:
            await watch.until(lambda: watch.values("slow") == [0])
            line.delay = 1.3
            for value in (1, 2):
                plant.set("slow", value)
                await watch.until(lambda wanted=value: wanted in watch.values("slow"))


async def test_a_silent_line_is_noticed(plant):
    """A pulled cable closes no socket; the missing keep-alives tell, within the time that is set."""
    plant.add("silent", 0)
    async with Line(plant.port) as line, watching(configure(line.url, "silent")) as watch:
        await watch.until(lambda: watch.values("silent") == [0])
        line.dead = True
        assert "sent nothing for 1.5s, not even a keep-alive" in await watch.error(within=5)
    await asyncio.to_thread(plant.stop)
    plant.restart()


def test_silence_is_noticed_within_15_seconds_by_default():
    """With keep-alives of 5 s: the promise of the design."""
    assert (Timing().keep_alive, Timing().silence) == (5 * SECOND, 15 * SECOND)


async def test_a_subscription_that_the_server_forgot_ends_the_session(plant):
    """The connection is healthy and silent: asyncua stays CONNECTED without an item, for good."""
    plant.add("forgotten", 0)
    async with watching(configure(plant.url, "forgotten")) as watch:
        await watch.until(lambda: watch.values("forgotten") == [0])
        plant.forget_subscriptions()
        assert "not even a keep-alive" in await watch.error(within=5)


async def test_a_subscription_that_the_server_ends_ends_the_session(plant):
    """It may say so, by a status change."""
    plant.add("ended", 0)
    async with watching(configure(plant.url, "ended")) as watch:
        await watch.until(lambda: watch.values("ended") == [0])
        internal = next(iter(plant.server.iserver.subscription_service.subscriptions.values()))
        plant.call(internal.monitored_item_srv.trigger_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout)))
        plant.set("ended", 1)
        assert "the server ended the subscription: BadTimeout" in await watch.error()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("opc.tcp://127.0.0.1:1", "nothing answers at this address and port"),
        ("opc.tcp://no-such-host.invalid", "check the address"),
    ],
)
async def test_an_address_where_nobody_is(url, expected):
    """The message begins with the address and ends with what to check."""
    async with watching(configure(url, "x")) as watch:
        message = await watch.error()

    assert message.startswith(url)
    assert expected in message


async def test_a_port_that_speaks_something_else():
    """A web server behind the port is told apart from no server, and leaves no traceback in the log."""

    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with watching(configure(f"opc.tcp://127.0.0.1:{port}", "x")) as watch:
        assert "that the port is its OPC UA port" in await watch.error()
    server.close()


async def test_a_listener_that_never_answers():
    """`timeout` bounds every step of connecting."""

    async def listen(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with watching(configure(f"opc.tcp://127.0.0.1:{port}", "x", timeout="200ms")) as watch:
        assert "no answer within 200ms: check power, cable and firewall" in await watch.error(within=3)
    server.close()


# Leaving nothing behind


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_hundred_sessions_leave_nothing_behind(plant):
    """No session or subscription at the server, no file, task or thread here (node-red-contrib-opcua#317)."""
    plant.add("again", 1)
    config = configure(plant.url, "again")

    async def once():
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("again") == [1])

    await once()
    gc.collect()
    before = (_open_files(), len(asyncio.all_tasks()), threading.active_count())
    for _ in range(100):
        await once()
        assert (plant.sessions, plant.subscriptions) == (0, 0)
    await until(lambda: before == (_open_files(), len(asyncio.all_tasks()), threading.active_count()))


async def test_cancelling_while_connecting_closes_the_socket(plant):
    """At whatever step: asyncua's own connect leaves the socket open when it is cancelled."""
    plant.add("cancelled", 1)
    async with Line(plant.port) as line:
        line.delay = 0.05
        for hundredths in range(0, 60, 6):
            async with watching(configure(line.url, "cancelled")):
                await asyncio.sleep(hundredths / 100)
        await until(lambda: not line._tasks and not plant.sessions)


async def test_a_silent_server_does_not_hold_up_the_end(plant):
    """Goodbye is said for two seconds at most."""
    plant.add("goodbye", 1)
    async with Line(plant.port) as line, watching(configure(line.url, "goodbye", timeout="60s")) as watch:
        await watch.until(lambda: watch.values("goodbye") == [1])
        line.dead = True
        watch.task.cancel()
        await asyncio.wait([watch.task], timeout=3)
        assert watch.task.cancelled()
    await asyncio.to_thread(plant.stop)
    plant.restart()


async def test_nothing_of_the_library_is_logged_for_weather(plant, caplog):
    """One line for each publish at INFO, tracebacks for a lost line: the supervisor tells it once."""
    plant.add("quiet", 0)
    with caplog.at_level(logging.DEBUG):
        async with watching(configure(plant.url, "quiet")) as watch:
            await watch.until(lambda: watch.values("quiet") == [0])
            await asyncio.to_thread(plant.stop)
            await watch.error()
        plant.restart()

    assert [record.name for record in caplog.records if record.name.startswith("asyncua.client")] == []


# The store


async def test_the_newest_value_is_offered_again_while_the_store_cannot_take_it(plant):
    """What replaces a baseline that nobody took is one; each tag comes once."""
    plant.add("a", 0)
    plant.add("b", 0)
    async with watching(configure(plant.url, "a", "b")) as watch:
        await watch.until(lambda: watch.values("a") == [0] == watch.values("b"))
        watch.batches.clear()
        watch.refusals[:] = [StoreUnavailable("disk full")] * 10
        for value in (1, 2, 3):
            plant.set("a", value)
        await watch.until(lambda: len(watch.refusals) < 8)
        plant.set("a", 4)
        await watch.until(lambda: watch.values("a")[-1] == 4)

    assert watch.values("a") == [0, 4]


async def test_a_store_that_is_not_ready_at_the_start_loses_no_first_value(plant):
    """The link and the baseline wait with the rest."""
    plant.add("early", 1)
    config = configure(plant.url, "early", "refused")
    refusals = [StoreUnavailable("disk full")] * 8
    async with watching(config) as watch:
        watch.refusals[:] = refusals
        await watch.until(lambda: watch.values("early") == [1])

    assert isinstance(watch.seen[0], Link)
    assert watch.readings("early")[0].baseline
    assert watch.values("refused") == [None]


async def test_more_than_the_store_takes_ends_the_session_instead_of_dropping(plant):
    """A disk that hangs for long: bounded memory, and no value is lost unsaid."""
    plant.add("stuck", 0)
    hang = asyncio.Event()
    config = configure(plant.url, "stuck", queue_size=5000, publish_every="100ms")
    async with watching(config) as watch:
        await watch.until(lambda: watch.values("stuck") == [0])
        taken = watch.emit

        async def emit(batch):
            await hang.wait()
            await taken(batch)

        watch.emit = emit

        async def flood():
            for value in range(1, 1500):
                data = ua.DataValue(ua.Variant(value))
                await plant.server.write_attribute_value(ua.NodeId("stuck", plant.index), data)

        await asyncio.to_thread(plant.call, flood())
        await asyncio.sleep(0.5)
        hang.set()
        assert "values wait for the store: see whether the disk is slow or full" in await watch.error()


def reading(tag, value, *, baseline=False):
    return Reading(tag, value, Quality.GOOD, value, baseline=baseline)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], []),
        ([reading("a", 1), reading("b", 2), reading("a", 3)], [reading("a", 3), reading("b", 2)]),
        ([reading("a", 1, baseline=True), reading("a", 2)], [reading("a", 2, baseline=True)]),
        ([reading("a", 1), reading("a", 2, baseline=True)], [reading("a", 2, baseline=True)]),
        (
            [Link("s", True, 1), Alive("s", 2), reading("a", 1), Alive("s", 3)],
            [Link("s", True, 1), Alive("s", 3), reading("a", 1)],
        ),
    ],
)
def test_newest(seen, expected):
    """One of each tag, the link first, the last proof of life."""
    assert expected == newest(seen)


def test_fast_timing_is_only_faster():
    """The tests run the same session as the plant, with shorter waits."""
    assert FAST.keep_alive < FAST.silence
