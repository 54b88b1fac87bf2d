"""Ids that every library reads as UUIDv7, that sort as they were made, and that a signature can carry."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.identity import RANDOM_BYTES, mint

WALL = 1_795_248_000_123_456_789
dice = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(wall=st.integers(0, 2**47 * 10**6), random=dice)
def test_it_is_a_uuid_of_version_7_with_its_milliseconds(wall, random):
    """RFC 9562, 5.7: 48 bits of milliseconds, version, variant."""
    number = uuid.UUID(mint(wall, random).removeprefix("evt_"))

    assert (number.version, number.variant) == (7, uuid.RFC_4122)
    assert number.int >> 80 == wall // 10**6


@given(wall=st.integers(0, 2**61), later=st.integers(1_000, 10**9), first=dice, second=dice)
def test_ids_sort_in_the_order_they_were_made(wall, later, first, second):
    """A microsecond apart is enough, whatever the dice say."""
    assert mint(wall, first) < mint(wall + later, second)


@given(first=dice, second=dice)
def test_two_of_one_instant_differ_by_their_random_bits(first, second):
    """62 of the 64 bits count."""
    same = int.from_bytes(first, "big") >> 2 == int.from_bytes(second, "big") >> 2

    assert (mint(WALL, first) == mint(WALL, second)) is same


@pytest.mark.parametrize("wall", [-(10**18), 0, WALL, 2**63 - 1, 2**70, 2**90])
def test_no_clock_makes_an_id_that_a_signature_cannot_carry(wall):
    """No dot (Standard Webhooks: the signed content is split at dots), one length, plain ASCII."""
    identity = mint(wall, bytes(RANDOM_BYTES))

    assert identity.startswith("evt_")
    assert "." not in identity
    assert identity.isascii()
    assert len(identity) == 40
    assert uuid.UUID(identity[4:]).version == 7
