"""A destination between its first failure and its next success: who closes the gate, and who may open it sooner."""

from dataclasses import replace

import pytest

from agent.delivery.judge import Fault, Retry
from agent.delivery.outage import Outage, after_retry, after_success
from agent.delivery.schedule import MINUTE
from agent.model import SECOND

NOW = 5_000 * SECOND
DOWN = Outage(NOW - 100 * SECOND, 7, "no answer", Fault.LINK, NOW + 10 * SECOND, notable=True)
THROTTLED = replace(DOWN, fault=Fault.THROTTLED, gate=NOW + 3600 * SECOND)
MISCONFIGURED = replace(DOWN, fault=Fault.CONFIGURATION, gate=NOW + 300 * SECOND)


def retry(fault, after, why="again"):
    return Retry(why, after * SECOND, fault)


def test_the_first_failure_begins_it():
    """The gate closes for as long as the verdict says."""
    outage = after_retry(None, retry(Fault.LINK, 4, "no route"), NOW, notable=True)

    assert outage == Outage(NOW, 1, "no route", Fault.LINK, NOW + 4 * SECOND, notable=True)


@pytest.mark.parametrize("before", [None, DOWN, THROTTLED])
def test_an_event_that_is_refused_says_nothing_of_its_destination(before):
    """Neither does it begin an outage, nor does it end one."""
    assert after_retry(before, retry(Fault.EVENT, 60), NOW, notable=True) is before


@pytest.mark.parametrize(
    ("before", "failed", "fault", "gate"),
    [
        (DOWN, retry(Fault.RECEIVER, 20), Fault.RECEIVER, 20),
        (DOWN, retry(Fault.LINK, 10), Fault.LINK, 10),
        (DOWN, retry(Fault.RECEIVER, 5), Fault.LINK, 10),
        (DOWN, retry(Fault.THROTTLED, 120), Fault.THROTTLED, 120),
        (DOWN, retry(Fault.CONFIGURATION, 300), Fault.CONFIGURATION, 300),
        (THROTTLED, retry(Fault.LINK, 1), Fault.THROTTLED, 3600),
        (MISCONFIGURED, retry(Fault.RECEIVER, 1), Fault.CONFIGURATION, 300),
    ],
)
def test_no_answer_opens_a_gate_that_another_has_closed(before, failed, fault, gate):
    """What was in flight together ends one after the other."""
    outage = after_retry(before, failed, NOW, notable=True)

    assert (outage.fault, outage.gate) == (fault, NOW + gate * SECOND)
    assert (outage.since, outage.failures, outage.why) == (before.since, 8, "again")


@pytest.mark.parametrize(
    ("before", "now", "notable"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, True)],
)
def test_it_is_notable_once_anything_but_a_notice_failed(before, now, notable):
    """`delivery.*` events make none of their own: two destinations must not tell each other for ever."""
    outage = after_retry(replace(DOWN, notable=before), retry(Fault.LINK, 20), NOW, notable=now)

    assert outage.notable is notable


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (DOWN, None),
        (MISCONFIGURED, None),
        (THROTTLED, THROTTLED),
        (replace(THROTTLED, gate=NOW), None),
        (replace(THROTTLED, gate=NOW - SECOND), None),
    ],
)
def test_a_success_ends_it_unless_a_time_to_come_back_was_named(before, after):
    """A 429 and a 200 may be under way together: the time that was named holds."""
    assert after_success(before, NOW) == after


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(Fault.LINK, 60), (Fault.RECEIVER, 60), (Fault.THROTTLED, 60), (Fault.CONFIGURATION, 0)],
)
def test_people_are_told_after_a_minute_or_at_once_when_they_have_to_mend_it(fault, seconds):
    """From the first failure on."""
    outage = replace(DOWN, fault=fault)

    assert outage.announce_at() == outage.since + seconds * SECOND


FAR = replace(DOWN, gate=NOW + 200 * SECOND)


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
def test_a_new_event_is_tried_within_fifteen_seconds(dice):
    """Jittered; and once in a longest back-off, or a fleet with new events would storm."""
    first = FAR.for_new_event(NOW, dice)
    failed = after_retry(first, retry(Fault.LINK, 600), first.gate, notable=True)

    assert NOW <= first.gate < NOW + 15 * SECOND
    assert failed.for_new_event(NOW + 4 * MINUTE, dice) == failed
    assert failed.for_new_event(NOW + 5 * MINUTE, 0.0).gate == NOW + 5 * MINUTE


@pytest.mark.parametrize("dice", [0.0, 0.5, 0.999])
def test_when_the_way_is_back_it_is_tried_within_five_seconds(dice):
    """As often as that happens."""
    woken = FAR.woken(NOW, dice)

    assert NOW <= woken.gate < NOW + 5 * SECOND
    assert replace(woken, gate=FAR.gate).woken(NOW, dice).gate == woken.gate


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.CONFIGURATION])
def test_what_was_named_exactly_is_waited_for(fault):
    """By a new event as well as by a way that is back."""
    outage = replace(FAR, fault=fault)

    assert outage.for_new_event(NOW, 0.0) is outage
    assert outage.woken(NOW, 0.0) is outage


def test_a_receiver_that_answers_has_not_lost_the_way():
    """Only a loss can have been shared."""
    outage = replace(FAR, fault=Fault.RECEIVER)

    assert outage.woken(NOW, 0.0) is outage


def test_nothing_makes_it_later():
    """A gate that opens anyway soon stays, and the earlier attempt is not used up."""
    soon = replace(DOWN, gate=NOW + SECOND)

    assert soon.for_new_event(NOW, 0.5) is soon
    assert soon.woken(NOW, 0.5) is soon
