"""What gosmee and smee.io write is understood: as they wrote it, and whatever else may come in its place."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agent.inbound.base import LARGEST_BODY
from agent.inbound.config import RelayConfig
from agent.inbound.sse.frames import Event, Frames, TooLarge
from agent.inbound.sse.messages import (
    EVERYTHING,
    Encrypted,
    read_cursor,
    read_event,
    resumes,
    write_cursor,
)
from agent.incoming.message import Arrived

# Recorded from the server of smee.io (probot/smee.io 922d925), which was posted to by curl.
SMEE = (
    "id: 0\nevent: ready\ndata: {}\n\n"
    'id: 1\ndata: {"host":"127.0.0.1:18993","user-agent":"curl/7.88.1","accept":"*/*",'
    '"content-type":"application/json","webhook-id":"msg_1","webhook-timestamp":"1690000000",'
    '"webhook-signature":"v1,abc=","content-length":"98","body":{"type":"order.created","data":'
    '{"n":1,"t":"Klär <&>","big":12345678901234567000}},"query":{"x":"1"},"timestamp":1795295743041}\n\n'
    "id: 2\nevent: ping\ndata: {}\n\n"
).encode()
# As gosmee with Redis writes it (chmouel/gosmee 40c226c); its JSON is sorted, and escapes what HTML would read.
GOSMEE = (
    'data: {"message":"connected"}\n\n'
    'data: {"message":"ready"}\n\n'
    'event: gosmee-gap\ndata: {"error":"missed_history","requested_id":"1690000000000-0",'
    '"oldest_id":"1690000000005-0"}\n\n'
    'id: 1690000000005-0\ndata: {"accept":"*/*","bodyB":"eyAibiI6IDEuMCB9","content-length":"12",'
    '"content-type":"application/json","timestamp":"1690000000005","user-agent":"\\u003cMES \\u0026 more\\u003e",'
    '"webhook-id":"msg_1","webhook-signature":"v1,abc= v1a,def="}\n\n'
    ": keepalive\n\n"
)
GOSMEE_HEADERS = {
    "accept": "*/*",
    "content-length": "12",
    "content-type": "application/json",
    "user-agent": "<MES & more>",
    "webhook-id": "msg_1",
    "webhook-signature": "v1,abc= v1a,def=",
}
URL = "https://gosmee.example.com/events/plant-7-channel"
SECTION = TypeAdapter(RelayConfig)


def read(stream: bytes):
    return [read_event(event) for event in Frames(10_000).feed(stream)]


def test_what_smee_wrote_is_its_sender_s_message_but_not_its_bytes():
    """Its headers, and the parsed body as JSON; it has no id that means anything on another connection."""
    ready, message, ping = read(SMEE)

    assert (ready, ping) == (None, None)
    assert (message.raw, message.relay_id, message.type) == (False, "", "")
    assert message.body.decode() == (
        '{"type":"order.created","data":{"n":1,"t":"Klär <&>","big":12345678901234567000}}'
    )
    assert message.headers == {
        "host": "127.0.0.1:18993",
        "user-agent": "curl/7.88.1",
        "accept": "*/*",
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1690000000",
        "webhook-signature": "v1,abc=",
        "content-length": "98",
    }


def test_what_gosmee_writes_is_what_the_sender_has_signed():
    """Byte for byte, with its headers and the id of Redis; that history is lost is handed over as well."""
    connected, ready, gap, message = read(GOSMEE.encode())

    assert connected is ready is None
    assert gap.lost
    assert (
        "since 1690000000000-0, where this agent stood; the oldest that it has is 1690000000005-0"
        in gap.unusable
    )
    assert message == Arrived(b'{ "n": 1.0 }', GOSMEE_HEADERS, raw=True, relay_id="1690000000005-0")


def test_gosmee_without_redis_has_no_ids():
    """The same message, called nothing."""
    stream = GOSMEE.replace("id: 1690000000005-0\n", "").encode()

    assert read(stream)[-1] == Arrived(b'{ "n": 1.0 }', GOSMEE_HEADERS, raw=True)


@pytest.mark.parametrize(
    ("data", "arrived"),
    [
        ('{"bodyB":"","x":"1"}', Arrived(b"", {"x": "1"})),
        ('{"bodyB":"/wA="}', Arrived(b"\xff\x00")),
        # The raw body is preferred; and what a sender's headers say in its place is none.
        ('{"bodyB":"e30=","body":{"a":1}}', Arrived(b"{}")),
        ('{"bodyb":"e30=","body":{"a":1}}', Arrived(b'{"a":1}', {"bodyb": "e30="}, raw=False)),
        ('{"body":[1, 2.50, null],"Query":"?"}', Arrived(b"[1,2.5,null]", {"query": "?"}, raw=False)),
        ('{"body":null}', Arrived(b"null", {}, raw=False)),
        ('{"encrypted":"true","body":{}}', Arrived(b"{}", {"encrypted": "true"}, raw=False)),
        ('{"message":"ready","body":{}}', Arrived(b"{}", {"message": "ready"}, raw=False)),
        # Only texts are headers.
        ('{"body":{},"a":1,"b":["x"],"c":{"d":"e"},"f":"g"}', Arrived(b"{}", {"f": "g"}, raw=False)),
        # What is no message.
        ("{}", None),
        ("ready", None),
        ('{"message":"connected"}', None),
        ('{"encrypted":true,"version":1,"epk":"x","nonce":"y","ciphertext":"z"}', Encrypted()),
    ],
)
def test_a_message_of_any_form(data, arrived):
    """What is read of it, and what is not believed."""
    assert read_event(Event(data.encode())) == arrived
    assert read_event(Event(data.encode(), "message")) == arrived


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Event(b"[1]"), "a message without an id is no JSON object"),
        (Event(b"hello", id="7"), "a message without an id is no JSON object"),
        (Event(b'{"a":"\xff"}', id="5-0"), "message 5-0 is no JSON object"),
        (Event(b'{"future":true}', id="5-0"), "message 5-0 has neither bodyB nor body"),
        (Event(b'{"bodyB":"e3"}'), "has a bodyB that is no base64"),
        (Event('{"bodyB":"ä"}'.encode()), "has a bodyB that is no base64"),
        (Event(b'{"bodyB":{}}'), "has a bodyB that is no base64"),
        (Event(b'{"body":' + b"[" * 500 + b"]" * 500 + b"}"), "has a body that cannot be written as JSON"),
        (Event(b'{"body":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), "is no JSON object"),
        (
            Event(b'{"body":"' + b"x" * LARGEST_BODY + b'"}'),
            "has 5,000,002 bytes, at most 5,000,000 are taken",
        ),
        (TooLarge("5-0"), "message 5-0 is too large, at most 5,000,000 bytes are taken"),
    ],
)
def test_what_cannot_be_handed_over_is_named(event, why):
    """With the reason; nothing is raised."""
    message = read_event(event)

    assert isinstance(message, Arrived)
    assert why in message.unusable
    assert (message.body, message.headers, message.raw, message.lost) == (b"", {}, False, False)
    assert message.relay_id == ("5-0" if "5-0" in why else "")


def test_history_that_was_never_asked_for_is_not_lost():
    """A first session asks for everything, before which gosmee has always something older to miss."""
    assert read_event(Event(b'{"requested_id":"0-0","oldest_id":"5-0"}', "gosmee-gap")) is None


@pytest.mark.parametrize(
    "data", [b"?", b"{}", b'{"requested_id":"5-0\\nX","oldest_id":"6-0"}', b'{"requested_id":7}']
)
def test_lost_history_is_told_also_in_other_words(data):
    """Which are not repeated."""
    gap = read_event(Event(data, "gosmee-gap"))

    assert gap.lost
    assert "since (not said), where this agent stood; the oldest that it has is (not said)" in gap.unusable


@given(st.binary(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_nothing_that_comes_raises(data, name, event_id):
    """Bytes."""
    read_event(Event(data, name, event_id))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_NAMES = st.sampled_from(
    ["body", "bodyB", "query", "timestamp", "encrypted", "message", "webhook-id", "requested_id", "oldest_id"]
)


@given(st.dictionaries(_NAMES, _JSON), st.sampled_from(["", "message", "gosmee-gap", "ping"]))
def test_no_document_raises(document, name):
    """JSON; and a message that is handed over has text for headers."""
    message = read_event(Event(json.dumps(document).encode(), name))

    if isinstance(message, Arrived):
        assert all(isinstance(text, str) for text in message.headers.values())


def test_a_session_goes_on_with_the_id_that_it_wrote_down():
    """Of the same channel, whatever key its address has; of another one it knows nothing."""
    cursor = write_cursor("1690000000005-0", URL)

    assert read_cursor(cursor, URL + "?key=other") == "1690000000005-0"
    assert read_cursor(cursor, URL + "-b") == EVERYTHING
    assert read_cursor(cursor, URL.replace("gosmee", "other")) == EVERYTHING
    assert b"plant-7" not in cursor


@pytest.mark.parametrize(
    "cursor", [None, b"", b"\xff", b"7", b"[]", b'{"id":"5"}', write_cursor("5\r\nX: y", URL)]
)
def test_a_cursor_that_cannot_be_read_is_none(cursor):
    """Nothing of it goes into a header."""
    assert read_cursor(cursor, URL) == EVERYTHING


@pytest.mark.parametrize(
    ("event_id", "does"),
    [
        *(("1690000000000-0", True), ("0-0", True), ("1-18446744073709551615", True)),
        *(("", False), ("7", False), ("-", False), ("1-", False), ("1-0\n", False), ("\u0661-\u0660", False)),
        ("1" * 21 + "-0", False),
    ],
)
def test_only_ids_of_a_redis_stream_resume(event_id, does):
    """smee.io counts from 0 on every connection: after an id of its own it would leave messages out."""
    assert resumes(event_id) is does


def section(**more: object):
    return SECTION.validate_python({"type": "sse", "url": URL, "verify": "none"} | more)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"url": "https://smee.io/abc"}, "smee.io hands over parsed JSON"),
        ({"url": "https://Smee.IO./abc"}, "smee.io hands over parsed JSON"),
        ({"url": "https://notsmee.io/abc"}, ""),
        ({"url": "https://smee.io.plant/abc"}, ""),
        ({"body": "parsed"}, "`body: parsed` gives up the bytes"),
    ],
)
def test_a_relay_without_the_sender_s_bytes_says_so(more, why):
    """And which kinds hand them over."""
    told = section(**more).raw_bytes

    assert told.startswith(why)
    assert bool(told) == bool(why)
    assert not told or re.search(r"edge-relay relay.*gosmee.*NATS", told)


def test_an_encrypted_channel_is_refused_when_the_file_is_loaded():
    """The key in its address says that gosmee would encrypt; the message says what to do, and shows no key."""
    with pytest.raises(ValidationError, match="not protected") as refused:
        section(url=f"{URL}?pubkey=canary4711")

    assert "canary4711" not in str(refused.value.errors()[0]["msg"])
