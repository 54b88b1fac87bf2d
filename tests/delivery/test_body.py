"""The body of an event, to the byte: receivers parse this for years."""

import json

import pytest

from agent.delivery.body import Identity, Place, render
from agent.model import Event, EventType, Priority

OFFSET = 1_795_248_000_000_000_000  # 2026-11-21 08:00:00 UTC when the monotonic clock stood at 0
IDENTITY = Identity("dresden", "line-4", "k3v9")
PLACE = Place(seq=17, previous=12, offset=OFFSET)


def event(**changes: object):
    fields = {
        "type": EventType.ALARM_RAISED,
        "at": 3_120_999_999,
        "subject": "R1-temperature",
        "priority": Priority.CRITICAL,
        "data": {"value": 171.5, "unit": "°C", "setpoint": None, "limit": 170},
        "instants": {"onset": 1_000_000},
        "tag": "R1.TT101",
        "rule": "R1-temperature",
    }
    return Event("evt_1", **{**fields, **changes})


def data(**changes: object):
    place = changes.pop("place", PLACE)
    return json.loads(render(event(**changes), place, IDENTITY))["data"]


def test_the_body_to_the_byte():
    """Unknown is null, UTF-8 is not escaped, stamps are cut to milliseconds, all fields have their place."""
    expected = (
        '{"type":"alarm.raised","timestamp":"2026-11-21T08:00:03.120Z","data":{"schema":1,"id":"evt_1",'
        '"site":"dresden","agent":"line-4","epoch":"k3v9","seq":17,"previous":12,"priority":"critical",'
        '"severity":900,"value":171.5,"unit":"°C","setpoint":null,"limit":170,"rule":"R1-temperature",'
        '"tag":"R1.TT101","onset":"2026-11-21T08:00:00.001Z"}}'
    )

    assert render(event(), PLACE, IDENTITY).decode() == expected


def test_what_has_no_meaning_is_left_out():
    """An event about the agent has no rule and no tag; nothing is late unless it is."""
    told = data(type=EventType.AGENT_STARTED, rule="", tag="", data={}, instants={})

    assert set(told) == {
        *("schema", "id", "site", "agent", "epoch", "seq", "previous", "priority", "severity")
    }


def test_the_first_of_a_destination_says_so():
    """`previous` is there and null: nothing came before it."""
    assert data(place=Place(1, None, OFFSET))["previous"] is None


@pytest.mark.parametrize(("late", "told"), [(True, {"late": True}), (False, {})])
def test_what_was_sent_again_is_late(late, told):
    """Receivers order by `seq`."""
    found = data(place=Place(17, 12, OFFSET, late=late))

    assert {key: value for key, value in found.items() if key == "late"} == told


def test_the_rule_and_the_tag_of_the_data_win():
    """An event that says more exactly what it is about is believed."""
    told = data(data={"rule": "R1", "tag": "T", "severity": 1})

    assert (told["rule"], told["tag"], told["severity"]) == ("R1", "T", 1)


def test_dotted_instants_lie_within_their_map():
    """`blind.from` joins what `blind` holds already, and takes the place of what is no map."""
    blind = {"reason": "store"}
    instants = {"blind.from": 0, "blind.to": 2_000_000_000, "a.b.c": 0, "flat.at": 0}

    told = data(data={"blind": blind, "flat": 7}, instants=instants)

    assert told["blind"] == {
        "reason": "store",
        "from": "2026-11-21T08:00:00.000Z",
        "to": "2026-11-21T08:00:02.000Z",
    }
    assert told["a"] == {"b": {"c": "2026-11-21T08:00:00.000Z"}}
    assert told["flat"] == {"at": "2026-11-21T08:00:00.000Z"}
    assert blind == {"reason": "store"}, "the event is shared by all destinations"


def test_every_attempt_sends_the_same_bytes():
    """However often it is rendered, and whatever was rendered between: the receiver compares bodies."""
    shared = event(data={"blind": {"x": 1}, "b": [1, 2], "a": {"z": 1, "y": 2}}, instants={"blind.from": 5})
    first = render(shared, PLACE, IDENTITY)

    others = [
        render(shared, Place(17, previous, OFFSET + previous), IDENTITY)
        for previous in range(1_000_000, 9_000_000, 1_000_000)
    ]

    assert render(shared, PLACE, IDENTITY) == first
    assert first not in others


@pytest.mark.parametrize("offset", [0, -3_000_000_000, -OFFSET])
def test_a_clock_that_was_never_set_still_gives_stamps(offset):
    """C1: a start in 1970, instants of before the start included."""
    told = data(place=Place(1, None, offset))

    assert told["onset"].endswith("Z")
    assert told["onset"] < "1970-01-02"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (2**63 - 1, "9223372036854775807"),
        (-(2**63), "-9223372036854775808"),
        (2**64 - 1, "18446744073709551615"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        ('"\\\n\x00', r'"\"\\\n\u0000"'),
    ],
)
def test_values_at_the_edge_of_json(value, written):
    """64-bit integers are exact; what JSON has no number for is unknown."""
    assert f'"value":{written}'.encode() in render(event(data={"value": value}), PLACE, IDENTITY)


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, "\ud800", b"raw", {1: 2}, object()])
def test_what_has_no_json_form_is_refused(value):
    """A TypeError, which the store raises first and the loop of a destination survives."""
    with pytest.raises(TypeError):
        render(event(data={"value": value}), PLACE, IDENTITY)
