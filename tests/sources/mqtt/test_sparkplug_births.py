"""Births and deaths of a Sparkplug edge node, and how its birth certificates are asked for."""

from itertools import pairwise

import pytest
from rigs.sparkplug_edge import DOUBLE, NODE, EdgeNode
from rigs.sparkplug_host import BORN, PLANT, TAGS, WALL, Host

from agent.codec.sparkplug import decode
from agent.model import SECOND, Quality


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


def test_two_tags_may_name_one_metric(edge):
    """Two teams, two names."""
    host = Host(TAGS | {"T2": TAGS["TEMP"]}).hear(*edge.births(), edge.data("Press", {"Temp": 3.5}))

    assert host.values == BORN | {"TEMP": 3.5, "T2": 3.5}


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


def test_data_of_a_device_that_is_not_born_in_this_session_is_not_believed(host, edge):
    """What its birth certificate of the session before said of aliases holds no more."""
    edge.number_anew(1)
    host.hear(edge.nbirth(), edge.data("Press", {"Temp": 5.0})).wait(2)

    assert host.values == BORN
    assert len(host.asked) == 1


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


def test_a_birth_with_old_stamps_is_taken(host, edge):
    """A rebirth repeats values as they were captured, hours ago: they hold now."""
    edge.data(NODE, {"CPU": 50})
    host.hear(edge.data(NODE, {"CPU": 51})).wait(10)
    edge.stamp -= 3_600_000

    assert host.hear(*edge.births()).values == BORN | {"CPU": 51}
    assert not any(spec.timed for spec in host.config.tag_specs("x"))


def test_a_birth_that_cannot_be_read_is_told(host, edge):
    """The edge node has begun anew, as what nobody knows."""
    host.hear((edge.topic("NBIRTH"), b"\xff"))

    assert host.reasons["TEMP"].startswith(
        "the birth certificate of Plant1/Edge1 cannot be read: the payload is not"
    )
    assert host.hear((edge.topic("NDEATH"), b"\xff")).reasons["TEMP"].startswith("Plant1/Edge1 is offline")


def test_one_filter_brings_everything_of_an_edge_node(host):
    """With a part of its messages nobody could tell whether one is missing."""
    assert host.decoder.filters() == ["spBv1.0/Plant1/+/Edge1/#"]
    assert set(host.decoder.tags_of("spBv1.0/Plant1/+/Edge1/#")) == set(TAGS)


def test_the_request_is_what_edge_nodes_understand(edge):
    """On the edge node's command topic, with the time of the request."""
    host = Host()
    host.decoder.requests(0)
    [request] = host.decoder.requests(3 * SECOND)

    assert request.topic == "spBv1.0/Plant1/NCMD/Edge1"
    assert decode(request.payload).stamp == WALL // 1_000_000
