"""The arithmetic of a receiver's ledger, against a model that keeps every number in a set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.proving.ledger.chain import Hole, Stretch, Stretches, holes, overlapping, union, without


def chain(numbers):
    """What each event of a destination accounts for; its instant is its number."""
    return [Stretch(low, high, high, high) for low, high in zip([0, *numbers], numbers, strict=False)]


def gathered(stretches, bite=3):
    found = Stretches(bite)
    for stretch in stretches:
        found.add(stretch)
    return found


NUMBERS = st.lists(st.integers(1, 200), min_size=1, max_size=40, unique=True).map(sorted)


@given(NUMBERS, st.randoms(use_true_random=False), st.integers(1, 50))
def test_a_complete_chain_is_one_stretch_in_any_order_and_however_often_it_came(numbers, dice, bite):
    """Whatever is shuffled or repeated, within a bite and over several."""
    events = chain(numbers)
    repeated = dice.choices(events, k=dice.randrange(30))
    arrivals = [*events, *repeated]
    dice.shuffle(arrivals)
    found = gathered(arrivals, bite)

    assert list(found) == [Stretch(0, numbers[-1], numbers[0], numbers[-1])]
    assert (found.added, found.again, found.odd) == (len(numbers), len(repeated), [])


@given(NUMBERS, st.data(), st.integers(1, 50))
def test_whatever_is_missing_is_a_hole_that_ends_with_the_last_number_lost(numbers, data, bite):
    """Each run of lost events is one hole, between the event before it and the one that names its last."""
    lost = data.draw(st.sets(st.sampled_from(numbers)))
    named = data.draw(st.sampled_from([0, numbers[-1]]))
    arrivals = data.draw(st.permutations([each for each in chain(numbers) if each.high not in lost]))

    expected, low = [], 0
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        if number not in lost:
            low = number
        elif following is None:
            expected += [(low, number)] if named else []
        elif following not in lost:
            expected.append((low, number))
    assert [(hole.low, hole.high) for hole in holes(gathered(arrivals, bite), named)] == expected


@pytest.mark.parametrize(
    ("stretches", "odd"),
    [
        ([Stretch(0, 2), Stretch(1, 3)], [Stretch(1, 3)]),
        ([Stretch(0, 3), Stretch(0, 4)], [Stretch(0, 4)]),
        ([Stretch(0, 2), Stretch(2, 3), Stretch(0, 2)], []),
    ],
    ids=["begins inside", "ends beyond", "again"],
)
@pytest.mark.parametrize("bite", [1, 50])
def test_chains_of_two_destinations_contradict_each_other(stretches, odd, bite):
    """What is named as nobody's number and came all the same shows that the log is not of one destination."""
    assert gathered(stretches, bite).odd == odd


def test_a_hole_lies_between_the_instants_of_its_neighbours():
    """The time before and after it; of the first and the last one side is unknown."""
    found = gathered([Stretch(2, 3, 30, 30), Stretch(5, 9, 90, 90)])

    assert list(holes(found, 12)) == [
        Hole(0, 2, before=30),
        Hole(3, 5, after=30, before=90),
        Hole(9, 12, after=90, tail=True),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=20),
    st.integers(0, 40),
    st.integers(1, 40),
)
def test_what_is_declared_of_a_hole_leaves_exactly_the_rest(spans, low, length):
    """No number is dropped and none is left that was declared."""
    declared = list(union(gathered([Stretch(start, start + size) for start, size in spans])))
    named = {number for start, size in spans for number in range(start + 1, start + size + 1)}
    hole = Hole(low, low + length)
    left = list(without(hole, declared))

    numbers = set(range(low + 1, low + length + 1))
    assert [number for piece in left for number in range(piece.low + 1, piece.high + 1)] == sorted(
        numbers - named
    )
    assert {
        stretch for stretch in declared if numbers & set(range(stretch.low + 1, stretch.high + 1))
    } == set(overlapping(declared, hole.low, hole.high))


def test_what_joins_an_unknown_instant_keeps_the_known_one():
    """A declared gap carries no time: the hole behind it is still placed in time."""
    joined = union(gathered([Stretch(0, 3, 10, 30)]), gathered([Stretch(3, 5)]))

    assert list(joined) == [Stretch(0, 5, 10, 30)]
