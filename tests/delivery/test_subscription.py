"""Which destinations an event is addressed to: patterns, OR within a key, AND between keys."""

import pytest

from agent.delivery.subscription import Subscription, matches, subscribers
from agent.model import SECOND, Event, EventType, Priority
from agent.rules.flood import FloodState, advance, pass_on
from agent.rules.spec import FloodSpec

CRITICAL, HIGH, LOW = Priority.CRITICAL, Priority.HIGH, Priority.LOW


def event(kind=EventType.ALARM_RAISED, **changes: object):
    fields = {"subject": "R1", "priority": HIGH, "tag": "press[3].temperature", "rule": "R1-temperature"}
    return Event(**{"id": "evt_1", "type": kind, "at": 0, **fields, **changes})


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


def test_a_rules_send_to_takes_the_place_of_what_is_asked_for():
    """It goes there whether they asked for it or not, and to nobody else; in the order of the configuration."""
    asked = {
        "cmms": Subscription(),
        "mes": Subscription(events=("agent.*",), priorities=frozenset({CRITICAL})),
        "room": Subscription(rules=("R1-*",)),
    }

    assert subscribers(event(send_to=("mes",)), asked) == ("mes",)
    assert subscribers(event(send_to=("room", "cmms")), asked) == ("cmms", "room")
    assert subscribers(event(send_to=("gone",)), asked) == ()


def digest(*alarms, priority=HIGH):
    """`agent.flood` that holds events of (type, rule, tag)."""
    held = {
        f"evt_{n}": {"type": kind, "data": {"rule": rule, "tag": tag}}
        for n, (kind, rule, tag) in enumerate(alarms)
    }
    data = {"state": "digest", "alarms": held} if held else {"state": "started"}
    more = {"rule": "", "tag": "", "subject": "agent", "audience": (priority,), "data": data}
    return event(EventType.AGENT_FLOOD, priority=priority, **more)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, True),
        ({"events": ("agent.*",)}, True),
        ({"events": ("alarm.*",)}, True),
        ({"events": ("alarm.returned",)}, True),
        ({"events": ("alarm.escalated",)}, False),
        ({"events": ("tag.*",)}, False),
        ({"rules": ("R2",)}, True),
        ({"rules": ("R3",)}, False),
        ({"tags": ("press3.*",)}, True),
        ({"tags": ("press4.*",)}, False),
        ({"events": ("alarm.raised",), "rules": ("R1",), "tags": ("press3.*",)}, True),
        ({"events": ("alarm.raised",), "rules": ("R2",)}, False),
        ({"rules": ("R1",), "tags": ("oven",)}, False),
        ({"rules": ("R1",), "priorities": {LOW}}, False),
        ({"rules": ("R1",), "priorities": {LOW, HIGH}}, True),
    ],
)
def test_a_digest_goes_to_whoever_wants_one_of_its_alarms(asked, expected):
    """They are nowhere but in it; one of them must be asked for by every key at once."""
    told = digest(("alarm.raised", "R1", "press3.temperature"), ("alarm.returned", "R2", "oven"))
    priorities = frozenset(asked.get("priorities", ()))

    assert Subscription(**(asked | {"priorities": priorities})).wants(told) is expected


def test_the_beginning_of_a_flood_holds_no_alarm():
    """Whoever asked for alarms alone gets those, in digests."""
    assert not Subscription(events=("alarm.*",)).wants(digest())
    assert Subscription(events=("agent.flood",)).wants(digest())


def test_every_alarm_that_a_flood_holds_reaches_whoever_asked_for_it():
    """The digest as the protection makes it, not as this test believes it to be."""
    spec = FloodSpec(more_than=1, within=SECOND, until=1, until_within=SECOND, digest_every=SECOND)
    alarms = [event(id=f"evt_{n}", priority=LOW, rule=f"R{n}", tag=f"T{n}", at=n) for n in range(3)]
    state, _ = pass_on(spec, FloodState(), alarms, lambda at: f"evt_{at}")
    _, told = advance(spec, state, SECOND + 1, lambda at: f"evt_{at}")

    wanted = [Subscription(rules=(f"R{n}",), tags=(f"T{n}",), priorities=frozenset({LOW})) for n in range(4)]
    assert [each.wants(told[0]) for each in wanted] == [False, True, True, False]


@pytest.mark.parametrize(
    ("asked", "by_name", "expected"),
    [
        ({}, False, True),
        ({"priorities": frozenset({HIGH})}, False, False),
        ({"rules": ("R1-*",)}, False, False),
        ({"tags": ("press*",)}, False, False),
        ({"events": ("alarm.*",)}, False, False),
        ({"events": ("agent.*",)}, False, True),
        ({"events": ("alarm.*", "agent.heartbeat"), "priorities": frozenset({HIGH})}, False, True),
        ({"events": ("agent.heartbeat",), "rules": ("R1-*",), "tags": ("press*",)}, False, True),
        ({}, True, False),
        ({"events": ("agent.*",)}, True, False),
        ({"events": ("*",)}, True, False),
        ({"events": ("alarm.*", "agent.heartbeat")}, True, True),
    ],
)
def test_heartbeats_go_to_whoever_names_them_or_asks_for_everything(asked, by_name, expected):
    """What narrows events by rule, tag or loudness says nothing of them; a room of people must name them."""
    assert Subscription(**asked).hears_heartbeats(by_name=by_name) is expected
