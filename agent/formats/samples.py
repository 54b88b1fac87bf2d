"""An event of each type, as it could come: what a template is tried on before anything happens.

Rules for whoever changes this: every type has at least one; texts hold what breaks a careless template
(quotes, backslashes, angle brackets, more than one line); a value is also once unknown and once a text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from agent.delivery.body import Place
from agent.delivery.subscription import Subscription
from agent.model import SECOND, Event, EventType, Json, Priority

PLACE: Final = Place(seq=17, previous=12, offset=1_795_248_000 * SECOND)
_ID: Final = "evt_01937f3e-7c00-7000-8000-000000000001"
_ODD: Final = 'R1.TT101 is 171.5 °C: close "V-1" \\ 5 % <now> & call\nthe shift'
_AT: Final = 3_120_000_000
_RULE: Final = "R1-temperature"
_TAG: Final = "R1.TT101"
_VALUE: Final[dict[str, Json]] = {"value": 171.5, "quality": "good", "unit": "°C"}
_HEAD: Final[dict[str, Json]] = {"rule": _RULE, "instance": _RULE, "condition": "high"}
_ALARM: Final[dict[str, Json]] = {
    **_HEAD,
    "occurrence": _ID,
    "level": "high",
    "tag": _TAG,
    **_VALUE,
    "source_time": "2026-11-21T08:00:02.900Z",
    "limit": 170,
    "deadband": 2.0,
    "peak": 171.5,
    "fields": {"flow": 12.5, "state": None},
    "message": _ODD,
    "rules_hash": "9f2c41d07a55",
}
_LOST: Final[dict[str, Json]] = {
    **_HEAD,
    "condition": "connection",
    "occurrence": _ID,
    "level": "connection",
    "source": "plc-line1",
    "cause": 'tcp://plc: "no route"',
    "message": _ODD,
    "rules_hash": "9f2c41d07a55",
}


def samples(wanted: Subscription, *, floods: bool = True) -> Iterator[Event]:
    """The events that a destination with this subscription could be sent; digests where there are `floods`."""
    # Whatever rules and tags are asked for are called: a sample with one stands for them.
    rules, tags = ("?*",) if wanted.rules else (), ("?*",) if wanted.tags else ()
    like = replace(wanted, rules=rules, tags=tags)
    loudest = max(wanted.priorities, default=None)
    never = {EventType.INBOUND_MESSAGE} if floods else {EventType.INBOUND_MESSAGE, EventType.AGENT_FLOOD}
    for kind in (kind for kind in EventType if kind not in never):
        for event in _of(kind):
            ours = event.rule or kind is EventType.AGENT_FLOOD  # of a rule's priority, which can be any
            told = replace(event, priority=loudest) if ours and loudest is not None else event
            beat = kind is EventType.AGENT_HEARTBEAT and not wanted.hears_heartbeats(by_name=True)
            if like.wants(told) and not beat:
                yield told


def _of(kind: EventType) -> Iterator[Event]:
    family = kind.partition(".")[0]
    match family:
        case "alarm":
            yield from _alarms(kind)
        case "tag":
            for value in (_VALUE, {"value": None, "quality": "bad"}, {"value": 'RUN "1"', "quality": "good"}):
                told: dict[str, Json] = {
                    **_HEAD,
                    "condition": "change",
                    "tag": _TAG,
                    **value,
                    "message": _ODD,
                }
                yield _event(kind, Priority.JOURNAL, told, tag=_TAG, rule=_RULE)
        case "event" | "rule":
            more: dict[str, Json] = {"reason": _ODD} if family == "rule" else {}
            yield _event(kind, Priority.JOURNAL, {**_ALARM, **more}, tag=_TAG, rule=_RULE)
        case _:
            yield _event(kind, Priority.HIGH if kind in _LOUD else Priority.JOURNAL, _HOUSE[kind])


def _alarms(kind: EventType) -> Iterator[Event]:
    over: dict[str, Json] = (
        {"level": "normal", "duration_s": 92.5} if kind is EventType.ALARM_RETURNED else {}
    )
    hand: dict[str, Json] = {"by": 'anna "A." o\'neil', "reason": _ODD} if kind in _BY_HAND else {}
    onset = {"onset": 1_000_000}
    for data, tag in (
        (_ALARM, _TAG),
        (_ALARM | {"value": None, "quality": "bad", "peak": None}, _TAG),
        (_ALARM | {"value": 'FAULT "7"', "peak": None}, _TAG),
        (_LOST, ""),
    ):
        yield _event(kind, Priority.HIGH, data | hand | over, onset, tag=tag, rule=_RULE)


def _event(
    kind: EventType,
    priority: Priority,
    data: Mapping[str, Json],
    instants: Mapping[str, int] | None = None,
    *,
    tag: str = "",
    rule: str = "",
) -> Event:
    return Event(_ID, kind, _AT, rule or "agent", priority, data, instants or {}, tag, rule)


_BY_HAND: Final = frozenset(
    {EventType.ALARM_ACKNOWLEDGED, EventType.ALARM_RESET, EventType.ALARM_SHELVED, EventType.ALARM_UNSHELVED}
    | {EventType.ALARM_OUT_OF_SERVICE, EventType.ALARM_IN_SERVICE}
)
_LOUD: Final = frozenset(
    {
        EventType.DELIVERY_FAILING,
        EventType.DELIVERY_DISABLED,
        EventType.STORE_FILLING,
        EventType.STORE_OVERFLOW,
        EventType.INBOUND_FAILED,
    }
)
_ABOUT_ANOTHER: Final[dict[str, Json]] = {"destination": "cmms", "message": _ODD, "reason": _ODD}
_MESSAGE: Final[dict[str, Json]] = {
    "relay": "cloud",
    "message_id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    "message_type": "setpoint.set",
    "sender": "ed25519:9f2c41d0",
    "route": "setpoint",
    "action": "write",
    "target": _TAG,
    "message": _ODD,
}
_HOUSE: Final[Mapping[EventType, dict[str, Json]]] = {
    EventType.SOURCE_CLOCK_SKEW: {"source": "plc-line1", "skew_s": None, "reason": _ODD, "tags": [_TAG]},
    EventType.AGENT_STARTED: {"version": "1.0.0", "message": "the agent has started"},
    EventType.AGENT_STOPPING: {"message": "the agent is stopping"},
    EventType.AGENT_BLIND: {"reason": "restart", "duration_s": 12.5, "blind": {"from": _ODD, "to": _ODD}},
    EventType.AGENT_CONFIG_RELOADED: {"changed": ["rule R1"], "count": 1, "message": _ODD},
    EventType.AGENT_CONFIG_REJECTED: {"problems": [_ODD], "count": 1, "message": _ODD},
    EventType.AGENT_FLOOD: {
        "state": "digest",
        "count": 1,
        "message": _ODD,
        "alarms": {_ID: {"type": "alarm.raised", "data": _ALARM}},
    },
    EventType.AGENT_TEST: {"message": "a test by hand"},
    EventType.AGENT_STATE_LOST: {"reason": _ODD, "message": _ODD},
    EventType.AGENT_HEARTBEAT: {
        "destination": "cmms",
        "high_water": 17,
        "newest": 18,
        "waiting": 3,
        "oldest_s": None,
        "dead": 1,
        "given_up": 0,
        "blind_intervals": [],
        "uptime_s": 60,
        "message": "the agent is alive",
    },
    EventType.INBOUND_DONE: _MESSAGE | {"outcome": "done", "old_value": 60.0, "new_value": 62.5},
    EventType.INBOUND_REJECTED: _MESSAGE | {"outcome": "rejected", "reason": _ODD, "count": 1},
    EventType.INBOUND_FAILED: _MESSAGE | {"outcome": "unknown", "reason": _ODD, "value": None},
    EventType.DELIVERY_FAILING: _ABOUT_ANOTHER,
    EventType.DELIVERY_RECOVERED: _ABOUT_ANOTHER,
    EventType.DELIVERY_DEAD: _ABOUT_ANOTHER | {"event_seq": 17, "event_previous": None},
    EventType.DELIVERY_DISABLED: _ABOUT_ANOTHER,
    EventType.STORE_FILLING: {
        "share": 0.8,
        "size": 800_000,
        "limit": 1_000_000,
        "destination": "cmms",
        "waiting": 900,
        "message": _ODD,
    },
    EventType.STORE_OVERFLOW: {
        "first": 3,
        "last": 5,
        "count": 3,
        "seqs": [[3, 5]],
        "what": "undelivered",
        "priority": "low",
        "destinations": {"cmms": 3},
        "chains": {"cmms": [[2, 5]]},
        "message": _ODD,
    },
}
