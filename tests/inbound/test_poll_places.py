"""Where a session with a polling endpoint stands, how much it asks for, and relays that do not know the place any more."""

import logging

import pytest
from rigs.poll_relay import answer, poll_relay, says
from rigs.poll_turns import asked_by_turns

from agent.clock import SystemClock
from agent.errors import RelayError
from agent.inbound.poll.answers import read_place
from agent.model import SECOND

EVERY = 10.0
EXPIRED = says(400, '{"code":"invalid_iterator","detail":"expired"}')


def asked(relay, name):
    """What stood in the query of each question under a name; None where it was not there."""
    return [each.query.get(name) for each in relay.asked]


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


async def test_two_relays_behind_one_address_are_told_of_once_a_minute(caplog):
    """Neither knows the iterators of the other: it is begun anew for ever, and never without a pause."""
    clock = _Later()
    async with poll_relay() as relay, asked_by_turns(relay, clock=clock) as turns:
        places = [says(body=answer(iterator=f"it 0/{place}")) for place in (0, 1)]
        relay.next_answers = [*places, EXPIRED] * 10
        pauses = await turns.pauses(15)
        clock.ahead = 60 * SECOND
        pauses += await turns.pauses(15)

    assert len(caplog.records) == 2
    assert sum(pauses) > 3


class _Later(SystemClock):
    ahead = 0

    def monotonic(self) -> int:
        return super().monotonic() + self.ahead


async def test_a_refusal_is_a_sentence_and_not_a_flood():
    """Sixteen megabytes that say `invalid_iterator` are no word of a relay: they are not read to their end."""
    long = b'{"code":"invalid_iterator","more":[' + b"{}," * 5_000_000 + b"1]}"
    async with poll_relay() as relay, asked_by_turns(relay) as turns:
        await turns.turn()
        relay.next_answers = [says(400, long)]
        with pytest.raises(RelayError, match="it answered 400"):
            await turns.turn()


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
