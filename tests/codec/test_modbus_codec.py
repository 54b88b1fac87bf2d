"""What register bytes mean, as tables."""

import math
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec.modbus import (
    BitField,
    ByteOrder,
    Linear,
    NumberField,
    NumberType,
    StringBytes,
    TextField,
    bit_decoder,
    register_decoder,
    swap_bytes,
    width,
)

CODES = {
    NumberType.INT16: "h",
    NumberType.UINT16: "H",
    NumberType.INT32: "i",
    NumberType.UINT32: "I",
    NumberType.INT64: "q",
    NumberType.UINT64: "Q",
    NumberType.FLOAT32: "f",
    NumberType.FLOAT64: "d",
}


def on_wire(big_endian, order):
    """The bytes of a number as the order's letters say, worked out by words, not as the codec does it."""
    words = [big_endian[at : at + 2] for at in range(0, len(big_endian), 2)]
    if order in {"CDAB", "DCBA"}:
        words.reverse()
    if order in {"BADC", "DCBA"}:
        words = [word[::-1] for word in words]
    return b"".join(words)


def decode_one(field, data):
    return register_decoder([(0, field)], len(data) // 2)(data)[0]


@pytest.mark.parametrize(
    ("order", "wire"),
    [
        ("ABCD", "42 f6 e9 79"),
        ("CDAB", "e9 79 42 f6"),
        ("BADC", "f6 42 79 e9"),
        ("DCBA", "79 e9 f6 42"),
    ],
)
def test_the_letters_are_those_that_manuals_print(order, wire):
    """123.456 is 42 F6 E9 79; each order puts its letters on the wire.

    Complaints: thingsboard-gateway#614 and #1453, libmodbus#358 and #611, ioBroker.modbus#508 (nobody knows which
    order a name means).
    """
    field = NumberField(NumberType.FLOAT32, ByteOrder(order))

    assert decode_one(field, bytes.fromhex(wire)) == (pytest.approx(123.456, abs=1e-5), "")


@pytest.mark.parametrize("order", ByteOrder)
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (NumberType.INT16, -12345),
        (NumberType.UINT16, 54321),
        (NumberType.INT32, -123456789),
        (NumberType.UINT32, 3_123_456_789),
        (NumberType.INT64, -1_234_567_890_123_456_789),
        (NumberType.UINT64, 2**64 - 2),
        (NumberType.FLOAT32, 0.15625),
        (NumberType.FLOAT64, -1.1e-200),
    ],
)
def test_every_type_in_every_byte_order(kind, number, order):
    """What was put on the wire comes back, 64-bit integers exactly."""
    wire = on_wire(struct.pack(f">{CODES[kind]}", number), order)

    assert decode_one(NumberField(kind, order), wire) == (number, "")


@pytest.mark.parametrize(
    ("scale", "add", "raw", "value"),
    [
        (0.1, 0, 3, 0.3),
        (0.1, 0, 215, 21.5),
        (0.1, -40, 213, -18.7),
        (0.01, 273.15, 1, 273.16),
        (10, 0, 7, 70),
        (-1, 100, 30, 70),
        (0.001, 0, 2**63, 2**63 / 1000),
    ],
)
def test_scaling_gives_the_decimal_that_the_display_shows(scale, add, raw, value):
    """3 x 0.1 is 0.3, not 0.30000000000000004."""
    assert Linear.scaled(float(scale), float(add))(raw) == value


@pytest.mark.parametrize(
    ("raw_range", "range_", "raw", "value"),
    [
        ((0, 27648), (0, 100), 13824, 50),
        ((4000, 20000), (-50, 250), 4000, -50),
        ((4000, 20000), (-50, 250), 20000, 250),
        ((0, 27648), (0, 100), -138, -138 / 276.48),
    ],
)
def test_two_points_make_a_line(raw_range, range_, raw, value):
    """The ends of raw_range are the ends of range; under-range goes on beyond them."""
    linear = Linear.through(tuple(map(float, raw_range)), tuple(map(float, range_)))

    assert linear(raw) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("field", "wire", "reason"),
    [
        (NumberField(NumberType.FLOAT32), "7f c0 00 00", "the registers hold no finite number (nan)"),
        (NumberField(NumberType.FLOAT32), "ff 80 00 00", "the registers hold no finite number (-inf)"),
        (
            NumberField(NumberType.INT16, invalid=frozenset({0x8000})),
            "80 00",
            "the device says that it has no value (its code 0x8000)",
        ),
        (
            NumberField(NumberType.FLOAT32, ByteOrder.CDAB, invalid=frozenset({0x7FC00000})),
            "00 00 7f c0",
            "the device says that it has no value (its code 0x7FC00000)",
        ),
        (
            NumberField(NumberType.INT16, linear=Linear(1, 0, 10), valid_range=(-50.0, 400.0)),
            "0f a1",
            "the value is outside of its valid_range [-50, 400]",
        ),
        (TextField(2), "c3 28", "the registers hold no utf-8 text"),
    ],
)
def test_what_cannot_be_believed_is_no_value(field, wire, reason):
    """No sentinel, no NaN, no broken wire and no garbled text comes out as a value."""
    assert decode_one(field, bytes.fromhex(wire)) == (None, reason)


def test_a_code_is_compared_as_bits():
    """0x80000000 is declared invalid: minus zero is it, zero is not, though the two are equal."""
    field = NumberField(NumberType.FLOAT32, invalid=frozenset({0x80000000}))

    assert decode_one(field, bytes.fromhex("80000000"))[0] is None
    assert decode_one(field, bytes.fromhex("00000000")) == (0.0, "")


@pytest.mark.parametrize(
    ("field", "wire", "text"),
    [
        (TextField(5), b"BATCH\0", "BATCH"),
        (TextField(8), b"AB  \0\0\0\0", "AB"),
        (TextField(8), b"AB\0OLDER", "AB"),
        (TextField(4), b"\0\0\0\0", ""),
        (TextField(4, order=ByteOrder.BADC), b"BADC", "ABCD"),
        (TextField(4, order=ByteOrder.DCBA), b"BADC", "ABCD"),
        (TextField(4, order=ByteOrder.CDAB), b"ABCD", "ABCD"),
        (TextField(2, encoding="latin-1"), b"\xb0C", "°C"),
        (TextField(3), "°C".encode() + b"?", "°C"),
        (TextField(2), b"A\0\xff\xff"[:2], "A"),
        (TextField(3, string_bytes=StringBytes.HIGH), b"A?B?C?", "ABC"),
        (TextField(3, string_bytes=StringBytes.LOW), b"?A?B?C", "ABC"),
        (TextField(3, order=ByteOrder.BADC, string_bytes=StringBytes.LOW), b"A?B?C?", "ABC"),
    ],
)
def test_a_text_ends_at_its_length_or_the_first_nul(field, wire, text):
    """Words of a text are never reversed; what an older, longer text left behind is not read."""
    assert decode_one(field, wire) == (text, "")


def test_bit_0_is_the_least_significant():
    """Of 0x8009, bits 0, 3 and 15 are set; with swapped bytes they stand in the other byte."""
    bits = [number for number in range(16) if decode_one(BitField(number), b"\x80\x09")[0]]
    swapped = [number for number in range(16) if decode_one(BitField(number, ByteOrder.BADC), b"\x80\x09")[0]]

    assert (bits, swapped) == ([0, 3, 15], [7, 8, 11])


def test_the_first_coil_is_the_lowest_bit_of_the_first_byte():
    """The example of the standard (1.1b3, section 6.1): CD 6B 05 for coils 20 to 38.

    Complaints: pymodbus#2630, pymodbus#2706, thingsboard-gateway#2146 (coils read from the wrong end).
    """
    values = [value for value, _ in bit_decoder(range(19))(bytes.fromhex("cd6b05"))]

    assert "".join(str(int(value)) for value in values) == "1011001111010110101"


def test_tags_may_share_and_overlap_registers():
    """Three bits of one word, the word itself, and a float over it and its neighbour."""
    fields = [
        (1, BitField(0)),
        (1, BitField(2)),
        (1, NumberField(NumberType.UINT16)),
        (0, NumberField(NumberType.UINT32)),
        (1, NumberField(NumberType.UINT32, ByteOrder.CDAB)),
        (2, TextField(2)),
    ]

    values = register_decoder(fields, 4)(bytes.fromhex("00010005414200ff"))

    assert [value for value, _ in values] == [True, True, 5, 0x10005, 0x41420005, "AB"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.sampled_from([*NumberType]),
            st.sampled_from([*ByteOrder]),
        ),
        min_size=1,
        max_size=20,
    ),
    st.binary(min_size=50, max_size=50),
)
def test_a_block_is_decoded_as_its_tags_one_by_one(placed, data):
    """However tags overlap and mix their orders, each gets what it would get alone."""
    fields = [(start, NumberField(kind, order)) for start, kind, order in placed]

    together = register_decoder(fields, 25)(data)

    alone = [decode_one(field, data[2 * start : 2 * (start + width(field))]) for start, field in fields]
    assert together == alone


def test_swapping_twice_changes_nothing():
    """The bytes of each register trade places."""
    assert swap_bytes(b"ABCD") == b"BADC"
    assert swap_bytes(swap_bytes(b"ABCD")) == b"ABCD"


def test_125_registers_are_decoded_quickly():
    """125 plain tags cost far less than register by register (51 us); the figure is printed."""
    decode = register_decoder([(n, NumberField(NumberType.UINT16)) for n in range(125)], 125)
    data = bytes(250)
    best = math.inf
    for _ in range(200):
        began = time.perf_counter()
        decode(data)
        best = min(best, time.perf_counter() - began)
    print(f"125 tags from 125 registers: {best * 1e6:.1f} us")

    assert best < 200e-6
