"""Messages that a source could not read, set aside to be looked at: the last few, by source.

A payload may hold a secret, so it is shown to whoever may ask the running agent (its control
socket), and stands neither in the log nor in an event.

Rules for whoever changes this: bounded, whatever arrives; one place that repeats itself pushes no
other out; kept over reconnects, since that is when somebody comes to look.
"""

from dataclasses import dataclass, replace
from typing import Final

from agent.model import SECOND, Json

_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be read at one place.

    Attributes:
        at: of the last one, monotonic nanoseconds.
        reason: why, as a person is to read it.
        payload: its beginning, as printable text.
        count: how many there were since it was first kept.
    """

    at: int
    reason: str
    payload: str
    count: int = 1


class Aside:
    """What one source could not read.

    Attributes:
        total: how many messages since the agent started.
        last: by place (an MQTT topic), the newest at the end.
    """

    def __init__(self) -> None:
        self.total = 0
        self.last: dict[str, Unread] = {}

    def put(self, place: str, unread: Unread) -> None:
        """Keep one; the place that was silent longest makes room."""
        self.total += 1
        before = self.last.pop(place, None)
        self.last[place] = unread if before is None else replace(unread, count=before.count + 1)
        if len(self.last) > _KEPT:
            del self.last[next(iter(self.last))]

    def status(self, now: int) -> dict[str, Json]:
        """All of it as JSON, the newest first; `now` is monotonic nanoseconds."""
        last: list[Json] = [
            {
                "place": place,
                "ago_s": (now - unread.at) // SECOND,
                "reason": unread.reason,
                "payload": unread.payload,
                "count": unread.count,
            }
            for place, unread in reversed(self.last.items())
        ]
        return {"total": self.total, "last": last}


_BY_SOURCE: Final[dict[str, Aside]] = {}


def aside(source: str) -> Aside:
    """Give what a source has set aside; the same for every session of it."""
    return _BY_SOURCE.setdefault(source, Aside())
