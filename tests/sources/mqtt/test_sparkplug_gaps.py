"""Messages of a Sparkplug edge node that are lost, late or not explained: what is believed then."""

import pytest
from rigs.sparkplug_edge import DOUBLE, INT32, INT64, NODE, STRING, EdgeNode, metric, payload
from rigs.sparkplug_host import BORN, PLANT, TAGS, Host

from agent.model import Quality


@pytest.fixture
def edge():
    return EdgeNode(PLANT)


@pytest.fixture
def host(edge):
    """A host that has heard the birth certificates."""
    return Host().wait(1).hear(*edge.births())


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


def test_a_second_gap_behind_the_first_is_noticed(host, edge):
    """Two are missing; one of them comes: the wait for the other goes on, and ends."""
    messages = [edge.data("Press", {"Count": at}) for at in range(4)]
    host.hear(messages[1], messages[3], messages[0]).wait(1)
    assert host.values == BORN | {"COUNT": 1}

    assert len(host.wait(2).asked) == 1


def test_what_waited_is_not_taken_up_by_the_next_session(host, edge):
    """It has a number that the next session will come to as well."""
    edge.data(NODE, {"CPU": 1})
    host.hear(edge.data("Press", {"Count": 100}))
    edge.number_anew(1)
    host.hear(*edge.connect_anew(), edge.data("Press", {"Count": 5})).wait(30)

    assert host.values == BORN | {"CPU": 1, "COUNT": 5}


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
    host.hear((edge.topic("DDATA", "Press"), payload(said, unsaid, seq=edge.next(), stamp=edge.stamp)))
    assert host.values == BORN | {"TEMP": 77.0}

    assert host.wait(10).values == {"TEMP": 77.0, "CPU": None, "COUNT": None, "STATE": None}


def test_the_sequence_wraps_from_255_to_0(host, edge):
    """600 messages later all is well."""
    for at in range(600):
        host.hear(edge.data("Press", {"Count": at}))

    assert host.wait(30).values == BORN | {"COUNT": 599}
    assert host.asked == []


@pytest.mark.parametrize("pause", [0, 0.25])
def test_a_message_that_comes_twice_does_not_wait_for_the_numbers_to_come_round(host, edge, pause):
    """The copy was kept as one that came too early, and came out as a new value 250 messages later."""
    first = edge.data("Press", {"Temp": -1.0})
    host.hear(first, edge.data("Press", {"Temp": 0.0}), first, first)
    seen = []
    for n in range(1, 600):
        host.hear(edge.data("Press", {"Temp": float(n)})).wait(pause)
        seen.append(host.values["TEMP"])

    assert seen == [float(n) for n in range(1, 600)]
    assert not host.asked, "a copy is no loss"


@pytest.mark.parametrize("held", range(190, 256, 5))
def test_a_message_that_comes_long_after_its_turn_is_of_the_past(host, edge, held):
    """As many messages later as there are numbers, it has the one that is expected."""
    edge.stamp += 5_000
    late = edge.data("Press", {"Temp": -1.0})
    edge.stamp += 5_000
    host.hear(late)
    for n in range(held):
        host.hear(edge.data("Press", {"Temp": float(n)}))
    host.hear(late)
    for n in range(260):
        host.hear(edge.data("Press", {"Temp": float(n)}))
        assert host.values["TEMP"] == float(n)


def test_a_birth_that_comes_twice_brings_nothing_old_back(host, edge):
    """Its values are of then; a rebirth with a clock that was set back is found by the next number."""
    births = edge.births()
    host.hear(*births, edge.data(NODE, {"CPU": 55}), *births, edge.data(NODE, {"CPU": 56})).wait(10)
    assert host.values == BORN | {"CPU": 56}
    assert not host.asked

    host.hear(*edge.connect_anew(), *births, edge.data(NODE, {"CPU": 56}))
    assert host.values == BORN | {"CPU": 56}, "nor does one of a session before"

    edge.stamp -= 3_600_000
    host.hear(*edge.births(), edge.data(NODE, {"CPU": 57})).wait(10)
    assert len(host.asked) == 1
    assert host.hear(*edge.births()).values == BORN | {"CPU": 57}


def test_a_burst_that_is_lost_is_noticed_at_once(host, edge):
    """More than could ever wait for each other."""
    for n in range(100):
        edge.data("Press", {"Count": n})
    host.hear(edge.data("Press", {"Count": 100})).wait(1.5)

    assert len(host.asked) == 1


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
        metric("Pressure", DOUBLE, 9.0, alias=5),
        metric("Temp", DOUBLE, 1.0, alias=5),
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


def test_two_metrics_of_one_name_are_neither_of_them(edge):
    """What the name means nobody can tell, nor what its aliases do."""
    host = Host(TAGS | {"CPU": {"device": "Plant1/Edge1", "metric": "CPU"}})
    own = [metric("bdSeq", INT64, 0), *(metric("CPU", INT32, n, alias=n) for n in (1, 2))]
    host.wait(1).hear((edge.topic("NBIRTH"), payload(*own, seq=0, stamp=edge.stamp)))
    for seq, alias in ((1, 1), (2, 2)):
        told = metric(None, INT32, 7, alias=alias, told=False)
        host.hear((edge.topic("NDATA"), payload(told, seq=seq, stamp=edge.stamp)))

    assert host.reasons["CPU"] == "CPU: the birth certificate of Plant1/Edge1 names two metrics CPU"


def test_an_empty_name_beside_an_alias_is_none(host, edge):
    """Some libraries write one where there is no name: its value would be passed over for ever."""
    told = metric("", DOUBLE, 99.5, alias=edge._aliases["Press", "Temp"], told=False)
    host.hear((edge.topic("DDATA", "Press"), payload(told, seq=edge.next(), stamp=edge.stamp)))

    assert host.values["TEMP"] == 99.5


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
