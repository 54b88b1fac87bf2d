"""What a polling endpoint may answer, and what is made of it; no relay is asked here."""

import base64
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.poll_relay import answer

from agent.inbound.base import LARGEST_BODY
from agent.inbound.poll.answers import (
    LONGEST_ITERATOR,
    Batch,
    Place,
    is_invalid_iterator,
    is_too_large,
    read_answer,
    read_place,
    write_place,
)
from agent.incoming.message import Arrived

URL = "https://relay.example.com/out/plant-7?key=canary4711"
SIGNED = b'{"n": 1.0}\n'
BODY_B = base64.b64encode(SIGNED).decode()
SVIX = {
    "id": "msg_2Lh9",
    "eventId": None,
    "eventType": "invoice.paid",
    "payload": {"amount": 7, "where": "Kläranlage"},
    "channels": None,
    "tags": None,
    "timestamp": "2026-11-21T08:00:03.120123Z",
}


def read(*entries, **more):
    batch = read_answer(answer(*entries, **more).encode())
    assert isinstance(batch, Batch), batch
    return batch


def test_svix_gives_parsed_json():
    """Its payload is written anew, compactly, and said not to be what was signed."""
    batch = read(SVIX, iterator="eyJ", done=True)

    assert batch.messages == (
        Arrived(
            '{"amount":7,"where":"Kläranlage"}'.encode(),
            {},
            raw=False,
            relay_id="msg_2Lh9",
            type="invoice.paid",
        ),
    )
    assert (batch.iterator, batch.done) == ("eyJ", True)
    assert batch.newest == 1_795_248_003_000_000_000


def test_a_relay_of_ours_gives_the_senders_bytes():
    """`bodyB` is the body, whatever the payload says; headers under lower-case names."""
    headers = {"Webhook-Id": "msg_1", "X-Many": ["a", "b"], "X-Odd": 7, "X-None": None, "X-Empty": []}
    [message] = read({**SVIX, "bodyB": BODY_B, "headers": headers}).messages

    assert (message.body, message.raw) == (SIGNED, True)
    assert message.headers == {"webhook-id": "msg_1", "x-many": "a, b"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, Arrived(b"", raw=False)),
        ({"id": 7, "eventType": ["x"], "payload": None}, Arrived(b"null", raw=False)),
        ({"id": "m", "bodyB": "not base64!", "payload": [1]}, Arrived(b"[1]", raw=False, relay_id="m")),
        ({"id": "m", "bodyB": BODY_B.rstrip("="), "payload": 1}, Arrived(b"1", raw=False, relay_id="m")),
        ({"id": "m", "bodyB": "e3 0=", "payload": 1}, Arrived(b"1", raw=False, relay_id="m")),
        ({"id": "m", "bodyB": "ÄÖ", "payload": 1}, Arrived(b"1", raw=False, relay_id="m")),
        ({"id": "m", "bodyB": 12, "payload": 1}, Arrived(b"1", raw=False, relay_id="m")),
        ({"id": "m", "bodyB": ""}, Arrived(b"", raw=True, relay_id="m")),
        ({"id": "m", "bodyB": BODY_B, "headers": ["x"]}, Arrived(SIGNED, relay_id="m")),
        ({"id": "m", "bodyB": BODY_B, "timestamp": "soon"}, Arrived(SIGNED, relay_id="m")),
    ],
)
def test_a_malformed_message_is_handed_over_with_what_there_is(entry, message):
    """Its neighbours come as if it were not there, and it never passes for what its sender has signed."""
    assert read(SVIX, entry, SVIX).messages[1] == message


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (None, "a message that is no JSON object"),
        ("text", "a message that is no JSON object"),
        (
            {"id": "m1", "bodyB": base64.b64encode(bytes(LARGEST_BODY + 1)).decode()},
            "'m1': it has 5,000,001 bytes",
        ),
        ({"id": "m1", "payload": "x" * LARGEST_BODY}, "'m1': it has 5,000,002 bytes"),
        ({"payload": "\ud800"}, "a message without an id: its payload cannot be written"),
        ({"id": "a\nb\x1b[31m" + "c" * 999, "payload": "\ud800"}, r"'a\nb\x1b[31mccc"),
    ],
)
def test_of_what_cannot_be_taken_it_is_handed_over_why(entry, why):
    """In its place among the others; the name is on one line, and of no more than that, and nothing else is there."""
    before, message, after = read(SVIX, entry, SVIX).messages

    assert before == after
    assert not before.unusable
    assert why in message.unusable
    assert message.unusable.isprintable()
    assert len(message.unusable) < 250
    assert (message.body, message.headers, message.type) == (b"", {}, "")


def test_half_a_character_in_one_message_does_not_hold_up_the_others():
    """The strict parser refuses the whole answer; it is read all the same, and signed bytes stay what they are."""
    odd = {"id": "odd\ud800", "payload": "\ud800", "bodyB": BODY_B, "headers": {"X\udc00": "\ud800"}}
    content = answer(SVIX, odd, SVIX).encode()
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(content)

    batch = read_answer(content)

    assert [message.relay_id for message in batch.messages] == ["msg_2Lh9", "odd?", "msg_2Lh9"]
    assert batch.messages[1].body == SIGNED
    assert batch.messages[1].headers == {"x?": "?"}


@pytest.mark.parametrize("number", ["NaN", "9" * 5000, "-" + "9" * 5000])
def test_a_number_that_the_strict_parser_or_python_does_not_read_does_not_hold_up_the_others(number):
    """Half a character makes the laxer parser read it, which refuses thousands of digits."""
    entry = b'{"id":"odd\\ud800","payload":%s}' % number.encode()

    batch = read_answer(b'{"data":[%s,{"id":"m","payload":7}],"iterator":"i","done":true}' % entry)

    assert [message.relay_id for message in batch.messages] == ["odd?", "m"]
    assert batch.messages[1].body == b"7"


def test_what_is_nested_too_deeply_is_read_by_nobody():
    """No other limit is set for it: that of Python holds for the whole process."""
    deep = b"[" * 5000 + b"]" * 5000
    why = read_answer(b'{"data":[{"id":"m","payload":%s}],"iterator":"i","done":true}' % deep)

    assert why == "it is not JSON, or nested too deeply"


LARGEST = LARGEST_BODY - 100
"""Bytes of a payload that is as large as can be."""
FLOOD = 15_900_000
"""Bytes of an answer that is as large as is read."""


def of_payload(unit, size):
    return b'{"data":[{"id":"m","payload":[%s1]}],"iterator":"i","done":true}' % (unit * (size // len(unit)))


UNITS = [b"{},", b"[],", b'{"a":1},', b'{"":1},', b'"",', b'":",', b'"{:",', b'"[{:[{:",', b"1,", b'"\\"{:",']


@pytest.mark.parametrize("unit", [*UNITS, b'"' + b"{:" * 100_000 + b'",'])
def test_the_largest_message_is_read_whatever_stands_in_it(unit):
    """It is never too large alone, or a sender could stop a channel by what he sends."""
    assert not is_too_large(of_payload(unit, LARGEST))


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"a":1},'])
def test_what_would_fill_the_memory_is_known_before_it_is_parsed(unit):
    """Sixteen megabytes of it become five hundred; as messages of their own they become more."""
    assert is_too_large(of_payload(unit, FLOOD))
    assert is_too_large(b'{"data":[%s1],"iterator":"i","done":true}' % (unit * (FLOOD // len(unit))))


def test_more_messages_than_anybody_asks_for_are_no_answer():
    """Two thousand are read, for a relay may not know of `limit`."""
    assert len(read(*[SVIX] * 2_000).messages) == 2_000
    why = read_answer(answer(*[{}] * 2_001).encode())
    assert why == "it hands over more than 2,000 messages, whatever `limit` says"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"<!DOCTYPE html><html>Please accept our terms</html>",
        b"[]",
        b"7",
        b"{}",
        b'{"data":[],"iterator":"x","done":"true"}',
        b'{"data":[],"iterator":7,"done":true}',
        b'{"data":[],"iterator":null,"done":true}',
        b'{"data":[],"iterator":"","done":true}',
        b'{"data":[],"iterator":"\\ud800","done":true}',
        b'{"data":[],"iterator":"a\\nb","done":true}',
        b'{"data":null,"iterator":"x","done":true}',
        b'{"data":{},"iterator":"x","done":true}',
        b'{"data":[],"iterator":"x"}',
        b'{"data":[{"offset":7,"id":"m"}],"done":true}',
        answer(iterator="x" * (LONGEST_ITERATOR + 1)).encode(),
        answer(SVIX).encode()[:-1],
        b'{"data":' + b"[" * 100_000,
        b"\xff\xfe{}",
        b"1" * 5000,
    ],
)
def test_an_answer_of_another_shape_is_none(content):
    """A reason, of a few words and without a word of what was answered."""
    why = read_answer(content)

    assert isinstance(why, str)
    assert 0 < len(why) < 80
    assert "terms" not in why


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_NAMES = ["id", "eventType", "payload", "timestamp", "headers", "bodyB"]


@given(st.lists(_ANYTHING | st.dictionaries(st.sampled_from(_NAMES), _ANYTHING), max_size=5))
def test_whatever_stands_in_a_message_nothing_is_raised(entries):
    """Each is handed over or left out, and the answer counts."""
    batch = read(*entries)

    assert len(batch.messages) == len(entries)


@given(st.binary() | _ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_answered_nothing_is_raised(content):
    """Neither by an answer nor by a refusal, nor by what was kept as a cursor."""
    assert isinstance(read_answer(content), Batch | str)
    assert is_invalid_iterator(content) in {True, False}
    assert isinstance(read_place(content, URL), Place)


def test_a_place_is_kept_for_its_own_relay_alone():
    """It is read as it was written; another relay, for which an iterator means something else, begins anew."""
    place = Place("it 0/7", "2026-11-21T07:00:00.000Z")
    cursor = write_place(place, URL)

    assert read_place(cursor, URL) == place
    assert read_place(cursor, URL.replace("canary4711", "another")) == place
    assert read_place(cursor, URL.replace("plant-7", "plant-8")) == Place()
    assert read_place(cursor, URL.replace(".com", ".com:8443")) == Place()
    assert read_place(None, URL) == read_place(b"\x00", URL) == Place()
    assert b"canary" not in cursor
    assert b"plant" not in cursor


@pytest.mark.parametrize(
    ("content", "invalid"),
    [
        (b'{"code":"invalid_iterator","detail":"expired"}', True),
        (b'{"code":"validation"}', False),
        (b"invalid_iterator", False),
        (b"", False),
        (None, False),
    ],
)
def test_an_iterator_that_is_not_known_is_told_from_other_refusals(content, invalid):
    """By its code alone."""
    assert is_invalid_iterator(content) is invalid
