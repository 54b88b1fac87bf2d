"""From a message to readings: one parse, tags bad alone, starts marked."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.model import Quality, Reading
from agent.sources.mqtt.config import MqttTag
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.topics import Topics


def topics(**tags: dict) -> Topics:
    return Topics({name: MqttTag.model_validate(tag) for name, tag in tags.items()})


def readings(decoder: Topics, topic: str, payload: bytes, *, retained: bool = False) -> list[Reading]:
    return list(decoder.decode(Message(topic, payload, retained, 5)).readings)


def test_tags_of_one_topic_share_one_message():
    """Each reads its own field; the stamp of the device travels with it."""
    both = topics(
        A={"topic": "t", "value": "$.a", "time": "$.ts"}, B={"topic": "t", "value": "/b"}, C={"topic": "u"}
    )

    assert both.filters() == ["t", "u"]
    assert readings(both, "t", b'{"a": 1, "b": false, "ts": 2}') == [
        Reading("A", 1, Quality.GOOD, 5, "", 2_000_000_000, baseline=True),
        Reading("B", False, Quality.GOOD, 5, "", None, baseline=True),
    ]


def test_a_tag_that_cannot_be_read_is_bad_alone():
    """The reason names the tag, the topic and what was found."""
    decoder = topics(A={"topic": "plant/1", "value": "$.a"}, B={"topic": "plant/1", "value": "$.b"})
    a, b = readings(decoder, "plant/1", b'{"a": 1, "c": 2}')

    assert (a.value, a.quality) == (1, Quality.GOOD)
    assert (b.value, b.quality) == (None, Quality.BAD)
    assert b.reason == "B: no value on plant/1: $.b: no 'b' in it: the object there has 'a', 'c'"


def test_a_code_for_no_value_and_what_cannot_be_are_bad():
    """core#139628: raw -9999 is the device's word for "none", and 500 degrees are a broken wire."""
    decoder = topics(A={"topic": "t", "scale": 0.1, "invalid": [-9999], "valid_range": [-50, 400]})
    told = [readings(decoder, "t", payload)[0] for payload in (b"215", b"-9999", b"5000")]

    assert [one.value for one in told] == [21.5, None, None]
    assert [one.quality for one in told] == [Quality.GOOD, Quality.BAD, Quality.BAD]
    assert all(one.reason for one in told[1:])


def test_a_value_without_a_usable_time_is_bad():
    """It cannot be told whether it is new."""
    decoder = topics(A={"topic": "t", "value": "$.a", "time": "$.ts"})
    (reading,) = readings(decoder, "t", b'{"a": 1, "ts": "2026-11-21T12:00:00"}')

    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert reading.reason.startswith("A: no usable time on t: time $.ts: it has no zone, and none is guessed")


def test_the_first_value_is_a_start_and_a_bad_payload_is_no_value():
    """What comes after the first good value is a change."""
    tag = topics(A={"topic": "t"})
    marks = [readings(tag, "t", payload)[0].baseline for payload in (b"", b"1", b"1", b"2")]

    assert marks == [False, True, False, False]


def test_a_retained_value_is_a_start_whenever_it_comes():
    """Its age is unknown."""
    tag = topics(A={"topic": "t"})
    marks = [readings(tag, "t", b"1", retained=kept)[0].baseline for kept in (True, False, True)]

    assert marks == [True, False, True]


def test_a_topic_that_nobody_asked_for_has_no_readings():
    """A kept session may still deliver what an earlier configuration wanted."""
    assert topics(A={"topic": "t"}).decode(Message("other", b"1", retained=False, received=5)) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.text(max_size=20))
def test_no_payload_and_no_topic_raises(payload, topic):
    """Every tag of the topic gets exactly one reading, whatever was published."""
    tags = topics(A={"topic": "t"}, B={"topic": "t", "value": "$.a", "time": "/b"})

    assert [one.tag for one in readings(tags, "t", payload)] == ["A", "B"]
    assert (tags.decode(Message(topic, payload, retained=False, received=1)) is None) == (topic != "t")
