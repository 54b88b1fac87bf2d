"""Relays at work: one session after the other, where the last one stood; changed and stopped like sources."""

import asyncio
from contextlib import asynccontextmanager

from rigs.agent_process import until
from rigs.poll_relay import poll_relay
from rigs.signed import SECRET, body_of, headers
from rigs.sse_channel import sse_channel
from rigs.stores import BOOT

from agent.clock import SystemClock
from agent.inbound.poll.config import PollRelay
from agent.inbound.sse.config import SseRelay
from agent.metrics import RELAY_UP
from agent.model import SECOND, TagSpec
from agent.pipeline import Pipeline
from agent.receiving import Reception
from agent.relays import CURSOR, Relays
from agent.rules.engine import Engine
from agent.stamps import Reckoning
from agent.store.store import Store

CLOCK = SystemClock()


class Plant:
    """Relays over a store of their own; `acting` is what came to be acted on."""

    def __init__(self, store) -> None:
        self.store, self.acting, self.minted = store, [], 0
        engine = Engine([], [TagSpec("T", "plc")], ["plc"], mint=self.mint, started=CLOCK.monotonic())
        pipeline = Pipeline(engine, store, lambda _: (), lambda _: None, CLOCK, self.mint)
        reckoning = Reckoning(CLOCK.wall() - CLOCK.monotonic())
        self.reception = Reception(pipeline, store, CLOCK, lambda: reckoning, self.mint)
        self.reception.act = self.acting.extend
        self.relays = Relays(self.reception, store, CLOCK, lambda: 0.0)

    def mint(self, at):
        self.minted += 1
        return f"evt_{self.minted}"

    @property
    def acted(self):
        return [each.identity for each in self.acting]

    def state(self, name="cloud"):
        return self.relays.at_work[name].status()["state"]


@asynccontextmanager
async def plant(path, **configs):
    async with await Store.open(path, clock=CLOCK, boot=BOOT) as store:
        made = Plant(store)
        running = asyncio.create_task(made.relays.run())
        await asyncio.sleep(0)
        await made.relays.change(configs)
        try:
            yield made
        finally:
            await made.relays.stop()
            running.cancel()
            await asyncio.wait([running])


def section(relay, **more):
    written = {
        "type": "poll",
        "url": relay.url,
        "token": relay.token,
        "every": "1s",
        "verify": {"secret": SECRET},
        "routes": {"set": {"write": {"tag": "T"}}},
    }
    return PollRelay.model_validate(written | more)


def put(relay, *identities):
    for identity in identities:
        body = body_of({"type": "set", "data": {"value": 1}})
        relay.put(body, headers(body, identity, CLOCK.wall() // SECOND))


async def test_a_restart_goes_on_where_the_last_run_stood(tmp_path):
    """The cursor is stored with the messages; nothing is asked for again, nothing is left out."""
    path = tmp_path / "events.db"
    async with poll_relay() as relay:
        put(relay, "msg_1", "msg_2")
        async with plant(path, cloud=section(relay)) as made:
            await until(lambda: len(made.acted) == 2, "taken")
            await until(lambda: relay.taken == 2, "acknowledged")
            assert CURSOR + "cloud" in await made.store.states()
        asked = len(relay.asked)
        put(relay, "msg_3")
        async with plant(path, cloud=section(relay)) as made:
            await until(lambda: made.acted, "taken")
            assert made.acted == ["msg_3"]
            assert relay.asked[asked].taken == 2


async def test_a_relay_that_is_away_is_down_and_comes_back(tmp_path):
    """People are told why; whoever waits for the way to the outside is told that it is back."""
    async with poll_relay() as relay, plant(tmp_path / "events.db") as made:
        ups = []
        made.relays.on_up = lambda: ups.append(1)
        await made.relays.change({"cloud": section(relay)})
        await until(lambda: made.state() == "up", "up")
        await relay.stop()
        await until(lambda: made.state() == "down", "down")
        assert "onnect" in made.relays.status()["cloud"]["reason"]
        [problem] = made.relays.problems(0)
        assert problem.startswith("relay cloud is down: ")
        assert made.relays.problems(60 * SECOND) == []
        put(relay, "msg_1")
        await relay.start()
        await until(lambda: made.acted == ["msg_1"], "taken")
        assert made.relays.problems(0) == []
        assert len(ups) == 2


async def test_a_reload_touches_what_changed_and_nothing_else(tmp_path):
    """An untouched relay keeps its session; a changed one begins where it stood; a removed one asks no more."""
    async with poll_relay() as one, poll_relay() as other, plant(tmp_path / "events.db") as made:
        await made.relays.change({"one": section(one), "other": section(other)})
        await until(lambda: made.state("one") == made.state("other") == "up", "up")
        kept = made.relays.at_work["one"]
        put(other, "msg_1")
        await until(lambda: other.taken == 1, "acknowledged")
        await made.relays.change({"one": section(one), "other": section(other, every="2s")})
        assert made.relays.at_work["one"] is kept
        put(other, "msg_2")
        await until(lambda: made.acted == ["msg_1", "msg_2"], "taken")
        await made.relays.change({"one": section(one)})
        asked = len(other.asked)
        put(one, "msg_3")
        await until(lambda: "msg_3" in made.acted, "taken")
        assert len(other.asked) == asked
        assert set(made.relays.status()) == {"one"}


async def test_what_cannot_be_taken_is_held_and_said(tmp_path, monkeypatch):
    """The relay keeps what there is no room for; it is no fault of the relay's."""
    monkeypatch.setattr("agent.receiving._LOOK_AGAIN_S", 0.01)
    async with poll_relay() as relay, plant(tmp_path / "events.db") as made:
        full = [""]
        monkeypatch.setattr(made.reception, "_full", lambda _: full[0])
        await made.relays.change({"cloud": section(relay)})
        await until(lambda: made.state() == "up", "up")
        full[0] = "the store is nearly full"
        put(relay, "msg_1")
        await until(lambda: made.state() == "held", "held")
        assert made.relays.problems(0) == ["relay cloud is held: the store is nearly full"]
        assert made.acted == []
        full[0] = ""
        await until(lambda: made.acted == ["msg_1"], "taken")
        assert made.state() == "up"


async def test_whoever_waits_for_room_and_is_stopped_is_not_held_any_more(tmp_path, monkeypatch):
    """The relay fell silent meanwhile: nobody is told for ever that messages wait."""
    monkeypatch.setattr("agent.receiving._LOOK_AGAIN_S", 0.01)
    async with poll_relay() as relay, plant(tmp_path / "events.db") as made:
        monkeypatch.setattr(made.reception, "_full", lambda _: "the store is nearly full")
        put(relay, "msg_1")
        await made.relays.change({"cloud": section(relay)})
        await until(lambda: made.reception.held, "held")
        await made.relays.change({})
        assert made.reception.held == {}


async def test_a_stop_in_the_middle_of_a_reload_starts_nothing(tmp_path):
    """Whichever comes first: nothing is left running, and nothing fails."""
    async with poll_relay() as relay:
        for steps in range(6):
            async with plant(tmp_path / "events.db", cloud=section(relay)) as made:
                await until(lambda made=made: made.state() == "up", "up")
                changing = asyncio.create_task(made.relays.change({"cloud": section(relay, every="2s")}))
                for _ in range(steps):
                    await asyncio.sleep(0)
                await made.relays.stop()
                await changing
                assert made.relays.at_work == {}
                assert [each.samples for each in RELAY_UP.collect()] == [[]]


async def test_a_relay_that_is_lost_as_soon_as_it_answers_is_told_once(tmp_path, caplog):
    """Its streams end at once, for days: asked ever more seldom; with the first message it is up again."""
    caplog.set_level("INFO", "agent")
    async with sse_channel() as channel:
        common = {"verify": {"secret": SECRET}, "routes": {"set": {"write": {"tag": "T"}}}}
        config = SseRelay.model_validate({"type": "sse", "url": channel.url, **common})
        async with plant(tmp_path / "events.db", cloud=config) as made:
            for number in range(3):
                await until(lambda n=number: len(channel.asked) > n and channel.streams, "a stream")
                await until(lambda: made.state() == "up", "up")
                channel.end()
                await until(lambda: made.state() == "down", "down")
            await until(lambda: channel.streams, "a stream")
            body = body_of({"type": "set", "data": {"value": 1}})
            channel.put(body, headers(body, "msg_1", CLOCK.wall() // SECOND))
            await until(lambda: made.acted == ["msg_1"], "taken")

    told = [record.message for record in caplog.records if "relay cloud" in record.message]
    assert [text[:19] for text in told] == [
        "relay cloud answers",
        "relay cloud is down",
        "relay cloud is up a",
    ]
