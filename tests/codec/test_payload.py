"""What a message's bytes say; nothing in them may raise, and nothing is guessed."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.codec.json_path import parse_path
from agent.codec.payload import Unreadable, excerpt, json_time, json_value, parse_json, plain_value

PATH = parse_path("$.v")
NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"21.5", 21.5),
        (b" 42\n", 42),
        (b"-7", -7),
        (b"+5", 5),
        (b"007.50", 7.5),
        (b"1e3", 1000.0),
        (b".5", 0.5),
        (b"9007199254740993", 9007199254740993),
        (b"true", True),
        (b"False", False),
        (b"RUN", "RUN"),
        (b"12,5", "12,5"),
        ("läuft".encode(), "läuft"),
        (b"0x10", "0x10"),
        (b"1_000", "1_000"),
        (b"nano", "nano"),
    ],
)
def test_a_plain_payload_is_its_value(payload, value):
    """Numbers are numbers, true and false are bool, everything else is text."""
    read = plain_value(payload)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "the payload is empty (with that a retained message is deleted)"),
        (b"  ", "the payload is empty"),
        (b"NaN", "NaN is not a finite number"),
        (b"-inf", "-inf is not a finite number"),
        (b"1e999", "1e999 is not a finite number"),
        (b"9" * 400, "9 is not a finite number"),
        (b"\xff\xfe\x00", "the payload is not UTF-8 text: \\xff\\xfe\\x00"),
        (b'{"v": 1}', 'say where the value stands in it, value: $.NAME: {"v": 1}'),
        (b"x" * 5000, "the payload is text of 5,000 characters, more than 4,096"),
        (b"x" * 1_000_001, "the payload has 1,000,001 bytes, more than 1,000,000: xxx"),
    ],
)
def test_a_plain_payload_without_a_value_says_why(payload, why):
    """The reason names what was found."""
    read = plain_value(payload)

    assert isinstance(read, Unreadable)
    assert why in read.why
    assert len(read.why) < 200


@pytest.mark.parametrize(
    "value", [True, False, 0, -1, 2**63, 2**64 - 1, -(2**63), 9007199254740993, 0.1, "", "x"]
)
def test_json_values_keep_type_and_digits(value):
    """Bool stays bool, integers are exact within 64 bits."""
    read = json_value(parse_json(json.dumps({"v": value}).encode()), PATH)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{", "the payload is not JSON"),
        (b"", "the payload is empty"),
        (b'{"v": NaN}', "the payload is not JSON (unexpected character"),
        (b'{"v": 1e999}', "the payload is not JSON (number is infinity"),
        (b"[" * 100_000, "the payload is not JSON (depth limit exceeded"),
        (b'{"v": null}', "$.v is null: expected a number, true, false or text"),
        (b'{"v": {}}', "$.v is an object"),
        (b'{"v": [1]}', "$.v is an array"),
        (b'{"w": 1}', "$.v: no 'v' in it: the object there has 'w'"),
        (b"17", "$.v: no 'v' in it: there is a number"),
        (json.dumps({"v": "x" * 5000}).encode(), "$.v is text of 5,000 characters"),
        (b'{"v": "' + b"x" * 1_000_000 + b'"}', "bytes, more than 1,000,000"),
    ],
)
def test_json_without_a_value_says_why(payload, why):
    """The reason names the path and what was found, in bounds."""
    read = json_value(parse_json(payload), PATH)

    assert isinstance(read, Unreadable)
    assert why in read.why
    assert len(read.why) < 250


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        (1_795_262_400, NOON),
        (1_795_262_400_000, NOON),
        (1_795_262_400_000_000, NOON),
        (1_795_262_400_000_000_123, NOON + 123),
        (1_795_262_400.25, NOON + 250_000_000),
        (1_795_262_400_000.5, NOON + 500_000),
        ("1795262400000", NOON),
        ("1795262400.123", NOON + 123_000_000),
        ("2026-11-21T12:00:00Z", NOON),
        ("2026-11-21T13:00:00+01:00", NOON),
        ("2026-11-21 12:00:00.123456+00:00", NOON + 123_456_000),
        (0, 0),
    ],
)
def test_a_stamp_is_read_in_every_usual_form(written, nanoseconds):
    """Seconds, milliseconds, microseconds, nanoseconds since 1970, and ISO 8601 with its zone."""
    assert json_time({"v": written}, PATH) == nanoseconds


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-11-21T12:00:00", "has no zone, and none is guessed"),
        ("2026-11-21", "has no zone, and none is guessed"),
        ("yesterday", "'yesterday' is no time"),
        ("12:00", "'12:00' is no time"),
        (-1, "'-1' is no time"),
        (True, "'True' is no time"),
        (None, "'None' is no time"),
        ([], "'[]' is no time"),
        (1e30, "too large even for nanoseconds"),
    ],
)
def test_what_is_no_stamp_is_refused_with_the_reason(written, why):
    """A time without zone is not a time."""
    read = json_time({"v": written}, PATH)

    assert isinstance(read, Unreadable)
    assert read.why.startswith("time $.v: ")
    assert why in read.why


def test_an_excerpt_is_short_and_printable():
    """Nothing of a payload can garble a terminal or flood a log."""
    shown = excerpt(b"\x1b[31m\x00\xff" + b"\n" * 10_000)

    assert len(shown) <= 83
    assert shown.isprintable()


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.floats().map(lambda n: str(n).encode()),
    )
)
def test_no_bytes_raise_and_no_number_is_infinite(payload):
    """Whatever a stranger publishes is a value or a reason."""
    for read in (
        plain_value(payload),
        json_value(parse_json(payload), PATH),
        json_time(parse_json(payload), PATH),
    ):
        assert isinstance(read, bool | int | float | str | Unreadable)
        assert not isinstance(read, float) or math.isfinite(read)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "w"]), inner, max_size=2)
    ),
)


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_no_document_raises(document):
    """Any JSON, as value and as time, ends in a value or a reason."""
    payload = json.dumps({"v": document}).encode()

    assert isinstance(json_value(parse_json(payload), PATH), bool | int | float | str | Unreadable)
    assert isinstance(json_time(parse_json(payload), PATH), int | Unreadable)
