"""The outbox over HTTP: events with their deliveries, dead letters, messages that came in, and the audit."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from agent.model import Json
from agent.web.query import whole_number
from agent.web.routes import Asked, Parameter, Route, command, question
from agent.web.rows import (
    AuditRow,
    Counts,
    Dropped,
    EventRow,
    EventWhole,
    InboxRow,
    LetterRow,
    LetterWhole,
    Resent,
)

_NUMBER: Final[Mapping[str, Json]] = {"type": "integer", "minimum": 0}
_TEXT: Final[Mapping[str, Json]] = {"type": "string"}
_STATES: Final[Mapping[str, Json]] = {"type": "string", "enum": ["pending", "delivered", "dead", "dropped"]}
_LIMIT: Final = Parameter("limit", "at most so many, the newest; 100 if not given, 10,000 at most", _NUMBER)
_AFTER: Final = Parameter(
    "after", "beyond this number, and of those the first, not the newest: whoever follows them", _NUMBER
)
_SINCE: Final = Parameter("since", "from this moment on, milliseconds since 1970 UTC", _NUMBER)
_TYPE: Final = Parameter("type", "types that begin so, such as alarm.", _TEXT)
_RULE: Final = Parameter("rule", "of this rule, or instance of one", _TEXT)
_STATE: Final = Parameter("state", "with a delivery in this state", _STATES)
_TARGET: Final = Parameter("target", "asked of this tag, rule or destination", _TEXT)
_OUTCOME: Final = Parameter("outcome", "that ended so, such as rejected", _TEXT)
_SELECTION: Final = (
    Parameter("destination", "of this destination", _TEXT),
    Parameter("seq", "this one", _NUMBER),
    Parameter("id", "the event of this id", _TEXT),
    _RULE,
    Parameter("reason", "whose reason has this in it", _TEXT),
    _SINCE,
    Parameter("until", "before this moment, milliseconds since 1970 UTC", _NUMBER),
)
_STRETCH: Final = (
    Parameter("after", "beyond this number: where a part of a long order goes on", _NUMBER),
    Parameter("upto", "up to this number", _NUMBER),
    Parameter("limit", "look at so many at most", _NUMBER),
)
_SEQ: Final = Parameter("seq", "its number", _NUMBER)
_LETTER: Final = (Parameter("destination", "whose it is, such as cmms, or RELAY/ROUTE", _TEXT), _SEQ)


class Outbox(Protocol):
    """What is kept, by hand; see `agent.desk`. Of the lists: the newest, oldest first."""

    async def events(self, query: Mapping[str, str]) -> list[Json]:
        """Events with their deliveries."""
        ...

    async def event(self, seq: int) -> Json:
        """One with every attempt. Raises UnknownError: there is none, or none any more."""
        ...

    async def dead_letters(self, query: Mapping[str, str]) -> list[Json]:
        """Dead letters. Raises UnknownError: there is no such destination; so do the four that follow."""
        ...

    async def dead_letter(self, destination: str, seq: int) -> Json:
        """One with every attempt."""
        ...

    async def count(self, query: Mapping[str, str]) -> dict[str, Json]:
        """How many dead letters are selected."""
        ...

    async def resend(self, query: Mapping[str, str]) -> dict[str, Json]:
        """Send them again."""
        ...

    async def drop(self, query: Mapping[str, str]) -> dict[str, Json]:
        """Give them up."""
        ...

    async def audit(self, query: Mapping[str, str]) -> list[Json]:
        """What messages asked of machines and alarms."""
        ...

    async def inbox(self, query: Mapping[str, str]) -> list[Json]:
        """Messages."""
        ...


def outbox_routes(desk: Outbox) -> Sequence[Route]:
    """Each asks the desk."""

    async def events(asked: Asked) -> Json:
        return await desk.events(asked.query)

    async def event(asked: Asked) -> Json:
        return await desk.event(whole_number("seq", asked.named["seq"]))

    async def inbox(asked: Asked) -> Json:
        return await desk.inbox(asked.query)

    async def audit(asked: Asked) -> Json:
        return await desk.audit(asked.query)

    told = "What messages asked of machines and alarms, and what became of it."
    selected, whole = (
        (_AFTER, _SINCE, _TYPE, _RULE, _STATE, _LIMIT),
        "One event, with each attempt that is kept.",
    )
    return [
        question("/api/events", "The newest events, oldest first.", events, list[EventRow], *selected),
        question("/api/events/{seq}", whole, event, EventWhole, _SEQ),
        question("/api/inbound", "The newest messages, oldest first.", inbox, list[InboxRow], _LIMIT),
        question("/api/audit", told, audit, list[AuditRow], _SINCE, _TARGET, _OUTCOME, _LIMIT),
        *_letter_routes(desk),
    ]


def _letter_routes(desk: Outbox) -> Sequence[Route]:
    async def letters(asked: Asked) -> Json:
        return await desk.dead_letters(asked.query)

    async def letter(asked: Asked) -> Json:
        return await desk.dead_letter(asked.named["destination"], whole_number("seq", asked.named["seq"]))

    async def count(asked: Asked) -> Json:
        return await desk.count(asked.query)

    async def resend(asked: Asked) -> Json:
        return await desk.resend(asked.query)

    async def drop(asked: Asked) -> Json:
        return await desk.drop(asked.query)

    path, many, some = "/api/deadletters", list[LetterRow], (*_SELECTION, *_STRETCH)
    one = f"{path}/{{destination:.+}}/{{seq}}"
    return [
        question(path, "The newest dead letters, oldest first.", letters, many, *_SELECTION, _LIMIT),
        question(f"{path}/count", "How many dead letters are selected.", count, Counts, *some),
        question(one, "One, with its body and the attempts.", letter, LetterWhole, *_LETTER),
        command(f"{path}/resend", "Send the selected ones again.", resend, Resent, *some),
        command(f"{path}/drop", "Give the selected ones up for good.", drop, Dropped, *some),
    ]
