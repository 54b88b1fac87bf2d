"""What is written to registers: it comes back as the number that was meant, or it is refused."""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec.modbus import ByteOrder, Linear, NumberField, NumberType, register_decoder
from agent.codec.modbus_encode import encode

WHOLE = [kind for kind in NumberType if "int" in kind]
SCALINGS = [
    None,
    Linear.scaled(0.1, 0.0),
    Linear.scaled(0.1, -40.0),
    Linear.scaled(-1.0, 100.0),
    Linear.scaled(10.0, 0.0),
    Linear.scaled(0.001, 273.15),
    Linear.through((0.0, 27648.0), (0.0, 100.0)),
    Linear.through((20000.0, 4000.0), (-50.0, 250.0)),
]
WIDE = (-1e308, 1e308)  # bounds that keep nothing away


def ends(field):
    """The least and the greatest raw number of its type."""
    size = 8 * struct.calcsize(f">{field.code}")
    if field.type in {NumberType.FLOAT32, NumberType.FLOAT64}:
        largest = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0] if size == 32 else 1e300
        return -largest, largest
    return (-(1 << size - 1), (1 << size - 1) - 1) if field.type.startswith("int") else (0, (1 << size) - 1)


def decoded(field, data):
    return register_decoder([(0, field)], len(data) // 2)(data)[0]


def exactly(field, raw):
    linear = field.linear or Linear(1, 0, 1)
    return Fraction(raw * linear.slope + linear.shift, linear.divisor)


fields = st.builds(
    NumberField, st.sampled_from([*NumberType]), st.sampled_from([*ByteOrder]), st.sampled_from(SCALINGS)
)


@given(fields, st.floats(0.001, 0.999))
def test_what_is_encoded_decodes_to_it(field, where):
    """Every type, byte order and scaling: within half a step of what was meant, floats within their precision."""
    low, high = (float(exactly(field, Fraction(end))) for end in ends(field))
    value = low + where * (high - low)  # the ends themselves no float can name: 2**63 - 1

    back, why = decoded(field, encode(field, value, WIDE))

    slope = abs(Fraction(field.linear.slope, field.linear.divisor)) if field.linear else Fraction(1)
    if field.type in WHOLE:
        half = slope / 2
    else:
        half = Fraction(2.0 ** (-23 if field.type is NumberType.FLOAT32 else -51)) * max(
            abs(Fraction(value)), abs(exactly(field, 0)), slope * Fraction(2) ** -126
        )
    assert why == ""
    assert abs(Fraction(back) - Fraction(value)) <= half + Fraction(math.ulp(value)) + Fraction(
        math.ulp(back)
    )


@given(st.sampled_from(WHOLE), st.sampled_from([*ByteOrder]), st.data())
def test_whole_numbers_are_exact(kind, order, data):
    """All 64 bits of them, which no float holds."""
    field = NumberField(kind, order)
    value = data.draw(st.integers(*ends(field)))

    assert decoded(field, encode(field, value, WIDE)) == (value, "")


@given(st.sampled_from([kind for kind in WHOLE if "64" not in kind]), st.sampled_from(SCALINGS), st.data())
def test_every_number_that_can_be_read_can_be_written(kind, linear, data):
    """What a read gave is written as the very registers that it stood in."""
    field = NumberField(kind, ByteOrder.CDAB, linear)
    raw = data.draw(st.integers(*ends(field)))
    value = raw if linear is None else linear(raw)

    assert decoded(field, encode(field, value, WIDE)) == (value, "")
    assert encode(field, value, WIDE) == encode(NumberField(kind, ByteOrder.CDAB), raw, WIDE)


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "42f6e979"), ("CDAB", "e97942f6"), ("BADC", "f64279e9"), ("DCBA", "79e9f642")],
)
def test_the_letters_are_those_that_manuals_print(order, wire):
    """123.456 is 42 F6 E9 79, as in the table of the decoder."""
    field = NumberField(NumberType.FLOAT32, ByteOrder(order))

    assert encode(field, 123.456, (0, 200)).hex() == wire


TENTHS = NumberField(NumberType.INT16, linear=Linear.scaled(0.1, 0.0))


@pytest.mark.parametrize(
    ("field", "value", "bounds", "raw"),
    [
        (TENTHS, 21.5, (0, 100), 215),
        (TENTHS, 0.3, (0, 100), 3),
        (TENTHS, 21.54, (0, 100), 215),
        (TENTHS, 21.56, (0, 100), 216),
        (TENTHS, -21.56, (-100, 100), -216),
        (TENTHS, 10.26, (0, 10.26), 102),
        (TENTHS, 0.14, (0.14, 10), 2),
        (NumberField(NumberType.INT16, linear=Linear.scaled(-1.0, 100.0)), 99.6, (0, 99.6), 1),
        (NumberField(NumberType.INT16), 7, (0, 10), 7),
        (NumberField(NumberType.INT16), 7.0, (0, 10), 7),
    ],
)
def test_the_nearest_step_within_the_bounds(field, value, bounds, raw):
    """Rounding never carries a number over a bound."""
    assert encode(field, value, bounds) == struct.pack(">h", raw)


@pytest.mark.parametrize(
    ("field", "value", "bounds", "why"),
    [
        (TENTHS, math.nan, (0, 1), "it is no finite number (nan)"),
        (TENTHS, math.inf, (0, 1), "it is no finite number (inf)"),
        (TENTHS, 3276.8, (0, 5000), "it is beyond what int16 can hold"),
        (NumberField(NumberType.UINT16), -1, (-5, 5), "it is beyond what uint16 can hold"),
        (NumberField(NumberType.UINT64), 2**64, (0, 1e300), "it is beyond what uint64 can hold"),
        (TENTHS, 100.1, (0, 100), "it is outside of [0, 100]"),
        (TENTHS, -0.04, (0, 100), "it is outside of [0, 100]"),
        (NumberField(NumberType.FLOAT32), 100.1, (0, 100), "it is outside of [0, 100]"),
        (NumberField(NumberType.FLOAT64), 10**400, (0, 1e308), "it is outside of [0, 1e+308]"),
        (NumberField(NumberType.FLOAT32), 1e39, (0, 1e300), "it is beyond what float32 can hold"),
        (
            NumberField(NumberType.FLOAT64, linear=Linear.scaled(0.001, 0.0)),
            1.7e308,
            (0, 1.7e308),
            "it is beyond what float64 can hold",
        ),
        (
            NumberField(NumberType.INT16, invalid=frozenset({0x8000})),
            -32768,
            (-40000, 0),
            "the device says that it has no value (its code 0x8000)",
        ),
        (
            NumberField(NumberType.INT16, valid_range=(0.0, 10.0)),
            11,
            (0, 20),
            "the value is outside of its valid_range [0, 10]",
        ),
        (NumberField(NumberType.INT16), 0.5, (0.4, 0.6), "no step of the register lies within the bounds"),
    ],
)
def test_what_the_registers_cannot_say_is_refused(field, value, bounds, why):
    """Nothing is clipped, wrapped or written as a code for "no value"."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole text follows
        encode(field, value, bounds)

    assert str(refused.value) == why


@pytest.mark.parametrize(("value", "bits"), [(80.3, "42a09999"), (0, "00000000"), (-80.3, "c2a09999")])
def test_a_number_of_32_bits_lies_within_its_bounds_as_well(value, bits):
    """The nearest of 80.3 is 80.30000305."""
    assert encode(NumberField(NumberType.FLOAT32), value, (-80.3, 80.3)).hex() == bits
