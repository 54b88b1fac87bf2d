"""Server-sent events are taken apart as the standard says, whatever the stream is cut into."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inbound.sse.frames import EndlessError, Event, Frames, TooLarge

LARGEST = 100


def events_of(*chunks, largest=LARGEST):
    frames = Frames(largest)
    return [event for chunk in chunks for event in frames.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        # The examples of the standard, 9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event(b"YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [Event(b"first event", id="1"), Event(b"second event"), Event(b" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [Event(b""), Event(b"\n")]),
        (b"data:test\n\ndata: test\n\n", [Event(b"test"), Event(b"test")]),
        # Ends of lines.
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r", [Event(b"a"), Event(b"b"), Event(b"c")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event(b"a\nb")]),
        (b"data: a\r\n\n", [Event(b"a")]),
        # The byte order mark: one, and at the beginning alone.
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event(b"a")]),
        (b"\xef\xbbdata: a\n\n", []),
        # Names and ids.
        (b"event: ping\ndata: {}\n\ndata: a\n\n", [Event(b"{}", "ping"), Event(b"a")]),
        (b"event: one\nevent: two\ndata: a\n\n", [Event(b"a", "two")]),
        (b"event: ping\n\ndata: a\n\n", [Event(b"a")]),
        (b"id: 7\n\ndata: a\n\n", [Event(b"a", id="7")]),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [Event(b"a", id="7"), Event(b"b", id="7")]),
        (b"id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n", [Event(b"a", id="7"), Event(b"b", id="7")]),
        (b"id: \xff\xc3\xa4\ndata: a\n\n", [Event(b"a", id="\ufffdä")]),
        # What means nothing.
        (b"retry: 1\nunknown: x\n: comment\nDATA: a\n data: b\ndata : c\n\n", []),
        (b"data: a\nretry: 0\n\n", [Event(b"a")]),
        (b"\n\n\n", []),
        (b"", []),
        # An event that has not ended is none.
        (b"data: a\n", []),
        (b"data: a", []),
    ],
)
def test_a_stream_is_read_as_the_standard_says(stream, events):
    """Whole, and byte by byte."""
    assert events_of(stream) == events
    assert events_of(*(bytes([byte]) for byte in stream)) == events
    assert events_of(*(part for byte in stream for part in (bytes([byte]), b""))) == events


PIECES = st.sampled_from(
    [
        *(b"data: ", b"data:x", b"data", b"id: 1690000000000-0", b"id:", b"event: ping", b":", b"retry: 5"),
        *(b"\r", b"\n", b"\r\n", b"\n\n", b"\xef\xbb\xbf", "ä€".encode(), b"\0", b" ", b"x" * 40, b"y" * 90),
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), st.lists(st.integers(0, 400), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(stream, places):
    """Also within a character, within CRLF, within the mark, and where events are too large."""
    cuts = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    chunks = [stream[begin:end] for begin, end in pairwise(cuts)]

    assert events_of(*chunks) == events_of(stream)
    assert events_of(*(bytes([byte]) for byte in stream)) == events_of(stream)


@given(st.binary(max_size=200))
def test_no_bytes_raise(stream):
    """And no event is larger than it may be."""
    for event in events_of(stream, largest=20):
        assert isinstance(event, TooLarge) or len(event.data) <= 20


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: " + b"x" * 94 + b"\n\n", [Event(b"x" * 94)]),
        (b"data: " + b"x" * 95 + b"\n\n", [TooLarge()]),
        (b"id: 5-0\ndata: " + b"x" * 500 + b"\n\ndata: a\n\n", [TooLarge("5-0"), Event(b"a", id="5-0")]),
        (
            b"data: " + b"x" * 500 + b"\nid: 5-0\nevent: ping\n\ndata: a\n\n",
            [TooLarge("5-0"), Event(b"a", id="5-0")],
        ),
        # Many lines, none of them too long; and what comes after them is not the event.
        (b"data: 12345\n" * 17 + b"\ndata: a\n\n", [TooLarge(), Event(b"a")]),
        (b"data: 12345\n" * 16 + b"\n", [Event(b"\n".join([b"12345"] * 16))]),
        (b"data: " + b"x" * 99 + b"\ndata: a\n\n", [TooLarge()]),
        (b"data: a\n" + b"x" * 101 + b"\n\n", [TooLarge()]),
    ],
)
def test_an_event_that_is_too_large_is_refused_and_the_next_one_read(stream, events):
    """No part of it passes for the event; its id is known, so that it is not asked for again and again."""
    assert events_of(stream) == events
    assert events_of(*(bytes([byte]) for byte in stream)) == events


@pytest.mark.parametrize(
    "chunk", [b"x" * 4_096, b"data: 1\n" * 512, b"data\n" * 512], ids=["line", "data", "empty"]
)
def test_an_event_without_an_end_fills_no_memory(chunk):
    """It is read over for a while, since a relay may take what is larger than ours, and then given up."""
    frames = Frames(largest=20_000, skipped_at_most=50_000)

    def feed():
        for _ in range(1_000):
            assert frames.feed(chunk) == []

    tracemalloc.start()
    try:
        with pytest.raises(EndlessError):
            feed()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000


def test_many_events_that_are_too_large_are_each_read_over():
    """An end of one is an end: what was read over before counts no more."""
    frames = Frames(largest=100, skipped_at_most=500)

    assert frames.feed((b"data: " + b"x" * 400 + b"\n\n") * 50) == [TooLarge()] * 50
