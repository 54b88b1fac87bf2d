"""Lines of a log as receivers keep them: whatever the envelope, the same facts."""

import json

import pytest

from agent.proving.ledger.chain import UNKNOWN
from agent.proving.ledger.entries import (
    Beat,
    Death,
    Gap,
    LineError,
    Numbered,
    StateLost,
    Unnumbered,
    Who,
    read_line,
)

WHO = Who("dresden", "line-4", "e1")
DATA = {"id": "evt_7", "site": "dresden", "agent": "line-4", "epoch": "e1", "seq": 7, "previous": 5}
EVENT = {"type": "alarm.raised", "timestamp": "2026-11-21T08:00:03.120Z", "data": DATA}
CLOUD = {
    "specversion": "1.0",
    "id": "evt_7",
    "source": "/d/l",
    "type": EVENT["type"],
    "time": EVENT["timestamp"],
}
AT = 1_795_248_003_120
SEVEN = Numbered(WHO, 7, 5, AT, late=False)


def read(value):
    return list(read_line(value if isinstance(value, bytes) else json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (EVENT, [SEVEN]),
        ({"body": json.dumps(EVENT), "headers": {"webhook-id": "evt_7"}}, [SEVEN]),
        ({"body": EVENT}, [SEVEN]),
        ({"body": EVENT, "path": "/cmms"}, [SEVEN._replace(who=WHO._replace(path="/cmms"))]),
        ({"type": "batch", "timestamp": "x", "data": {"events": [EVENT, EVENT]}}, [SEVEN, SEVEN]),
        ({"body": json.dumps({"type": "batch", "data": {"events": [EVENT]}})}, [SEVEN]),
        (CLOUD | {"data": DATA}, [SEVEN]),
        ([CLOUD | {"data": DATA}, CLOUD | {"data": DATA}], [SEVEN, SEVEN]),
        (DATA | {"timestamp": EVENT["timestamp"]}, [SEVEN]),
        (EVENT | {"data": DATA | {"late": True}}, [SEVEN._replace(late=True)]),
        (EVENT | {"data": DATA | {"previous": None}}, [SEVEN._replace(previous=None)]),
        (EVENT | {"timestamp": "soon"}, [SEVEN._replace(at=UNKNOWN)]),
        (EVENT | {"timestamp": "2026-11-21T08:00:03"}, [SEVEN._replace(at=UNKNOWN)]),
        (EVENT | {"data": DATA | {"seq": True}}, [Unnumbered()]),
        (EVENT | {"data": DATA | {"seq": -1}}, [Unnumbered()]),
        (EVENT | {"data": DATA | {"epoch": ""}}, [Unnumbered()]),
        ({"text": "reactor 1 is too hot"}, [Unnumbered()]),
        (EVENT | {"data": DATA | {"body": "a field of this name"}}, [SEVEN]),
    ],
)
def test_an_event_is_found_in_every_envelope(line, expected):
    """As it was sent, in a batch, as CloudEvents, wrapped by the receiver's logging, or a template's own fields."""
    assert read(line) == expected


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (
            "agent.heartbeat",
            {"seq": None, "destination": "cmms", "high_water": 9, "waiting": 2},
            [Beat(WHO, AT, "cmms", 9, 2)],
        ),
        ("agent.heartbeat", {"seq": None, "high_water": None}, [Beat(WHO, AT, "", None, 0)]),
        (
            "delivery.dead",
            {"destination": "cmms", "event_seq": 4, "event_previous": None, "reason": "400"},
            [SEVEN, Death(WHO, "cmms", 4, 0, "400")],
        ),
        (
            "delivery.dead",
            {"destination": "cmms", "event_seq": 4},
            [SEVEN, Death(WHO, "cmms", 4, UNKNOWN, "")],
        ),
        ("delivery.dead", {"destination": "cmms"}, [SEVEN]),
        ("agent.state_lost", {"message": "damaged"}, [SEVEN, StateLost(WHO, AT, "damaged")]),
        (
            "store.overflow",
            {
                "first": 2,
                "last": 6,
                "count": 4,
                "seqs": [[2, 4], [6, 6]],
                "chains": {"cmms": [[None, 4], [5, 6]], "odd": [[1]]},
                "destinations": {"cmms": 3, "odd": "?"},
                "replaces": [[1, 1]],
            },
            [
                SEVEN,
                Gap(
                    WHO, 7, AT, 2, 6, 4, ((2, 4), (6, 6)), {"cmms": ((0, 4), (5, 6))}, {"cmms": 3}, ((1, 1),)
                ),
            ],
        ),
        ("store.overflow", {"first": 2, "last": 6}, [SEVEN, Gap(WHO, 7, AT, 2, 6, 0, None, {}, {})]),
        ("store.overflow", {}, [SEVEN]),
    ],
)
def test_what_an_agent_says_of_itself(kind, data, expected):
    """Heartbeats, gaps, dead letters and lost stores; a field of the wrong type counts as missing."""
    assert read(EVENT | {"type": kind, "data": DATA | data}) == expected


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"POST / HTTP/1.1", "not JSON"),
        (b'{"type": "alarm', "not JSON"),
        (b"7", "not an event"),
        (b"[]", "not an event"),
        (b'["text"]', "not an event"),
        (b'{"body": "tag,site=dresden value=3"}', "the body is not JSON: expected the event as it was sent"),
        (b"[[[[[[[[]]]]]]]]", "not an event"),
    ],
)
def test_what_is_no_line_of_a_log_is_said_to_be_none(line, why):
    """With what was expected."""
    with pytest.raises(LineError, match=why):
        read(line)
