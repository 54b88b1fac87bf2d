"""What a message's bytes say; nothing in them may raise, and nothing is guessed."""

import json
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.codec.json_path import parse_path
from agent.codec.modbus import ByteOrder, NumberField, NumberType
from agent.codec.payload import (
    Unreadable,
    binary_reader,
    excerpt,
    json_time,
    json_value,
    parse_json,
    plain_value,
)

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
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2.0**64),
        ("\ufeff21.5".encode(), 21.5),
        ("١٢".encode(), "١٢"),
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
        (b"NaN", "it is not a finite number"),
        (b"-inf", "it is not a finite number"),
        (b"1e999", "it is not a finite number"),
        (b"1e99999", "it is not a finite number"),
        (b"9" * 400, "it is not a finite number"),
        (b"\xff\xfe\x00", "the payload is not UTF-8 text (for packed bytes write payload: binary)"),
        (b'{"v": 1}', "the payload is JSON: say where the value stands in it, value: $.NAME"),
        (b"x" * 5000, "the payload is text of 5,000 characters, more than 4,096"),
        (b"x" * 1_000_001, "the payload has 1,000,001 bytes, more than 1,000,000"),
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


def test_a_byte_order_mark_before_json_is_no_mistake():
    """Windows writes it before UTF-8; RFC 8259, section 8.1, lets a reader pass over it."""
    assert parse_json('\ufeff{"v": 1}'.encode()) == {"v": 1}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{", "the payload is not JSON"),
        (b"", "the payload is empty"),
        (b'{"v": NaN}', "NaN and Infinity are no JSON, a value that is not known is null"),
        (b'{"v": 1e999}', "the payload is not JSON (number is infinity"),
        (b"[" * 100_000, "the payload is not JSON (depth limit exceeded"),
        (b'{"v": null}', "the device says null: $.v is there and has no value"),
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
        ("yesterday", "the text is no time: expected 2026-11-21T06:00:00Z"),
        ("12:00", "the text is no time"),
        (-1, "it is no time: expected seconds or milliseconds since 1970"),
        (True, "it is no time"),
        (None, "it is no time"),
        ([], "it is no time"),
        (1e30, "too large even for nanoseconds"),
        ("0001-01-01T00:00:00Z", "the device's clock was never set"),
        ("0001-01-01T00:00:00+14:00", "the device's clock was never set"),
        ("9999-12-31T23:59:59.999-01:00", "the device's clock was never set"),
    ],
)
def test_what_is_no_stamp_is_refused_with_the_reason(written, why):
    """A time without zone is not a time."""
    read = json_time({"v": written}, PATH)

    assert isinstance(read, Unreadable)
    assert read.why.startswith("time $.v: ")
    assert why in read.why


def test_an_excerpt_is_short_and_printable():
    """Nothing of a payload can garble a terminal; 200 bytes are enough to know it by."""
    shown = excerpt(b"\x1b[31m\x00\xff" + b"\n" * 10_000)

    assert shown.startswith("\\x1b[31m\\x00\\xff\\n")
    assert len(shown) <= 4 * 200 + 3
    assert shown.isprintable()


@pytest.mark.parametrize(
    "payload",
    [
        b"canary",
        b'{"v": "canary"',
        b'{"v": {"canary": "canary"}}',
        b'["canary"]',
        b"canary\xff",
        b'{"v": "nan"}',
    ],
)
def test_a_reason_quotes_nothing_of_the_payload(payload):
    """It reaches the log and the receivers, and a payload may hold a secret; names in it are no values."""
    document = parse_json(payload)
    reads = [plain_value(payload), json_value(document, PATH), json_time(document, PATH)]

    assert not [read.why for read in reads if isinstance(read, Unreadable) and "canary" in read.why]


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


@pytest.mark.parametrize(
    ("number", "order", "payload", "value"),
    [
        (NumberType.FLOAT32, ByteOrder.ABCD, struct.pack(">f", 21.5), 21.5),
        (NumberType.FLOAT32, ByteOrder.DCBA, struct.pack("<f", 21.5), 21.5),
        (NumberType.FLOAT32, ByteOrder.CDAB, b"\x00\x00\x41\xac", 21.5),
        (NumberType.FLOAT32, ByteOrder.BADC, b"\xac\x41\x00\x00", 21.5),
        (NumberType.INT16, ByteOrder.ABCD, struct.pack(">h", -2), -2),
        (NumberType.UINT16, ByteOrder.DCBA, b"\xfe\xff", 65534),
        (NumberType.UINT64, ByteOrder.ABCD, b"\xff" * 8, 2**64 - 1),
        (NumberType.FLOAT64, ByteOrder.DCBA, struct.pack("<d", 0.1), 0.1),
    ],
)
@pytest.mark.parametrize("at", [0, 3])
def test_a_number_is_read_from_packed_bytes(number, order, payload, value, at):
    """Wherever it stands, odd places included, in the four byte orders of the manuals."""
    read = binary_reader(NumberField(number, order), at)

    assert read(b"\x55" * at + payload + b"rest") == value


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "the payload has 0 bytes, and float32 at 4 ends with byte 8"),
        (b"1234567", "the payload has 7 bytes, and float32 at 4 ends with byte 8"),
        (b"\x00" * 4 + struct.pack(">f", math.nan), "it is not a finite number"),
        (b"\x00" * 4 + struct.pack(">f", -math.inf), "it is not a finite number"),
        (b"\x00" * 1_000_001, "the payload has 1,000,001 bytes"),
    ],
)
def test_packed_bytes_without_a_number_say_why(payload, why):
    """Too short is no zero, and NaN is no value."""
    read = binary_reader(NumberField(NumberType.FLOAT32), 4)(payload)

    assert isinstance(read, Unreadable)
    assert why in read.why


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_no_document_raises(document):
    """Any JSON, as value and as time, ends in a value or a reason."""
    payload = json.dumps({"v": document}).encode()

    assert isinstance(json_value(parse_json(payload), PATH), bool | int | float | str | Unreadable)
    assert isinstance(json_time(parse_json(payload), PATH), int | Unreadable)
