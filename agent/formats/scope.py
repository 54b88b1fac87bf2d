"""What `data` holds: every field that an event can have, and how much of it a destination gets.

Rules for whoever changes this: a field that any event gets has its line in `FIELDS` (what is not there
cannot be named in a template or in `fields`); what receivers prove completeness by is in every scope.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from agent.model import Json

Scope: TypeAlias = Literal["full", "changed"] | tuple[str, ...]

EVIDENCE: Final = ("schema", "id", "site", "agent", "epoch", "seq", "previous")
"""What stays in every scope: whose event it is, its name, and its place in what this destination gets."""

FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "schema": "version of this description",
        "id": "the event's id, the same at every destination",
        "site": "the plant or building",
        "agent": "the agent's name",
        "epoch": "within which seq counts; new with each store",
        "seq": "the event's number in the epoch",
        "previous": "the number before it that was addressed to this destination",
        "rule": "the rule it comes from",
        "instance": "the rule's instance: RULE/NAME of a rule over several tags",
        "occurrence": "id of the alarm from raised to returned; what belongs together has the same",
        "condition": "the condition it is about: high, low, is ...",
        "level": "the condition in which the alarm stands now, or normal",
        "priority": "critical, high, medium, low or journal",
        "severity": "the priority as a number from 100 to 900",
        "tag": "the tag it is about",
        "value": "the value that decided; null if unknown",
        "unit": "unit of the value",
        "quality": "good, uncertain or bad",
        "limit": "the limit that was crossed",
        "limit_tag": "the tag that the limit is read from",
        "deadband": "how far the value has to come back",
        "setpoint": "what the value is meant to be",
        "setpoint_tag": "the tag that the setpoint is read from",
        "calc": "the expression that makes the value",
        "measure": "what is made of the value before it decides",
        "tag_value": "the tag's own value, where something is made of it",
        "meaning": "what the value's code means",
        "bit": "the bit of the word that is set",
        "expected": "what was expected and did not come",
        "within_s": "within how many seconds it was expected",
        "source": "the source that a connection alarm or a blind interval is about",
        "cause": "why the connection is lost",
        "onset": "when the condition began to be true",
        "source_time": "the device's own stamp of the value",
        "duration_s": "how long it lasted, in seconds",
        "peak": "the worst value while it lasted",
        "repeat": "which reminder this is",
        "message": "the sentence for a person",
        "response": "what to do, as the rule says",
        "time_to_respond_s": "within how many seconds",
        "fields": "further values that the rule names",
        "reason": "why it happened",
        "by": "who did it",
        "acknowledged_by": "who has acknowledged the alarm",
        "suppressed_by": "what suppresses the alarm",
        "for_s": "for how many seconds it is shelved",
        "one_shot": "shelved until it returns",
        "initial": "it was already so when the agent began to look",
        "late": "it comes out of its order",
        "blind": "since when and until when nobody watched",
        "clock": "unsynchronized: the agent's own clock is not to be believed",
        "rules_hash": "of the rule as it is written",
        "raises": "how often it was raised",
        "quiet_s": "for how long it must stay calm",
        "suggested_deadband": "a deadband that would have made one alarm of many",
        "state": "of a flood: started, digest or ended; of a trial: ended",
        "count": "how many",
        "alarms": "the events that a digest tells, by id",
        "from": "since when a flood lasted",
        "to": "when a flood ended",
        "tags": "the tags whose clock it is about",
        "skew_s": "how far a device's clock is ahead, in seconds",
        "version": "of the agent",
        "changed": "what a change of the configuration changed",
        "problems": "why a changed configuration was refused",
        "destination": "the destination that a delivery event is about",
        "event_seq": "number of the event that was given up",
        "event_previous": "the number before it that was addressed to that destination",
        "high_water": "number of the newest event that was addressed to this destination",
        "newest": "number of the newest event of all",
        "waiting": "how many events wait for a destination",
        "oldest_s": "for how many seconds the oldest of them has waited",
        "dead": "how many are dead letters",
        "given_up": "how many were given up for want of room",
        "blind_intervals": "since when and until when nobody watched, since the last heartbeat",
        "uptime_s": "for how many seconds the agent has run",
        "share": "how much of the store's room is taken, from 0 to 1",
        "size": "bytes that undelivered events take",
        "what": "what was given up for want of room: undelivered, or dead letters",
        "first": "the first number that was given up",
        "last": "the last number that was given up",
        "seqs": "the numbers that were given up, as pairs of first and last",
        "destinations": "how many deliveries were given up, by destination",
        "chains": "by destination, previous and last of each run that was given up",
        "relay": "the relay by which a message came in",
        "message_id": "what its sender calls a message that came in; null if it has no name that is signed",
        "message_type": "the type of a message that came in",
        "sender": "which key a message was signed with",
        "route": "the route that took a message",
        "action": "what a message asked for: forward, publish, write, acknowledge ...",
        "target": "what it was asked for of: a tag, a rule, a destination",
        "old_value": "what the tag was before it was written",
        "new_value": "what was written, or asked for",
        "outcome": "done, rejected (nothing was touched), repeated (it came before), failed or unknown",
        "replaces": "the records of gaps whose place this one takes",
    }
)

_AS_CONFIGURED: Final = frozenset(
    {"severity", "unit", "deadband", "limit_tag", "setpoint_tag", "calc", "measure", "expected", "within_s"}
    | {"bit", "response", "time_to_respond_s", "rules_hash"}
)
"""What the rule says of itself, the same with every event of it; `limit` too, unless a tag gives it."""
_OF_RULES: Final = ("alarm.", "tag.", "event.", "rule.")
"""What the agent tells of itself (gaps, dead letters, heartbeats) is evidence, and always whole."""


def scoped(document: dict[str, Json], scope: Scope) -> dict[str, Json]:
    """The body's document with as much in its `data` as the scope says."""
    data = document["data"]
    whole = scope == "full" or not str(document["type"]).startswith(_OF_RULES)
    if whole or not isinstance(data, dict):
        return document
    keep = (*EVIDENCE, "late", "clock", *scope) if isinstance(scope, tuple) else _changing(data)
    return document | {"data": {name: value for name, value in data.items() if name in keep}}


def _changing(data: Mapping[str, Json]) -> Sequence[str]:
    """The names of what may differ between two events of one rule."""
    given = "limit_tag" in data or "limit" not in data
    return [name for name in data if name not in _AS_CONFIGURED and (given or name != "limit")]
