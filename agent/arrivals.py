"""What the stamps of devices say: how far their clocks are from ours, and what arrives as history.

Freshness never runs by them. They tell two things: a device's clock is wrong by so much (its stamps are
passed on as they are, so receivers must know), and a value was made long before it arrived: a broker's
queue, a device that was cut off and sends what it kept (design: sources, "What every source guarantees").

Rules for whoever changes this: pure; a device whose clock is wrong must not have all its values called
late, for which the usual age of its stamps counts as its clock's error, whatever else it is made of.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from agent.model import SECOND, Reading, Seen, TagSpec, Value

LATE_AFTER: Final = 30 * SECOND
"""How old a value may be on arrival, where the tag has no `stale_after`."""

WORTH_TELLING: Final = 5 * SECOND
"""A device's clock may be off by so much before anybody is told."""

_AGREE_WITHIN: Final = 2 * SECOND
_BELIEVED_AFTER: Final = 10 * SECOND
_BELIEVED_FROM: Final = 3  # stamps
_ENDED_AFTER: Final = 30 * SECOND
_STILL_AFTER: Final = 30 * SECOND
_STILL_VALUES: Final = 3
_MOST_NAMED: Final = 10_000  # tags that a source names itself: strangers choose those names


class DeviceClock:
    """One device's clock, seen through its stamps.

    What a stamp seems old is the error of the clock and the time that the value was under way; the
    least that is usual is taken for the error. It changes by stamps that all seem equally old for ten
    seconds: those of history seem ever younger, because it is handed over faster than it was made, and
    a single stamp out of the blue is no clock.

    Attributes:
        behind: how far it is behind ours, nanoseconds; negative: ahead.
        still: it does not run, or by the minute: value after value, for half a minute, has the very same
            stamp. (A message that is handed over again has the value as well.)
    """

    __slots__ = (
        "_changes",
        "_first",
        "_low",
        "_since",
        "_stamp",
        "_stood",
        "_times",
        "_value",
        "behind",
        "still",
    )

    def __init__(self) -> None:
        self.behind = 0
        self.still = False
        self._first = self._low = self._since = self._times = 0
        self._stamp: int | None = None
        self._value: Value | None = None
        self._stood = self._changes = 0

    def age(self, seems: int, received: int) -> int:
        """How old a value is by its stamp, nanoseconds.

        Args:
            seems: UTC by our clock less the stamp.
            received: monotonic instant of its receipt.
        """
        if abs(seems - self.behind) <= _AGREE_WITHIN:
            self.behind, self._times = min(self.behind, seems), 0
        elif self._times and abs(seems - self._first) <= _AGREE_WITHIN:
            self._times += 1
            self._low = min(self._low, seems)
            if self._times >= _BELIEVED_FROM and received - self._since >= _BELIEVED_AFTER:
                self.behind, self._times = self._low, 0
        else:
            self._first = self._low = seems
            self._since, self._times = received, 1
        return seems - self.behind

    def see(self, stamp: int, value: Value | None, received: int) -> None:
        """Find out whether it runs."""
        if stamp != self._stamp:
            self.still = self.still and received - self._stood >= _STILL_AFTER
            self._stamp, self._stood, self._changes = stamp, received, 0
        elif value != self._value:
            self._changes += 1
            stands = self._changes >= _STILL_VALUES and received - self._stood >= _STILL_AFTER
            self.still = self.still or stands
        self._value = value


class Arrivals:
    """The stamps of one source.

    A server has one clock for all of its variables (OPC UA); behind a broker each tag has its own.
    """

    def __init__(
        self, specs: Iterable[TagSpec], named: Callable[[str], TagSpec | None], *, one_clock: bool = True
    ) -> None:
        """Begin with no clock known.

        Args:
            specs: the tags.
            named: gives a tag that is not among them, because its source names it (MQTT wildcards).
            one_clock: tags that are not `timed` have their stamps from one device.
        """
        self._limits = {spec.name: _limit(spec) for spec in specs}
        self._named = named
        self._one_clock = one_clock
        self._named_so_far: deque[str] = deque()
        self._clocks: dict[str, DeviceClock] = {}
        self._offset: int | None = None
        self._since: int | None = None
        self._until = 0
        self._late = 0

    @property
    def clocks(self) -> Mapping[str, DeviceClock]:
        """The clocks by tag; under the empty name that of the server."""
        return self._clocks

    def marked(self, batch: Sequence[Seen], offset: int) -> Sequence[Seen]:
        """Give the batch with its history marked as late; `offset` is UTC less monotonic nanoseconds.

        What a device stamped, but no tag's `time:` named, is a value that holds though it is old.
        """
        if not any(isinstance(one, Reading) and one.source_time is not None for one in batch):
            return batch
        if self._offset is not None and offset != self._offset:  # ours was set: theirs was not
            for clock in self._clocks.values():
                clock.behind += offset - self._offset
        self._offset = offset
        return [self._seen(one, offset) if isinstance(one, Reading) else one for one in batch]

    def history(self, now: int, *, ending: bool = False) -> tuple[int, int] | None:
        """From when to when there was a burst of history, monotonic; told once, when it has ended.

        None also for a single value: what a broker kept of a quiet device is no interval; and for what
        seemed late only until the device's clock was known to be behind. `ending`: there is no later.
        """
        if self._since is None or not (ending or now - self._until >= _ENDED_AFTER):
            return None
        since, several = self._since, self._late > 1
        self._since, self._late = None, 0
        return (since, self._until) if several else None

    def _seen(self, reading: Reading, offset: int) -> Reading:
        stamp, received = reading.source_time, reading.received
        if stamp is None:
            return reading
        if reading.tag not in self._limits:
            self._name(reading.tag)
        limit = self._limits[reading.tag]
        key = "" if limit is None and self._one_clock else reading.tag
        clock = self._clocks.get(key)
        if clock is None:
            clock = self._clocks[key] = DeviceClock()
        behind = clock.behind
        age = clock.age(received + offset - stamp, received)
        if clock.behind - behind > _AGREE_WITHIN:
            self._since, self._late = None, 0
        if limit is None:
            return reading
        ran = not clock.still
        clock.see(stamp, reading.value, received)
        if clock.still:  # what it stamps tells neither an order nor an age
            if ran:
                self._since, self._late = None, 0
            return reading._replace(source_time=None)
        if not (age > limit or reading.late) or reading.value is None:
            return reading
        made = received - max(age, 0)
        self._since = made if self._since is None else min(self._since, made)
        self._until, self._late = received, self._late + 1
        return reading._replace(late=True)

    def _name(self, tag: str) -> None:
        """Remember a tag that the source names itself, and forget the first of too many."""
        self._limits[tag] = _limit(self._named(tag))
        self._named_so_far.append(tag)
        if len(self._named_so_far) > _MOST_NAMED:
            first = self._named_so_far.popleft()
            del self._limits[first]
            self._clocks.pop(first, None)


def _limit(spec: TagSpec | None) -> int | None:
    """How old its values may be on arrival, nanoseconds; None: their age says nothing.

    No less than a clock may be off: stamps of whole seconds would make every other value of a tag late
    that is stale after half a second.
    """
    if spec is None or not spec.timed:
        return None
    return LATE_AFTER if spec.stale_after is None else max(spec.stale_after, WORTH_TELLING)


def clock_words(behind: int) -> str:
    """What people are told of a clock that is `behind` ours, nanoseconds, and what to do."""
    if abs(behind) <= WORTH_TELLING:
        return "the device's clock agrees with this machine's again"
    side = "behind" if behind > 0 else "ahead of"
    return (
        f"the device's clock is {abs(behind) / SECOND:.0f} s {side} this machine's: "
        "set it, or have a time server set it"
    )
