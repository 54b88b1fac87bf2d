"""A session that loses its server, and what is left of it."""

import asyncio
import contextlib
import gc
import logging
import threading
from pathlib import Path

from asyncua import ua
from rigs.opcua_server import Line
from rigs.opcua_session import Watch, configure, until, watching

from agent.clock import SystemClock
from agent.errors import SourceError
from agent.model import MILLISECOND, SECOND
from agent.sources.opcua.source import Timing, run


async def test_a_stopped_server_ends_the_session_and_the_next_one_works(plant):
    """At once, with what was read before delivered; the new session begins with a baseline (telegraf#18628)."""
    plant.add("stopped", 1)
    async with watching(configure(plant.url, "stopped")) as watch:
        await watch.until(lambda: watch.values("stopped") == [1])
        await asyncio.to_thread(plant.stop)
        assert "closed the connection, or the network broke" in await watch.error()
    async with watching(configure(plant.url, "stopped")) as watch:
        assert "nothing answers at this address and port" in await watch.error()
    plant.restart()
    async with watching(configure(plant.url, "stopped")) as watch:
        await watch.until(lambda: watch.values("stopped") == [1])
        assert watch.readings("stopped")[0].baseline


async def test_a_lost_session_is_mended_by_nobody_but_the_supervisor(plant):
    """Two owners of reconnecting made 6,410 sessions in two minutes (telegraf#18787, #18813): nothing goes on."""
    plant.add("owner", 1)
    async with watching(configure(plant.url, "owner")) as watch:
        await watch.until(lambda: watch.values("owner") == [1])
        await asyncio.to_thread(plant.stop)
        await watch.error()
    plant.restart()

    assert {task for task in asyncio.all_tasks() if not task.done()} == {asyncio.current_task()}


async def test_one_task_runs_session_after_session(plant):
    """As under the supervisor, each with a client of its own (opcua-asyncio#1660: a used one hangs).

    What a lost session leaves counted on its task does not end the next one.
    """
    plant.add("again", 1)
    watch, config = Watch(), configure(plant.url, "again")

    async def sessions():
        while True:
            with contextlib.suppress(SourceError):  # also while the server is away
                await run("boiler", config, watch.emit, SystemClock())
            await asyncio.sleep(0.05)

    watch.task = asyncio.create_task(sessions())
    try:
        await watch.until(lambda: watch.values("again") == [1])
        await asyncio.to_thread(plant.stop)
        plant.restart()
        await watch.until(lambda: watch.values("again") == [1, 1])
    finally:
        watch.task.cancel()
        await asyncio.wait([watch.task], timeout=5)


async def test_a_namespace_is_found_wherever_the_restart_has_put_it(plant):
    """Under its old index there is another value now (node-red-contrib-opcua#478, Azure/Industrial-IoT#2416)."""
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
            plant.set("slow", 1)
            await watch.until(lambda: watch.values("slow") == [0, 1])


async def test_a_silent_line_is_noticed(plant):
    """A pulled cable closes no socket; the missing keep-alives tell, within the time that is set.

    opcua-asyncio#70: without a watchdog of one's own nobody notices.
    """
    plant.add("silent", 0)
    async with Line(plant.port) as line, watching(configure(line.url, "silent")) as watch:
        await watch.until(lambda: watch.values("silent") == [0])
        line.dead = True
        assert "sent nothing for 1.5s, not even a keep-alive" in await watch.error()
    await asyncio.to_thread(plant.stop)
    plant.restart()


def test_silence_is_noticed_within_15_seconds_by_default():
    """With keep-alives of 5 s: the promise of the design."""
    assert (Timing().keep_alive, Timing().silence) == (5 * SECOND, 15 * SECOND)


async def test_a_subscription_that_the_server_forgot_ends_the_session(plant):
    """The connection is healthy and silent (Azure/Industrial-IoT#912, #2055, #2344): asyncua stays CONNECTED without an item."""
    plant.add("forgotten", 0)
    async with watching(configure(plant.url, "forgotten")) as watch:
        await watch.until(lambda: watch.values("forgotten") == [0])
        plant.forget_subscriptions()
        assert "not even a keep-alive" in await watch.error()


async def test_a_subscription_that_the_server_ends_ends_the_session(plant):
    """It may say so, by a status change."""
    plant.add("ended", 0)
    async with watching(configure(plant.url, "ended")) as watch:
        await watch.until(lambda: watch.values("ended") == [0])
        internal = next(iter(plant.server.iserver.subscription_service.subscriptions.values()))
        plant.call(internal.monitored_item_srv.trigger_statuschange(ua.StatusCode(ua.StatusCodes.BadTimeout)))
        plant.set("ended", 1)
        assert "the server ended the subscription: BadTimeout" in await watch.error()


async def test_an_address_where_nobody_is():
    """The message begins with the address and ends with what to check."""
    async with watching(configure("opc.tcp://127.0.0.1:1", "x")) as watch:
        assert await watch.error() == (
            "opc.tcp://127.0.0.1:1: nothing answers at this address and port: "
            "check that the OPC UA server runs, and its port"
        )


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
        assert "no answer within 200ms: check power, cable and firewall" in await watch.error()
    server.close()


# Leaving nothing behind


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_a_hundred_sessions_leave_nothing_behind(plant):
    """No session or subscription at the server, no file, task or thread here.

    (node-red-contrib-opcua#317, #278: each pulled cable adds some; telegraf#19070: each reload.)
    """
    plant.add("hundred", 1)
    config = configure(plant.url, "hundred", publish_every="10ms")

    async def once():
        async with watching(config) as watch:
            await watch.until(lambda: watch.values("hundred") == [1])

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
        line.delay = 0.03
        for hundredths in range(0, 40, 4):
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
