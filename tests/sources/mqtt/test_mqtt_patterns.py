"""Wildcards into tags: which topics match, what they are called, and that no name means two things."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.codec.json_path import parse_path
from agent.model import SECOND
from agent.sources.mqtt import topics as mqtt_topics
from agent.sources.mqtt.config import MqttTag
from agent.sources.mqtt.decode import Decoded, Message
from agent.sources.mqtt.patterns import Pattern, owner
from agent.sources.mqtt.topics import Topics


def topics(tags: dict[str, str], **keys: str) -> Topics:
    return Topics({name: MqttTag.model_validate({"topic": topic}) for name, topic in tags.items()}, **keys)


def read(
    decoder: Topics, topic: str, payload: bytes = b"1", received: int = 5, *, retained: bool = False
) -> Decoded:
    return decoder.decode(Message(topic, payload, retained, received))


def names(decoded: Decoded) -> list[str]:
    return [reading.tag for reading in decoded.readings]


@pytest.mark.parametrize(
    ("name", "topic_filter", "topic", "made"),
    [
        ("COMP{1}.CURRENT", "plant/+/telemetry", "plant/7/telemetry", "COMP7.CURRENT"),
        ("{2}.{1}.T", "+/+/t", "hall/press 3/t", "press 3.hall.T"),
        ("P.{1}", "plant/#", "plant/a/b/c", "P.a.b.c"),
        ("P.{1}/{2}", "plant/+/#", "plant/a/b/c", "P.a/b.c"),
        ("ALL.{1}", "#", "a/b", "ALL.a.b"),
        ("P.{1}", "pl.nt/+", "pl.nt/Ä", "P.Ä"),
    ],
)
def test_a_topic_makes_the_name(name, topic_filter, topic, made):
    """{1} for the first wildcard, {2} for the second; the rest of a `#` with points for slashes."""
    pattern = Pattern(name, topic_filter)

    assert pattern.made(topic) == made
    assert pattern.makes(made)


@pytest.mark.parametrize(
    ("topic_filter", "topic", "matches"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("a/+/c", "a/b/c", True),
        ("a.c/+", "abc/x", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/+", "$SYS/uptime", True),
        ("a/+", "a/b\nc", True),
    ],
)
def test_a_filter_matches_as_the_standard_says(topic_filter, topic, matches):
    """MQTT 3.1.1, section 4.7."""
    assert Pattern("X", topic_filter).matches(topic) is matches


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=5).filter(lambda text: "/" not in text), min_size=3, max_size=3))
def test_what_a_topic_makes_a_rule_finds(levels):
    """A name that was made is found again, whatever separators the topic held."""
    pattern = Pattern("A{1}-{3}.{2}", "x/+/+/#")
    try:
        made = pattern.made("x/" + "/".join(levels))
    except ValueError:
        return

    assert owner(made, [pattern]) is pattern


def test_no_name_makes_the_matching_slow():
    """A stranger who may choose topics must not stop the agent with one of them."""
    pattern = Pattern(".".join(f"{{{n}}}" for n in range(1, 10)) + ".X", "/".join("+" * 9))
    began = time.perf_counter()

    assert not pattern.makes("." * 198 + "Y")
    assert time.perf_counter() - began < 0.1


def test_each_topic_is_a_tag_of_its_own_with_a_start_of_its_own():
    """One declaration for every compressor, those of next year included."""
    decoder = topics({"COMP{1}.A": "plant/+/a", "COMP{1}.B": "plant/+/b", "ONE": "plant/1/a"})
    first, second = read(decoder, "plant/1/a"), read(decoder, "plant/2/a")

    assert decoder.filters() == ["plant/+/a", "plant/+/b", "plant/1/a"]
    assert names(first) == ["ONE", "COMP1.A"]
    assert names(second) == ["COMP2.A"]
    assert [reading.baseline for reading in (*first.readings, *second.readings)] == [True] * 3
    assert not read(decoder, "plant/2/a", b"2").readings[0].baseline


def test_a_stranger_who_invents_topics_fills_no_memory(monkeypatch):
    """So many tags a pattern, then the others are refused with the reason, told once."""
    monkeypatch.setattr(mqtt_topics, "_MOST_NAMES", 10)
    monkeypatch.setattr(mqtt_topics, "_MOST_ROUTES", 20)
    decoder = topics({"C.{1}": "c/+", "D.{1}": "d/+"})
    decoded = [read(decoder, f"c/{n}") for n in range(1_000)]

    assert [names(one) for one in decoded[:11]] == [[f"C.{n}"] for n in range(10)] + [[]]
    told = "C.{1}: more than 10 topics match c/+: the others are passed over; name fewer"
    assert [(one.warning, one.unreadable) for one in decoded if one.warning or one.unreadable] == [
        (told, told)
    ]
    both = topics({"C.{1}": "c/+", "E.{1}": "c/#"})
    assert "; E.{1}: more than 10" in "".join(read(both, f"c/{n}").warning for n in range(20)), "each is told"
    assert names(read(decoder, "c/3")) == ["C.3"], "what was there before goes on"
    assert names(read(decoder, "d/1")) == ["D.1"], "and so do other tags"
    assert len(decoder._routes) <= 20


def test_warnings_are_told_once_and_not_without_end():
    """One message with the reason is enough to look at, and the log stays readable."""
    decoder = topics({"C.{1}": "c/+"})
    decoded = [read(decoder, f"c/{{{n}}}") for n in range(100) for _ in range(2)]

    assert ["cannot be a name" in one.unreadable for one in decoded] == [True] + [False] * 199
    assert [one.warning for one in decoded] == [one.unreadable for one in decoded]


@pytest.mark.parametrize("level", ["", '"', "a{1}b", "\x07", " ", "x" * 201, "7\u200b", "\u202e7", "\u2028"])
def test_a_level_that_cannot_be_in_a_name_is_refused_alone(level):
    """Expressions, files and receivers have to hold the name."""
    decoder = topics({"{1}-C": "c/+", "ONE": f"c/{level}"})
    decoded = read(decoder, f"c/{level}")

    assert names(decoded) == ["ONE"]
    assert "no name can be made" in decoded.unreadable or "cannot be a name" in decoded.unreadable


def test_two_topics_that_make_one_name_are_told():
    """The first one keeps it; nothing of the second is taken for it."""
    decoder = topics({"P.{1}": "p/#"})
    read(decoder, "p/a/b")
    decoded = read(decoder, "p/a.b")

    assert decoded.readings == []
    assert decoded.warning == "P.{1}: p/a.b would make P.a.b, which p/a/b makes already: it is passed over"


def test_two_patterns_that_make_one_name_have_one_owner_whoever_comes_first():
    """The configuration decides, not the order in which messages happen to come."""
    decoder = topics({"L{1}.T": "a/+", "L{1}.{2}.T": "b/+/+"})
    refused = read(decoder, "a/1.2")

    assert refused.readings == []
    assert "a/1.2 would make L1.2.T, which is L{1}.{2}.T" in refused.warning
    assert names(read(decoder, "b/1/2")) == ["L1.2.T"]


def test_a_message_that_comes_through_two_subscriptions_is_read_once():
    """EMQX and others send a copy for each that matches; a value that is repeated later is no copy."""
    decoder = topics({"A{1}": "p/+/t", "B{1}": "p/1/+", "C": "c"})
    sent = [(b"1", 0), (b"1", 1), (b"2", 2), (b"2", 3), (b"1", 4), (b"1", 2 * SECOND)]
    counts = [len(read(decoder, "p/1/t", payload, received=at).readings) for payload, at in sent]

    assert counts == [2, 0, 2, 0, 2, 2]
    assert [len(read(decoder, "c").readings) for _ in range(2)] == [1, 1], "one subscription, no copies"
    assert [len(read(decoder, "p/2/t").readings) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("policy", "starts"),
    [
        ("baseline", [True, False, True, False]),
        ("use", [True, False, False, False]),
        ("ignore", [True, False]),
    ],
)
def test_what_a_retained_message_counts_for_is_written(policy, starts):
    """Baseline: it says where things stand; ignore: it is passed over; use: it is a value like any other."""
    decoder = topics({"A": "a"}, retained=policy)
    readings = [
        reading
        for kept in (True, False, True, False)
        for reading in read(decoder, "a", retained=kept).readings
    ]

    assert [reading.baseline for reading in readings] == starts


def test_a_retained_message_with_its_time_is_of_known_age():
    """The first of a session is a start all the same; after it the time tells what is new."""
    tag = MqttTag.model_validate({"topic": "a", "value": "$.v", "time": "$.ts"})
    decoder = Topics({"A": tag})
    readings = [
        read(decoder, "a", b'{"v": 1, "ts": %d}' % stamp, retained=True).readings[0] for stamp in (5, 6)
    ]

    assert [reading.baseline for reading in readings] == [True, False]
    assert tag.time == parse_path("$.ts")


def test_a_time_that_stands_still_while_the_value_changes_is_told():
    """Azure-Samples/iot-edge-opc-plc#403: all but the first would be dropped as not newer, without a word."""
    decoder = Topics({"A": MqttTag.model_validate({"topic": "a", "value": "$.v", "time": "$.ts"})})
    sent = [(0, 1, 7), (10, 1, 8), (40, 1, 7), (41, 1, 8), (42, 1, 8), (50, 2, 8), (51, 2, 9)]
    decoded = [
        read(decoder, "a", b'{"v": %d, "ts": %d}' % (value, stamp), received=at * SECOND)
        for at, stamp, value in sent
    ]

    assert [one.readings[0].value for one in decoded] == [7, 8, 7, None, None, 8, 9]
    assert "its value changes and its time does not" in decoded[3].readings[0].reason
    assert decoded[3].unreadable == decoded[3].readings[0].reason


def test_null_is_no_odd_payload():
    """The device says that it has no value: bad, and nothing to be looked at."""
    decoder = Topics({"A": MqttTag.model_validate({"topic": "a", "value": "$.v", "invalid": [-1.0]})})
    null, code, odd = (read(decoder, "a", payload) for payload in (b'{"v": null}', b'{"v": -1}', b"{}"))

    assert null.readings[0].reason == "A: no value on a: the device says null: $.v is there and has no value"
    assert code.readings[0].value is None
    assert (null.unreadable, code.unreadable) == ("", "")
    assert odd.unreadable == odd.readings[0].reason


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=30), st.binary(max_size=30))
def test_no_topic_and_no_payload_raises(topic, payload):
    """Wildcards over everything, each kind of payload."""
    decoder = Topics(
        {
            "A.{1}": MqttTag.model_validate({"topic": "#"}),
            "B.{2}.{1}": MqttTag.model_validate({"topic": "+/+", "payload": "binary", "type": "float32"}),
            "C.{1}": MqttTag.model_validate({"topic": "/#", "value": "$.a", "time": "$.b", "type": "bool"}),
        }
    )
    for _ in range(2):
        decoded = decoder.decode(Message(topic, payload, retained=False, received=1))
        assert (decoded is None) == topic.startswith("$")
