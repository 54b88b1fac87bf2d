"""What a person has done to deliveries by hand, and what came of it; values only, as in `records`."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Replay:
    """Which events are sent again: AND between the fields, None means any.

    Attributes:
        destination: its name.
        rule: the rule it came from; `*` and `?` as in subscriptions.
        type: the type's beginning, `alarm.`, or a pattern, `alarm.*`.
        since_wall: events that happened at or after this.
        until_wall: events that happened before this.
    """

    destination: str | None = None
    rule: str | None = None
    type: str | None = None
    since_wall: int | None = None
    until_wall: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """As much of a long walk as is done in one go, so that whoever asked for it sees it get on.

    Attributes:
        after: events with a greater number.
        upto: events up to this number: what comes during the walk is no part of it.
        limit: about how many rows are looked at.
    """

    after: int = 0
    upto: int = 2**63 - 1
    limit: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Walked:
    """What a walk came to.

    Attributes:
        count: deliveries that were moved.
        next: the number to go on after; None: it is done.
    """

    count: int
    next: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What would be moved of one destination.

    Attributes:
        count: so many deliveries.
        first_wall: when the oldest of their events happened.
        last_wall: when the newest of them did.
        damaged: further ones that cannot be sent, for their event is damaged on disk.
        removed: further ones that are not sent, for the destination is no longer configured.
    """

    count: int = 0
    first_wall: int | None = None
    last_wall: int | None = None
    damaged: int = 0
    removed: int = 0

    def plus(self, wall: int) -> "Tally":
        """One more, of an event of this time."""
        first = wall if self.first_wall is None else min(self.first_wall, wall)
        last = wall if self.last_wall is None else max(self.last_wall, wall)
        return replace(self, count=self.count + 1, first_wall=first, last_wall=last)
