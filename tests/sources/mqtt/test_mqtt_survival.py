"""What a plant does to a connection: power cuts, frozen brokers, twins, a thousand reconnects."""

import asyncio
import gc
import socket
import ssl
import threading
from pathlib import Path

import pytest
import uvloop
from rigs.authority import Authority
from rigs.mosquitto import Mosquitto
from rigs.mqtt_packets import ACCEPTED, fake_broker, packet, read
from rigs.mqtt_session import Session, eventually, source, subscribed

from agent.errors import SourceError
from agent.model import SECOND
from agent.mqtt import connect as mqtt_connect
from agent.mqtt import loop as mqtt_loop


async def test_a_broker_that_dies_ends_the_session_and_the_next_one_goes_on(tmp_path, free_port, protocol):
    """Power cut at the broker: what it had kept on disk for us arrives after its restart."""
    extra = (
        f"persistence true\npersistence_location {tmp_path}/\nautosave_on_changes true\nautosave_interval 1"
    )
    with Mosquitto(tmp_path, free_port(), extra) as broker:
        config = source(broker.port, protocol=protocol)
        async with Session(config) as session:
            await subscribed(session)
            broker.kill()
            assert "the connection was lost" in str(await session.error())
        async with Session(config) as session:
            assert "connection refused" in str(await session.error())
        broker.start()
        async with Session(config) as session:
            await subscribed(session)
        await asyncio.to_thread(broker.publish, ("t", "1"))
        broker.stop()
        broker.start()
        async with Session(config) as session:
            await session.until(lambda: session.values == [1])


async def test_a_broker_that_forgot_the_session_is_subscribed_anew(tmp_path, free_port, protocol):
    """telegraf#16038, #16035, #16293: "Connected", and no data after the broker had been restarted."""
    with Mosquitto(tmp_path, free_port()) as broker:  # without persistence: sessions die with it
        config = source(broker.port, {"T{1}": {"topic": "t/+"}}, protocol=protocol)
        async with Session(config) as session:
            await subscribed(session)
            broker.kill()
            await session.error()
        broker.start()
        async with Session(config) as session:
            await subscribed(session)
            await asyncio.to_thread(broker.publish, ("t/1", "1"))
            await session.until(lambda: session.values == [1])


async def test_a_certificate_that_is_replaced_on_disk_is_used_at_the_next_attempt(tmp_path, free_port):
    """Authorities expire too; nobody has to restart the agent for it."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(old.certificate.read_bytes())
    certificate, key = new.issue("server")
    extra = f"cafile {new.certificate}\ncertfile {certificate}\nkeyfile {key}"
    with Mosquitto(tmp_path, free_port(), extra) as broker:
        config = source(broker.port, url=f"mqtts://127.0.0.1:{broker.port}", tls={"ca": str(trusted)})
        async with Session(config) as session:
            assert "its certificate is refused" in str(await session.error())
        trusted.write_bytes(new.certificate.read_bytes())
        async with Session(config) as session:
            await subscribed(session)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (0x8E, "the session was taken over: another client uses the client_id 'edge-relay-test'"),
        (0x8B, "it ended the session (Server shutting down): see the broker's log"),
    ],
)
async def test_mqtt_5_tells_why_a_session_ends(code, why):
    """The broker's own word, where it has one."""

    async def serve(reader, writer):
        await read(reader)
        writer.write(packet(0x20, b"\x00\x00\x00"))
        _, body = await read(reader)
        writer.write(packet(0x90, body[:2] + b"\x00\x01"))
        writer.write(packet(0xE0, bytes([code])))
        await reader.read()

    async with fake_broker(serve) as port, Session(source(port, protocol="5")) as session:
        assert why in str(await session.error())


async def test_a_second_client_with_our_client_id_is_named_as_the_cause(broker, protocol):
    """Two agents with a copied configuration throw each other out."""
    config = source(broker.port, protocol=protocol)
    async with Session(config) as first:
        await subscribed(first)
        async with Session(config) as second:
            why = str(await first.error())
            await second.until(lambda: second.up)
    assert "another client uses the client_id 'edge-relay-test': every client needs its own" in why


def test_a_dead_link_is_noticed_within_15_s_by_default():
    """Silence is measured at ticks: the sum of the longest waits."""
    keepalive = source(1).keepalive / SECOND

    assert keepalive + mqtt_loop._PONG_WITHIN + 2 * mqtt_loop._TICK <= 15
    assert mqtt_loop._PONG_WITHIN - 2 * mqtt_loop._TICK >= 3, "a slow line has time to answer"


async def test_a_broker_that_hangs_is_noticed_and_a_quiet_one_is_not(tmp_path, free_port, monkeypatch):
    """Connections of a frozen broker stay open for ever; only the missing answer to a ping tells.

    rdtech-esphome#23, thingsboard-gateway#1243: the last values looked fresh, the device active. Here the
    session ends, and with it every value of its tags is bad.
    """
    monkeypatch.setattr(mqtt_loop, "_PONG_WITHIN", 1.5)
    ports = free_port(), free_port()
    with Mosquitto(tmp_path, ports[0]) as frozen, Mosquitto(tmp_path, ports[1]) as quiet:
        configs = [source(one.port).model_copy(update={"keepalive": 2 * SECOND}) for one in (frozen, quiet)]
        async with Session(configs[0]) as dead:
            await subscribed(dead)  # before the other begins: the figure that tells it is of both
            async with Session(configs[1]) as alive:
                await alive.until(lambda: alive.up)
                frozen.freeze()
                began = asyncio.get_running_loop().time()
                why = str(await dead.error(30))
                frozen.thaw()
                assert asyncio.get_running_loop().time() - began < 20  # TCP alone would take minutes
                assert "ping" in why  # paho may notice it first, and says it in other words
                assert "the link is dead or the broker hangs" in why
                assert not alive.task.done()


async def test_a_peer_that_confirms_nothing_is_given_up_by_tcp_too(broker):
    """TCP_USER_TIMEOUT: what was sent into a pulled cable does not wait a quarter of an hour."""
    connection = await mqtt_connect.connect(source(broker.port))
    try:
        timeout = connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == 10_000
        assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    finally:
        mqtt_connect.close(connection.client)


def inventory() -> tuple[int, int, int]:
    """Open descriptors, tasks, threads."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), len(asyncio.all_tasks()), threading.active_count()


async def settled(before: tuple[int, int, int]) -> None:
    """Wait until nothing more is open than before."""
    for _ in range(200):
        if inventory() <= before:
            break
        await asyncio.sleep(0.01)
    after = inventory()
    assert all(now <= then for now, then in zip(after, before, strict=True)), (before, after)


async def test_two_hundred_sessions_leave_nothing_behind(broker, protocol):
    """Cancelled at every stage: before the connection, while it is set up, while it runs."""
    config = source(broker.port, protocol=protocol)
    async with Session(config) as session:
        await subscribed(session)
    before = inventory()
    for cycle in range(200):
        async with Session(config) as session:
            for _ in range(cycle % 40):
                await asyncio.sleep(0)
            if cycle % 10 == 0:
                await session.until(lambda: session.up)
    await settled(before)


async def test_two_hundred_cut_connections_leave_nothing_behind(tmp_path):
    """The other end hangs up at every stage, with TLS and without."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    connections = 0

    async def serve(reader, writer):
        nonlocal connections
        connections += 1
        if connections % 4:
            await read(reader)
        if connections % 4 > 1:
            writer.write(ACCEPTED)
        if connections % 4 > 2:
            await read(reader)

    async with fake_broker(serve) as plain, fake_broker(serve, ssl=context) as secure:
        tls = {"url": f"mqtts://127.0.0.1:{secure}", "tls": {"ca": str(authority.certificate)}}
        configs = source(plain), source(secure, **tls), source(secure, **tls | {"tls": None})
        await asyncio.gather(*[Session(one).__aenter__() for one in configs], return_exceptions=True)
        for config in configs:
            async with Session(config) as session:
                await session.error()
        await asyncio.sleep(0.1)
        before = inventory()
        for cycle in range(200):
            async with Session(configs[cycle % 3]) as session:
                assert isinstance(await session.error(), SourceError)
        await settled(before)


async def test_a_hanging_resolver_holds_up_neither_the_loop_nor_the_end(monkeypatch):
    """The look-up is left behind on its own thread, and closes what it still opens."""
    release = threading.Event()
    opened = []

    def hang(config):
        release.wait(10)
        opened.append(config)
        raise OSError("too late")

    monkeypatch.setattr(mqtt_connect, "_open", hang)
    async with Session(source(1, timeout="1s")) as session:
        assert "no answer within 1 s" in str(await session.error(2))
    (thread,) = [one for one in threading.enumerate() if one.name.startswith("mqtt connect")]
    assert thread.daemon, "the process ends without it"
    release.set()
    await asyncio.to_thread(thread.join, 5)
    assert opened


async def test_a_connection_that_comes_too_late_is_closed(broker, monkeypatch):
    """Nobody waits for it any more: it must not take the session over from its successor."""
    release = threading.Event()
    late = []
    really_open = mqtt_connect._open

    def delayed(config):
        release.wait(10)
        late.append(really_open(config))
        return late[0]

    monkeypatch.setattr(mqtt_connect, "_open", delayed)
    async with Session(source(broker.port, timeout="1s")) as session:
        assert "no answer within 1 s" in str(await session.error(2))
    release.set()
    await eventually(lambda: bool(late) and late[0].sock.fileno() == -1)
    assert "as edge-relay-test" not in broker.log.read_text(), "CONNECT was never sent"


async def test_a_connection_that_comes_in_the_moment_of_the_cancellation_is_closed(broker, monkeypatch):
    """Settled and cancelled in one turn of the loop: the result reaches nobody, the socket must not stay."""
    config = source(broker.port)
    opened = []

    def attempt(config, loop, settle):
        opened.append(mqtt_connect._open(config))
        loop.call_soon_threadsafe(lambda: (settle(opened[0]), task.cancel()))

    monkeypatch.setattr(mqtt_connect, "_attempt", attempt)
    task = asyncio.create_task(mqtt_connect.connect(config))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert opened[0].sock.fileno() == -1


@pytest.mark.parametrize("factory", ["asyncio", "uvloop"])
def test_both_event_loops_drive_it(broker, factory):
    """The agent runs on uvloop where there is one."""

    async def session() -> None:
        async with Session(source(broker.port)) as one:
            await subscribed(one)
            await asyncio.to_thread(broker.publish, *[("t", str(n)) for n in range(100)])
            await one.until(lambda: len(one.readings) >= 100)
            assert one.values == list(range(100))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if factory == "uvloop" else None) as runner:
        runner.run(session())
