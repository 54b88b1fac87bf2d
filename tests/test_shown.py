"""What the page shows of a running agent: every change is in the right row, and nothing moves by itself."""

import asyncio
import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter
from rigs.shown_plant import CANARY, CLOCK, shown_plant
from rigs.signed import SECRET as SENDERS
from rigs.stores import busy_disk, event, refusing_disk
from rigs.webhook_receiver import SECRET

from agent.errors import ConfigError, StoreUnavailable
from agent.model import SECOND, Action
from agent.store.records import Addressed, Step
from agent.web import rows, tables
from agent.web.orders import Order

TYPES = {
    "agent": tables.AgentRow,
    "tags": tables.TagRow,
    "alarms": rows.AlarmRow,
    "unwatched": rows.UnwatchedRow,
    "sources": tables.SourceRow,
    "destinations": tables.DestinationRow,
    "relays": tables.RelayRow,
    "configuration": tables.ConfigurationRow,
    "events": rows.EventRow,
    "dead_letters": rows.LetterRow,
    "inbound": rows.InboxRow,
    "audit": rows.AuditRow,
}
BROKEN = "  wrong: {tag: levle, high: 5}"


def at_work(shown):
    """All parts have done what they do after a start."""
    return (
        shown["alarms"]
        and "never" in shown["unwatched"]
        and shown["relays"]["cloud"]["state"] == "up"
        and shown["destinations"]["cloud"]["succeeded"]
        and not shown["agent"]["agent"]["waiting"]
    )


def ages(value):
    """Every field, at any depth, that counts seconds by itself."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name.endswith(("for_s", "_age", "age_s", "oldest_s", "retry_in_s")):
                yield name
            yield from ages(each)
    elif isinstance(value, list):
        for each in value:
            yield from ages(each)


def give_up(here):
    """From now on the receiver takes no alarm, and asks not to be sent it again."""
    here.receiver.headers = {"webhook-delivery": "abort-message"}
    here.receiver.behave = lambda event: 400 if event["type"].startswith("alarm.") else 204


async def busy(here):
    """Something is in every table."""
    give_up(here)
    await here.see(lambda shown: shown["dead_letters"] and "never" in shown["unwatched"])
    hand = here.agent.hand
    order = Order(rules=["calm"], reason="the seal is changed", for_s=3600)
    await hand.carry_out(Action.SHELVE, order, "anna")
    here.ask("msg_1", {"tag": "speed", "value": 12})
    here.ask("msg_2", {"tag": "spede", "value": 12})
    here.write(BROKEN)
    with pytest.raises(ConfigError):
        await here.agent.reload()
    return await here.see(
        lambda shown: len(shown["audit"]) == 2 and "calm" in shown["unwatched"] and all(shown.values())
    )


async def test_every_row_is_what_the_page_is_told_that_it_is(tmp_path):
    """All fields, none beside them, and no age; each table has rows, and is nothing but JSON."""
    async with shown_plant(tmp_path) as here:
        shown = await busy(here)

    assert shown.keys() == TYPES.keys()
    for name, table in shown.items():
        for key, row in table.items():
            assert TypeAdapter(TYPES[name]).validate_python(row, strict=True) == row, (name, key)
    assert json.loads(json.dumps(shown)) == shown
    assert [*ages({name: shown[name] for name in TYPES if name not in ("events", "dead_letters")})] == []


async def test_no_table_holds_a_secret(tmp_path):
    """Neither that of an address, nor a token, nor a key; whatever went wrong with those that use them."""
    async with shown_plant(tmp_path) as here:
        await busy(here)
        for part in (here.receiver, here.relay, here.plc):
            await part.stop()
        await here.agent.desk.resend({"destination": "cloud"})
        shown = await here.see(
            lambda shown: (
                "refused" in shown["destinations"]["cloud"]["reason"]
                and shown["relays"]["cloud"]["state"] == shown["sources"]["plc"]["state"] == "down"
            )
        )
    for secret in (CANARY, here.relay.token, SECRET, SENDERS):
        assert secret.removeprefix("whsec_") not in json.dumps(shown)


async def test_stamps_hold_still_until_the_clock_is_set(tmp_path):
    """What reading a clock takes moves no row; a clock that was set moves all stamps."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        before = await settled(here)
        keeper = here.agent.timekeeper
        offset = keeper.reckoning.offset
        keeper.reckoning = replace(keeper.reckoning, offset=offset + SECOND // 20)
        assert await here.tables() == before
        keeper.reckoning = replace(keeper.reckoning, offset=offset + 3600 * SECOND)
        shown = await here.tables()
        assert shown["alarms"]["high"]["since"] > before["alarms"]["high"]["since"]
        assert shown["agent"]["agent"]["started"] > before["agent"]["agent"]["started"]


async def test_a_quiet_agent_is_the_same_at_every_look(tmp_path):
    """A hundred looks over more than a second: the very same rows and tables, so that no page is sent anything."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        first = await settled(here)
        for _ in range(100):
            looked = await here.tables()
            assert looked == first
            assert all(looked[name] is first[name] for name in first)
            await asyncio.sleep(0.012)


async def settled(here):
    """The tables, once they have been the same for a second."""
    async with asyncio.timeout(30):
        while True:
            before = await here.tables()
            await asyncio.sleep(1)
            if (after := await here.tables()) == before:
                return after


async def test_an_alarm_is_raised_acknowledged_returns_and_is_reset(tmp_path):
    """With what its event says and what the operator is to do, as long as it is open."""
    async with shown_plant(tmp_path) as here:
        [alarm] = (await here.see(at_work))["alarms"].values()
        assert (alarm["message"], alarm["response"], alarm["value"], alarm["unit"]) == (
            "high: level is 60 mm, high limit 50 mm",
            "close the valve",
            60,
            "mm",
        )
        here.plc.added = 1
        await here.see(lambda shown: shown["alarms"]["high"]["value"] == 61)
        await here.agent.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["high"]), "anna")
        shown = await here.tables()
        assert shown["alarms"]["high"]["acknowledged_by"] == "anna"
        here.plc.added = -20
        shown = await here.see(lambda shown: "needs" in shown["alarms"]["high"])
        assert shown["alarms"]["high"]["needs"] == "reset"
        assert shown["alarms"]["high"]["message"] == "high: level is 40 mm, back to normal"
        await here.agent.hand.carry_out(Action.RESET, Order(rules=["high"]), "anna")
        shown = await here.tables()
        assert shown["alarms"] == {}
        assert shown["agent"]["agent"]["alarms_open"] == 0


async def test_a_shelf_is_unwatched_while_it_lasts(tmp_path):
    """At once, with its end as a stamp, and gone at once."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        order = Order(rules=["calm"], reason="the seal is changed", for_s=3600)
        await here.agent.hand.carry_out(Action.SHELVE, order, "anna")
        shown = await here.tables()
        assert shown["unwatched"]["calm"]["why"] == ["shelved"]
        assert shown["unwatched"]["calm"]["shelved"].keys() == {"until", "reason", "by", "one_shot"}
        assert shown["agent"]["agent"]["unwatched_total"] == 2
        await here.agent.hand.carry_out(Action.UNSHELVE, Order(rules=["calm"]), "anna")
        assert "calm" not in (await here.tables())["unwatched"]


async def test_a_source_that_is_killed_is_named_with_why(tmp_path):
    """What cannot be read of it, that it is down since when, its rules that are blind, and that it is back."""
    async with shown_plant(tmp_path) as here:
        shown = await here.see(at_work)
        assert shown["sources"]["plc"]["state"] == "up"
        assert (shown["sources"]["plc"]["tags"], shown["sources"]["plc"]["bad"]) == (3, 1)
        assert shown["sources"]["plc"]["first_bad"].startswith("broken: ")
        up_since = shown["sources"]["plc"]["since"]
        await here.plc.stop()
        shown = await here.see(lambda shown: shown["sources"]["plc"]["state"] == "down")
        assert shown["sources"]["plc"]["reason"]
        assert shown["sources"]["plc"]["since"] > up_since
        shown = await here.see(lambda shown: "calm" in shown["unwatched"])
        assert shown["unwatched"]["calm"]["why"][0].startswith("blind: ")
        await here.plc.start()
        await here.see(
            lambda shown: shown["sources"]["plc"]["state"] == "up" and "calm" not in shown["unwatched"]
        )
        await here.agent.intakes.pause("plc", 60 * SECOND, "anna")
        shown = await here.see(lambda shown: shown["sources"]["plc"]["state"] == "paused")
        assert "paused by anna" in shown["sources"]["plc"]["reason"]


async def test_a_destination_that_fails_is_paused_and_is_disabled(tmp_path):
    """With what waits since when, when it is tried again, and how its attempts went."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        here.receiver.behave = lambda event: 503
        await here.agent.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["high"]), "anna")
        shown = await here.see(lambda shown: shown["destinations"]["cloud"]["retry_at"])
        row = shown["destinations"]["cloud"]
        assert (row["type"], row["state"], row["waiting"]) == ("webhook", "waiting", 1)
        assert "503" in row["reason"]
        assert row["attempts"] > row["succeeded"] >= 1
        assert row["latency_ms"] > 0
        here.agent.store._writer._arm()
        shown = await here.see(lambda shown: shown["destinations"]["cloud"]["oldest"])
        newest = max(shown["events"].values(), key=lambda event: event["seq"])
        assert shown["destinations"]["cloud"]["oldest"][:19] == newest["timestamp"][:19]

        await here.agent.holding.pause("cloud", None, "anna", "maintenance")
        row = (await here.tables())["destinations"]["cloud"]
        assert row["state"] == "paused"
        assert "maintenance" in row["reason"]
        await here.agent.holding.resume("cloud")
        here.receiver.behave = lambda event: 410
        shown = await here.see(lambda shown: shown["destinations"]["cloud"]["state"] == "disabled")
        assert any("cloud is disabled" in each for each in shown["agent"]["agent"]["problems"])
        here.receiver.behave = lambda event: 204
        await here.agent.holding.enable("cloud")
        await here.see(lambda shown: shown["destinations"]["cloud"]["waiting"] == 0)


async def test_a_dead_letter_comes_and_goes(tmp_path):
    """By its destination and number, with the reason; sent again it is none, and its event is delivered."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        give_up(here)
        await here.agent.hand.carry_out(Action.ACKNOWLEDGE, Order(rules=["high"]), "anna")
        shown = await here.see(lambda shown: shown["dead_letters"])
        [(key, letter)] = shown["dead_letters"].items()
        assert key == f"cloud/{letter['seq']}"
        assert "asked not to be sent" in letter["reason"]
        assert shown["agent"]["agent"]["dead"] == 1
        here.receiver.headers, here.receiver.behave = {}, lambda event: 204
        await here.agent.desk.resend({"destination": "cloud"})
        shown = await here.see(lambda shown: not shown["dead_letters"])
        seq = str(letter["seq"])
        await here.see(
            lambda shown: [each["state"] for each in shown["events"][seq]["deliveries"]] == ["delivered"]
        )


async def test_a_refused_configuration_is_shown_with_its_lines_until_a_good_one_comes(tmp_path):
    """Also among the warnings; what the old one has goes on to be shown."""
    async with shown_plant(tmp_path) as here:
        before = (await here.see(at_work))["configuration"]["configuration"]
        here.write(BROKEN)
        with pytest.raises(ConfigError):
            await here.agent.reload()
        shown = await here.tables()
        row = shown["configuration"]["configuration"]
        line = here.file.read_text().splitlines().index(BROKEN) + 1
        [error] = [each for each in row["problems"] if each["severity"] == "error"]
        assert (row["refused"], error["file"], error["line"]) == (True, str(here.file), line)
        assert "levle" in error["text"]
        assert row["problems"][0] == error
        assert row["refused_at"] > row["loaded"] == before["loaded"]
        assert any("refused" in each for each in shown["agent"]["agent"]["warnings"])

        here.write("  more: {tag: level, high: 4000}")
        await here.agent.reload()
        shown = await here.tables()
        row = shown["configuration"]["configuration"]
        assert (row["refused"], "refused_at" in row, row["summary"]) == (
            False,
            False,
            before["summary"].replace("3 rules", "4 rules"),
        )
        assert row["loaded"] > before["loaded"]
        assert [each["severity"] for each in row["problems"]] == ["warning"] * len(row["problems"])


async def test_what_a_message_asked_for_is_shown_with_what_became_of_it(tmp_path):
    """By their numbers, the message and the line of the audit; never its body."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        here.ask("msg_1", {"tag": "speed", "value": 12, "note": "written by nobody"})
        shown = await here.see(lambda shown: shown["audit"] and shown["audit"]["1"]["outcome"] == "done")
        assert (shown["audit"]["1"]["target"], shown["audit"]["1"]["new"]) == ("speed", 12)
        assert (shown["inbound"]["1"]["id"], shown["inbound"]["1"]["outcome"]) == ("msg_1", "done")
        assert shown["relays"]["cloud"]["taken"] == 1
        assert "written by nobody" not in json.dumps(shown)


async def test_rows_are_bounded(tmp_path):
    """The newest fifty; the data of an event is cut to 4 kB, what a list needs is kept, and that it is cut."""
    async with shown_plant(tmp_path) as here:
        await here.see(at_work)
        data = {"fields": ["x" * 100] * 1000, "rule": "R", "message": "m" * 10_000, "tag": "T"}
        big = [replace(event(number), data=data, at=CLOCK.monotonic()) for number in range(60)]
        await here.agent.store.commit(Step([Addressed(each, ()) for each in big]))
        shown = await here.see(lambda shown: str(here.agent.store.seq) in shown["events"])
    assert len(shown["events"]) == 50
    row = shown["events"][str(max(map(int, shown["events"])))]
    assert row["data"]["cut"] is True
    assert (row["data"]["rule"], row["data"]["tag"], "fields" in row["data"]) == ("R", "T", False)
    assert row["data"]["message"].startswith("mmm")
    assert len(json.dumps(row)) < 5_000


async def test_a_store_that_is_busy_keeps_nothing_else_from_the_page(tmp_path):
    """A slow disk: alarms are shown while it is written to; what is stored is shown as it was, and then anew."""
    async with shown_plant(tmp_path) as here:
        before = await here.see(at_work)
        here.agent.store._turns.changes += 1  # somebody has news
        napping = await busy_disk(here.agent.store, 2)
        shown = await here.tables()
        assert not napping.done()
        assert (shown["alarms"], shown["events"].keys()) == (before["alarms"], before["events"].keys())
        await napping
        order = Order(rules=["calm"], reason="the seal is changed", for_s=3600)
        await here.agent.hand.carry_out(Action.SHELVE, order, "anna")
        await here.see(lambda shown: len(shown["events"]) > len(before["events"]))


async def test_a_store_that_takes_nothing_says_so_and_the_rows_stand(tmp_path):
    """The problem is in the head; what was stored is shown, and what comes after it is."""
    async with shown_plant(tmp_path) as here:
        before = await here.see(at_work)
        with refusing_disk():
            with pytest.raises(StoreUnavailable):
                await here.agent.store.commit(Step([Addressed(event(), ())]))
            shown = await here.see(lambda shown: shown["agent"]["agent"]["store_unavailable"])
            assert any("nothing can be stored" in each for each in shown["agent"]["agent"]["problems"])
            assert before["events"].keys() <= shown["events"].keys()
        await here.see(
            lambda shown: (
                not shown["agent"]["agent"]["store_unavailable"]
                and any(each.get("type") == "agent.blind" for each in shown["events"].values())
            )
        )
