"""What the messages of a Sparkplug edge node hold that is no good value, and what is none of its messages."""

import pytest
from rigs.sparkplug_edge import DATASET, DOUBLE, INT32, EdgeNode, metric, payload
from rigs.sparkplug_host import BORN, PLANT, TAGS, Host

from agent.model import Quality
from agent.sources.mqtt.decode import Message


@pytest.fixture
def edge():
    return EdgeNode(PLANT)


@pytest.fixture
def host(edge):
    """A host that has heard the birth certificates."""
    return Host().wait(1).hear(*edge.births())


@pytest.mark.parametrize(
    ("told", "quality", "reason"),
    [
        (metric(None, INT32, None, alias=2), Quality.BAD, "no value (null)"),
        (metric(None, DATASET, b"", alias=2), Quality.BAD, "a data set, which is not supported"),
        (metric(None, DOUBLE, float("nan"), alias=2), Quality.BAD, "nan is not a finite number"),
        (metric(None, INT32, 1, alias=2, properties={"keys": [b"Quality"], "values": [{"int_value": 500}]}), Quality.BAD, "stale"),
        (metric(None, INT32, 1, alias=2, properties={"keys": [b"Quality"], "values": [{"int_value": 0}]}), Quality.BAD, "quality 0"),
        (metric(None, INT32, 1, alias=2, properties={"keys": [b"Quality"], "values": [{"int_value": 64}]}), Quality.UNCERTAIN, "quality 64"),
    ],
)  # fmt: skip
def test_what_is_no_good_value_is_told_with_its_reason(host, edge, told, quality, reason):
    """Quality of the payload, null, types without a single value: bad alone, and good again with the next value."""
    host.hear((edge.topic("DDATA", "Press"), payload(told, seq=edge.next(), stamp=edge.stamp)))

    assert host.board["COUNT"].quality is quality
    assert reason in host.board["COUNT"].reason
    assert (host.board["COUNT"].value is None) == (quality is Quality.BAD)
    assert host.hear(edge.data("Press", {"Count": 4})).values == BORN | {"COUNT": 4}


def test_values_of_the_past_take_no_present_one_s_place(host, edge):
    """`is_historical`: what an edge node kept while it was cut off comes after the birth, as history."""
    seen = len(host.seen)
    for at in range(3):
        host.hear(edge.data("Press", {"Count": at}, is_historical=True, timestamp=edge.stamp - 60_000))

    assert [(one.tag, one.value, one.late) for one in host.seen[seen:]] == [
        ("COUNT", at, True) for at in range(3)
    ]
    assert host.hear(edge.data("Press", {"Count": 5})).values == BORN | {"COUNT": 5}


def test_a_code_for_no_value_and_what_cannot_be_are_bad(edge):
    """`invalid` and `valid_range` hold for metrics as for registers."""
    count = TAGS["COUNT"] | {"invalid": [-1], "valid_range": [-10, 50]}
    host = Host(TAGS | {"COUNT": count}).wait(1).hear(*edge.births())
    told = []
    for value in (-1, 51, 50):
        host.hear(edge.data("Press", {"Count": value}))
        told.append((host.board["COUNT"].value, host.board["COUNT"].reason))

    assert told == [
        (None, "the device says that it has no value (its code -1)"),
        (None, "the value is outside of its valid_range [-10, 50]"),
        (50, ""),
    ]


def test_a_retained_message_is_not_believed(edge):
    """Sparkplug retains none: it is of unknown age, and so are its aliases. It is set aside."""
    host = Host().wait(1).hear(*edge.births(), retained=True)

    assert host.values == dict.fromkeys(BORN)
    assert "retained" in host.unreadable[0]


@pytest.mark.parametrize("verb", ["NBIRTH", "NDATA", "NDEATH"])
def test_deleting_a_retained_message_says_nothing(host, edge, verb):
    """An engineer cleans up at the broker: an empty payload is no birth without metrics, and no death."""
    host.hear((edge.topic(verb), b"")).wait(30)

    assert (host.values, host.asked) == (BORN, [])


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"hello, plant", b"\x12\x05ab"])
def test_garbage_from_a_stranger_is_set_aside(host, edge, body):
    """telegraf#13476: on any topic of the edge node; nothing stalls, and what follows is read."""
    host.hear(
        (edge.topic("DDATA", "Press"), body),
        (edge.topic("NDATA"), body),
        (edge.topic("DBIRTH", "Press"), body),
    )

    assert len(host.unreadable) == 3
    assert host.hear(edge.data("Press", {"Count": 4})).values == BORN | {"COUNT": 4}


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/Plant1/NCMD/Edge1", "spBv1.0/Plant1/DCMD/Edge1/Press", "spBv1.0/Plant1/NDATA/Edge1/Press",
        "spBv1.0/Plant1/DDATA/Edge1", "spBv1.0/Plant1/XDATA/Edge1", "spBv1.0/Plant1/DDATA/Edge1/Press/x",
    ],
)  # fmt: skip
def test_other_messages_of_the_edge_node_pass_by(host, edge, topic):
    """Commands, ours among them, and what Sparkplug does not know."""
    host.hear((topic, edge.data("Press", {"Count": 4})[1]))

    assert host.values == BORN
    assert not host.unreadable


@pytest.mark.parametrize(
    "topic", ["a/b", "spBv1.0/STATE/host", "spBv1.0/Plant2/NDATA/Edge1", "spAv1.0/Plant1/NDATA/Edge1"]
)
def test_topics_that_no_filter_asks_for_are_strangers(host, topic):
    """The session unsubscribes them."""
    assert host.decoder.decode(Message(topic, b"", retained=False, received=0)) is None
