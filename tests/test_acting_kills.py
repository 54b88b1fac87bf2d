"""Killed, hung and fuzzed: messages that act on a machine which counts, over real rules and a real store."""

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest
from rigs.acting import plant
from rigs.stores import eventually

from agent.clock import SystemClock
from agent.model import SECOND, EventType, Quality, Reading, bad
from agent.sources.writing import WriteUncertain


class Machine:
    """A machine that counts; it may be killed with the agent at every point, so it is no device on a wire."""

    def __init__(self) -> None:
        self.value, self.writes = 10.0, 0

    async def read(self, tag):
        return Reading(tag, self.value, Quality.GOOD, SystemClock().monotonic())

    async def write(self, _, value, last_word):
        last_word()
        self.value, self.writes = value, self.writes + 1


class Knife:
    """Ends a task at its `at`-th point: before or after each thing that it waits for."""

    def __init__(self, at) -> None:
        self.at, self.points, self.task = at, 0, None

    async def point(self):
        self.points += 1
        if self.points == self.at:
            self.task.cancel()
            await asyncio.sleep(0.05)  # what is under way beneath it goes no further

    def beside(self, holder, name):
        work = getattr(holder, name)

        async def cut(*given, **more):
            await self.point()
            result = await work(*given, **more)
            await self.point()
            return result

        setattr(holder, name, cut)


def beside(machine):
    """The sources of an agent that reads nothing but this machine; None: it is not connected."""
    door = SimpleNamespace(writer=machine)
    intake = SimpleNamespace(name="plc", config=None, door=door, reason="the cable is out")
    return SimpleNamespace(at_work={"plc": intake})


@asynccontextmanager
async def plant_of(folder, machine, **more: object):
    """The plant over such a machine."""
    intakes = beside(machine)
    async with plant(folder, reads=False, intakes=intakes, **more) as here:
        intakes.at_work["plc"].config = here.configuration.sources["plc"]
        yield here


async def test_a_machine_that_hangs_holds_up_nothing_for_ever(tmp_path, monkeypatch):
    """Every step ends: what cannot be read is refused, what was perhaps written is unknown."""
    monkeypatch.setattr("agent.acting.machines._BOUND_S", 0.1)
    monkeypatch.setattr("agent.acting.writing._PATIENCE", 0)
    machine = Machine()
    async with plant_of(tmp_path, machine) as here:
        read = machine.read
        machine.read = hanging
        await here.send(tag="speed", value=12)
        assert "did not answer within 0.1 s" in (await here.outcome()).data["reason"]
        machine.read, machine.write = read, taken_and_hanging
        await here.send(identity="msg_2", tag="speed", value=12)
        event = await here.outcome("msg_2")
        assert (event.data["outcome"], event.data["value"]) == ("unknown", 10.0)
        assert event.data["reason"].startswith("now 10.0; the device did not answer")


async def test_a_device_that_is_never_ready_was_sent_nothing(tmp_path, monkeypatch):
    """It is no doubt then: `failed`, and not `unknown`."""
    monkeypatch.setattr("agent.acting.machines._BOUND_S", 0.1)
    machine = Machine()
    machine.write = hanging
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=12)
        event = await here.outcome()
        assert event.data["outcome"] == "failed"
        assert event.data["reason"].startswith("nothing was sent: the device was not ready")


async def test_a_grant_that_is_taken_away_while_the_disk_is_slow_counts(tmp_path):
    """A reload may come between the journal and the machine; whatever it does, the actor goes on."""
    machine = Machine()
    async with plant_of(tmp_path, machine, acts=False) as here:
        await here.send(tag="speed", value=12)
        commit = here.store.commit

        async def slow(step):
            await commit(step)
            here.intakes.at_work.clear()

        here.store.commit = slow
        here.begin()
        event = await here.outcome()

        assert event.data["outcome"] == "rejected"
        assert "its tag does not say `write`" in event.data["reason"]
        assert machine.writes == 0


async def test_for_what_could_never_be_written_no_machine_is_asked(tmp_path):
    """It may be away, and the next one waits."""
    machine, asked = Machine(), []
    machine.read = asked.append
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=1000)
        assert "is outside of" in (await here.outcome()).data["reason"]
        assert asked == []


async def test_what_the_last_run_left_comes_before_what_came_since(tmp_path):
    """The value that was asked for last stands in the end."""
    async with plant_of(tmp_path, Machine(), acts=False) as here:
        for number in (1, 2):
            await here.send(identity=f"msg_{number}", tag="speed", value=10 + number)
    machine = Machine()
    async with plant_of(tmp_path, machine, acts=False) as here:
        await here.send(identity="msg_3", tag="speed", value=13)
        here.begin()
        await eventually(lambda: machine.writes == 3)
        assert (await here.outcome("msg_3")).data["old_value"] == 12
        assert machine.value == 13


async def test_what_is_settled_is_not_acted_on_again(tmp_path):
    """Whoever hands it over a second time: the disk says what is left to be done."""
    machine = Machine()
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=12)
        await here.outcome()
        here.actor.take(await here.rows())
        await here.send(identity="msg_2", tag="speed", value=13)
        await here.outcome("msg_2")

        assert machine.writes == 2
        assert len(await here.events("inbound.")) == 2


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("shelve", {"rule": "quiet", "reason": "seal", "until": "2h"}),
        ("replay", {"destination": "cloud", "since": "1h"}),
    ],
)
async def test_what_has_grown_old_while_it_waited_is_refused(tmp_path, kind, data):
    """A disk that takes nothing, an agent that was stopped: an hour later nobody means it any more."""
    async with plant_of(tmp_path, Machine(), acts=False) as here:
        await here.send(kind, **data)
        now = here.reception.now
        here.actor._now = lambda: replace(now(), utc=now().utc + 3600)
        here.begin()
        event = await here.outcome()

        assert event.data["outcome"] == "rejected"
        assert "60 s are allowed" in event.data["reason"]


def grows_old(here):
    now = here.reception.now
    here.actor._writing._now = lambda: replace(now(), utc=now().utc + 100)


def was_suspended(here):
    wall = here.clock.wall  # and what is made of it is a second old at most, by a clock that stood still
    now = here.reception.now()
    here.actor._writing._now = lambda: now
    here.clock.wall = lambda: wall() + 3600 * SECOND


def another_is_connected(here):
    here.intakes.at_work["plc"].door.writer = Machine()


def loses_its_condition(here):
    here.pipeline.engine.holding = lambda *_: (False, "")


@pytest.mark.parametrize(
    ("tag", "change", "outcome", "why"),
    [
        ("speed", grows_old, "rejected", "60 s are allowed"),
        ("speed", was_suspended, "rejected", "60 s are allowed"),
        ("speed", another_is_connected, "failed", "the connection is not the same any more"),
        ("guarded", loses_its_condition, "rejected", "`remote` is not true now"),
    ],
)
async def test_what_changes_while_the_line_to_the_device_is_busy_counts(tmp_path, tag, change, outcome, why):
    """The last word is in the moment in which it leaves: a door that has opened meanwhile keeps it back."""
    machine, asked, ready = Machine(), asyncio.Event(), asyncio.Event()
    write = machine.write

    async def busy(*order):
        asked.set()
        await ready.wait()
        await write(*order)

    machine.write = busy
    async with plant_of(tmp_path, machine) as here:
        here.pipeline.engine.holding = lambda *_: (True, "")
        await here.send(tag=tag, value=12)
        await asked.wait()
        change(here)
        ready.set()
        event = await here.outcome()

        assert (event.data["outcome"], machine.writes) == (outcome, 0)
        assert why in event.data["reason"]
        [line] = await here.audit()
        assert line.outcome == outcome


async def test_an_alarm_waits_for_no_machine_and_for_no_replay(tmp_path):
    """It would be too old when they are done: its minute has begun."""
    machine = Machine()
    machine.write = taken_and_hanging
    async with plant_of(tmp_path, machine) as here:
        here.store.letters.replay = hanging
        await here.send(identity="write", tag="speed", value=12)
        await here.send("replay", "replay", destination="cloud", since="1h")
        await eventually(lambda: not here.actor._lanes["writes"].waiting and not here.actor.idle)
        await here.send("shelve", "shelve", rule="quiet", reason="seal", until="2h")

        assert (await here.outcome("shelve")).data["outcome"] == "done"
        assert not await here._outcomes("write")


async def test_what_is_now_is_asked_until_somebody_answers(tmp_path, monkeypatch):
    """A connection that was lost over the write is not back at once."""
    monkeypatch.setattr("agent.acting.writing._ASK_AGAIN_S", 0.01)
    machine, answers = Machine(), []

    async def lost(_, value, last_word):
        last_word()
        machine.value = value
        answers.extend([bad("speed", 0, "no connection")] * 3)
        raise WriteUncertain("the connection was lost")

    read = machine.read
    machine.write = lost
    machine.read = lambda tag: answer(answers.pop()) if answers else read(tag)
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=12.5)
        event = await here.outcome()

        assert event.data["reason"] == "now 12.5; the connection was lost"


async def answer(found):
    return found


async def test_a_replay_that_was_begun_is_brought_to_its_end_however_old_it_is_by_then(tmp_path):
    """A part of it may have been sent: `rejected` would say that nothing was."""
    async with plant_of(tmp_path, Machine()) as here:
        here.store.letters.replay = hanging
        await here.send("replay", destination="cloud", since="1h")
        async with asyncio.timeout(30):
            while [row.state.name for row in await here.rows()] != ["ACTING"]:
                await asyncio.sleep(0.005)
    async with plant_of(tmp_path, Machine(), acts=False) as here:
        now = here.reception.now
        here.actor._now = lambda: replace(now(), utc=now().utc + 3600)
        here.begin()
        assert (await here.outcome()).data["outcome"] == "done"


async def hanging(*_):
    await asyncio.Event().wait()


async def taken_and_hanging(_, __, last_word):
    last_word()
    await hanging()


async def test_a_write_that_was_begun_is_reported_though_its_machine_is_away(tmp_path, monkeypatch):
    """After the restart it is waited for, for a while; then it is unknown, and why."""
    monkeypatch.setattr("agent.acting.writing._PATIENCE_AFTER", SECOND // 10)
    machine = Machine()
    machine.write = taken_and_hanging
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=12.5)
        async with asyncio.timeout(30):
            while [row.state.name for row in await here.rows()] != ["ACTING"]:
                await asyncio.sleep(0.005)
    async with plant_of(tmp_path, None) as here:
        event = await here.outcome()

        assert (event.data["outcome"], event.data["new_value"]) == ("unknown", 12.5)
        assert "the cable is out" in event.data["reason"]
        assert "the agent was stopped while it wrote" in event.data["reason"]


async def test_a_write_whose_tag_is_gone_is_reported_at_once(tmp_path):
    """The configuration has no such source any more: there is nobody to wait for."""
    machine = Machine()
    machine.write = taken_and_hanging
    async with plant_of(tmp_path, machine) as here:
        await here.send(tag="speed", value=12.5)
        async with asyncio.timeout(30):
            while [row.state.name for row in await here.rows()] != ["ACTING"]:
                await asyncio.sleep(0.005)
    async with plant_of(tmp_path, None, acts=False) as here:
        here.intakes.at_work.clear()
        here.begin()
        async with asyncio.timeout(20):
            event = await here.outcome()

        assert event.data["outcome"] == "unknown"
        assert "no source has a tag speed that may be written to" in event.data["reason"]


NASTY = (
    None,
    True,
    0,
    -0.0,
    12.5,
    2**64 - 1,
    -(2**63),
    1e308,
    5e-324,
    "",
    " ",
    "speed",
    "high",
    "lamp",
    "cloud",
)
NASTY = (
    *NASTY,
    "2h",
    "99999999999d",
    "9999-12-31T23:59:59+14:00",
    "0001-01-01T00:00:00Z",
    "x" * 300,
    "\0\n",
    [],
    [[1]],
    {},
)


async def test_whatever_messages_hold_nothing_stops_and_nothing_slips_through(tmp_path):
    """Everything signed is settled with one outcome; what reaches a machine is within its bounds."""
    dice, machine, sent = random.Random(4711), Machine(), []
    async with plant_of(tmp_path, machine, acts=False) as here:
        machine.write = lambda tag, value, last_word: (
            sent.append((tag, value)) or Machine.write(machine, tag, value, last_word)
        )
        here.begin()
        names = ("tag", "value", "rule", "by", "reason", "until", "destination", "since")
        messages = [
            here.message(
                dice.choice(("set", "slowly", "ack", "shelve", "unshelve", "reset", "replay")),
                f"msg_{number}",
                **{name: dice.choice(NASTY) for name in names if dice.random() < 0.9},
            )
            for number in range(400)
        ]
        await here.accept(*messages)
        async with asyncio.timeout(60):
            while await here.store.inbox.unsettled():
                await asyncio.sleep(0.01)
        told = Counter(event.data["message_id"] for event in await here.events("inbound."))
        assert len(told) == len(messages)
        assert set(told.values()) == {1}
    assert sent
    assert all(0 <= value <= 100 for tag, value in sent if tag == "speed")
    assert {tag for tag, _ in sent} <= {"speed", "lamp"}


async def killed(folder, machine, at, *messages):
    """One run over the machine that ends at this point, or when nothing is left to do; whether it was killed."""
    cut = SimpleNamespace(read=machine.read, write=machine.write)
    async with plant_of(folder, cut, acts=False) as here:
        await here.accept(*(here.message(*message, **data) for message, data in messages))
        knife = Knife(at)
        for holder, name in (
            *((cut, name) for name in ("read", "write")),
            *((here.store.inbox, name) for name in ("known", "unsettled")),
            *((here.store, name) for name in ("commit", "states")),
            (here.store.audit, "one"),
        ):
            knife.beside(holder, name)
        knife.task = asyncio.create_task(here.actor.run())
        async with asyncio.timeout(30):
            while not knife.task.done() and await here.store.inbox._read(
                "SELECT 1 FROM inbox WHERE state < 2"
            ):
                await asyncio.sleep(0.001)
        knife.task.cancel()
        await asyncio.wait([knife.task])
        return SimpleNamespace(
            cut=knife.points >= at,
            told=[event.data for event in await here.events("inbound.")],
            audit=await here.audit(),
            shelved=await here.events(EventType.ALARM_SHELVED),
            rows=await here.rows(),
        )


ASKED = (
    (("set", "write"), {"tag": "speed", "value": 12.5}),
    (("shelve", "shelve"), {"rule": "quiet", "reason": "seal", "until": "2h"}),
    (("replay", "replay"), {"destination": "cloud", "since": "1h"}),
)


async def test_killed_at_any_point_nothing_is_done_twice_and_everything_is_told_once(tmp_path):
    """No second write, no `done` without one, no silence about one; and an alarm is shelved once."""
    outcomes = set()
    for at in count(1):
        folder = tmp_path / str(at)
        folder.mkdir()
        machine = Machine()
        first = await killed(folder, machine, at, *ASKED)
        last = await killed(folder, machine, 10_000)

        told = Counter(data["message_id"] for data in last.told)
        assert told == {"write": 1, "shelve": 1, "replay": 1}, at
        by_id = {data["message_id"]: data for data in last.told}
        write = by_id["write"]
        outcomes.add((write["outcome"], machine.writes))
        assert (write["outcome"], machine.writes) in {("done", 1), ("unknown", 0), ("unknown", 1)}, at
        assert write["value"] == machine.value
        assert [by_id[name]["outcome"] for name in ("shelve", "replay")] == ["done", "done"]
        assert len(last.shelved) == 1
        assert {line.identity: line.outcome for line in last.audit} == {
            name: data["outcome"] for name, data in by_id.items()
        }
        assert {row.state.name for row in last.rows} == {"SETTLED"}
        if not first.cut:
            break
    assert at > 20
    assert outcomes == {("done", 1), ("unknown", 0), ("unknown", 1)}
