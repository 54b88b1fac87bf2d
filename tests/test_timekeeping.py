"""The wall clock: how far it is believed, who is told, and that no step of it fires or freezes a timer."""

import asyncio
import datetime as dt
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from rigs.rules import gate, high, rule, timeline
from rigs.stores import eventually
from rigs.virtual_time import VirtualClock
from rigs.webhook import MovedClock

from agent.app import Agent, Signals
from agent.config.load import load
from agent.errors import StoreUnavailable
from agent.model import SECOND, Quality, Reading, TagSpec
from agent.paths import STORE
from agent.pipeline import Pipeline
from agent.rules.engine import Engine
from agent.rules.hours import Hours
from agent.stamps import Reckoning, Standing
from agent.store.store import Store
from agent.timekeeping import RELEASED, Evidence, Timekeeper, judge

HOUR = 3_600
YEAR = 365 * 86_400
NOW = 100 * SECOND  # monotonic
RIGHT = RELEASED + 30 * 86_400 * SECOND  # the offset of a right clock
NOBODY = Evidence()
SYSTEM = Evidence(system=True)
WRITTEN = Evidence(written=True)
RECEIVER = Evidence(receivers={"cmms": RIGHT})
TWO = Evidence(receivers={"odd": RIGHT - 10 * YEAR * SECOND, "cmms": RIGHT})
BOTH = Evidence(system=True, receivers={"cmms": RIGHT})


@pytest.mark.parametrize(
    ("ahead_s", "evidence", "standing", "why"),
    [
        (0, NOBODY, Standing.UNPROVEN, "let a time server set it"),
        (0, SYSTEM, Standing.TRUSTED, "the system says"),
        (0, WRITTEN, Standing.TRUSTED, "is written"),
        (0, RECEIVER, Standing.TRUSTED, "destination cmms has the same time"),
        (60, RECEIVER, Standing.TRUSTED, ""),
        (-60, RECEIVER, Standing.TRUSTED, ""),
        (61, RECEIVER, Standing.UNPROVEN, "+61 s from the time of destination cmms"),
        (-1800, RECEIVER, Standing.UNPROVEN, "-1800 s from"),
        (1801, RECEIVER, Standing.WRONG, "+1801 s from"),
        (
            HOUR,
            RECEIVER,
            Standing.WRONG,
            "or write `agent: {clock: trusted}`",
        ),  # the battery keeps local time
        (0, TWO, Standing.TRUSTED, "destination cmms"),
        (HOUR, BOTH, Standing.TRUSTED, "the system says"),
        (10 * YEAR, NOBODY, Standing.UNPROVEN, ""),
        (10 * YEAR, RECEIVER, Standing.WRONG, ""),
        (-2 * YEAR, NOBODY, Standing.WRONG, "it says 20"),
        (-2 * YEAR, SYSTEM, Standing.WRONG, "released on"),
        (-2 * YEAR, WRITTEN, Standing.WRONG, ""),
        (-200 * YEAR, WRITTEN, Standing.WRONG, "it says 1970-01-01"),
    ],
)
def test_how_far_a_clock_is_believed(ahead_s, evidence, standing, why):
    """Never before the release, whoever vouches for it; else by the system, a person, or the nearest receiver."""
    judgement = judge(NOW, RIGHT + ahead_s * SECOND, evidence)

    assert judgement.standing is standing
    assert why in judgement.why


class Watch:
    """A timekeeper on virtual time; what it told the rules and the store, and evidence that a test moves."""

    def __init__(self, folder, ahead_s=0.0, **more):
        self.clock = VirtualClock(RIGHT + round(ahead_s * SECOND))
        self.receivers = {}
        self.file = folder / "synchronized"
        self.told, self.corrected = [], []
        self.refuses = False
        self.keeper = Timekeeper(
            self.clock, self._emit, self._correct, lambda: self.receivers, synchronized=self.file, **more
        )

    def step(self, seconds):
        self.clock.offset += round(seconds * SECOND)

    async def _emit(self, batch):
        self._refuse()
        self.told += [None if seen.offset is None else (seen.offset - RIGHT) / SECOND for seen in batch]

    async def _correct(self):
        self._refuse()
        self.corrected.append(self.keeper.reckoning)

    def _refuse(self):
        if self.refuses:
            raise StoreUnavailable("full")


@asynccontextmanager
async def watching(folder, ahead_s=0.0, **more):
    watch = Watch(folder, ahead_s, **more)
    await watch.keeper.tell()
    task = asyncio.create_task(watch.keeper.run())
    yield watch
    task.cancel()


@pytest.mark.virtual_time
async def test_the_rules_are_told_once_and_again_when_it_steps(tmp_path):
    """Half a second is a step, also in small ones; nothing is told while nothing changes."""
    async with watching(tmp_path) as watch:
        await asyncio.sleep(HOUR)
        assert watch.told == [0]
        watch.step(0.3)
        await asyncio.sleep(2)
        assert watch.told == [0]
        watch.step(0.3)
        await asyncio.sleep(2)
        assert watch.told == [0, 0.6]
        watch.step(-HOUR)
        await asyncio.sleep(2)
        assert watch.told == [0, 0.6, 0.6 - HOUR]


@pytest.mark.virtual_time
async def test_a_boot_in_1970_is_told_when_it_is_over(tmp_path, caplog):
    """Nothing is said of 1970; when the clock is set, the rules and the store are told, and the log once."""
    async with watching(tmp_path, -60 * YEAR) as watch:
        assert watch.keeper.problems()
        await asyncio.sleep(100)
        assert (watch.told, watch.corrected) == ([], [])
        watch.step(60 * YEAR)
        await asyncio.sleep(100)

        assert watch.told == [0]
        assert watch.corrected == [Reckoning(RIGHT, Standing.UNPROVEN)]
        assert not watch.keeper.problems()
    words = [record.message.split(":")[0] for record in caplog.records if record.levelname == "WARNING"]
    assert words == ["the wall clock is wrong", f"the wall clock has stepped by +{60 * YEAR}.0 s"]


@pytest.mark.virtual_time
async def test_the_system_is_asked_every_ten_seconds(tmp_path):
    """The file of systemd-timesyncd proves the clock from then on; it is told to the store alone."""
    async with watching(tmp_path) as watch:
        watch.file.touch()
        await asyncio.sleep(11)

        assert watch.corrected == [Reckoning(RIGHT, Standing.TRUSTED)]
        assert watch.told == [0]
        assert watch.keeper.status()["standing"] == "trusted"


@pytest.mark.virtual_time
@pytest.mark.parametrize("step", [-HOUR, HOUR, -10 * YEAR])
async def test_a_proven_clock_that_steps_to_nonsense_takes_nothing_along(tmp_path, step):
    """What a receiver has proven goes on to hold: the monotonic clock has not stepped."""
    async with watching(tmp_path) as watch:
        watch.receivers = {"cmms": RIGHT}
        await asyncio.sleep(2)
        watch.receivers = {}  # it is replaced by a reload
        watch.step(step)
        await asyncio.sleep(100)

        assert watch.keeper.judgement.standing is Standing.WRONG
        assert watch.keeper.reckoning == Reckoning(RIGHT, Standing.TRUSTED)
        assert watch.told == [0]
        watch.step(-step)
        await asyncio.sleep(2)
        assert watch.keeper.judgement.standing is Standing.TRUSTED
        assert watch.told == [0]


@pytest.mark.virtual_time
async def test_a_clock_that_a_receiver_refutes_is_taken_back(tmp_path):
    """Ten years ahead is plausible until somebody who is verified says otherwise: then schedules hold."""
    async with watching(tmp_path, 10 * YEAR) as watch:
        await asyncio.sleep(2)
        watch.receivers = {"cmms": RIGHT}
        await asyncio.sleep(2)
        assert watch.told == [10 * YEAR, None]
        watch.step(-10 * YEAR)
        await asyncio.sleep(2)

        assert watch.told == [10 * YEAR, None, 0]
        assert watch.corrected == [Reckoning(RIGHT, Standing.TRUSTED)]


@pytest.mark.virtual_time
async def test_a_proof_that_comes_back_corrects_anew(tmp_path):
    """What was stored while the receiver did not agree was marked, and need not be."""
    async with watching(tmp_path) as watch:
        for theirs in (RIGHT, RIGHT + 100 * SECOND, RIGHT):
            watch.receivers = {"cmms": theirs}
            await asyncio.sleep(2)

        assert watch.corrected == [Reckoning(RIGHT, Standing.TRUSTED)] * 2
        assert watch.told == [0]


@pytest.mark.virtual_time
async def test_what_the_store_does_not_take_is_told_again(tmp_path):
    """A full disk costs nobody the time."""
    async with watching(tmp_path) as watch:
        watch.refuses = True
        watch.step(HOUR)
        watch.file.touch()
        await asyncio.sleep(30)
        assert (watch.told, watch.corrected) == ([0], [])
        watch.refuses = False
        await asyncio.sleep(2)

        assert watch.told == [0, HOUR]
        assert watch.corrected == [Reckoning(RIGHT + HOUR * SECOND, Standing.TRUSTED)]


# --- rules -------------------------------------------------------------------------------------------------


class Paper:
    """A store that takes everything at once."""

    async def commit(self, step):
        self.on_commit(step, [])

    def checkpoint(self, states):
        pass


class Road:
    """A pipeline of rules on tag `T`, with a timekeeper, on virtual time."""

    def __init__(self, folder, *rules, ahead_s=0.0):
        self.clock = VirtualClock(RIGHT + round(ahead_s * SECOND))
        self.events = []
        tags = [TagSpec("T", "plc")]
        engine = Engine(rules, tags, ["plc"], mint=lambda at: f"evt_{at}", started=self.clock.monotonic())
        self.pipeline = Pipeline(engine, Paper(), self._told, lambda _: None, self.clock, lambda _: "evt")
        self.keeper = Timekeeper(
            self.clock, self.pipeline.emit, asyncio.Event().wait, dict, synchronized=folder / "none"
        )

    def _told(self, event):
        self.events.append(event)
        return ()

    async def read(self, value):
        await self.pipeline.emit([Reading("T", value, Quality.GOOD, self.clock.monotonic())])

    @property
    def timeline(self):
        return [(round(at), what) for at, what, _ in timeline(self.events)]


@asynccontextmanager
async def driving(*given, **more):
    road = Road(*given, **more)
    await road.keeper.tell()
    tasks = [asyncio.create_task(work) for work in (road.pipeline.tick_forever(), road.keeper.run())]
    yield road
    for task in tasks:
        task.cancel()


@pytest.mark.virtual_time
@pytest.mark.parametrize("step", [-HOUR, HOUR, -10 * YEAR, 10 * YEAR])
async def test_a_step_neither_fires_nor_freezes_a_running_delay(tmp_path, step):
    """C1: raised and returned after their delays of observed time, to the second, and nothing else."""
    async with driving(tmp_path, rule(high(on=60, off=60))) as road:
        await road.read(171.0)
        await asyncio.sleep(30)
        road.clock.offset += step * SECOND
        await asyncio.sleep(29)
        assert road.timeline == []
        await asyncio.sleep(2)
        assert road.timeline == [(60, "raised")]
        await road.read(100.0)
        await asyncio.sleep(30)
        road.clock.offset -= step * SECOND
        await asyncio.sleep(10 * HOUR)

        assert road.timeline == [(60, "raised"), (61 + 60, "returned")]


@pytest.mark.virtual_time
async def test_schedules_run_by_a_clock_that_nothing_proves(tmp_path):
    """The plant without a time server: active hours follow the clock, and a person who sets it."""
    begin = dt.datetime.fromtimestamp(RIGHT / SECOND, dt.UTC)
    shift = Hours(frozenset(range(7)), (begin.hour * 60 + 60) % 1440, (begin.hour * 60 + 120) % 1440, "UTC")
    async with driving(tmp_path, rule(high(), gate=gate(hours=shift))) as road:
        await road.read(171.0)
        await asyncio.sleep(HOUR - 10)
        assert road.timeline == []
        await asyncio.sleep(20)
        assert [what for _, what in road.timeline] == ["raised"]
        road.clock.offset += HOUR * SECOND
        await asyncio.sleep(3)

        assert [what for _, what in road.timeline] == ["raised", "returned"]


# --- the whole agent ---------------------------------------------------------------------------------------

FILE = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:{port}"}}
sources: {{plc: {{type: simulated, every: 20ms, tags: {{T: {{signal: constant, values: [171]}}}}}}}}
rules: {{R: {{tag: T, high: 170}}}}
destinations:
  early: {{url: "http://127.0.0.1:{early}/", signing: none}}
  late: {{url: "http://127.0.0.1:{late}/", signing: none}}
"""


@asynccontextmanager
async def receiver(port, got):
    """Keeps every body that comes to `port`, by rule or type."""

    async def post(request):
        body = await request.json()
        got.setdefault(body["data"].get("rule") or body["type"], []).append(body)
        return web.Response()

    runner = web.AppRunner(web.Application())
    runner.app.router.add_post("/", post)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


@asynccontextmanager
async def working(folder, clock):
    """An agent on the configuration in `folder`."""
    configuration = load(folder / "agent.yaml")
    configuration.agent.data_dir.mkdir(exist_ok=True)
    signals = Signals(asyncio.Event(), asyncio.Event())
    async with await Store.open(folder / "data" / STORE, clock=clock, boot="boot") as store:
        agent = Agent(folder / "agent.yaml", configuration, store, clock)
        running = asyncio.create_task(agent.run(signals, None, "boot"))
        yield agent
        signals.stop.set()
        async with asyncio.timeout(20):
            await running


async def test_an_alarm_of_1970_that_nobody_has_seen_has_its_time_when_the_clock_is_set(tmp_path, free_port):
    """C1: who was told before keeps what it was told; who was away gets the stamp of the instant, in the same boot."""
    ports = {"port": free_port(), "early": free_port(), "late": free_port()}
    (tmp_path / "agent.yaml").write_text(FILE.format(**ports))
    clock, early, late = MovedClock(), {}, {}
    right = clock.wall()
    clock.ahead = (60 * SECOND - right) / SECOND
    async with receiver(ports["early"], early), working(tmp_path, clock) as agent:
        await eventually(lambda: "R" in early, 20)
        assert early["R"][0]["timestamp"].startswith("1970-01-01T00:01")
        assert early["R"][0]["data"]["clock"] == "unsynchronized"
        assert any("the wall clock is wrong" in problem for problem in agent.problems())
        clock.ahead = 0.0
        await eventually(lambda: agent.timekeeper.reckoning.standing is Standing.UNPROVEN, 20)
        assert not any("wall clock" in problem for problem in agent.problems())
        async with receiver(ports["late"], late):
            await eventually(lambda: "R" in late, 40)

    assert len(early["R"]) == 1
    [told] = late["R"]
    happened = dt.datetime.fromisoformat(told["timestamp"])
    assert abs(happened.timestamp() - right / SECOND) < 10
    assert told["data"]["id"] == early["R"][0]["data"]["id"]
    assert told["data"]["clock"] == "unsynchronized"  # a person may have set it, nobody proves it
