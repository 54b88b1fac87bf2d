"""Counting alarms as they come: the figures that the published guides judge an alarm system by.

The bounds stand in ISA-18.2 and EEMUA 191 as published: about 150 alarms a day and one in 10 minutes for
one operator, a flood is more than 10 in 10 minutes until fewer than 5, three raises of one alarm within
60 seconds are chattering, an alarm that stands for more than 24 hours is stale.

Rules for whoever changes it: one look at each event, in order of time; memory does not grow with events.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from agent.model import SECOND, Event, EventType
from agent.proving.results import Figures

MINUTE: Final = 60 * SECOND
TEN_MINUTES: Final = 10 * MINUTE
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

FLOOD_MORE_THAN: Final = 10
FLOOD_UNTIL_FEWER_THAN: Final = 5
CHATTERING_RAISES: Final = 3
A_DAY: Final = 150
"""Alarms a day that one operator can handle, as published."""

_MOST_FLOODS: Final = 2_000  # that are remembered one by one


class Cut(NamedTuple):
    """How the time of a history is cut.

    Attributes:
        width: of the first buckets of a curve, nanoseconds.
        shift: how much earlier the hours of the plant begin than those of UTC, nanoseconds (there are zones
            of half hours).
    """

    width: int = 1
    shift: int = 0


FINEST: Final = Cut()


class Floods:
    """When there were more than 10 alarms in 10 minutes, until there were fewer than 5.

    Attributes:
        length: of all floods together, nanoseconds.
        spans: (begin, end) of the first of them.
    """

    def __init__(self) -> None:
        self.length = 0
        self.spans: list[tuple[int, int]] = []
        self._recent: deque[int] = deque()
        self._since: int | None = None

    def add(self, at: int) -> None:
        """An alarm was raised."""
        self._pass(at)
        self._recent.append(at)
        if self._since is None and len(self._recent) > FLOOD_MORE_THAN:
            self._since = at

    def end(self, at: int) -> None:
        """The history ends."""
        self._pass(at)
        self._over(at)

    def _pass(self, now: int) -> None:
        while self._recent and self._recent[0] + TEN_MINUTES <= now:
            left = self._recent.popleft() + TEN_MINUTES
            if len(self._recent) < FLOOD_UNTIL_FEWER_THAN:
                self._over(left)

    def _over(self, at: int) -> None:
        if self._since is None:
            return
        self.length += at - self._since
        if len(self.spans) < _MOST_FLOODS:
            self.spans.append((self._since, at))
        self._since = None


@dataclass(slots=True)
class Standing:
    """How long the alarms of one rule stand: one is open at a time.

    Attributes:
        fleeting: that returned within 60 seconds.
        long: that stood for more than 24 hours.
        chattering: that were the third or later within 60 seconds.
    """

    fleeting: int = 0
    long: int = 0
    chattering: int = 0
    raised_at: int | None = None
    _last: deque[int] = field(default_factory=lambda: deque(maxlen=CHATTERING_RAISES))

    def add(self, event: Event) -> None:
        """An event of the rule."""
        if event.type is EventType.ALARM_RAISED:
            self.raised_at = event.at
            self._last.append(event.at)
            within = event.at - self._last[0] <= MINUTE
            self.chattering += within and len(self._last) == CHATTERING_RAISES
        elif event.type is EventType.ALARM_RETURNED and self.raised_at is not None:
            self.fleeting += event.at - self.raised_at <= MINUTE
            self.end(event.at)

    def end(self, at: int) -> None:
        """The alarm returned, or the history ends."""
        self.long += self.raised_at is not None and at - self.raised_at > DAY
        self.raised_at = None


class Count:
    """Alarms of one rule, or of all.

    Args:
        shift: of its hours; see `Cut`.

    Attributes:
        alarms, events: how many.
        hours: alarms by hour; the key is its beginning.
        floods: of these alarms.
    """

    def __init__(self, shift: int = 0) -> None:
        self._shift = shift
        self.alarms = 0
        self.events = 0
        self.hours: dict[int, int] = {}
        self.floods = Floods()
        self._peak = 0
        self._ten = 0
        self._in_ten = 0

    def add(self, event: Event) -> None:
        """Count an event; they come in order of time."""
        self.events += 1
        if event.type is not EventType.ALARM_RAISED:
            return
        self.alarms += 1
        hour = (event.at + self._shift) // HOUR * HOUR - self._shift
        ten = event.at // TEN_MINUTES
        self.hours[hour] = self.hours.get(hour, 0) + 1
        self._in_ten = self._in_ten + 1 if ten == self._ten else 1
        self._ten = ten
        self._peak = max(self._peak, self._in_ten)
        self.floods.add(event.at)

    def figures(self, span: int, standing: "Standing", lost: "Lost", detection_delay: int | None) -> Figures:
        """What they come to over `span` nanoseconds, once `floods` and `standing` have been ended."""
        days = max(span, 1) / DAY
        return Figures(
            alarms=self.alarms,
            events=self.events,
            per_day=self.alarms / days,
            per_10_minutes=self.alarms / days / 144,
            peak_10_minutes=self._peak,
            peak_hour=max(self.hours.values(), default=0),
            flood_share=self.floods.length / max(span, 1),
            chattering=standing.chattering,
            fleeting=standing.fleeting,
            standing=standing.long,
            blind=lost.blind,
            suppressed=lost.suppressed,
            disabled=lost.disabled,
            detection_delay=detection_delay,
        )


@dataclass(frozen=True, slots=True)
class Lost:
    """For how long a rule was not watched, or not announced; nanoseconds."""

    blind: int = 0
    suppressed: int = 0
    disabled: int = 0
