"""Plays signals through the rule engine and gives the timeline of what it told."""

from dataclasses import dataclass, field

from agent.model import (
    SECOND,
    Action,
    Alive,
    Command,
    Link,
    Priority,
    Quality,
    Reading,
    TagSpec,
    Tick,
    WallClock,
)
from agent.rules.engine import Engine
from agent.rules.expression import Expression
from agent.rules.spec import AlarmSpec, Announcement, ChangeSpec, FloodSpec, Gate, Limit, OnBad


def say(name="high", rank=1, on=0, off=0, priority=Priority.MEDIUM):
    """An announcement with delays in seconds."""
    return Announcement(name, rank, round(on * SECOND), round(off * SECOND), priority)


def high(at=170.0, deadband=0.0, on=0, off=0, **more):
    return Limit(say("high", 1, on, off, **more), 1, at, deadband)


def high_high(at=185.0, deadband=0.0, on=0, off=0, **more):
    return Limit(say("high_high", 2, on, off, **more), 1, at, deadband)


def low(at=40.0, deadband=0.0, on=0, off=0, **more):
    return Limit(say("low", 1, on, off, **more), -1, at, deadband)


def rule(*conditions, name="R", tag="T", digest="d", **more):
    return AlarmSpec(name, tag, tuple(conditions), digest, **more)


def gate(when=None, *, suppress_while=None, **more):
    """A gate whose expressions are given as text."""
    parsed = [None if text is None else Expression.parse(text) for text in (when, suppress_while)]
    return Gate(parsed[0], suppress_while=parsed[1], **more)


@dataclass
class Player:
    """An engine over tags `T`, `U`, `V` of source `plc`, played by hand; all times in seconds."""

    rules: tuple[AlarmSpec | ChangeSpec, ...]
    stale: float | None = 1000.0
    timed: bool = False
    flood: FloodSpec | None = None
    events: list = field(default_factory=list)
    minted: int = 0

    def __post_init__(self):
        self.engine = self.fresh()

    def fresh(self):
        stale = None if self.stale is None else round(self.stale * SECOND)
        tags = [TagSpec(name, "plc", "°C", stale_after=stale, timed=self.timed) for name in ("T", "U", "V")]
        return Engine(self.rules, tags, ["plc"], mint=self.mint, started=0, flood=self.flood)

    def mint(self, at):
        self.minted += 1
        return f"evt_{self.minted}"

    def keep(self, taken):
        if taken.durable:
            self.engine.keep(taken)
        self.events += taken.events
        return taken

    def take(self, *seen):
        return self.keep(self.engine.take(seen))

    def value(self, at, value, tag="T", **more):
        return self.take(reading(at, value, tag, **more))

    def tick(self, at):
        return self.take(Tick(round(at * SECOND)))

    def link(self, at, *, up, reason="cable pulled"):
        return self.take(Link("plc", up, round(at * SECOND), "" if up else reason))

    def alive(self, at):
        return self.take(Alive("plc", round(at * SECOND)))

    def values(self, at, **values):
        """Several tags are read at one instant."""
        return self.take(*(reading(at, value, tag) for tag, value in values.items()))

    def clock(self, at, wall):
        """The wall clock shows `wall` (nanoseconds UTC, None: nobody knows) at `at`."""
        instant = round(at * SECOND)
        return self.take(WallClock(instant, None if wall is None else wall - instant))

    def hand(self, at, action, rule="R", *, until=None, **more):
        """A person does something; what is refused is not done."""
        ends = None if until is None else round(until * SECOND)
        command = Command(rule, Action(action), round(at * SECOND), "anna", until=ends, **more)
        refused = self.engine.refusal(command)
        if not refused:
            self.take(command)
        return refused

    def reborn(self):
        """The whole state serialised and restored: nobody looked away."""
        before, self.engine = self.engine, self.fresh()
        self.keep(self.engine.take_over(before))

    @property
    def timeline(self):
        return timeline(self.events)


def reading(at, value, tag="T", **more):
    """A reading at `at` seconds; `value` may be "bad"."""
    quality = Quality.BAD if value == "bad" else more.pop("quality", Quality.GOOD)
    return Reading(tag, None if value == "bad" else value, quality, round(at * SECOND), **more)


def timeline(events):
    """(second, what, level) of each event; level is the condition where an event has none."""
    return [
        (event.at / SECOND, event.type.partition(".")[2], event.data.get("level", event.data["condition"]))
        for event in events
    ]


__all__ = ["OnBad", "Player", "gate", "high", "high_high", "low", "reading", "rule", "say", "timeline"]
