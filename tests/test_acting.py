"""What messages ask for is done once, or refused and told; over real rules, a real store and a Modbus device."""

import asyncio
import json
import struct
from dataclasses import replace

import pytest
from rigs.acting import configured, plant
from rigs.modbus_server import ModbusServer, honest
from rigs.signed import OTHER, SECRET
from rigs.stores import eventually, refusing_disk, sql
from rigs.writer_kinds import WRITERS

from agent.incoming.message import Arrived
from agent.model import SECOND, EventType
from agent.stamps import Standing
from agent.store import audit
from agent.store.records import MarkDelivered

DAY = 86_400


def server(**more: object):
    """The PLC: registers 300 and 400 cannot be read."""
    return ModbusServer(illegal={(1, 300), (1, 400)}, **more)


# --- a value is written ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "value", "stands", "old"),
    [("speed", 12.5, {(1, 3, 100): 125}, 10.0), ("lamp", False, {(1, 1, 6): False}, True)],
)
async def test_a_value_is_written_once_read_back_and_reported(tmp_path, tag, value, stands, old):
    """The outcome names old, new and what is now; the audit has who and what; the row is settled."""
    async with server() as plc, plant(tmp_path, plc) as here:
        await here.send(tag=tag, value=value)
        event = await here.outcome()

        assert plc.written == stands
        assert len(plc.writes) == 1
        assert event.type is EventType.INBOUND_DONE
        told = [event.data[name] for name in ("target", "old_value", "new_value", "value")]
        assert told == [tag, old, value, value]
        [line] = await here.audit()
        assert (line.outcome, line.old, line.new, line.identity) == ("done", old, value, "msg_1")
        assert line.sender == event.data["sender"] != ""
        assert [(row.outcome, row.body) for row in await here.rows()] == [("done", None)]


@pytest.mark.parametrize("kind", WRITERS)
async def test_every_kind_of_source_that_writes_is_written_to(tmp_path, request, kind):
    """A number, a switch, and what the device refuses."""
    async with WRITERS[kind](request) as device, server() as plc:
        section = json.dumps(device.section())
        text = {"rules:\n": f"  device: {section}\nrules:\n"}
        async with plant(tmp_path, plc, text=text) as here:
            await here.send(identity="one", tag="T", value=21.5)
            await here.send(identity="two", tag="SWITCH", value=True)
            await here.send(identity="three", tag="BLOCKED", value=5)
            await here.send(identity="four", tag="READ", value=5)
            told = {name: (await here.outcome(name)).data for name in ("one", "two", "three", "four")}

        assert {name: data["outcome"] for name, data in told.items()} == {
            "one": "done",
            "two": "done",
            "three": "failed",
            "four": "rejected",
        }
        assert [told["one"]["value"], told["two"]["value"]] == [21.5, True]


async def test_a_condition_that_is_true_lets_a_value_through(tmp_path):
    """Coil 3 is set; once it is not, nothing is written."""
    async with server() as plc, plant(tmp_path, plc) as here:
        await eventually(lambda: here.pipeline.engine.tags["remote"].state.reading)
        await here.send(tag="guarded", value=500)
        assert (await here.outcome()).data["outcome"] == "done"


async def too_old(here, _):
    await here.send(tag="speed", value=12, age=61)
    return "it is 61 s old, 60 s are allowed"


async def seen_before(here, plc):
    message = here.message(tag="speed", value=11)
    await here.accept(message)
    assert (await here.outcome()).data["outcome"] == "done"
    plc.requests.clear()
    await here.accept(message, message)
    return "it came before"


async def wrong_signature(here, _):
    await here.send(tag="speed", value=12, key=OTHER)
    return "signature"


async def unsigned(here, _):
    message = here.message(tag="speed", value=12)
    await here.accept(Arrived(message.body, {}))
    return "header missing"


async def untrusted_clock(here, _):
    here.standing = Standing.UNPROVEN
    await here.send(tag="speed", value=12)
    return "the agent's clock is not proved right"


async def full_audit(here, _):
    here.store.audit.size = audit.ROOM
    await here.send(tag="speed", value=12)
    return "the audit is full"


async def false_condition(here, plc):
    plc.written[1, 1, 3] = False
    await eventually(lambda: here.pipeline.engine.tags["remote"].value is False)
    await here.send(tag="guarded", value=12)
    return "`remote` is not true now"


async def too_soon(here, plc):
    await here.send("set", "other", tag="rarely", value=11)
    assert (await here.outcome("other")).data["outcome"] == "done"
    plc.requests.clear()
    await here.send(tag="rarely", value=12)
    return "at most every 3600 s"


def asking(why, **data: object):
    async def send(here, _):
        await here.send(**data)
        return why

    return send


def saying(why, body):
    async def send(here, _):
        await here.send(body=body)
        return why

    return send


REFUSED = {
    "too old": too_old,
    "seen before": seen_before,
    "wrong signature": wrong_signature,
    "unsigned": unsigned,
    "clock": untrusted_clock,
    "audit full": full_audit,
    "when false": false_condition,
    "when unknown": asking("unseen is unknown: ", tag="blind", value=12),
    "too soon": too_soon,
    "no tag": asking("there is no tag pump", tag="pump", value=12),
    "not writable": asking("its tag does not say `write`", tag="level", value=12),
    "tag is no name": asking("/data/tag: expected a text", tag=7, value=12),
    "no value": asking("/data/value: no 'value' in it", tag="speed"),
    "above": asking("outside of [0, 100]", tag="speed", value=100.5),
    "below": asking("outside of [0, 100]", tag="speed", value=-0.1),
    "text": asking("there is text", tag="speed", value="12"),
    "true": asking("there is true or false", tag="speed", value=True),
    "null": asking("there is null", tag="speed", value=None),
    "list": asking("there is an array", tag="speed", value=[12]),
    "number for a switch": asking("takes true or false", tag="lamp", value=1),
    "step": asking("from 10 to 30.5 is too far", tag="speed", value=30.5),
    "bad quality": asking("broken cannot be read: ", tag="broken", value=12),
    "NaN": saying("no route", b'{"type": "set", "data": {"tag": "speed", "value": NaN}}'),
    "infinite": saying("no route", b'{"type": "set", "data": {"tag": "speed", "value": 1e400}}'),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_what_must_not_be_written_is_refused_and_told(tmp_path, case):
    """Refused, reported with the reason, in the audit, and no write on the wire."""
    async with server() as plc, plant(tmp_path, plc) as here:
        why = await case(here, plc)
        await eventually(lambda: here.actor.idle)

        rejected = await here.events(EventType.INBOUND_REJECTED)
        assert len(rejected) == 1
        assert why in rejected[0].data["reason"]
        [line] = [line for line in await here.audit() if line.outcome != "done"]
        assert why in line.reason
        assert all(row.state.name == "SETTLED" for row in await here.rows())
        assert plc.writes == []


async def test_refusals_for_one_reason_share_a_line_of_the_audit(tmp_path):
    """Each has an event of its own, and its row; nothing was begun for them."""
    async with server() as plc, plant(tmp_path, plc) as here:
        for number in range(3):
            await here.send(identity=f"msg_{number}", tag="speed", value=31 + number)
            await here.outcome(f"msg_{number}")
        [line] = await here.audit()
        assert (line.outcome, line.count, line.target) == ("rejected", 3, "speed")
        assert not [key for key in await here.store.states() if key.startswith("written/")]
        assert plc.writes == []


@pytest.mark.parametrize(
    ("kind", "key", "more"),
    [("set", "tag", {"value": 1}), ("ack", "rule", {}), ("replay", "destination", {"since": "1h"})],
)
async def test_names_that_are_made_up_do_not_fill_the_audit(tmp_path, kind, key, more):
    """However many: each is told by its event, and in the audit they share a line."""
    async with plant(tmp_path, reads=False) as here:
        for number in range(5):
            await here.send(kind, f"msg_{number}", **{key: f"made up {number}"}, **more)
        told = [(await here.outcome(f"msg_{number}")).data["reason"] for number in range(5)]
        assert all(f"made up {number}" in why for number, why in enumerate(told))
        [line] = await here.audit()
        assert (line.target, line.count) == ("", 5)


async def test_what_waited_is_judged_anew_when_its_turn_comes(tmp_path):
    """It was young enough when it came; since then a route was taken away, a key changed, or time has passed."""
    async with server() as plc, plant(tmp_path, plc, acts=False) as here:
        await here.send(tag="speed", value=12, age=55)
        here.reception.now = here.actor._now = lambda now=here.reception.now: replace(
            now(), utc=now().utc + 10
        )
        here.actor._writing._now = here.actor._now
        here.begin()
        event = await here.outcome()

        assert event.type is EventType.INBOUND_REJECTED
        assert "60 s are allowed" in event.data["reason"]
        assert plc.writes == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("set: {type: set, write: {tag: /data/tag}}", "", "there is no route set of cloud any more"),
        (
            "{type: set, write: {tag: /data/tag}}",
            "{type: put, write: {tag: /data/tag}}",
            "takes no such messages",
        ),
        (
            "set: {type: set, write: {tag: /data/tag}}",
            "set: {type: set, forward: {url: 'http://127.0.0.1:1/'}}",
            "its route is to forward messages",
        ),
        ("set: {type: set, write: {tag: /data/tag}}", "set: {type: set, replay: {}}", "/data/destination"),
    ],
)
async def test_the_configuration_in_force_counts(tmp_path, old, new, why):
    """What a reload has changed holds for what waits."""
    async with server() as plc, plant(tmp_path, plc, acts=False) as here:
        await here.send(tag="speed", value=12)
        (tmp_path / "later").mkdir()
        here.configuration = configured(tmp_path / "later", plc.url, text={old: new})
        here.begin()

        assert why in (await here.outcome()).data["reason"]
        assert plc.writes == []


async def test_a_key_that_was_revoked_moves_nothing(tmp_path):
    """Its message was taken before."""
    async with server() as plc, plant(tmp_path, plc, acts=False) as here:
        await here.send(tag="speed", value=12)
        (tmp_path / "later").mkdir()
        here.configuration = configured(tmp_path / "later", plc.url, text={SECRET: OTHER})
        here.begin()

        assert "is not in the configuration any more" in (await here.outcome()).data["reason"]
        assert plc.writes == []


async def test_what_is_damaged_on_disk_moves_nothing(tmp_path):
    """One flipped bit of the body is another value."""
    async with server() as plc:
        async with plant(tmp_path, plc, acts=False) as here:
            await here.send(tag="speed", value=12)
            await sql(here.store, "UPDATE inbox SET body = CAST(replace(body, '12', '13') AS BLOB)")
            here.begin()

            assert "damaged on disk" in (await here.outcome()).data["reason"]
        assert plc.writes == []


async def test_how_often_a_tag_is_written_is_bounded_over_a_restart(tmp_path):
    """And over a clock that jumped by years meanwhile: it is not asked."""
    async with server() as plc:
        async with plant(tmp_path, plc) as here:
            await here.send(tag="rarely", value=11)
            assert (await here.outcome()).data["outcome"] == "done"
        async with plant(tmp_path, plc) as here:
            wall = here.clock.wall
            here.clock.wall = lambda: wall() + 800 * DAY * SECOND
            await here.send(identity="msg_2", tag="rarely", value=12)
            assert "at most every" in (await here.outcome("msg_2")).data["reason"]
        assert len(plc.writes) == 1


# --- what devices do -----------------------------------------------------------------------------------------


def on_write(deed):
    """A device that is honest but when it is written to."""

    async def behave(exchange):
        await (deed if exchange.writes else honest)(exchange)

    return behave


async def refuses(exchange):
    await exchange.send(exchange.frame(exchange.exception(4 - 1)))


async def takes_and_falls_silent(exchange):
    exchange.take()
    exchange.reset()


async def falls_silent(exchange):
    exchange.reset()


async def clamps(exchange):
    await exchange.send(exchange.frame(exchange.pdu()))
    exchange.server.written[exchange.unit, 3, exchange.start] = 110


@pytest.mark.parametrize(
    ("deed", "outcome", "why", "value"),
    [
        (refuses, "failed", "does not take this value", None),
        (clamps, "failed", "it was written, and reads back 11.0", 11.0),
        (takes_and_falls_silent, "unknown", "now 12.5; ", 12.5),
        (falls_silent, "unknown", "now 10.0; ", 10.0),
    ],
)
async def test_what_a_device_makes_of_it_is_told_as_it_is(tmp_path, deed, outcome, why, value):
    """Written once whatever comes of it; what is not certain is called unknown, with what is now."""
    async with server(behave=on_write(deed)) as plc, plant(tmp_path, plc) as here:
        await here.send(tag="speed", value=12.5)
        event = await here.outcome()

        assert event.type is EventType.INBOUND_FAILED
        assert event.data["outcome"] == outcome
        assert why in event.data["reason"]
        assert event.data.get("value") == value
        assert len(plc.writes) == 1
        [line] = await here.audit()
        assert line.outcome == outcome


async def test_a_device_that_shows_it_late_has_a_moment(tmp_path):
    """The next cycle of the PLC brings it."""

    async def later(exchange):
        await exchange.send(exchange.frame(struct.pack(">BHH", 6, exchange.start, exchange.count)))
        asyncio.get_running_loop().call_later(0.1, exchange.take)

    async with server(behave=on_write(later)) as plc, plant(tmp_path, plc) as here:
        await here.send(tag="speed", value=12.5)
        assert (await here.outcome()).data["outcome"] == "done"


async def test_a_source_that_is_away_is_waited_for_once_and_holds_up_no_alarm(tmp_path, monkeypatch):
    """The first message waits for it, the next ones are refused at once."""
    monkeypatch.setattr("agent.acting.writing._PATIENCE", 2 * SECOND)
    async with server() as plc, plant(tmp_path, plc) as here:
        await plc.stop()
        await eventually(lambda: here.intakes.at_work["plc"].door.writer is None)
        for number in range(50):
            await here.send(identity=f"write_{number}", tag="speed", value=12)
        await here.send("ack", "ack", rule="high", by="anna")
        assert (await here.outcome("ack")).data["outcome"] == "done"
        await eventually(lambda: here.actor.idle)
        refused = await here.events(EventType.INBOUND_REJECTED)
        assert len(refused) == 50
        assert {"source plc is not connected" in event.data["reason"] for event in refused} == {True}

        await plc.start()
        await eventually(lambda: here.intakes.at_work["plc"].door.writer)
        await here.send(identity="msg_2", tag="speed", value=12)
        assert (await here.outcome("msg_2")).data["outcome"] == "done"
        await plc.stop()
        await eventually(lambda: here.intakes.at_work["plc"].door.writer is None)
        await here.send(identity="msg_3", tag="speed", value=13)  # it is waited for again
        await eventually(lambda: not here.actor.idle)
        await plc.start()
        assert (await here.outcome("msg_3")).data["outcome"] == "done"


async def test_a_source_that_comes_back_in_time_is_written_to(tmp_path):
    """A short break of the connection costs no command."""
    async with server() as plc, plant(tmp_path, plc) as here:
        await plc.stop()
        await eventually(lambda: here.intakes.at_work["plc"].door.writer is None)
        await here.send(tag="speed", value=12)
        await plc.start()
        assert (await here.outcome()).data["outcome"] == "done"


# --- a disk that takes nothing ---------------------------------------------------------------------------------


async def test_nothing_is_written_that_cannot_be_journalled(tmp_path):
    """It waits for the disk, and is done when that takes something again."""
    async with server() as plc, plant(tmp_path, plc, acts=False) as here:
        await here.send(tag="speed", value=12)
        with refusing_disk():
            here.begin()
            await eventually(lambda: here.store.unavailable)
            assert plc.writes == []
        assert (await here.outcome()).data["outcome"] == "done"
        assert len(plc.writes) == 1


async def test_what_was_done_is_told_when_the_disk_takes_it(tmp_path):
    """Once, though the disk refused in between; and never written again for that."""
    disk = refusing_disk()

    async def fills_the_disk(exchange):
        disk.__enter__()
        await honest(exchange)

    async with server(behave=on_write(fills_the_disk)) as plc, plant(tmp_path, plc) as here:
        await here.send(tag="speed", value=12)
        try:
            await eventually(lambda: here.store.unavailable)
        finally:
            disk.__exit__(None, None, None)
        assert (await here.outcome()).data["outcome"] == "done"
        assert len(plc.writes) == 1
        assert len(await here.events("inbound.")) == 1


async def test_a_disk_that_takes_its_time_makes_a_message_older(tmp_path):
    """It was young enough when it was journalled, and is too old when that is on disk: nothing is written."""
    async with server() as plc, plant(tmp_path, plc, acts=False) as here:
        await here.send(tag="speed", value=12)
        commit = here.store.commit

        async def slow(step):
            await commit(step)
            here.reckoning_later = True

        now = here.reception.now
        here.actor._writing._now = lambda: replace(
            now(), utc=now().utc + 100 * hasattr(here, "reckoning_later")
        )
        here.store.commit = slow
        here.begin()
        event = await here.outcome()

        assert event.type is EventType.INBOUND_REJECTED
        assert [(line.outcome, line.count) for line in await here.audit()] == [("rejected", 1)]
        assert plc.writes == []


# --- the end of the agent ----------------------------------------------------------------------------------------


async def test_what_is_under_way_is_brought_to_its_end_and_nothing_more_is_begun(tmp_path):
    """When the agent is told to stop; what is left waits for the next run."""
    asked = asyncio.Event()

    async def slow(exchange):
        asked.set()
        await asyncio.sleep(0.2)
        await honest(exchange)

    async with server(behave=on_write(slow)) as plc:
        async with plant(tmp_path, plc) as here:
            await here.send(tag="speed", value=12)
            await here.send(identity="msg_2", tag="speed", value=13)
            await asked.wait()
            await here.actor.stop()
            assert [row.outcome for row in await here.rows()] == ["done", ""]
        async with plant(tmp_path, plc) as here:
            assert (await here.outcome("msg_2")).data["outcome"] == "done"
        assert len(plc.writes) == 2


# --- the operator's hand -----------------------------------------------------------------------------------------


async def test_alarms_are_handled_from_afar(tmp_path):
    """Acknowledged by whom the message names, shelved until an instant or for a while, unshelved, reset."""
    async with server() as plc, plant(tmp_path, plc) as here:
        runs = here.pipeline.engine.runs
        await eventually(lambda: runs["high"].state.core.occurrence and runs["latched"].state.core.occurrence)
        await here.send("ack", "m1", rule="high", by="Anna")
        assert (await here.outcome("m1")).data["outcome"] == "done"
        [event] = await here.events(EventType.ALARM_ACKNOWLEDGED)
        assert (event.rule, event.data["by"]) == ("high", "Anna (cloud)")

        await here.send("shelve", "m2", rule="quiet", by="Anna", reason="seal", until="2h")
        await here.outcome("m2")
        [event] = await here.events(EventType.ALARM_SHELVED)
        assert (event.data["for_s"], event.data["reason"]) == (7200, "seal")
        assert (await here.audit(target="quiet"))[0].reason == "Anna (cloud): seal"
        await here.send("unshelve", "m3", rule="quiet")
        assert (await here.outcome("m3")).data["target"] == "quiet"
        assert len(await here.events(EventType.ALARM_UNSHELVED)) == 1
        assert [line.outcome for line in await here.audit()] == ["done"] * 3
        assert plc.writes == []


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("ack", {"rule": "quiet"}, "quiet has no open alarm"),
        ("ack", {"rule": "hihg"}, "there is no rule hihg: did you mean `high`?"),
        ("ack", {}, "/data/rule: no 'rule' in it"),
        ("ack", {"rule": "high", "by": ["Anna"]}, "/data/by: expected a text"),
        ("shelve", {"rule": "high", "until": "2h"}, "a reason is needed"),
        ("shelve", {"rule": "high", "reason": "seal"}, "/data/until"),
        ("shelve", {"rule": "high", "reason": "seal", "until": "soon"}, "expected a time with its zone"),
        ("shelve", {"rule": "high", "reason": "seal", "until": "8d"}, "a week at most"),
        ("shelve", {"rule": "high", "reason": "seal", "until": "2020-01-01T00:00:00Z"}, "an end is needed"),
        ("unshelve", {"rule": "high"}, "high is not shelved"),
        ("reset", {"rule": "high"}, "is still active"),
        ("replay", {"destination": "cluod", "since": "2h"}, "there is no destination cluod"),
        ("replay", {"destination": "cloud/set", "since": "2h"}, "there is no destination cloud/set"),
        ("replay", {"destination": "cloud", "since": "yesterday"}, "expected a time with its zone"),
        ("replay", {"destination": "cloud", "since": "2999-01-01T00:00:00Z"}, "in the future"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_told(tmp_path, kind, data, why):
    """With the engine's own sentence; nothing of it is done."""
    async with server() as plc, plant(tmp_path, plc) as here:
        await eventually(lambda: here.pipeline.engine.runs["high"].state.core.occurrence)
        await here.send(kind, **data)
        event = await here.outcome()

        assert event.type is EventType.INBOUND_REJECTED
        assert why in event.data["reason"]
        [line] = await here.audit()
        assert (line.outcome, line.count) == ("rejected", 1)


async def test_what_a_receiver_lost_is_sent_again(tmp_path):
    """Those that were delivered, with their ids; how many is told."""
    async with server() as plc, plant(tmp_path, plc) as here:
        await eventually(lambda: here.pipeline.engine.runs["high"].state.core.occurrence)
        before = await here.store.waiting("cloud", 0, 100)
        for delivery in before:
            here.store.mark(MarkDelivered("cloud", delivery.stored.seq, here.clock.wall()))
        await here.store.flush()
        assert await here.store.waiting("cloud", 0, 100) == []
        await here.send("replay", destination="cloud", since="1h")
        event = await here.outcome()

        assert (event.data["outcome"], event.data["replayed"]) == ("done", len(before))
        ids = [each.stored.event.id for each in await here.store.waiting("cloud", 0, 100)]
        assert ids == [*(each.stored.event.id for each in before), event.id]
