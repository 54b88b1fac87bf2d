"""Whether a value may be written to a machine: everything that can be against it, and nothing that slips through."""

import math
from dataclasses import dataclass, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.incoming.writing import Against, Moment, refusal, since_write, stands, unfit
from agent.model import SECOND, Kind, Quality, Reading, TagSpec, bad

SPEED = TagSpec("speed", "plc", kind=Kind.NUMBER)
WHOLE = TagSpec("speed", "plc", kind=Kind.WHOLE, step=1.0)
HOUR = 3600 * SECOND


@dataclass(frozen=True)
class Grant:
    """What a tag says; a number within [0, 100]."""

    min: float | None = 0.0
    max: float | None = 100.0
    max_step: float | None = None
    when: str | None = None
    at_most_every: int = SECOND


NUMBER = Grant()
STEPS = Grant(max_step=5.0)
SWITCH = Grant(min=None, max=None)


def good(value, at=0):
    return Reading("speed", value, Quality.GOOD, at)


def moment(value=50.0, **more):
    return Moment(at=HOUR, present=good(value, HOUR), **more)


@pytest.mark.parametrize(
    ("grant", "text", "why"),
    [
        (NUMBER, '"62.3"', "there is text"),
        (NUMBER, "true", "there is true or false"),
        (NUMBER, "null", "there is null"),
        (NUMBER, "[62]", "there is an array"),
        (NUMBER, "{}", "there is an object"),
        (SWITCH, "1", "takes true or false, there is a number"),
        (SWITCH, '"true"', "there is text"),
        (SWITCH, "null", "there is null"),
    ],
)
def test_what_is_no_value_of_the_tag_is_refused(grant, text, why):
    """A text that reads like a number, a number that could be a switch: nothing is converted."""
    found = refusal(SPEED, grant, orjson.loads(text), moment(value=grant is not SWITCH and 50.0))

    assert found is not None
    assert found.code == Against.VALUE
    assert why in found.why


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    """However it came in."""
    assert unfit(SPEED, NUMBER, value).code == Against.VALUE


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", '{"value": 1e400}'])
def test_no_message_holds_a_number_without_bounds(text):
    """What JSON does not have is no message at all."""
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(text)


@pytest.mark.parametrize("value", [-0.001, 100.001, -1, 101, 2**53 + 1, 1e300, -1e300])
def test_what_is_out_of_bounds_is_refused(value):
    """The bounds themselves are within."""
    assert unfit(SPEED, NUMBER, value).code == Against.BOUNDS
    assert unfit(SPEED, NUMBER, 0) is None
    assert unfit(SPEED, NUMBER, 100.0) is None


def test_a_fraction_for_a_whole_number_is_refused():
    """It is not rounded: nobody has asked for the neighbour."""
    assert "whole numbers" in unfit(WHOLE, NUMBER, 62.5).why
    assert unfit(WHOLE, NUMBER, 62.0) is None


@pytest.mark.parametrize(
    ("now", "value", "taken"),
    [
        (50, 55, True),
        (50, 45, True),
        (50, 55.01, False),
        (50, 44.9, False),
        (62.29999923706055, 67.3, True),  # 62.3 in 32 bits
        (0.1 + 0.2, 5.3, True),
        (0, 5.001, False),
    ],
)
def test_a_step_from_what_is_now_is_bounded(now, value, taken):
    """As exactly as a number of 32 bits can tell."""
    found = refusal(SPEED, STEPS, value, moment(now))

    assert (found is None) is taken
    assert found is None or found.code == Against.STEP


@pytest.mark.parametrize(
    ("more", "code", "why"),
    [
        ({"audit_full": True}, Against.AUDIT, "audit is full"),
        ({"holds": False}, Against.WHEN, "`remote` is not true now"),
        ({"holds": None, "unknown": "remote is unknown: stale"}, Against.WHEN, "remote is unknown: stale"),
        ({"since_write": 0}, Against.SOON, "at most every 1 s"),
        ({"since_write": SECOND - 1}, Against.SOON, "at most every 1 s"),
        ({"present": bad("speed", HOUR, "unit 1 is silent")}, Against.QUALITY, "unit 1 is silent"),
        (
            {"present": good(50.0, HOUR)._replace(quality=Quality.UNCERTAIN, reason="last known")},
            Against.QUALITY,
            "is uncertain: last known",
        ),
        ({"present": good("50", HOUR)}, Against.QUALITY, "is '50' now"),
        ({"present": good(True, HOUR)}, Against.QUALITY, "is true now"),
        ({"present": good(50.0, HOUR - 11 * SECOND)}, Against.QUALITY, "11 s old"),
        ({"present": good(math.nan, HOUR)}, Against.QUALITY, "is nan now"),
    ],
)
def test_what_is_against_it_now_is_said(more, code, why):
    """One thing wrong is enough, and what is not known is wrong."""
    grant = replace(STEPS, when="remote")
    assert refusal(SPEED, grant, 51, moment(since_write=SECOND)) is None

    found = refusal(SPEED, grant, 51, replace(moment(since_write=SECOND), **more))

    assert found is not None
    assert found.code == code
    assert why in found.why


@pytest.mark.parametrize(("now", "against"), [(False, None), (True, None), (1, Against.QUALITY)])
def test_a_switch_is_thrown_when_it_is_one(now, against):
    """What reads as a number is no switch, whatever the configuration calls it."""
    found = refusal(SPEED, SWITCH, True, moment(now))

    assert (found and found.code) == against


@pytest.mark.parametrize(
    ("last", "boot", "now", "since"),
    [
        (None, "a", HOUR, None),
        (("a", HOUR - SECOND), "a", HOUR, SECOND),
        (("a", HOUR + SECOND), "a", HOUR, 0),  # cannot be; then it counts as just now
        (
            ("a", HOUR),
            "b",
            3 * SECOND,
            3 * SECOND,
        ),  # another boot: no longer ago than this one lasts is certain
    ],
)
def test_how_long_ago_a_write_was_is_known_by_no_wall_clock(last, boot, now, since):
    """The monotonic clock goes on over a restart; over another boot only its length is certain."""
    assert since_write(last, boot, now) == since


@pytest.mark.parametrize(
    ("spec", "written", "found", "same"),
    [
        (SPEED, 62.3, 62.29999923706055, True),
        (SPEED, 62.3, 62.31, False),
        (SPEED, 5, 5.0, True),
        (SPEED, 5e-324, 0.0, True),
        (SPEED, 1e-40, 0.0, False),
        (replace(SPEED, step=0.1), 62.34, 62.3, True),
        (replace(SPEED, step=0.1), 62.34, 62.2, False),
        (WHOLE, 7, 7, True),
        (WHOLE, 7, 8, False),
        (WHOLE, 10_000_000, 10_000_000, True),
        (WHOLE, 10_000_000, 10_000_001, False),
        (WHOLE, 10_000_000, 9_999_998, False),
        (replace(SPEED, step=0.1), 62.3, 62.4, False),
        (replace(SPEED, step=0.1), 62.3, 62.2, False),
        (replace(SPEED, step=0.1), 62.35, 62.4, True),
        (replace(SPEED, step=0.4), 100, 99.8, True),  # the last step within a bound
        (replace(SPEED, step=0.4), 0.1, 0.4, True),
        (replace(SPEED, step=0.4), 100, 99.6, False),
        (replace(SPEED, step=0.4), 50, 49.7, False),
        (replace(SPEED, step=1e-6), 9e12 + 1, 9e12 + 1.002, True),  # as far as a double goes
        (SPEED, True, True, True),
        (SPEED, True, False, False),
        (SPEED, True, 1, False),
        (SPEED, 1, True, False),
        (SPEED, 0, "0", False),
        (SPEED, 0, math.nan, False),
    ],
)
def test_what_is_read_back_is_compared_as_the_machine_shows_it(spec, written, found, same):
    """By the step of its register, by 32 bits, and never across kinds."""
    assert stands(spec, NUMBER, written, good(found)) is same


def test_what_cannot_be_read_back_is_not_there():
    """Whatever value a bad reading carries."""
    assert not stands(SPEED, NUMBER, 5, bad("speed", 0, "silent"))
    assert not stands(SPEED, NUMBER, 5, good(5)._replace(quality=Quality.BAD))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.sampled_from(["1", "true", "NaN", "62.3"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
GRANTS = st.builds(
    Grant,
    min=st.sampled_from([None, -40.0]),
    max=st.just(100.0),
    max_step=st.sampled_from([None, 0.5, 30.0]),
    at_most_every=st.sampled_from([0, SECOND]),
)
MOMENTS = st.builds(
    Moment,
    at=st.just(HOUR),
    present=st.builds(
        Reading,
        st.just("speed"),
        JSON.filter(lambda value: not isinstance(value, list | dict)),
        st.sampled_from(Quality),
        st.sampled_from([HOUR, HOUR - SECOND, HOUR - 60 * SECOND]),
    ),
    holds=st.sampled_from([True, True, False, None]),
    since_write=st.none() | st.integers(0, HOUR),
    audit_full=st.sampled_from([False, False, False, True]),
)


@given(JSON, GRANTS, MOMENTS, st.sampled_from([SPEED, WHOLE]))
def test_whatever_comes_nothing_raises_and_nothing_slips_through(value, grant, at, spec):
    """What is not refused is of the tag's kind, within its bounds and its step, of a machine that is known."""
    found = refusal(spec, grant, value, at)

    if found is not None:
        assert found.code in set(Against)
        assert found.why
        return
    assert at.holds is True
    assert not at.audit_full
    assert at.since_write is None or at.since_write >= grant.at_most_every
    assert at.present.quality is Quality.GOOD
    assert type(value) is bool if grant.min is None else type(value) in {int, float}
    if grant.min is not None:
        assert grant.min <= value <= grant.max
        assert math.isfinite(at.present.value)
        assert grant.max_step is None or abs(value - at.present.value) <= grant.max_step * 1.001
