"""How much of an event is sent: evidence always, the rest as the destination asks."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from rigs.bodies import IDENTITY, OFFSET, PLACE, event, events, section

from agent.config.load import load
from agent.delivery.body import Place
from agent.delivery.subscription import Subscription
from agent.dispatch.notices import notice
from agent.formats import open_format
from agent.formats.samples import samples
from agent.formats.scope import EVIDENCE, FIELDS
from agent.model import EventType
from agent.rules.sample import sample_event
from agent.store.gaps import Gap
from agent.store.notices import filling, overflow


def sent(happened, place=PLACE, **keys):
    """The data that goes out."""
    return json.loads(open_format(section(**keys), IDENTITY).one(happened, place))["data"]


ALARM = event(
    data={"value": 171.5, "unit": "°C", "limit": 170, "deadband": 2, "message": "hot", "rules_hash": "ab"}
    | {"occurrence": "evt_1", "response": "close it", "condition": "high", "quality": "good"}
)


def test_what_changes_is_what_the_rule_does_not_say_each_time():
    """The configuration's own words are left out; what was seen, when, and the evidence stay."""
    assert set(sent(ALARM, fields="changed")) == {
        *EVIDENCE,
        *("priority", "value", "message", "occurrence", "condition", "quality", "rule", "tag", "onset"),
    }


def test_a_limit_that_a_tag_gives_is_no_configuration():
    """It may be another one each time."""
    given_by_a_tag = event(data={"limit": 170, "limit_tag": "R1.SP"})

    assert "limit" in sent(given_by_a_tag, fields="changed")
    assert "limit" not in sent(ALARM, fields="changed")


def test_a_list_is_taken_by_its_word():
    """Beside the evidence nothing else; a field that this event has not is not made up."""
    assert sent(ALARM, fields=["value", "peak"]).keys() == {*EVIDENCE, "value"}


@pytest.mark.parametrize("way", ["standard", "cloudevents"])
@pytest.mark.parametrize("fields", ["full", "changed", ["message"], []])
@settings(max_examples=25)
@given(happened=events())
def test_a_receiver_can_prove_completeness_in_every_scope(way, fields, happened):
    """And what is sent is never anything else than a part of the whole."""
    late = Place(17, 12, OFFSET, late=True)
    full = sent(happened, late, format=way)
    part = sent(happened, late, format=way, fields=fields)

    assert {*EVIDENCE, "late"} & full.keys() <= part.keys()
    assert part == {name: full[name] for name in part}
    assert fields != "full" or part == full


@pytest.mark.parametrize(
    "kind", [kind for kind in EventType if not kind.startswith(("alarm.", "tag.", "event.", "rule."))]
)
def test_what_the_agent_tells_of_itself_is_evidence(kind):
    """Gaps, dead letters, heartbeats, blind intervals: whole in every scope, or no ledger could name a hole."""
    for happened in samples(Subscription((kind.value,))):
        assert sent(happened, fields=["value"]) == sent(happened)


def test_a_heartbeat_has_no_number_in_any_scope():
    """Nothing invents one."""
    beat = event(EventType.AGENT_HEARTBEAT, data={"message": "alive"}, tag="", rule="", instants={})

    assert not {"seq", "previous"} & sent(beat, Place(None, None, OFFSET), fields="changed").keys()


@pytest.mark.parametrize("kind", [kind for kind in EventType if kind is not EventType.INBOUND_MESSAGE])
def test_every_type_has_a_sample_and_every_field_its_line(kind):
    """What a template is tried on; `edge-relay check` would know nothing of a type without one."""
    made = list(samples(Subscription((kind.value,))))

    assert kind in {happened.type for happened in made}
    assert {name for happened in made for name in sent(happened)} <= FIELDS.keys()


def mint(at):
    return f"evt_{at}"


def test_the_samples_are_as_the_house_tells():
    """Of what it makes itself, field by field: a template that stands the trial stands what comes."""
    gap = Gap("undelivered", "low", ((3, 5),), {"cmms": 3}, (), {"cmms": ((2, 5),)})
    made = [
        *(notice(kind, "cmms", "why", 1, mint, seq=3, previous=2) for kind in (EventType.DELIVERY_DEAD,)),
        *(
            notice(kind, "cmms", "why", 1, mint)
            for kind in (EventType.DELIVERY_FAILING, EventType.DELIVERY_RECOVERED)
        ),
        overflow(gap, 10**6, 1, mint),
        filling(8 * 10**5, 10**6, ("cmms", 900), 1, mint),
    ]
    tried = {happened.type: happened for happened in samples(Subscription())}

    assert [(event.type, event.data.keys(), event.priority) for event in made] == [
        (event.type, tried[event.type].data.keys(), tried[event.type].priority) for event in made
    ]


def test_what_rules_tell_can_be_named(tmp_path):
    """Every field of an event of every rule of the example is one that templates and scopes know."""
    configuration = load(Path(__file__).parents[2] / "config" / "example", {})
    told = [sample_event(spec, configuration.tags, "evt_1", 1) for spec in configuration.rules]

    assert len(told) > 20
    assert {name for happened in told for name in sent(happened)} <= FIELDS.keys()
