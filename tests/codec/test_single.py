"""A number of 32 bits is never beyond its bounds, and the nearest there."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec.single import single

NUMBERS = st.floats(-1e38, 1e38) | st.floats(-100, 100) | st.integers(-(2**63), 2**64)


def bits_of(number):
    return struct.unpack(">f", struct.pack(">f", number))[0]


@pytest.mark.parametrize(
    ("value", "low", "high", "near"),
    [
        (80.3, 0, 80.3, 80.29999542236328),
        (80.3, 0, 81, 80.30000305175781),
        (-80.3, -80.3, 0, -80.29999542236328),
        (0.1, 0, 0.1, 0.09999999403953552),
        (1e-46, 0, 1, 0.0),
        (2**24 + 1, 0, 2**24 + 1, 2**24),
        (7, 0, 100, 7.0),
    ],
)
def test_it_is_the_nearest_within(value, low, high, near):
    """And as it is where it has its place."""
    assert single(value, low, high) == near


@pytest.mark.parametrize(("value", "low", "high"), [(80.3, 80.3, 80.300001), (1e-46, 1e-46, 2e-46)])
def test_where_none_lies_within_there_is_none(value, low, high):
    """Nothing is written then."""
    with pytest.raises(ValueError, match="no number of 32 bits"):
        single(value, low, high)


def test_what_is_too_large_is_said():
    """The largest is 3.4e38."""
    with pytest.raises(OverflowError):
        single(1e39, 0, 1e40)


@given(st.lists(NUMBERS, min_size=3, max_size=3))
def test_it_is_never_beyond_its_bounds(three):
    """And never farther than the next one."""
    low, value, high = sorted(three)
    try:
        found = single(value, low, high)
    except ValueError:
        return
    assert low <= found <= high
    assert bits_of(found) == found
    assert found == bits_of(value) or not low <= bits_of(value) <= high
