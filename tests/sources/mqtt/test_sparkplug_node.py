"""What the agent believes of an edge node: births, data, deaths, gaps; the decoder alone, with time handed in."""

from itertools import pairwise

import pytest
from rigs.sparkplug_edge import DATASET, DOUBLE, INT32, NODE, STRING, EdgeNode, metric, payload

from agent.codec.sparkplug import decode
from agent.model import SECOND, Quality
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.sparkplug import Sparkplug
from agent.sources.mqtt.sparkplug_config import SparkplugSource

PLANT = {
    NODE: {"CPU": (INT32, 40)},
    "Press": {"Temp": (DOUBLE, 20.5), "Count": (INT32, -7)},
    "Oven 2": {"State": (STRING, "off")},
}
TAGS = {
    "CPU": {"device": "Plant1/Edge1", "metric": "CPU"},
    "TEMP": {"device": "Plant1/Edge1/Press", "metric": "Temp"},
    "COUNT": {"device": "Plant1/Edge1/Press", "metric": "Count"},
    "STATE": {"device": "Plant1/Edge1/Oven 2", "metric": "State"},
}
BORN = {"CPU": 40, "TEMP": 20.5, "COUNT": -7, "STATE": "off"}
WALL = 1_790_000_000 * SECOND


class Host:
    """The decoder, the board that its readings make, and what it asked for; seconds are the test's own."""

    def __init__(self, tags=TAGS, **keys):
        section = {"type": "mqtt", "url": "mqtt://broker", "payload": "sparkplug_b", "tags": tags} | keys
        self.config = SparkplugSource.model_validate(section)
        self.decoder = Sparkplug(self.config, lambda: WALL)
        self.now = 0
        self.seen = []
        self.board = {}
        self.asked = []
        self.unreadable = []

    def hear(self, *messages, retained=False):
        for topic, body in messages:
            decoded = self.decoder.decode(Message(topic, body, retained, self.now))
            self._take(decoded.readings)
            self.unreadable += [decoded.unreadable] * bool(decoded.unreadable)
        return self

    def wait(self, seconds):
        """Let time pass, a quarter of a second at a time."""
        for _ in range(round(seconds * 4)):
            self.now += SECOND // 4
            self._take(self.decoder.overdue(self.now))
            self.asked += [(self.now // SECOND, request.topic) for request in self.decoder.requests(self.now)]
        return self

    def _take(self, readings):
        self.seen += readings
        self.board.update({one.tag: one for one in readings if not one.late})

    @property
    def values(self):
        return {tag: one.value for tag, one in self.board.items()}

    @property
    def reasons(self):
        return {tag: one.reason for tag, one in self.board.items() if one.quality is Quality.BAD}


@pytest.fixture
def edge():
    return EdgeNode(PLANT)


@pytest.fixture
def host(edge):
    """A host that has heard the birth certificates."""
    return Host().wait(1).hear(*edge.births())


def test_a_birth_tells_what_holds_and_is_no_change(host, edge):
    """Values of node and devices, negative ones too, with the edge node's stamps; every one a start."""
    assert host.values == BORN
    assert all(one.baseline and one.quality is Quality.GOOD for one in host.board.values())
    assert {one.source_time // 1_000_000_000_000_000 for one in host.board.values()} == {1790}
    assert not host.reasons


def test_data_by_alias_is_a_change(host, edge):
    """An alias stands for what the birth certificate said, in the type that it said."""
    host.hear(
        edge.data("Press", {"Count": -8}), edge.data(NODE, {"CPU": 41}), edge.data("Oven 2", {"State": ""})
    )

    assert host.values == BORN | {"COUNT": -8, "CPU": 41, "STATE": ""}
    assert not host.board["COUNT"].baseline


def test_data_by_name_is_a_change(edge):
    """Edge nodes without aliases send the names each time."""
    edge.with_aliases = False
    host = Host().hear(*edge.births(), edge.data("Press", {"Count": -8}))

    assert host.values == BORN | {"COUNT": -8}


def test_until_a_birth_every_tag_is_bad_with_the_remedy():
    """Births are not retained: who connects later knows nothing until he asks."""
    host = Host().wait(1)

    assert set(host.reasons) == set(TAGS)
    assert host.reasons["CPU"] == (
        "no birth certificate of Plant1/Edge1 has come yet: check that it is running, and that the broker lets "
        "the agent read spBv1.0/Plant1/+/Edge1/# and publish spBv1.0/Plant1/NCMD/Edge1"
    )
    assert host.asked == []


def test_a_missing_birth_is_asked_for_ever_more_rarely():
    """2 s after the connection, then after 10, 20, 40 ... 300 s."""
    host = Host().wait(1_000)

    times = [at for at, _ in host.asked]
    assert {topic for _, topic in host.asked} == {"spBv1.0/Plant1/NCMD/Edge1"}
    assert [later - earlier for earlier, later in pairwise(times)] == [
        10,
        20,
        40,
        80,
        160,
        300,
        300,
    ]
    assert times[0] <= 3


def test_edge_nodes_are_asked_one_after_the_other():
    """A hundred births at the same moment would be a burst."""
    tags = {f"CPU{at}": {"device": f"Plant1/Edge{at}", "metric": "CPU"} for at in range(30)}

    per_tick = [sum(at == second for at, _ in Host(tags).wait(8).asked) for second in range(8)]

    assert sum(per_tick) == 30
    assert max(per_tick) <= 11


def test_nothing_is_asked_where_that_is_not_wanted():
    """`rebirth_request: false`: not one message is published; the reason says what that means."""
    host = Host(rebirth_request=False).wait(600)

    assert host.asked == []
    assert "rebirth_request: false" in host.reasons["TEMP"]


def test_an_early_birth_needs_no_request(edge):
    """It comes between the subscription and the first request."""
    host = Host().hear(*edge.births()).wait(30)

    assert (host.asked, host.values) == ([], BORN)


def test_what_comes_too_early_waits_for_those_before_it(host, edge):
    """A broker may give out messages of different topics in another order: all is taken, in their order."""
    first, second, third = (
        edge.data("Press", {"Temp": 1.0}),
        edge.data(NODE, {"CPU": 1}),
        edge.data("Press", {"Temp": 2.0}),
    )

    host.hear(second, third)
    assert host.values == BORN
    host.hear(first).wait(30)

    assert host.values == BORN | {"TEMP": 2.0, "CPU": 1}
    assert [one.value for one in host.seen[-3:]] == [1.0, 1, 2.0]
    assert host.asked == []


def test_a_lost_message_costs_the_trust_in_all_aliases(host, edge):
    """It may have been a birth certificate that gave them other meanings: nothing by alias is believed."""
    edge.dbirth("Press")  # nobody hears it
    edge.number_anew(1)
    host.hear(edge.data("Press", {"Count": 99}), edge.data("Oven 2", {"State": "on"}))
    host.wait(3).hear(edge.data("Press", {"Count": 98}))

    assert host.values == BORN
    assert [topic for _, topic in host.asked] == ["spBv1.0/Plant1/NCMD/Edge1"]

    host.wait(6)
    assert set(host.reasons) == set(TAGS)
    assert host.reasons["TEMP"] == "Plant1/Edge1: a message was lost (number 3 expected, 4 came)"

    host.hear(*edge.births())
    assert host.values == BORN | {"COUNT": 98, "STATE": "on"}


def test_a_rebirth_in_time_leaves_no_trace(host, edge):
    """The gap is told to the log and mended within a second: no tag was bad."""
    edge.data(NODE, {"CPU": 50})
    host.hear(edge.data("Press", {"Count": -9})).wait(2.5)
    assert len(host.asked) == 1

    seen = len(host.seen)
    host.hear(*edge.births()).wait(30)

    assert host.values == BORN | {"CPU": 50, "COUNT": -9}
    assert all(one.quality is Quality.GOOD for one in host.seen[seen:])


def test_after_a_loss_what_is_said_in_full_is_believed(host, edge):
    """Name and type beside the value need no birth certificate: such values keep coming."""
    edge.data(NODE, {"CPU": 50})
    host.hear(edge.data(NODE, {"CPU": 51})).wait(3)
    said = metric("Temp", DOUBLE, 77.0, timestamp=edge.stamp)
    unsaid = metric("Count", INT32, 5, timestamp=edge.stamp, told=False)
    host.hear((edge.topic("DDATA", "Press"), payload(said, unsaid, seq=edge.next(), stamp=edge.stamp))).wait(
        10
    )

    assert host.values == {"TEMP": 77.0, "CPU": None, "COUNT": None, "STATE": None}


def test_the_sequence_wraps_from_255_to_0(host, edge):
    """600 messages later all is well."""
    for at in range(600):
        host.hear(edge.data("Press", {"Count": at}))

    assert host.wait(30).values == BORN | {"COUNT": 599}
    assert host.asked == []


@pytest.mark.parametrize("seq", [None, 256, 2**64 - 1])
def test_a_message_without_a_usable_number_counts_as_a_gap(host, edge, seq):
    """Without it nobody can tell whether one is missing."""
    host.hear((edge.topic("NDATA"), payload(metric("CPU", INT32, 3, told=False), seq=seq, stamp=edge.stamp)))
    host.wait(10)

    assert host.values == dict.fromkeys(BORN)
    assert "one without a number came" in host.reasons["CPU"]


def test_an_alias_that_no_birth_explains_is_asked_for(host, edge):
    """A metric that was added without a new birth: the others stay as they are."""
    strange = metric(None, DOUBLE, 1.0, alias=900, told=False)
    host.hear((edge.topic("DDATA", "Press"), payload(strange, seq=edge.next(), stamp=edge.stamp))).wait(30)

    assert len(host.asked) >= 1
    assert host.values == BORN


def test_an_alias_for_two_metrics_stands_for_neither(edge):
    """The specification wants it unique; who reads it as either may read the wrong one."""
    twice = [
        metric("Temp", DOUBLE, 1.0, alias=5),
        metric("Pressure", DOUBLE, 9.0, alias=5),
        metric("Count", INT32, 2, alias=6),
    ]
    host = Host().hear(
        edge.nbirth(), (edge.topic("DBIRTH", "Press"), payload(*twice, seq=edge.next(), stamp=edge.stamp))
    )
    told = metric(None, DOUBLE, 9.5, alias=5, told=False)
    host.hear((edge.topic("DDATA", "Press"), payload(told, seq=edge.next(), stamp=edge.stamp)))

    assert (host.values["TEMP"], host.values["COUNT"]) == (None, 2)
    assert host.reasons["TEMP"].endswith(
        "the birth certificate of Plant1/Edge1/Press gives the alias 5 to two metrics"
    )


def test_aliases_of_two_devices_do_not_meet(edge):
    """Some edge nodes number each device from 0: the topic tells which is meant."""
    host = Host().hear(edge.nbirth())
    for device, one in (
        ("Press", metric("Temp", DOUBLE, 1.0, alias=0)),
        ("Oven 2", metric("State", STRING, "a", alias=0)),
    ):
        host.hear((edge.topic("DBIRTH", device), payload(one, seq=edge.next(), stamp=edge.stamp)))
    told = metric(None, DOUBLE, 2.0, alias=0, told=False)
    host.hear((edge.topic("DDATA", "Press"), payload(told, seq=edge.next(), stamp=edge.stamp)))

    assert (host.values["TEMP"], host.values["STATE"]) == (2.0, "a")


def test_a_death_makes_all_its_tags_bad_at_once(host, edge):
    """The edge node's, and those of its devices; what it still sends means nothing until it is born again."""
    host.hear(edge.ndeath(), edge.data("Press", {"Count": 3}))

    assert host.values == dict.fromkeys(BORN)
    assert host.reasons["STATE"] == "Plant1/Edge1 is offline (its death certificate came)"
    assert host.hear(*edge.connect_anew()).values == BORN | {"COUNT": 3}


def test_a_death_of_an_earlier_session_is_ignored(host, edge):
    """The broker noticed its end after the new session had begun: bdSeq tells."""
    old = edge.ndeath()
    host.hear(*edge.connect_anew(), old)

    assert host.values == BORN


def test_in_doubt_any_death_counts(host, edge):
    """After a loss the session that is known may not be the one that dies."""
    edge.connect_anew()
    edge.data(NODE, {"CPU": 1})
    host.hear(edge.data(NODE, {"CPU": 1})).wait(2.5).hear(edge.ndeath())

    assert set(host.reasons) == set(TAGS)


def test_a_death_of_a_session_that_nobody_saw_begin_is_looked_into(host, edge):
    """Its births were lost, all of them: a rebirth is asked for, and without an answer the tags are bad."""
    edge.connect_anew()
    host.hear(edge.ndeath()).wait(3)
    assert (len(host.asked), host.values) == (1, BORN)

    assert set(host.wait(3).reasons) == set(TAGS)


def test_a_device_dies_and_is_born_alone(host, edge):
    """Only its tags are bad; its aliases are forgotten."""
    host.hear(edge.ddeath("Press"), edge.data(NODE, {"CPU": 42}))
    assert host.values == {"CPU": 42, "TEMP": None, "COUNT": None, "STATE": "off"}
    assert host.reasons["TEMP"] == "Plant1/Edge1 says that Press is offline"

    host.hear(edge.data("Press", {"Temp": 3.0}))
    assert host.values["TEMP"] is None

    host.hear(edge.dbirth("Press"))
    assert host.values == BORN | {"CPU": 42, "TEMP": 3.0}


def test_a_device_that_is_not_born_again_is_bad(host, edge):
    """The node's birth certificate speaks for the node alone."""
    host.hear(edge.nbirth())
    assert host.values == BORN
    host.wait(6)

    assert host.values == {"CPU": 40, "TEMP": None, "COUNT": None, "STATE": None}
    assert host.reasons["STATE"] == "Plant1/Edge1 is online, but has sent no birth certificate of Oven 2"


def test_a_metric_that_the_birth_does_not_name_is_bad():
    """A slip in the configuration is told with the edge node's name."""
    edge = EdgeNode({"Press": {"Temp": (DOUBLE, 1.0)}})
    host = Host().hear(*edge.births()).wait(10)

    assert host.values["TEMP"] == 1.0
    assert host.reasons["COUNT"] == "COUNT: the birth certificate of Plant1/Edge1/Press names no metric Count"
    assert host.reasons["CPU"] == "CPU: the birth certificate of Plant1/Edge1 names no metric CPU"


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


def test_history_is_late_and_moves_nothing(host, edge):
    """`is_historical`: what an edge node kept while it was cut off; a bad one of them is dropped."""
    host.hear(edge.data("Press", {"Count": 1}, is_historical=True, timestamp=edge.stamp - 60_000))
    host.hear(edge.data("Press", {"Count": None}, is_historical=True))

    assert [(one.value, one.late) for one in host.seen[len(BORN) :] if one.tag == "COUNT"][-1] == (1, True)
    assert host.values == BORN


def test_a_birth_with_old_stamps_is_taken(host, edge):
    """A rebirth repeats values as they were captured, hours ago: they hold now."""
    edge.data(NODE, {"CPU": 50})
    host.hear(edge.data(NODE, {"CPU": 51})).wait(10)
    edge.stamp -= 3_600_000

    assert host.hear(*edge.births()).values == BORN | {"CPU": 51}
    assert not any(spec.timed for spec in host.config.tag_specs("x"))


def test_data_of_before_the_birth_is_not_read_with_it(host, edge):
    """It was under way while the edge node was asked: same number, other meaning."""
    old = [
        edge.data("Press", {"Count": 5}),
        edge.data("Press", {"Count": 6}),
        edge.data("Press", {"Count": 7}),
    ]
    edge = EdgeNode(PLANT)
    edge.number_anew(1)
    edge.stamp += 10_000
    host.hear(*edge.births(), *old)
    assert host.values == BORN

    host.hear(edge.data("Press", {"Count": 9}))
    assert host.wait(30).values == BORN | {"COUNT": 9}


def test_a_clock_that_is_set_back_is_asked_for_a_new_birth(host, edge):
    """Its data looks older than its birth certificate."""
    edge.stamp -= 3_600_000
    host.hear(edge.data("Press", {"Count": 5})).wait(3)

    assert len(host.asked) == 1
    assert host.hear(*edge.births()).hear(edge.data("Press", {"Count": 6})).values == BORN | {"COUNT": 6}


def test_a_retained_message_is_not_believed(edge):
    """Sparkplug retains none: it is of unknown age, and so are its aliases. It is set aside."""
    host = Host().wait(1).hear(*edge.births(), retained=True)

    assert host.values == dict.fromkeys(BORN)
    assert "retained" in host.unreadable[0]


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


def test_a_birth_that_cannot_be_read_is_told(host, edge):
    """The edge node has begun anew, as what nobody knows."""
    host.hear((edge.topic("NBIRTH"), b"\xff"))

    assert host.reasons["TEMP"].startswith(
        "the birth certificate of Plant1/Edge1 cannot be read: the payload is not"
    )
    assert host.hear((edge.topic("NDEATH"), b"\xff")).reasons["TEMP"].startswith("Plant1/Edge1 is offline")


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


def test_one_filter_brings_everything_of_an_edge_node(host):
    """With a part of its messages nobody could tell whether one is missing."""
    assert host.decoder.filters() == ["spBv1.0/Plant1/+/Edge1/#"]
    assert set(host.decoder.tags_of("spBv1.0/Plant1/+/Edge1/#")) == set(TAGS)


def test_after_readings_were_dropped_all_begins_anew(host, edge):
    """The store took nothing and no more fitted in: what was told and what is known are two things."""
    host.decoder.dropped()
    host.wait(3)

    assert set(host.reasons.values()) == {"messages were dropped while the store took nothing"}
    assert len(host.asked) == 1
    assert host.hear(*edge.births()).values == BORN


def test_a_stranger_cannot_make_much_be_kept(host, edge):
    """Messages of the far future of the sequence: no more than a few wait."""
    for seq in range(100, 256):
        host.hear((edge.topic("NDATA"), payload(metric("CPU", INT32, 1), seq=seq, stamp=edge.stamp)))

    [node] = host.decoder._nodes.values()
    assert len(node._order._held) <= 64


def test_the_request_is_what_edge_nodes_understand(edge):
    """On the edge node's command topic, with the time of the request."""
    host = Host()
    host.decoder.requests(0)
    [request] = host.decoder.requests(3 * SECOND)

    assert request.topic == "spBv1.0/Plant1/NCMD/Edge1"
    assert decode(request.payload).stamp == WALL // 1_000_000
