"""Subjects and topics made of what an event holds: never more words than the template, never a wildcard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.delivery.body import Identity
from agent.destinations.placeholders import Template
from agent.model import Event, EventType, Priority

PLANT = Identity("dresden", "line-4", "epoch")
RAISED = Event(
    "evt_1", EventType.ALARM_RAISED, 0, "R1", Priority.HIGH, tag="TT 101.PV", rule="R1-temperature"
)
ALL = "{site} {agent} {type} {rule} {tag} {priority}"


def nats(text):
    return Template(text, ".", "*>")


def mqtt(text):
    return Template(text, "/", "+#")


def test_the_type_alone_parts_words():
    """Whoever wants all alarms asks for the first word of the type; a point in a tag's name is none."""
    assert nats(ALL.replace(" ", ".")).fill([RAISED], PLANT) == (
        "dresden.line-4.alarm.raised.R1-temperature.TT_101_PV.high"
    )
    assert mqtt(ALL.replace(" ", "/")).fill([RAISED], PLANT) == (
        "dresden/line-4/alarm/raised/R1-temperature/TT_101.PV/high"
    )


def test_what_an_event_does_not_have_is_a_dash():
    """A word is missing nowhere, or all behind it would move up."""
    started = Event("evt_2", EventType.AGENT_STARTED, 0, "agent", Priority.JOURNAL)

    assert nats("a.{rule}.{tag}.b").fill([started], PLANT) == "a.-.-.b"
    assert nats("a.{type}.{site}").fill([], Identity("", "", "")) == "a.-.-"


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from([nats, mqtt]))
def test_whatever_a_plant_calls_its_things(name, site, kind):
    """As many words as the template has, none empty, none a wildcard, nothing that ends a line."""
    template = kind("a.{tag}.{site}.{rule}" if kind is nats else "a/{tag}/{site}/{rule}")
    event = Event("evt_1", EventType.TAG_CHANGED, 0, "x", Priority.LOW, tag=name, rule=name)
    filled = template.fill([event], Identity(site, "a", "e"))
    words = filled.split("." if kind is nats else "/")

    assert len(words) == 4
    assert all(words)
    assert not set(filled) & set("*>\r\n\t \0" if kind is nats else "+#\r\n\0")
    assert len(filled.encode()) < 4 * 4 * 201


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "a word is empty"),
        ("a..b", "a word is empty"),
        (".a", "a word is empty"),
        ("a.", "a word is empty"),
        ("a.*.b", "no wildcard"),
        ("a.>", "no wildcard"),
        ("a b", "no blank"),
        ("$JS.API", r"begins with `\$`"),
        ("a.{tagg}", r"unknown placeholder \{tagg\}"),
        ("a.{tag:3}", r"unknown placeholder \{tag\}"),
        ("a.{}", "unknown placeholder"),
        ("a.{tag", "without its other half"),
    ],
)
def test_what_can_be_no_subject_is_refused_when_it_is_loaded(text, why):
    """With what was expected."""
    with pytest.raises(ValueError, match=why):
        nats(text)
