"""What a variable takes, and a value in just its type: pure, so a table tells it."""

import math

import pytest
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from agent.sources.opcua.variants import DESCRIBED_BY, to_variant, type_of
from agent.sources.writing import WriteRefused, WriteSection

WHOLE = {
    ua.VariantType.SByte: (-128, 127),
    ua.VariantType.Byte: (0, 255),
    ua.VariantType.Int16: (-32768, 32767),
    ua.VariantType.UInt16: (0, 65535),
    ua.VariantType.Int32: (-2147483648, 2147483647),
    ua.VariantType.UInt32: (0, 4294967295),
    ua.VariantType.Int64: (-9223372036854775808, 9223372036854775807),
    ua.VariantType.UInt64: (0, 18446744073709551615),
}
FLOAT, DOUBLE, BOOLEAN = ua.VariantType.Float, ua.VariantType.Double, ua.VariantType.Boolean
LARGEST_FLOAT = 3.4028234663852886e38
WIDE = WriteSection(min=-1e300, max=1e300)


def described(**changes: object):
    """The answers of a Double that everyone may write, but for these attributes; None: no such attribute."""
    usual = {"DataType": ua.NodeId(11), "ValueRank": -1, "AccessLevel": 3, "UserAccessLevel": 3, "Value": 1.5}
    answers = []
    for which in DESCRIBED_BY:
        value = (usual | changes)[which.name]
        status = ua.StatusCodes.BadAttributeIdInvalid if value is None else 0
        variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
        answers.append(ua.DataValue(variant, ua.StatusCode(status)))
    return answers


def test_what_is_asked_for():
    """The table below answers in this order."""
    assert list(DESCRIBED_BY) == [
        *(AttributeIds.DataType, AttributeIds.ValueRank, AttributeIds.AccessLevel),
        *(AttributeIds.UserAccessLevel, AttributeIds.Value),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, DOUBLE),
        ({"DataType": ua.NodeId(4)}, ua.VariantType.Int16),
        ({"DataType": ua.NodeId(4), "Value": None}, ua.VariantType.Int16),
        # Abstract (Number, UInteger, Enumeration), derived (Duration), the server's own: what its value has.
        ({"DataType": ua.NodeId(26), "Value": ua.Variant(7, ua.VariantType.Byte)}, ua.VariantType.Byte),
        ({"DataType": ua.NodeId(28), "Value": ua.Variant(7, ua.VariantType.UInt32)}, ua.VariantType.UInt32),
        ({"DataType": ua.NodeId(29), "Value": ua.Variant(2, ua.VariantType.Int32)}, ua.VariantType.Int32),
        ({"DataType": ua.NodeId(290)}, DOUBLE),
        ({"DataType": ua.NodeId(4, 3), "Value": ua.Variant(2, ua.VariantType.Int32)}, ua.VariantType.Int32),
        ({"DataType": ua.NodeId("Speed", 3), "Value": ua.Variant(2, FLOAT)}, FLOAT),
        ({"DataType": None}, DOUBLE),
        # What a server does not tell, it says when it is asked.
        ({"AccessLevel": None, "UserAccessLevel": None, "ValueRank": None}, DOUBLE),
        ({"ValueRank": -3}, DOUBLE),
        ({"ValueRank": -2}, DOUBLE),
        ({"UserAccessLevel": 0b1111}, DOUBLE),
    ],
)
def test_the_built_in_type(changes, expected):
    """The one that the data type names; else the one that the present value has."""
    assert type_of(described(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AccessLevel": 1}, "the server lets nobody write this variable: make it writable"),
        ({"UserAccessLevel": 1}, "does not let the user of this source write this variable: grant that"),
        ({"UserAccessLevel": 0b1101}, "does not let the user of this source write this variable: grant that"),
        ({"ValueRank": 1}, "the variable is an array"),
        ({"ValueRank": 0}, "the variable is an array"),
        ({"ValueRank": -2, "Value": ua.Variant([1.5], DOUBLE)}, "the variable is an array"),
        ({"DataType": ua.NodeId(12)}, "of type String: only numbers, and true and false"),
        ({"DataType": ua.NodeId(13)}, "of type DateTime: only numbers, and true and false"),
        ({"DataType": ua.NodeId(24), "Value": ua.Variant("x")}, "of type String: only numbers"),
        ({"DataType": ua.NodeId(24), "Value": None}, "does not tell the type of this variable, BadAttribute"),
        ({"DataType": ua.NodeId(24), "Value": ua.Variant()}, "does not tell the type of this variable: name"),
        ({"DataType": None, "Value": None}, "BadAttributeIdInvalid: the node is an object or a folder"),
    ],
)
def test_what_cannot_be_written(changes, expected):
    """Each refusal says what to do."""
    with pytest.raises(WriteRefused, match=expected):
        type_of(described(**changes))


@pytest.mark.parametrize(("kind", "bounds"), WHOLE.items(), ids=lambda each: getattr(each, "name", ""))
def test_whole_numbers_to_the_bounds_of_their_type(kind, bounds):
    """To the last digit, also those that came as 62.0; one more is refused, and so is a half."""
    low, high = bounds
    for value in (low, high, 62):
        made = to_variant(value, kind, WIDE)
        assert (made.Value, type(made.Value), made.VariantType) == (value, int, kind)
    made = to_variant(62.0, kind, WIDE)
    assert (made.Value, type(made.Value)) == (62, int)
    for value in (low - 1, high + 1, float(high) * 2, 10**400):
        with pytest.raises(
            WriteRefused, match=f"outside of what the variable, {kind.name}, can hold, {low} to {high}"
        ):
            to_variant(value, kind, WIDE)
    with pytest.raises(WriteRefused, match=f"62.5 is no whole number, and the variable is {kind.name}"):
        to_variant(62.5, kind, WIDE)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (62, DOUBLE, 62.0),
        (62.5, FLOAT, 62.5),
        (-LARGEST_FLOAT, FLOAT, -LARGEST_FLOAT),
        (1.7976931348623157e308, DOUBLE, 1.7976931348623157e308),
        (True, BOOLEAN, True),
        (False, BOOLEAN, False),
    ],
)
def test_other_values(value, kind, expected):
    """A whole number becomes a floating-point one; true stays true."""
    made = to_variant(value, kind, WIDE)
    assert (made.Value, type(made.Value), made.VariantType) == (expected, type(expected), kind)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (LARGEST_FLOAT * 1.0001, FLOAT, "beyond what the variable, Float, can hold"),
        (10**400, DOUBLE, "beyond what the variable, Double, can hold"),
        (math.nan, DOUBLE, "nan is no number"),
        (math.inf, FLOAT, "inf is no number"),
        (math.nan, ua.VariantType.Int16, "nan is no number"),
        (-math.inf, ua.VariantType.Int16, "-inf is no number"),
        (True, ua.VariantType.Int16, "the variable is a number, Int16: send a number"),
        (False, DOUBLE, "the variable is a number, Double: send a number"),
        ("62", DOUBLE, "the variable is a number, Double: send a number"),
        (1, BOOLEAN, "the variable is a Boolean: send true or false"),
        (0.0, BOOLEAN, "the variable is a Boolean: send true or false"),
        ("true", BOOLEAN, "the variable is a Boolean: send true or false"),
    ],
)
def test_values_that_are_refused(value, kind, expected):
    """No value becomes another one."""
    with pytest.raises(WriteRefused, match=expected):
        to_variant(value, kind, WIDE)


@pytest.mark.parametrize(
    ("value", "made"), [(80.3, 80.29999542236328), (-80.3, -80.29999542236328), (80.2, 80.19999694824219)]
)
def test_a_float_lies_within_its_bounds_as_the_machine_has_it(value, made):
    """The nearest one of 80.3 is above a max of 80.3; a Double has it as it is."""
    grant = WriteSection(min=-80.3, max=80.3)

    assert to_variant(value, FLOAT, grant).Value == made
    assert to_variant(value, DOUBLE, grant).Value == value
    with pytest.raises(WriteRefused, match="write a wider min and max"):
        to_variant(80.3, FLOAT, WriteSection(min=80.3, max=80.3000001))
