"""The sources at work beside their values: interruptions, devices' clocks, tags that are late, pauses by hand."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import REGISTRY
from rigs.modbus_server import ModbusServer
from rigs.rules import high, rule
from rigs.stores import HandClock, eventually
from rigs.webhook import MovedClock

from agent.clock import SystemClock
from agent.errors import StoreUnavailable
from agent.intake import Intake, Pause
from agent.intakes import Intakes
from agent.model import SECOND, EventType, Link, Quality, Reading
from agent.pipeline import Pipeline
from agent.rules.engine import Engine
from agent.sources.modbus.config import ModbusSource
from agent.sources.mqtt.config import MqttSource
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.identity import own_identity
from agent.stamps import Reckoning, Standing
from agent.store.store import Store
from agent.web.routes import add_routes
from agent.web.sources import source_routes

CLOCK = SystemClock()
BROKER = MqttSource.model_validate(
    {
        "type": "mqtt",
        "url": "mqtt://127.0.0.1:1",
        "client_id": "c",
        "tags": {"T": {"topic": "t", "value": "v", "time": "ts"}, "U": {"topic": "u", "stale_after": "20s"}},
    }
)


def device(server, **keys):
    tags = {"T": {"area": "holding", "offset": 0, "type": "uint16"}}
    return ModbusSource.model_validate(
        {"type": "modbus", "url": server.url, "poll_every": "20ms", "timeout": "200ms", "tags": tags} | keys
    )


@asynccontextmanager
async def at_work(tmp_path, configs):
    """Real sources over a real store; `events` gives (type, data) of all that was stored."""
    async with await Store.open(tmp_path / "events.db", clock=CLOCK, boot="boot") as store:
        specs = [spec for name, config in configs.items() for spec in config.tag_specs(name)]
        minted = iter(range(10_000))

        def mint(at):
            return f"evt_{next(minted)}"

        engine = Engine(
            (
                rule(
                    high(),
                ),
            ),
            specs,
            configs,
            mint=mint,
            started=CLOCK.monotonic(),
        )
        pipeline = Pipeline(engine, store, lambda _: (), lambda _: None, CLOCK, mint)
        intakes = Intakes(pipeline, CLOCK, lambda: 0.0, lambda: Reckoning(CLOCK.wall() - CLOCK.monotonic()))
        async with asyncio.TaskGroup() as tasks:
            intakes.begin(tasks, configs)
            yield SimpleNamespace(intakes=intakes, pipeline=pipeline, store=store, engine=engine)
            await intakes.stop()


async def test_a_paused_device_is_left_alone_until_somebody_takes_it_back(tmp_path):
    """No connection stays open; its tags are bad with who paused it; `resume` reads it at once."""
    async with ModbusServer() as server, at_work(tmp_path, {"plc": device(server)}) as here:
        intake = here.intakes.at_work["plc"]
        await eventually(lambda: intake.up)
        reason = await here.intakes.pause("plc", 600 * SECOND, "anna")
        await eventually(lambda: not server.connections)
        asked = len(server.requests)
        assert reason.startswith("paused by anna until 20")
        tag = here.engine.tags["T"]
        assert (tag.quality, tag.reason) == (Quality.BAD, reason)
        status = intake.status()
        assert (status["state"], status["reason"], server.accepted) == ("paused", reason, 1)

        here.intakes.resume("plc")
        await eventually(lambda: intake.up and tag.quality is Quality.GOOD)
        assert (server.accepted, intake.status()["state"], asked < len(server.requests)) == (2, "up", True)


async def test_a_pause_ends_by_itself_and_survives_a_changed_configuration(tmp_path):
    """A source that is changed while it is paused stays so; when the time is over it is read."""
    async with ModbusServer() as server, at_work(tmp_path, {"plc": device(server)}) as here:
        await eventually(lambda: here.intakes.at_work["plc"].up)
        await here.intakes.pause("plc", SECOND // 2, "anna")
        await here.intakes.change({"plc": device(server, timeout="300ms")})
        intake = here.intakes.at_work["plc"]
        assert (intake.pause is not None, intake.up, server.accepted) == (True, False, 1)
        await eventually(lambda: intake.up)
        assert (intake.pause, server.accepted) == (None, 2)


async def test_pauses_at_the_same_moment_are_one_and_a_reload_beside_them_starts_one_source(tmp_path):
    """However a pause, another one and a reload overlap: one task, one connection afterwards, and it can be stopped."""
    async with ModbusServer() as server, at_work(tmp_path, {"plc": device(server)}) as here:
        await eventually(lambda: here.intakes.at_work["plc"].up)
        changed = {"plc": device(server, timeout="300ms")}
        pauses = [here.intakes.pause("plc", 600 * SECOND, who) for who in ("anna", "ben")]
        await asyncio.gather(pauses[0], here.intakes.change(changed), pauses[1])
        assert here.intakes.at_work["plc"].pause.reason.startswith("paused by ben")
        assert server.accepted == 1
        here.intakes.resume("plc")
        await eventually(lambda: here.intakes.at_work["plc"].up)
        await asyncio.sleep(0)
        assert server.accepted == 2
        assert [task.get_name() for task in asyncio.all_tasks()].count("source plc") == 1


async def test_a_certificate_that_is_about_to_expire_is_told_once(tmp_path):
    """Of two sources with one folder of certificates; a device without any has none."""
    security = {"mode": "sign", "pki": str(tmp_path / "pki")}
    server = {"type": "opcua", "url": "opc.tcp://127.0.0.1:1", "security": security, "tags": {}}
    own_identity(tmp_path / "pki", CLOCK.wall())
    configs = {
        name: OpcUaSource.model_validate(server | {"tags": {name: {"node": "ns=2;s=A"}}}) for name in "TU"
    }
    async with at_work(tmp_path, configs) as here:
        here.intakes._clock = MovedClock(3_630 * 86_400)
        watching = asyncio.create_task(here.intakes.watch_certificates())
        await eventually(lambda: here.intakes.expiring)
        watching.cancel()
    [told] = here.intakes.expiring
    assert "expires" in told


async def test_over_the_socket(tmp_path):
    """A pause has a length and an end; mistakes are sentences."""
    async with ModbusServer() as server, at_work(tmp_path, {"plc": device(server)}) as here:
        app = web.Application()
        add_routes(app, source_routes(here.intakes), lambda _: "bob")
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "sock")).start()
        connector = aiohttp.UnixConnector(path=str(tmp_path / "sock"))
        async with aiohttp.ClientSession("http://x", connector=connector) as session:

            async def post(path, body):
                async with session.post(path, json=body) as response:
                    return response.status, await response.json()

            asked = [
                (
                    "/api/sources/plc/resume",
                    None,
                    409,
                    "source plc is not paused: it is read, there is nothing to resume",
                ),
                ("/api/sources/plk/pause", {"for_s": 1}, 404, "there is no source plk: did you mean `plc`?"),
                ("/api/sources/plc/pause", {"for_s": 86_401}, 400, "for_s: Input should be less than"),
                ("/api/sources/plc/pause", {}, 400, "for_s: Field required"),
            ]
            for path, body, status, words in asked:
                got, answer = await post(path, body)
                assert (got, words in answer["error"]) == (status, True), (path, answer)
            status, answer = await post("/api/sources/plc/pause", {"for_s": 60, "by": "anna"})
            assert (status, answer["reason"].startswith("paused by anna (")) == (200, True)
            assert (await post("/api/sources/plc/resume", None))[0] == 200
        await runner.cleanup()


# --- what is looked for once a second, on virtual time ------------------------------------------------


class Quiet:
    """A pipeline that keeps what it is given: the rules and the disk are not what is tested here."""

    def __init__(self, clock):
        self.seen, self.told, self.kept = [], [], {}
        self.refuses = 0
        self._clock = clock
        tags = [SimpleNamespace(spec=spec) for spec in BROKER.tag_specs("line")]
        self.engine = SimpleNamespace(sources={"line": SimpleNamespace(tags=tags)})

    async def emit(self, batch):
        if self.refuses:
            self.refuses -= 1
            raise StoreUnavailable("no space left")
        self.seen += batch

    def announce(self, event):
        self.told.append((event.type, dict(event.data)))

    def remember(self, states):
        self.kept |= states

    event, blind = Pipeline.event, Pipeline.blind
    _mint = staticmethod(lambda _: "evt")


class Played:
    """An intake whose session is played by hand, second by second."""

    def __init__(self, config, standing=Standing.TRUSTED):
        self.clock = HandClock()
        offset = self.clock.wall() - self.clock.monotonic()
        self.pipeline = Quiet(self.clock)
        self.intake = Intake(
            "line", config, self.pipeline, self.clock, lambda: 0.5, lambda: Reckoning(offset, standing)
        )
        self.told = []

    def intakes(self):
        """All sources: this one, and nothing runs."""
        reckoning = self.intake._reckoning
        intakes = Intakes(self.pipeline, self.clock, lambda: 0.5, reckoning)
        intakes.at_work["line"] = self.intake
        return intakes

    def emit(self, *seen):
        asyncio.run(self.intake._emit(seen))

    def link(self):
        self.emit(Link("line", up=True, at=self.clock.monotonic()))

    def value(self, tag="T", old=0.0):
        made = self.clock.wall() - round(old * SECOND)
        self.emit(Reading(tag, 1.0, Quality.GOOD, self.clock.monotonic(), "", made))

    def seconds(self, count, *values, **more):
        for _ in range(count):
            self.clock.instant += SECOND
            for tag in values:
                self.value(tag, **more)
            self.told += [(event.type, dict(event.data)) for event in self.intake.look()]


@pytest.fixture
def played():
    return Played(BROKER)


def test_a_wrong_clock_of_a_device_is_told_once_and_when_it_is_right_again(played):
    """Seven minutes behind: one event with the tag and the skew; set right: another; nothing in between."""
    played.link()
    played.seconds(60, "T", old=420)
    [(kind, data)] = [one for one in played.told if one[0] is EventType.SOURCE_CLOCK_SKEW]
    assert (kind, data["source"], data["tags"]) == (EventType.SOURCE_CLOCK_SKEW, "line", ["T"])
    assert data["skew_s"] == pytest.approx(-420, abs=1)
    assert "420 s behind" in data["reason"]
    assert played.intake.status()["skew_s"] == pytest.approx(-420, abs=1)
    played.told.clear()
    played.seconds(60, "T", old=0)
    assert [data["reason"] for _, data in played.told] == [
        "the device's clock agrees with this machine's again"
    ]


def test_a_stamp_out_of_the_blue_is_no_clock(played):
    """One value from the year 2099 between right ones tells nobody of a wrong clock."""
    played.link()
    played.seconds(20, "T")
    played.value("T", old=-73 * 365 * 86_400)
    played.seconds(60, "T")
    assert played.told == []


def test_a_machine_whose_own_clock_is_wrong_accuses_nobody():
    """In 1970 every device's clock seems ahead."""
    player = Played(BROKER, Standing.WRONG)
    player.link()
    player.seconds(60, "T", old=420)
    assert player.told == []


def test_an_interruption_is_told_when_it_is_over(played):
    """From the loss to the return, with the source and the reason, ten seconds after the return."""
    played.link()
    played.seconds(30, "T")
    asyncio.run(played.intake.down("the cable was pulled"))
    played.seconds(20)
    played.link()
    played.seconds(30, "T")
    assert [(kind, data) for kind, data in played.told] == [
        (
            EventType.AGENT_BLIND,
            {"reason": "the cable was pulled", "duration_s": pytest.approx(20, abs=0.1), "source": "line"},
        )
    ]


def test_losses_of_the_connection_are_counted_for_ten_minutes(played):
    """An attempt that fails while it is down is none."""
    for _ in range(3):
        played.link()
        for _ in range(2):
            asyncio.run(played.intake.down("the cable was pulled"))
    assert played.intake.losses == (3, "the cable was pulled")
    played.seconds(601)
    assert played.intake.losses == (0, "")


def test_a_tag_of_which_nothing_comes_is_named(played, caplog):
    """One line and the status while it lasts; one line when values come again."""
    caplog.set_level(logging.INFO)
    played.link()
    played.seconds(18, "T")
    assert played.intake.late == {}
    played.seconds(10, "T")
    assert list(played.intake.status()["late"]) == ["U"]
    played.seconds(2, "T", "U")
    assert played.intake.status()["late"] == {}
    assert [record.message for record in caplog.records if "come" in record.message] == [
        "source line: nothing comes of U, though it is connected: look at the device, and at `stale_after`",
        "source line: U: values come again",
    ]


def test_history_reaches_the_rules_as_such_and_its_interval_is_told(played):
    """A device that was cut off for ten minutes sends what it kept."""
    played.link()
    played.seconds(20, "T")
    for old in range(600, 60, -10):
        played.value("T", old=old)
    played.seconds(40, "T")
    late = [one.late for one in played.pipeline.seen if isinstance(one, Reading)]
    assert late.count(True) == 54
    assert not any(late[:20])
    assert not any(late[-40:])
    [(kind, data)] = played.told
    assert (kind, data["source"], data["duration_s"]) == (
        EventType.AGENT_BLIND,
        "line",
        pytest.approx(600, abs=2),
    )


def test_a_clock_that_stands_still_is_told_and_its_values_count(played):
    """Value after value with one stamp: after half a minute they reach the rules without it, and one event says so."""
    played.link()
    made = played.clock.wall()
    for second in range(60):
        played.seconds(1)
        played.emit(Reading("T", float(second), Quality.GOOD, played.clock.monotonic(), "", made))
    played.seconds(60)
    readings = [one for one in played.pipeline.seen if isinstance(one, Reading)]
    assert [one.source_time is None and not one.late for one in readings[32:]] == [True] * 28
    [(kind, data)] = played.told
    assert (kind, data["skew_s"], data["tags"]) == (EventType.SOURCE_CLOCK_SKEW, None, ["T"])
    assert "stands still" in data["reason"]


async def test_a_paused_source_is_bad_as_soon_as_the_disk_takes_it(played):
    """The disk takes nothing when the pause begins: its tags are bad a second later."""
    played.pipeline.refuses = 1
    played.intake.pause = Pause(played.clock.monotonic() + 600 * SECOND, "paused by anna")
    at_work = asyncio.create_task(played.intake.run())
    await eventually(lambda: played.pipeline.seen)
    assert [(one.up, one.reason) for one in played.pipeline.seen] == [(False, "paused by anna")]
    at_work.cancel()


@pytest.mark.parametrize("after", [{}, {"line": BROKER.model_copy(update={"client_id": "d"})}])
def test_a_reload_forgets_no_interruption(played, after):
    """A source that is down and is removed, or changed: until then is told."""
    played.link()
    played.seconds(30, "T")
    asyncio.run(played.intake.down("the cable was pulled"))
    played.seconds(20)
    asyncio.run(played.intakes().change(after))
    up = REGISTRY.get_sample_value("edge_relay_source_up", {"source": "line"})
    assert up == (0 if after else None)
    [(kind, data)] = played.pipeline.told
    assert (kind, data["duration_s"], data["reason"]) == (
        EventType.AGENT_BLIND,
        pytest.approx(20),
        "the cable was pulled",
    )


def test_an_end_forgets_no_history(played):
    """The agent is stopped while history comes in: its interval is told."""
    played.link()
    played.seconds(20, "T")
    for old in range(600, 60, -10):
        played.value("T", old=old)
    played.seconds(2, "T")
    told = [event.data for event in played.intake.last_word()]
    assert [data["duration_s"] for data in told] == [pytest.approx(600, abs=2)]


def test_what_is_not_told_yet_is_kept_for_the_next_run(played):
    """Kept once, not each second; let go of when it was told, by an event or by the last words."""
    intakes = played.intakes()
    played.link()
    asyncio.run(played.intake.down("cable"))
    since = played.clock.monotonic()
    played.clock.instant += 5 * SECOND
    intakes._look()
    assert {key: json.loads(kept) for key, kept in played.pipeline.kept.items()} == {
        "down/line": [since, None, "cable"]
    }
    played.pipeline.kept.clear()
    played.clock.instant += 5 * SECOND
    intakes._look()
    assert played.pipeline.kept == {}
    played.link()
    up = played.clock.monotonic()
    intakes._look()
    assert json.loads(played.pipeline.kept["down/line"]) == [since, up, "cable"]
    assert played.pipeline.told == []
    for _ in range(2):
        played.clock.instant += 11 * SECOND
        intakes._look()
    assert [data["reason"] for _, data in played.pipeline.told] == ["cable"]
    assert played.pipeline.kept == {"down/line": None}

    asyncio.run(played.intake.down("again"))
    played.clock.instant += 5 * SECOND
    intakes._look()
    assert len(intakes.last_words()) == 1
    assert played.pipeline.kept == {"down/line": None}
