"""When `emit` returns, the consequence is on disk: rules and store together, on a disk that fails."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from rigs.rules import high, rule, say
from rigs.stores import busy_disk, refusing_disk

from agent.clock import SystemClock
from agent.errors import StoreUnavailable
from agent.model import SECOND, EventType, Link, Quality, Reading, TagSpec, Tick
from agent.pipeline import Pipeline
from agent.rules.engine import Engine
from agent.rules.spec import State
from agent.store.records import EventFilter
from agent.store.store import Store

CLOCK = SystemClock()


class Road:
    """A pipeline over one rule, its store, and what was handed to destination `cloud`."""

    def __init__(self, store, rules):
        self.store = store
        self.handed = []
        self.minted = 0
        self.rules = rules
        self.pipeline = Pipeline(
            self.engine(rules), store, lambda event: ("cloud",), self.handed.extend, CLOCK, self.mint
        )

    def engine(self, rules):
        tags = [TagSpec(name, "plc", stale_after=60 * SECOND) for name in ("T", "U")]
        return Engine(rules, tags, ["plc"], mint=self.mint, started=CLOCK.monotonic())

    def mint(self, at):
        self.minted += 1
        return f"evt_{self.minted}"

    async def emit(self, *values):
        now = CLOCK.monotonic()
        await self.pipeline.emit([Reading("T", value, Quality.GOOD, now) for value in values])

    @property
    def told(self):
        return [delivery.stored.event.type.partition(".")[2] for delivery in self.handed]


@asynccontextmanager
async def road(tmp_path, *rules):
    async with await Store.open(tmp_path / "events.db", clock=CLOCK, boot="boot") as store:
        await store.sync_destinations(["cloud"])
        yield Road(store, rules or (rule(high()),))


async def test_the_event_is_stored_and_handed_over_when_emit_returns(tmp_path):
    """Rule state, event and delivery are in one transaction, and the destination has it at once."""
    async with road(tmp_path) as way:
        await way.emit(171.0)

        assert way.told == ["raised"]
        states = await way.store.states()
        assert json.loads(states["rule/R"])["level"] == "high"
        listed = await way.store.events(EventFilter(), 10)
        assert [each.stored.event.type for each in listed] == [EventType.ALARM_RAISED]


async def test_a_reading_without_consequence_touches_no_disk(tmp_path):
    """Ordinary readings make no commit, except the first one that a rule sees."""
    async with road(tmp_path) as way:
        for _ in range(100):
            await way.emit(100.0)

        assert way.store.seq == 0
        assert await way.store.states() == {}


async def test_rules_looked_at_and_events_stored_are_counted(tmp_path):
    """The metrics know each rule that a reading was shown to, and each event by its type."""
    counted = {"edge_relay_rule_evaluations_total": {}, "edge_relay_events_total": {"type": "alarm.raised"}}
    before = {name: REGISTRY.get_sample_value(name, labels) or 0 for name, labels in counted.items()}
    async with road(tmp_path, rule(high()), rule(high(500), name="S")) as way:
        await way.emit(100.0, 171.0)
    after = {name: REGISTRY.get_sample_value(name, labels) for name, labels in counted.items()}
    assert [after[name] - before[name] for name in counted] == [4, 1]


async def test_a_failed_commit_falls_back_and_the_same_value_raises_later(tmp_path):
    """When nothing can be written `emit` raises and nothing is announced; the alarm comes with the room."""
    async with road(tmp_path) as way:
        with refusing_disk():
            with pytest.raises(StoreUnavailable):
                await way.emit(171.0)
            assert way.told == []
            assert not way.pipeline.engine.tentative
        await rested(way)
        await way.emit(171.0)

        assert way.told.count("raised") == 1
        assert [delivery.stored.seq for delivery in way.handed] == [2]  # what fell used up no number


async def test_a_page_sees_what_comes_also_while_nothing_can_be_stored(tmp_path):
    """A value that moves past its limit, a source that goes down: what people look at does not stand still with the disk."""
    async with road(tmp_path) as way:
        seen = []
        way.pipeline.see = seen.extend
        now = CLOCK.monotonic()
        batch = [Reading("T", 171.0, Quality.GOOD, now), Link("plc", up=False, at=now, reason="unplugged")]
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await way.pipeline.emit(batch)

    assert seen == batch


async def test_everything_queued_behind_a_failed_commit_falls_with_it(tmp_path):
    """Batches that were computed on a state that never became true raise too, ordinary ones included."""
    async with road(tmp_path) as way:
        with refusing_disk():
            results = await asyncio.gather(
                way.emit(171.0), way.emit(172.0), way.emit(160.0), return_exceptions=True
            )
        assert [type(result) for result in results] == [StoreUnavailable] * 3
        assert not way.pipeline.engine.runs["R"].state.core.occurrence


async def rested(way):
    """The store asks a disk that refused again after a second; until then it refuses itself."""
    async with asyncio.timeout(20):
        while not await way.pipeline.tell(way.pipeline.event(EventType.AGENT_TEST, {})):
            await asyncio.sleep(0.05)
    way.handed.clear()


async def test_the_interval_without_a_store_is_told(tmp_path):
    """After recovery receivers get `agent.blind`, reason `store`, with both ends."""
    async with road(tmp_path) as way:
        heard = []
        way.pipeline.on_blind = heard.append
        recovery = asyncio.create_task(way.pipeline.recover_forever())
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await way.emit(171.0)
        async with asyncio.timeout(20):
            while not way.handed:
                await asyncio.sleep(0.05)
        recovery.cancel()

        (blind,) = [delivery.stored.event for delivery in way.handed]
        assert blind.data["reason"] == "store"
        assert blind.instants["blind.from"] < blind.instants["blind.to"]
        assert heard == [blind]


async def test_a_restart_goes_on_with_the_open_alarm(tmp_path):
    """The alarm that was open before is not raised again, and its return carries the blind interval."""
    async with road(tmp_path) as way:
        await way.emit(171.0)
        kept = await way.store.states()
    async with road(tmp_path) as way:
        rules = {key.removeprefix("rule/"): state for key, state in kept.items()}
        away = CLOCK.monotonic() - 2 * SECOND
        await way.pipeline.settle(way.pipeline.engine.restore(rules, {}, away_since=away))
        await way.emit(172.0)
        assert way.told == []

        await way.pipeline.settle(way.pipeline.engine.restore(rules, {}, away_since=away))
        await way.emit(150.0)
        (returned,) = [delivery.stored.event for delivery in way.handed]
        assert returned.data["reason"] == "returned_while_blind"
        assert returned.data["occurrence"] == "evt_1"
        assert returned.instants["blind.from"] == away


async def test_a_reload_keeps_untouched_rules_and_decides_changed_ones_anew(tmp_path):
    """Same limits: nothing is said. Higher limit: the alarm returns. Rule gone: it returns as removed."""
    async with road(tmp_path, rule(high()), rule(high(), name="moved"), rule(high(), name="gone")) as way:
        await way.emit(171.0)
        way.handed.clear()

        await way.pipeline.replace_engine(
            way.engine((rule(high()), rule(high(at=180.0), name="moved", digest="other")))
        )

        facts = {delivery.stored.event.rule: delivery.stored.event.data["reason"] for delivery in way.handed}
        assert way.told == ["returned", "returned"]
        assert facts == {"gone": "rule_removed", "moved": "rule_changed"}
        assert set(await way.store.states()) == {"rule/R", "rule/moved"}


@pytest.mark.parametrize(
    ("value", "stored"), [(2**70, float(2**70)), (10**400, None), ("half \ud83d", "half ?"), ("°C", "°C")]
)
async def test_a_value_that_json_cannot_hold_stops_nothing(tmp_path, value, stored):
    """It is sent as the nearest that JSON can hold; the rule, and what comes after it, go on."""
    async with road(tmp_path, rule(State(say("is_not"), ("normal",), negated=True))) as way:
        await way.emit("normal", value)
        await way.emit("normal")

        assert way.told == ["raised", "returned"]
        assert way.handed[0].stored.event.data["value"] == stored
        assert not way.pipeline.engine.tentative


async def test_a_house_event_that_json_cannot_hold_is_told(tmp_path):
    """A changed limit of thirty digits must not end the agent with its announcement."""
    async with road(tmp_path) as way:
        data = {"changed": [{"rule": "R", "key": "high", "from": 1, "to": 10**30}]}
        assert await way.pipeline.tell(way.pipeline.event(EventType.AGENT_CONFIG_RELOADED, data))

        assert way.handed[0].stored.event.data["changed"][0]["to"] == 1e30


async def test_what_fell_due_in_a_failed_commit_is_told_without_a_new_sample(tmp_path):
    """A delay ran out, the disk refused it with another source's batch: the clock alone brings it back."""
    async with road(tmp_path, rule(high(on=0.05)), rule(high(on=30), name="other", tag="U")) as way:
        await way.emit(171.0)
        await way.pipeline.emit([Reading("U", 171.0, Quality.GOOD, CLOCK.monotonic())])
        ticking = asyncio.create_task(way.pipeline.tick_forever())
        await asyncio.sleep(0)
        with refusing_disk():
            late = CLOCK.monotonic() + SECOND // 10
            with pytest.raises(StoreUnavailable):
                await way.pipeline.emit([Tick(late)])
        async with asyncio.timeout(20):
            while not way.told:
                await asyncio.sleep(0.02)
        ticking.cancel()

        assert way.told == ["raised"]


async def test_batches_queued_between_two_failures_all_fall_and_nothing_is_kept(tmp_path):
    """However many batches fall, timers included, the state is the committed one and goes on from there."""
    async with road(tmp_path, rule(high(on=0.02, off=0.02))) as way:
        for value in (171.0, 172.0, 190.0):
            with refusing_disk():
                failed = await asyncio.gather(
                    *(way.emit(value) for _ in range(3)),
                    way.pipeline.emit([Tick(CLOCK.monotonic())]),
                    return_exceptions=True,
                )
            assert {type(each) for each in failed[:3]} == {StoreUnavailable}
            assert not way.pipeline.engine.tentative
            assert way.pipeline.engine.runs["R"].state == way.engine(way.rules).runs["R"].state
        await rested(way)
        await way.emit(171.0)
        await asyncio.sleep(0.05)
        await way.emit(171.0)

        assert way.told == ["raised"]


async def test_a_shorter_delay_than_the_one_that_is_waited_for_is_told_in_time(tmp_path):
    """The clock already waits for one rule's delay; another rule's runs out sooner, with no new sample."""
    async with road(tmp_path, rule(high(on=0.05)), rule(high(on=60), name="other", tag="U")) as way:
        ticking = asyncio.create_task(way.pipeline.tick_forever())
        for tag in ("U", "T"):
            await asyncio.sleep(0.01)  # so that the clock waits for what is due by now
            await way.pipeline.emit([Reading(tag, 171.0, Quality.GOOD, CLOCK.monotonic())])
        async with asyncio.timeout(20):
            while not way.told:
                await asyncio.sleep(0.02)
        ticking.cancel()

        assert way.told == ["raised"]


async def test_the_blind_interval_begins_with_the_first_value_that_was_lost(tmp_path):
    """A disk that hangs before it fails has cost that time too."""
    async with road(tmp_path) as way:
        recovery = asyncio.create_task(way.pipeline.recover_forever())
        hanging = await busy_disk(way.store, 0.5)
        since = CLOCK.monotonic()
        with refusing_disk(), pytest.raises(StoreUnavailable):
            await way.pipeline.emit([Reading("T", 171.0, Quality.GOOD, since)])
        await hanging
        async with asyncio.timeout(20):
            while not way.handed:
                await asyncio.sleep(0.05)
        recovery.cancel()

        assert way.handed[0].stored.event.instants["blind.from"] == since
