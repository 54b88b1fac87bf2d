"""What receivers are told of a message that came in: one event, beside what changes of its row and of the audit.

Rules for whoever changes this: an outcome and its event are one transaction; what is told twice (after a
kill at the wrong moment) names the same message.
"""

import json
from dataclasses import dataclass, field
from typing import Final

from agent.model import Event, EventType, Json, Priority, Value
from agent.store.messages import Audited, InboxChange, MessageState, Received, Settled

_KINDS: Final = {
    "done": (EventType.INBOUND_DONE, Priority.LOW),
    "rejected": (EventType.INBOUND_REJECTED, Priority.MEDIUM),
    "repeated": (EventType.INBOUND_REJECTED, Priority.LOW),
    "failed": (EventType.INBOUND_FAILED, Priority.HIGH),
    "unknown": (EventType.INBOUND_FAILED, Priority.HIGH),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message.

    Attributes:
        outcome: done; rejected (nothing was touched); repeated (it came before, and what became of it then
            is told by an event of its own); failed; unknown (a machine may have moved).
        reason: why, for a person.
        action, target: what it asked for; empty: it did not come to that.
        old, new: what a tag was, and what was to be written.
        value: what it is now, where it was read back.
        more: further fields of the event.
    """

    outcome: str
    reason: str = ""
    action: str = ""
    target: str = ""
    old: Value | None = None
    new: Value | None = None
    value: Value | None = None
    more: dict[str, Json] = field(default_factory=dict)


def told(received: Received, what: Outcome, identity: str, at: int) -> Event:
    """Make the event; `identity` is its id, `at` monotonic nanoseconds."""
    kind, priority = _KINDS[what.outcome]
    data: dict[str, Json] = {
        "relay": received.relay,
        "message_id": received.identity or None,
        "message_type": received.type,
        "sender": received.sender,
        "route": received.route,
        "outcome": what.outcome,
    }
    written = what.action == "write" and what.new is not None
    further: dict[str, tuple[bool, Json]] = {
        "action": (bool(what.action), what.action),
        "target": (bool(what.target), what.target),
        "old_value": (written, what.old),
        "new_value": (written, what.new),
        "value": (what.value is not None, what.value),
        "reason": (bool(what.reason), what.reason),
    }
    data |= {name: value for name, (has, value) in further.items() if has} | what.more
    data["message"] = _sentence(received, what)
    tag = what.target if what.action == "write" else ""
    return Event(identity, kind, at, f"inbound:{received.relay}", priority, data, tag=tag)


def _sentence(received: Received, what: Outcome) -> str:
    asked = what.action or "a message"
    if what.action == "write" and what.new is not None:
        asked = f"write {said(what.new)} to {what.target}"
    elif what.target:
        asked = f"{what.action} {what.target}"
    name = f" ({received.identity})" if received.identity else ""
    why = f": {what.reason}" if what.reason else ""
    return f"{asked}, asked for by {received.relay}{name}: {what.outcome}{why}"


def said(value: Value) -> str:
    """A value in a sentence: true, not True."""
    return json.dumps(value) if isinstance(value, bool) else f"{value}"


def settled(received: Received, what: Outcome, *, audit: bool) -> list[InboxChange]:
    """What changes of its row; `audit`: and its line there."""
    changes: list[InboxChange] = [Settled(received.key, MessageState.SETTLED, what.outcome, what.reason)]
    return [*changes, audited(received, what)] if audit else changes


def audited(received: Received, what: Outcome, *, acting: bool = False) -> Audited:
    """Make its line of the audit; `acting`: before anything is touched."""
    return Audited(
        received.key,
        received.at_wall,
        received.relay,
        received.identity,
        received.sender,
        what.action,
        what.target,
        what.old,
        what.new,
        "acting" if acting else what.outcome,
        what.reason,
    )
