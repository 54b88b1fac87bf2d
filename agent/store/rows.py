"""An event as a row, and back: the one place that knows the columns and what the checksum covers.

Rules for whoever changes this file: pure; a new column goes into the checksum, by a migration that
writes it anew.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from zlib import crc32

import orjson

from agent.model import Event, EventType, Priority
from agent.stamps import Standing
from agent.store.records import URGENT, Addressed, Stored

EVENT_COLUMNS: Final = (
    "event.seq, event.id, event.type, event.priority, event.subject, event.tag, event.rule, event.at, "
    'event.boot, event."offset", event.content, event.checksum'
)
INSERT_EVENT: Final = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

EventRow: TypeAlias = tuple[int, str, str, int, str, str, str, int, str, int, bytes, int]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that only lacks its number.

    Encoded where it is offered, so that what cannot be stored fails its own caller and not the group.
    """

    event: Event
    destinations: tuple[str, ...]
    columns: tuple[str, str, int, str, str, str, int]
    head: bytes
    content: bytes

    @property
    def subject(self) -> int:
        """See `subject_key`."""
        return subject_key(self.event.subject)

    @property
    def urgent(self) -> bool:
        """Whether it goes before what is not, after an outage."""
        return self.event.priority >= URGENT


def subject_key(subject: str) -> int:
    """What a delivery's row has in place of its subject; two subjects may share one (compare the event's own)."""
    return crc32(subject.encode())


def draft(addressed: Addressed, known: Container[str]) -> Draft:
    """Encode an event for destinations that are `known`.

    Raises:
        TypeError: something in it has no JSON form (a number beyond 64 bits, a lone surrogate).
        KeyError: a destination is not known to the store.
    """
    for name in addressed.destinations:
        if name not in known:
            raise KeyError(name)
    event = addressed.event
    columns = (
        event.id,
        event.type.value,
        event.priority.value,
        event.subject,
        event.tag,
        event.rule,
        event.at,
    )
    content = orjson.dumps({"data": dict(event.data), "instants": dict(event.instants)})
    return Draft(event, addressed.destinations, columns, orjson.dumps(columns), content)


def event_row(
    seq: int, draft: Draft, boot: str, offset: int, standing: Standing = Standing.TRUSTED
) -> EventRow:
    """The row of event number `seq`."""
    content = draft.content
    if standing is not Standing.TRUSTED:
        content = b'%b,"clock":%d}' % (content[:-1], standing)  # one member more
    checksum = _checksum(seq, boot, offset, draft.head, content)
    return (seq, *draft.columns, boot, offset, content, checksum)


def decode_event(row: Sequence[Any]) -> Stored | None:
    """Read a row of EVENT_COLUMNS; None when it is damaged: it must not be sent, nor silently skipped."""
    seq, *columns, boot, offset, content, checksum = row
    if not (isinstance(seq, int) and isinstance(boot, str) and isinstance(offset, int)):
        return None
    if not isinstance(content, bytes):
        return None
    try:
        if _checksum(seq, boot, offset, orjson.dumps(columns), content) != checksum:
            return None
        ident, kind, priority, subject, tag, rule, at = columns
        extra = orjson.loads(content)
        event = Event(
            id=ident,
            type=EventType(kind),
            at=at,
            subject=subject,
            priority=Priority(priority),
            data=extra["data"],
            instants=extra["instants"],
            tag=tag,
            rule=rule,
        )
        standing = Standing(extra.get("clock", Standing.TRUSTED))
    except (TypeError, ValueError, KeyError):
        return None
    return Stored(seq, event, boot, offset, standing)


def renumbered(row: Sequence[Any], seq: int) -> EventRow:
    """A sound row of EVENT_COLUMNS under another number."""
    _, *columns, boot, offset, content, _ = row
    ident, kind, priority, subject, tag, rule, at = columns
    checksum = _checksum(seq, boot, offset, orjson.dumps(columns), content)
    return (seq, ident, kind, priority, subject, tag, rule, at, boot, offset, content, checksum)


def _checksum(seq: int, boot: str, offset: int, head: bytes, content: bytes) -> int:
    return crc32(content, crc32(head, crc32(f"{seq} {boot} {offset} ".encode())))
