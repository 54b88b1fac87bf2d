"""The NATS protocol as bytes: whatever the pieces in which it arrives, and whatever else arrives."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec import nats
from agent.codec.nats import Arrived, Info, Ping, Pong, ProtocolError, Reader, Refusal

NO_RESPONDERS = b"NATS/1.0 503\r\n\r\n"
STREAM = (
    b'INFO {"server_id":"X","max_payload":1048576,"headers":true} \r\n'
    b"PING\r\n+OK\r\nPONG\r\n"
    b'MSG _INBOX.a.1 1 12\r\n{"seq": "\r\n"\r\n'
    b"MSG _INBOX.a.2 1 reply.to 0\r\n\r\n"
    b"HMSG _INBOX.a.3 1 16 16\r\n" + NO_RESPONDERS + b"\r\n"
    b"hmsg orders.new 2 reply 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nok\r\n"
    b"-ERR 'Authorization Violation'\r\n"
)
FRAMES = [
    Info({"server_id": "X", "max_payload": 1_048_576, "headers": True}),
    Ping(),
    Pong(),
    Arrived("_INBOX.a.1", 0, b'{"seq": "\r\n"'),
    Arrived("_INBOX.a.2", 0, b"", reply="reply.to"),
    Arrived("_INBOX.a.3", 503, b"", head=NO_RESPONDERS),
    Arrived("orders.new", 0, b"ok", number=2, reply="reply", head=b"NATS/1.0\r\nA: b\r\n\r\n"),
    Refusal("Authorization Violation"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_in_whatever_pieces_it_arrives(cuts):
    """The same frames; a payload may hold what ends a line."""
    edges = [0, *sorted(cuts), len(STREAM)]
    reader = Reader()
    pieces = [STREAM[begin:end] for begin, end in pairwise(edges)]

    assert [frame for piece in pieces for frame in reader.feed(piece)] == FRAMES


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"INFO {]\r\n",
        b"INFO 3\r\n",
        b"MSG a 1\r\n",
        b"MSG a 1 -3\r\n",
        b"MSG a x 3\r\n",
        b"MSG a 1 99999999999\r\n",
        b"MSG a 1 " + b"9" * 5000 + b"\r\n",
        b"MSG a 1 2\r\nabcd",
        b"HMSG a 1 9 4\r\n",
        b"x" * ((1 << 20) + 1),
    ],
)
def test_what_is_not_nats_is_refused(data):
    """A web server, a line without an end, lengths that cannot be."""
    with pytest.raises(ProtocolError):
        list(Reader().feed(data))


@given(st.binary(max_size=200))
def test_whatever_arrives_it_is_frames_or_a_refusal(data):
    """Nothing else is raised."""
    reader = Reader()
    try:
        list(reader.feed(data))
        list(reader.feed(b"\r\n" + data))
    except ProtocolError:
        pass


def test_what_is_sent_is_what_a_server_reads():
    """Lengths count bytes, and nothing in a header can end its line."""
    sent = nats.publish("plant.ö", "_INBOX.a.1", {"Nats-Msg-Id": "evt_1", "X": "a\r\nPUB x 1"}, "ö".encode())
    head = b"NATS/1.0\r\nNats-Msg-Id: evt_1\r\nX: a PUB x 1\r\n\r\n"

    assert (
        sent
        == "HPUB plant.ö _INBOX.a.1 ".encode()
        + b"%d %d\r\n"
        % (
            len(head),
            len(head) + 2,
        )
        + head
        + "ö\r\n".encode()
    )
    assert nats.subscribe("_INBOX.a.*", 1) == b"SUB _INBOX.a.* 1\r\n"
    assert nats.connect({"name": 'a "b"'}) == b'CONNECT {"name":"a \\"b\\""}\r\n'
    assert nats.publish("$JS.ACK.1", "", {}, b"+ACK").startswith(b"HPUB $JS.ACK.1 12 16\r\n")


def test_the_headers_of_a_message_and_the_reason_of_a_status():
    """By lower-case names, with all values of a name; whatever stands there nothing is raised."""
    head = b"NATS/1.0\r\nWebhook-Id: a:b \r\nx:1\r\nX: 2\r\nnothing\r\n: none\r\n\xff: \xff\r\n\r\n"
    message = Arrived("a", 0, b"", head=head)
    status = Arrived("a", 409, b"", head=b"NATS/1.0 409 Consumer Deleted\r\n\r\n")

    assert message.headers() == {"webhook-id": "a:b", "x": "1, 2", "�": "�"}
    assert (message.reason, status.reason) == ("", "Consumer Deleted")
    assert Arrived("a", 0, b"").headers() == {}


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 24])
def test_a_message_that_is_too_long_to_be_kept_is_read_over(size):
    """It is told, with where it is to be acknowledged and without what it holds; the next one is read."""
    length = (1 << 23) + 1
    data = (
        b"HMSG a 2 ack 12 %d\r\nNATS/1.0\r\n\r\n" % length + bytes(length - 12) + b"\r\nMSG b 2 2\r\nok\r\n"
    )
    reader = Reader()
    frames, most = [], 0
    for at in range(0, len(data), size):
        frames += reader.feed(data[at : at + size])
        most = max(most, len(reader._buffer))

    assert frames == [Arrived("a", 0, b"", 2, "ack", missing=length), Arrived("b", 0, b"ok", 2)]
    assert most < 100, "nothing of it is kept"
