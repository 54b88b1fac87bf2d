"""From a message to readings: one parse, tags bad alone, starts marked."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Quality, Reading
from agent.sources.mqtt.config import MqttTag
from agent.sources.mqtt.decode import Topics


def topics(**tags: dict) -> Topics:
    return Topics({name: MqttTag.model_validate(tag) for name, tag in tags.items()})


def test_tags_of_one_topic_share_one_message():
    """Each reads its own field; the stamp of the device travels with it."""
    both = topics(
        A={"topic": "t", "value": "$.a", "time": "$.ts"}, B={"topic": "t", "value": "/b"}, C={"topic": "u"}
    )

    assert both.names() == ["t", "u"]
    assert both.readings("t", b'{"a": 1, "b": false, "ts": 2}', retained=False, received=5) == [
        Reading("A", 1, Quality.GOOD, 5, "", 2_000_000_000, baseline=True),
        Reading("B", False, Quality.GOOD, 5, "", None, baseline=True),
    ]


def test_a_tag_that_cannot_be_read_is_bad_alone():
    """The reason names the tag, the topic and what was found."""
    a, b = topics(A={"topic": "plant/1", "value": "$.a"}, B={"topic": "plant/1", "value": "$.b"}).readings(
        "plant/1", b'{"a": 1, "c": 2}', retained=False, received=5
    )

    assert (a.value, a.quality) == (1, Quality.GOOD)
    assert (b.value, b.quality) == (None, Quality.BAD)
    assert b.reason == "B: no value on plant/1: $.b: no 'b' in it: the object there has 'a', 'c'"


def test_a_value_without_a_usable_time_is_bad():
    """It cannot be told whether it is new."""
    (reading,) = topics(A={"topic": "t", "value": "$.a", "time": "$.ts"}).readings(
        "t", b'{"a": 1, "ts": "2026-11-21T12:00:00"}', retained=False, received=5
    )

    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert reading.reason.startswith("A: no usable time on t: time $.ts: '2026-11-21T12:00:00' has no zone")


def test_the_first_value_is_a_start_and_a_bad_payload_is_no_value():
    """What comes after the first good value is a change."""
    tag = topics(A={"topic": "t"})
    marks = [
        tag.readings("t", payload, retained=False, received=5)[0].baseline
        for payload in (b"", b"1", b"1", b"2")
    ]

    assert marks == [False, True, False, False]


def test_a_retained_value_is_a_start_whenever_it_comes():
    """Its age is unknown."""
    tag = topics(A={"topic": "t"})
    marks = [tag.readings("t", b"1", retained=kept, received=5)[0].baseline for kept in (True, False, True)]

    assert marks == [True, False, True]


def test_a_topic_that_nobody_asked_for_has_no_readings():
    """A kept session may still deliver what an earlier configuration wanted."""
    assert topics(A={"topic": "t"}).readings("other", b"1", retained=False, received=5) == []


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.text(max_size=20))
def test_no_payload_and_no_topic_raises(payload, topic):
    """Every tag of the topic gets exactly one reading, whatever was published."""
    tags = topics(A={"topic": "t"}, B={"topic": "t", "value": "$.a", "time": "/b"})

    assert [one.tag for one in tags.readings("t", payload, retained=False, received=1)] == ["A", "B"]
    assert len(tags.readings(topic, payload, retained=False, received=1)) in {0, 2}
