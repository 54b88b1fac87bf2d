"""Messages that came in, and what was done by them, as people and scripts get them."""

from agent.model import Json
from agent.stamps import utc_text
from agent.store.messages import Audited, Message


def audit_line(line: Audited) -> dict[str, Json]:
    """What was asked for, by whom, and what became of it."""
    return {
        "at": utc_text(line.at_wall),
        "outcome": line.outcome,
        "action": line.action,
        "target": line.target,
        "old": line.old,
        "new": line.new,
        "relay": line.relay,
        "id": line.identity,
        "sender": line.sender,
        "reason": line.reason,
        "count": line.count,
    }


def inbox_row(message: Message) -> dict[str, Json]:
    """Where a message stands; of a damaged one, that it is."""
    received = message.received
    told: dict[str, Json] = {
        "at": utc_text(received.at_wall),
        "relay": received.relay,
        "id": received.identity,
        "type": received.type,
        "route": received.route,
        "state": received.state.name.lower(),
        "outcome": received.outcome,
        "reason": received.reason,
        "sender": received.sender,
        "seq": message.seq,
    }
    return told if message.sound else told | {"damaged": True}
