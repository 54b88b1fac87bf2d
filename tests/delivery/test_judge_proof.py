"""What may end an event: proof against itself, a schedule that is used up, or the receiver's word. Nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.judge import Crash, Dead, Delivered, Disable, Fault, History, Retry, judge
from agent.delivery.schedule import HOUR, MINUTE
from agent.model import SECOND, Answer, NoAnswer

WALL = 1_795_248_000 * SECOND  # 2026-11-21 08:00:00 UTC
DAY = 24 * HOUR
NO_ANSWER = NoAnswer("DNS: cmms is not found")

headers = st.dictionaries(
    st.sampled_from(["retry-after", "date", "webhook-delivery"]),
    st.one_of(st.text(max_size=20), st.sampled_from(["abort-message", "disable", "60", "0"])),
)
outcomes = st.one_of(
    st.builds(Answer, st.integers(100, 999), headers, st.just(0.1), st.text(max_size=20)),
    st.just(NO_ANSWER),
    st.just(Crash("crash: TypeError")),
)
histories = st.builds(
    History,
    dice=st.floats(0, 1, exclude_max=True),
    wall=st.integers(0, 2**62),
    charged=st.integers(0, 9),
    passed=st.booleans(),
    lone=st.integers(0, 2 * HOUR),
    failures=st.integers(0, 100),
    outage=st.integers(0, 40 * DAY),
    refused=st.integers(0, 9),
    plain_http=st.booleans(),
)


@given(outcome=outcomes, history=histories)
def test_only_proof_charges_and_only_a_used_up_schedule_kills(outcome, history):
    """Whatever a receiver answers: weather never ends an event, and no wait is longer than a day."""
    verdict = judge(outcome, history)
    proven = history.passed or history.lone >= HOUR
    aborted = isinstance(outcome, Answer) and "abort" in outcome.headers.get("webhook-delivery", "")

    match verdict:
        case Retry():
            assert 0 <= verdict.after <= DAY
            assert proven or not verdict.charged
        case Dead():
            assert aborted or (proven and history.charged >= len(history.schedule))
        case Delivered():
            assert outcome.status // 100 == 2
        case Disable():
            assert outcome.status == 410 or "disable" in outcome.headers["webhook-delivery"].lower()


USED_UP = {"passed": True, "charged": 3}
LONE_FOR_A_MONTH = {"lone": 30 * DAY, "charged": 3, "failures": 9_000, "outage": 30 * DAY}


@pytest.mark.parametrize(
    ("status", "headers", "facts", "fault", "after"),
    [
        (None, {}, LONE_FOR_A_MONTH, Fault.LINK, 150 * SECOND),
        (502, {}, LONE_FOR_A_MONTH, Fault.RECEIVER, 150 * SECOND),
        (503, {}, LONE_FOR_A_MONTH, Fault.RECEIVER, 150 * SECOND),
        (504, {}, LONE_FOR_A_MONTH, Fault.RECEIVER, 150 * SECOND),
        (429, {}, LONE_FOR_A_MONTH, Fault.RECEIVER, 150 * SECOND),
        (429, {}, USED_UP, Fault.RECEIVER, SECOND // 2),
        (429, {"retry-after": "259200"}, USED_UP, Fault.THROTTLED, DAY),
        (503, {"retry-after": "9"}, USED_UP, Fault.THROTTLED, 9 * SECOND),
        (500, {}, {"charged": 3}, Fault.RECEIVER, SECOND // 2),
        (500, {}, {"charged": 3, "lone": HOUR - 1}, Fault.RECEIVER, SECOND // 2),
        (422, {}, {"charged": 3}, Fault.EVENT, 30 * MINUTE),
        (422, {}, USED_UP | {"refused": 4}, Fault.CONFIGURATION, 5 * MINUTE),
        (401, {}, USED_UP, Fault.CONFIGURATION, 5 * MINUTE),
        (404, {}, LONE_FOR_A_MONTH, Fault.CONFIGURATION, 5 * MINUTE),
        (302, {}, USED_UP, Fault.CONFIGURATION, 5 * MINUTE),
    ],
)
def test_an_event_whose_schedule_is_used_up_outlives(status, headers, facts, fault, after):
    """What proves nothing against it is uncharged, however long it takes (N5)."""
    outcome = NO_ANSWER if status is None else Answer(status, headers, 0.1)

    verdict = judge(outcome, History(0.5, WALL, **facts))

    assert (verdict.fault, verdict.after, verdict.charged) == (fault, after, False)


@pytest.mark.parametrize("status", [410, 200, 500])
def test_a_destination_that_wants_nothing_more_keeps_its_events(status):
    """Not even one whose schedule is used up is lost."""
    told = {} if status == 410 else {"webhook-delivery": "disable"}

    verdict = judge(Answer(status, told, 0.1), History(0.5, WALL, **USED_UP))

    assert isinstance(verdict, Disable)
    assert f"answered {status}" in verdict.why


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_the_receivers_word_ends_an_event_at_once(status):
    """`abort-message`, whatever else the answer would have meant."""
    told = {"webhook-delivery": "abort-message", "retry-after": "60"}

    assert isinstance(judge(Answer(status, told, 0.1), History(0.5, WALL, refused=4)), Dead)
