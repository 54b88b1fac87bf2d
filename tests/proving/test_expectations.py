"""Two timelines side by side: what differs is said where it differs, and nowhere else."""

from hypothesis import given
from hypothesis import strategies as st

from agent.model import SECOND, Event, EventType, Priority
from agent.proving.expectations import Expected, compare

KINDS = {"raised": EventType.ALARM_RAISED, "returned": EventType.ALARM_RETURNED}


def event(at, word, rule="R"):
    return Event("evt", KINDS[word], at * SECOND, rule, Priority.HIGH, {"condition": "high"}, rule=rule)


def expected(at, word, rule="R"):
    return Expected(word, KINDS[word], rule, "", at * SECOND, at * SECOND)


def whys(rows):
    return [row.why for row in rows]


def test_one_event_too_many_does_not_make_the_rest_wrong():
    """The others are still found beside what expects them."""
    rows = compare(
        [expected(1, "raised"), expected(9, "returned")],
        [event(1, "raised"), event(2, "returned"), event(3, "raised"), event(9, "returned")],
    )

    assert whys(rows) == ["", "nothing was expected here", "nothing was expected here", ""]


def test_one_event_too_few_does_not_make_the_rest_wrong():
    """The one that is missing is named."""
    rows = compare(
        [expected(1, "raised"), expected(2, "raised", "S"), expected(9, "returned")],
        [event(1, "raised"), event(9, "returned")],
    )

    assert whys(rows) == ["", "it did not come", ""]


moments = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(sorted(KINDS)), st.sampled_from("RS")), max_size=12
)


@given(told=moments, order=st.randoms())
def test_a_timeline_agrees_with_itself(told, order):
    """In whatever order the events of one instant are written down."""
    told.sort(key=lambda each: each[0])
    shuffled = sorted(order.sample(told, len(told)), key=lambda each: each[0])

    assert set(whys(compare([expected(*each) for each in shuffled], [event(*each) for each in told]))) <= {""}


@given(wanted=moments, told=moments)
def test_no_row_is_lost(wanted, told):
    """Everything that is expected and everything that is told stands in one row, and a difference shows."""
    wanted.sort(key=lambda each: each[0])
    told.sort(key=lambda each: each[0])
    rows = compare([expected(*each) for each in wanted], [event(*each) for each in told])

    assert sum(row.expected is not None for row in rows) == len(wanted)
    assert sum(row.event is not None for row in rows) == len(told)
    assert any(whys(rows)) == (sorted(wanted) != sorted(told))
