"""Which destinations an event is addressed to: patterns, OR within a key, AND between keys."""

import pytest

from agent.delivery.subscription import Subscription, matches, subscribers
from agent.model import Event, EventType, Priority

CRITICAL, HIGH, LOW = Priority.CRITICAL, Priority.HIGH, Priority.LOW


def event(kind=EventType.ALARM_RAISED, **changes: object):
    fields = {"subject": "R1", "priority": HIGH, "tag": "press[3].temperature", "rule": "R1-temperature"}
    return Event("evt_1", kind, 0, **{**fields, **changes})


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        ((), "alarm.raised", True),
        ((), "", True),
        (("*",), "", True),
        (("alarm.*",), "alarm.raised", True),
        (("alarm.*",), "alarmxraised", False),
        (("alarm.*",), "an alarm.raised", False),
        (("alarm",), "alarm.raised", False),
        (("*.raised",), "alarm.raised", True),
        (("alarm.r*d",), "alarm.returned", True),
        (("R?",), "R1", True),
        (("R?",), "R12", False),
        (("R?",), "R", False),
        (("press[3].*",), "press[3].temperature", True),
        (("press[3].*",), "press3.temperature", False),
        (("a+b(c)|d^$",), "a+b(c)|d^$", True),
        (("*",), "two\nlines", True),
        (("x", "R*", "y"), "R1", True),
        (("x", "y"), "R1", False),
        (("alarm.*",), "Alarm.raised", False),
        (("Ofen-Ü*",), "Ofen-Übertemperatur", True),
        (("",), "R1", False),
    ],
)
def test_patterns_know_two_signs(patterns, text, expected):
    """`*` and `?`; everything else stands for itself, brackets above all; one that fits is enough."""
    assert matches(patterns, text) is expected


WRONG = ("something else",)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"events": ("alarm.*",), "rules": ("R1-*",), "tags": ("press*",), "priorities": {HIGH}}, True),
        ({"events": WRONG, "rules": ("R1-*",), "tags": ("press*",), "priorities": {HIGH}}, False),
        ({"events": ("alarm.*",), "rules": WRONG, "tags": ("press*",), "priorities": {HIGH}}, False),
        ({"events": ("alarm.*",), "rules": ("R1-*",), "tags": WRONG, "priorities": {HIGH}}, False),
        ({"events": ("alarm.*",), "rules": ("R1-*",), "tags": ("press*",), "priorities": {LOW}}, False),
        ({"priorities": {LOW, HIGH}}, True),
        ({"events": ("tag.*", "alarm.*")}, True),
        ({"tags": ("press3*",)}, False),
    ],
)
def test_or_within_a_key_and_between_keys(asked, expected):
    """A key that is not given asks for everything."""
    priorities = frozenset(asked.get("priorities", ()))

    assert Subscription(**(asked | {"priorities": priorities})).wants(event()) is expected


@pytest.mark.parametrize(
    ("priority", "audience", "expected"),
    [
        (LOW, (), False),
        (LOW, (HIGH,), True),
        (LOW, (HIGH, CRITICAL), True),
        (LOW, (Priority.JOURNAL, LOW), False),
        (CRITICAL, (LOW,), True),
    ],
)
def test_who_was_told_of_an_alarm_is_told_how_it_goes_on(priority, audience, expected):
    """A destination for critical events gets the return of what was critical once."""
    asked = Subscription(priorities=frozenset({CRITICAL, HIGH}))
    told = event(EventType.ALARM_RETURNED, priority=priority, audience=audience)

    assert asked.wants(told) is expected


def test_the_audience_opens_no_other_key():
    """What was not asked for by type stays away."""
    asked = Subscription(events=("alarm.raised",), priorities=frozenset({HIGH}))

    assert not asked.wants(event(EventType.ALARM_RETURNED, priority=LOW, audience=(HIGH,)))


@pytest.mark.parametrize("asked", [Subscription(rules=("R*",)), Subscription(tags=("press*",))])
def test_an_event_of_no_rule_and_no_tag_is_not_asked_for_by_them(asked):
    """`agent.started` goes to whoever asked for everything."""
    assert not asked.wants(event(EventType.AGENT_STARTED, rule="", tag="", subject="agent"))


def test_nobody_is_told_about_himself():
    """A destination's failure goes to all the others that want it."""
    asked = {name: Subscription() for name in ("cmms", "cmms2", "historian")}
    asked["alarms"] = Subscription(events=("alarm.*",))
    failing = event(EventType.DELIVERY_FAILING, subject="destination:cmms", rule="", tag="")

    assert subscribers(failing, asked) == ("cmms2", "historian")
    assert subscribers(event(), asked) == ("cmms", "cmms2", "historian", "alarms")
    assert subscribers(event(), {}) == ()
