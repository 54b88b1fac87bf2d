"""When a polling endpoint is asked, and with what: pauses, long polls, iterators that are not known any more."""

import asyncio
import logging

import pytest
from aiohttp import web
from rigs.poll_relay import answer, poll_relay, says
from rigs.poll_turns import asked_by_turns, section
from rigs.relay_session import running

from agent.errors import RelayError
from agent.inbound.poll.answers import read_place

EVERY = 10.0
ENTRY = {"id": "m", "eventType": "t", "payload": {}, "timestamp": "2026-11-21T08:00:00Z"}
EXPIRED = says(400, '{"code":"invalid_iterator","detail":"expired"}')


def asked(relay, name):
    """What stood in the query of each question under a name; None where it was not there."""
    return [each.query.get(name) for each in relay.asked]


async def test_what_is_there_is_taken_without_a_pause_and_then_it_is_asked_every_so_often():
    """A thousand messages by 250; `done` ends it. Each iterator is the one that the answer before has given."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        for number in range(1000):
            relay.put(b"%d" % number)
        pauses = await turns.pauses(5)

    assert pauses == [0, 0, 0, EVERY, EVERY]
    assert turns.desk.bodies == [b"%d" % number for number in range(1000)]
    assert asked(relay, "iterator") == [None, "it 0/250", "it 0/500", "it 0/750", "it 0/1000"]
    assert set(asked(relay, "limit")) == {"250"}
    assert set(asked(relay, "wait")) == {None}


async def test_svix_begins_with_an_empty_answer_that_is_not_the_last():
    """It is asked again at once, with the iterator that was told; that is kept, for a start may follow."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [says(body=answer(iterator="it 0/0"))]
        relay.put(b"1")
        pauses = [await turns.turn()]
        kept = turns.desk.cursor
        pauses += await turns.pauses(1)

    assert pauses == [0, EVERY]
    assert read_place(kept, relay.url).iterator == "it 0/0"
    assert asked(relay, "iterator") == [None, "it 0/0"]
    assert turns.desk.bodies == [b"1"]


@pytest.mark.parametrize("entries", [(), (ENTRY,)], ids=["nothing", "the same message"])
async def test_a_relay_that_never_gets_on_is_asked_ever_more_slowly(entries):
    """Not done, with the same iterator again and again: at once, once, and then with pauses that double."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [says(body=answer(*entries, iterator="it 0/0"))] * 12
        pauses = await turns.pauses(12)

    assert sum(pause == 0 for pause in pauses) <= 2
    assert pauses[2:10] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, EVERY, EVERY], rel=0.5)
    assert pauses == sorted(pauses)


async def test_a_relay_that_gets_on_without_a_message_is_asked_as_often_as_its_own_bridge_does():
    """Three times a second at the most: a page of what was filtered out, and another."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [says(body=answer(iterator=f"it 0/{page}")) for page in range(8)]
        pauses = await turns.pauses(8)

    assert pauses == pytest.approx([0, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3])


async def test_a_relay_that_holds_questions_is_asked_to():
    """From the second question on, for as long as it offers and 55 s at the most; nothing is slept."""
    async with poll_relay(holds=60) as relay, asked_by_turns(relay) as turns:
        pauses = await turns.pauses(1)
        held = asyncio.create_task(turns.turn())
        async with asyncio.timeout(30):
            while len(relay.asked) < 2:
                await asyncio.sleep(0.001)
        relay.put(b"1")
        pauses.append(await held)

    assert pauses == [0, 0]
    assert asked(relay, "wait") == [None, "55"]
    assert turns.desk.bodies == [b"1"]


async def test_a_held_question_may_take_its_time_beside_the_timeout():
    """With a timeout of 1.9 s a question is held for 2 s, and that is an answer as good as any."""
    async with poll_relay(holds=2) as relay, asked_by_turns(relay, timeout="1900ms") as turns:
        pauses = await turns.pauses(2)

    assert pauses == [0, 0]
    assert turns.desk.answers == 2


@pytest.mark.parametrize("done", [(True,), (True, False)])
async def test_a_relay_that_offers_to_hold_and_does_not_is_not_hammered(done):
    """It answers at once that there is nothing: after that it is asked every so often."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        for turn in range(20):
            body = answer(iterator="it 0/0", done=done[turn % len(done)])
            relay.next_answers.append(says(body=body, Relay_Wait="30"))
        pauses = await turns.pauses(20)

    assert set(asked(relay, "wait")) == {None, "30"}
    assert sum(pause == 0 for pause in pauses) <= 3
    assert sum(pauses) > 8 * EVERY


@pytest.mark.parametrize("told", ["", "0", "-5", "soon", "1.5", "9" * 30])
async def test_an_offer_that_cannot_be_read_is_none(told):
    """It is slept instead."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [says(body=answer(iterator="it 0/0", done=True), Relay_Wait=told)] * 2
        pauses = await turns.pauses(2)

    assert pauses == [EVERY, EVERY]
    assert set(asked(relay, "wait")) == {None}


@pytest.mark.parametrize(
    ("status", "told", "pause"), [(429, "7", 7), (503, "7", 7), (429, "7.2", 8), (503, "86400", 300)]
)
async def test_a_relay_that_says_when_to_come_again_is_left_alone_until_then(status, told, pause, caplog):
    """The session goes on, however often; 5 minutes at the most; told once, and then when it is new."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1")
        relay.next_answers = [says(status, Retry_After=told)] * 3
        pauses = await turns.pauses(4)
        relay.next_answers = [says(status, Retry_After=told)]
        await turns.turn()

    assert pauses == [pause, pause, pause, EVERY]
    assert turns.desk.bodies == [b"1"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


async def test_an_expired_iterator_is_forgotten_and_the_relay_asked_from_before_the_last_message(caplog):
    """An hour before it, for messages come out of order; what was taken comes again; told once."""
    caplog.set_level(logging.INFO)
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1", timestamp="2026-11-21T06:59:59Z")
        relay.put(b"2", timestamp="2026-11-21T07:30:00Z")
        relay.put(b"3", timestamp="2026-11-21T08:00:00Z")
        pauses = [await turns.turn()]
        relay.expire()
        pauses += await turns.pauses(2)

    assert pauses == [EVERY, 0, EVERY]
    assert asked(relay, "iterator") == [None, "it 0/3", None]
    assert asked(relay, "after") == [None, None, "2026-11-21T07:00:00.000Z"]
    assert turns.desk.bodies == [b"1", b"2", b"3", b"2", b"3"]
    [record] = caplog.records
    assert "invalid_iterator" in record.message


async def test_the_place_survives_a_restart_with_what_an_expired_iterator_needs():
    """Iterator and time are both in the cursor; without any cursor a session begins where the relay likes."""
    async with poll_relay() as relay:
        async with asked_by_turns(relay) as turns:
            relay.put(b"1", timestamp="2026-11-21T08:00:00Z")
            await turns.turn()
        relay.expire()
        async with asked_by_turns(relay, turns.desk.cursor) as turns:
            await turns.pauses(2)

    assert asked(relay, "iterator") == [None, "it 0/1", None]
    assert asked(relay, "after") == [None, None, "2026-11-21T07:00:00.000Z"]


async def test_a_time_that_has_not_come_yet_passes_over_nothing():
    """A relay whose clock is wrong: it is asked from an hour before now, and not from next year on."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1", timestamp="2199-01-01T00:00:00Z")
        await turns.turn()
        relay.expire()
        await turns.pauses(2)

    assert asked(relay, "after")[2] < "2190"


async def test_a_relay_that_knows_none_of_its_iterators_is_asked_ever_more_slowly(caplog):
    """Begun anew again and again; told once, and never asked without a pause."""
    async with poll_relay() as relay, asked_by_turns(relay, every="4s") as turns:
        relay.put(b"1")
        relay.next_answers = [relay.ordinary, *[EXPIRED, relay.ordinary] * 6]
        pauses = await turns.pauses(13)

    assert pauses[1::2] == [0, 1, 2, 4, 4, 4]
    assert len(caplog.records) == 1


async def test_a_question_without_an_iterator_that_is_refused_ends_the_session():
    """There is nothing to be forgotten."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [EXPIRED]
        with pytest.raises(RelayError, match="it answered 400"):
            await turns.turn()


async def test_where_messages_are_large_it_is_asked_for_fewer():
    """An answer of more than 16 MB is not read to its end; none of it is lost, and later it is asked for more again."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        for number in range(6):
            relay.put(b"%d" % number * 4_000_000)
        for _ in range(300):
            relay.put(b"s")
        pauses = [await turns.turn() for _ in range(16)]

    assert asked(relay, "limit")[:3] == ["250", "31", "3"]
    assert asked(relay, "limit")[-1] == "250"
    assert [len(body) for body in turns.desk.bodies] == [4_000_000] * 6 + [1] * 300
    assert sum(pauses[:5]) == 0


async def test_one_message_that_is_larger_than_any_answer_is_told():
    """Nothing can be passed over, for nobody knows the next iterator: the relay's people have to."""
    async with poll_relay() as relay, asked_by_turns(relay, limit=1) as turns:
        relay.put(raw=False, payload="x" * 16_000_000)
        with pytest.raises(RelayError, match="take it from the relay"):
            await turns.turn()


async def test_what_cannot_be_taken_is_handed_over_in_its_place_with_the_reason():
    """It does not come again; who takes messages tells it, and not the session."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1")
        relay.put(raw=False, payload="x" * 5_000_000, id="msg_huge")
        relay.post("no object")
        relay.put(b"2")
        await turns.pauses(2)

    assert turns.desk.bodies == [b"1", b"", b"", b"2"]
    assert ["msg_huge" in message.unusable for message in turns.desk.taken] == [False, True, False, False]
    assert [bool(message.unusable) for message in turns.desk.taken] == [False, True, True, False]
    assert asked(relay, "iterator") == [None, "it 0/4"]


async def test_where_much_stands_in_messages_it_is_asked_for_fewer():
    """What would fill the memory when parsed is as an answer that is too large; one message alone is told."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [says(body=b"[" + b"{}," * 5_000_000 + b"1]")] * 4
        pauses = await turns.pauses(3)
        with pytest.raises(RelayError, match="take it from the relay"):
            await turns.turn()

    assert pauses == [0, 0, 0]
    assert asked(relay, "limit") == ["250", "31", "3", "1"]


async def test_what_the_store_does_not_take_is_asked_for_again_after_a_second():
    """With the same iterator, as often as it takes; without a word in the log, for the store has its own."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1")
        turns.desk.refusing = True
        pauses = await turns.pauses(3)
        turns.desk.refusing = False
        pauses += await turns.pauses(2)

    assert pauses == [1, 1, 1, EVERY, EVERY]
    assert asked(relay, "iterator") == [None, None, None, None, "it 0/1"]
    assert turns.desk.bodies == [b"1"]


async def test_an_iterator_alone_is_kept_and_the_same_one_costs_no_commit():
    """Where a relay stands may move without a message: a restart must know; `accept(())` says that it lives."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        cursors = []
        for place in ("it 0/1", "it 0/2", "it 0/2"):
            relay.next_answers = [says(body=answer(iterator=place, done=True))]
            turns.desk.cursor = None
            await turns.turn()
            cursors.append(turns.desk.cursor and read_place(turns.desk.cursor, relay.url).iterator)

    assert cursors == ["it 0/1", "it 0/2", None]
    assert turns.desk.answers == 3


async def test_a_held_question_that_breaks_off_says_nothing_about_the_relay():
    """A proxy that ends what is silent: asked again at once, not held, and then held again; as often as it does so."""
    async with poll_relay(holds=1) as relay, asked_by_turns(relay) as turns:

        async def a_proxy_ends_it(request):
            await asyncio.sleep(0.6)
            return web.Response(status=504)

        relay.next_answers = [relay.ordinary, *[a_proxy_ends_it, relay.ordinary] * 2]
        pauses = await turns.pauses(5)
        relay.put(b"1")
        await turns.turn()

    assert pauses == [0] * 5
    assert asked(relay, "wait") == [None, "1", None, "1", None, "1"]
    assert turns.desk.bodies == [b"1"]


async def test_a_relay_that_breaks_off_whatever_it_is_to_hold_is_not_hammered():
    """It hangs up at once: after two such questions it is asked every so often."""
    async with poll_relay(holds=30) as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [relay.ordinary, *[says(504), relay.ordinary] * 9]
        pauses = await turns.pauses(19)

    assert sum(pause == 0 for pause in pauses) <= 12
    assert sum(pauses) >= 7 * EVERY


async def test_a_relay_that_is_gone_while_it_holds_a_question_ends_the_session():
    """The next question shows it; what it fails of is told."""
    async with poll_relay(holds=30) as relay, asked_by_turns(relay) as turns:
        relay.next_answers = [relay.ordinary, says(504), says(401)]
        await turns.pauses(2)
        with pytest.raises(RelayError, match="check `token`"):
            await turns.turn()


async def test_a_held_question_costs_nothing():
    """The loop is not woken while it is held, however long; nor is anything else asked."""
    async with poll_relay(holds=60) as relay, running(section(relay)) as session:
        await session.until(lambda: session.answers)
        async with asyncio.timeout(30):
            while len(relay.asked) < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        woken = _counted(asyncio.get_running_loop())
        await asyncio.sleep(1.5)
        times = woken()

    assert times <= 5  # this test's own sleep among them
    assert len(relay.asked) == 2


def _counted(loop):
    """Count how often the loop has looked for something to do."""
    selector, times = loop._selector, []
    usual = selector.select

    def select(timeout=None):
        times.append(timeout)
        return usual(timeout)

    selector.select = select

    def ended():
        del selector.select
        return len(times)

    return ended
