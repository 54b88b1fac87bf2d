"""The JSON Schema of what is sent: the document of the standard format, for whoever writes a receiver.

Rules for whoever changes this: a field without a type here is described as anything; a type that is said
here is a promise to receivers, which the tests hold against every kind of event.
"""

from typing import Final

from agent.delivery.body import SCHEMA
from agent.formats.scope import EVIDENCE, FIELDS
from agent.model import EventType, Json, Priority

_TEXT: Final[Json] = {"type": "string"}
_MAYBE_TEXT: Final[Json] = {"type": ["string", "null"]}
_NUMBER: Final[Json] = {"type": "number"}
_MAYBE_NUMBER: Final[Json] = {"type": ["number", "null"]}
_WHOLE: Final[Json] = {"type": "integer"}
_YES: Final[Json] = {"const": True}
_STAMP: Final[Json] = {"type": "string", "format": "date-time"}
_SCALAR: Final[Json] = {"type": ["boolean", "number", "string", "null"]}
_MAP: Final[Json] = {"type": "object"}

_TYPES: Final[dict[str, Json]] = {
    "schema": {"const": SCHEMA},
    "id": {"type": "string", "pattern": "^evt_[0-9a-f-]{36}$"},
    "seq": {"type": "integer", "minimum": 1},
    "previous": {"type": ["integer", "null"], "minimum": 1},
    "priority": {"enum": [each.word for each in Priority]},
    "severity": {"enum": [each.value for each in Priority]},
    "quality": {"enum": ["good", "uncertain", "bad"]},
    "clock": {"const": "unsynchronized"},
    **dict.fromkeys(("site", "agent", "epoch", "rule", "instance", "condition", "tag", "unit"), _TEXT),
    **dict.fromkeys(("message", "response", "by", "destination", "source", "cause", "version"), _TEXT),
    **dict.fromkeys(("level", "occurrence"), _MAYBE_TEXT),
    **dict.fromkeys(("onset", "source_time", "from", "to"), _STAMP),
    **dict.fromkeys(("duration_s", "for_s", "within_s", "time_to_respond_s"), _NUMBER),
    **dict.fromkeys(("limit", "setpoint", "skew_s"), _MAYBE_NUMBER),
    **dict.fromkeys(("repeat", "count", "event_seq", "bit"), _WHOLE),
    **dict.fromkeys(("late", "initial"), _YES),
    **dict.fromkeys(("relay", "message_type", "sender", "route", "action", "target", "outcome"), _TEXT),
    "message_id": _MAYBE_TEXT,
    **dict.fromkeys(("value", "tag_value", "peak", "old_value", "new_value"), _SCALAR),
    **dict.fromkeys(("fields", "blind", "alarms"), _MAP),
}


def event_schema() -> dict[str, Json]:
    """Give the schema of one event, or of a batch of them."""
    properties: dict[str, Json] = {
        name: {"description": text, **_typed(name)} for name, text in FIELDS.items()
    }
    kinds: list[Json] = [kind.value for kind in EventType if kind is not EventType.INBOUND_MESSAGE]
    # A heartbeat has neither number nor predecessor.
    required: list[Json] = [name for name in EVIDENCE if name not in ("seq", "previous")]
    event: Json = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"enum": kinds, "description": "what happened"},
            "timestamp": {**_map(_STAMP), "description": "when, by the agent's clock"},
            "data": {"type": "object", "required": required, "properties": properties},
        },
    }
    batch: Json = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": "batch"},
            "timestamp": _STAMP,
            "data": {
                "type": "object",
                "required": ["events"],
                "properties": {"events": {"type": "array", "items": {"$ref": "#/$defs/event"}}},
            },
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Edge Relay event",
        "oneOf": [{"$ref": "#/$defs/event"}, {"$ref": "#/$defs/batch"}],
        "$defs": {"event": event, "batch": batch},
    }


def _typed(name: str) -> dict[str, Json]:
    return _map(_TYPES.get(name))


def _map(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
