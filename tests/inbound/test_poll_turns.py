"""When a polling endpoint is asked, and with what: pauses, and questions that are held."""

import asyncio

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
    """The session goes on, however often; 5 minutes at the most; told once, and not again within a minute."""
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        relay.put(b"1")
        relay.next_answers = [says(status, Retry_After=told)] * 3
        pauses = await turns.pauses(4)
        relay.next_answers = [says(status, Retry_After=told)]
        await turns.turn()

    assert pauses == [pause, pause, pause, EVERY]
    assert turns.desk.bodies == [b"1"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


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
