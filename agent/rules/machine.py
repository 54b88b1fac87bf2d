"""The limit machine: the table of the design page "rules", row by row.

    state     | IN              | BAND  | OUT              | time passes              | gap
    ----------+-----------------+-------+------------------+--------------------------+----------------------------
    NORMAL    | PENDING; delay  |       |                  |                          |
              | 0: ACTIVE       |       |                  |                          |
    PENDING   |                 | stays | NORMAL           | due: ACTIVE              | paused; > on_delay: NORMAL
    ACTIVE    |                 |       | CLEARING; delay  |                          | held
              |                 |       | 0: NORMAL        |                          |
    CLEARING  | ACTIVE          |       |                  | due: NORMAL              | paused; > off_delay: ACTIVE

Rules for whoever changes it: nothing moves a machine but the four functions below, and none of them
makes an event (that is the projection's, in `alarm`). A running delay is kept as the instant at
which it will have run out (`due`), moved on by the length of each gap: so an ordinary sample
changes nothing, extra ticks change nothing, and integer nanoseconds make both exact.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from agent.model import Value
from agent.rules.spec import Announcement


class Phase(IntEnum):
    """The state of one limit."""

    NORMAL = 0
    PENDING = 1
    ACTIVE = 2
    CLEARING = 3


class Zone(IntEnum):
    """Where a value stands relative to a limit and its deadband."""

    OUT = 0
    BAND = 1
    IN = 2


@dataclass(frozen=True, slots=True)
class Machine:
    """One limit's state.

    Attributes:
        phase: see the table.
        since: when the condition was first seen (entry into PENDING): the onset of its alarm.
        due: PENDING and CLEARING: when the delay will have run out if nothing interrupts.
        blind: PENDING and CLEARING: when observation stopped; None while it goes on.
        initial: the condition was already there at the first look (start, new rule).
        hits: when it came, as far as that still counts for m of n.
        mark: the value from which the next move is measured (`spec.Still`).
    """

    phase: Phase = Phase.NORMAL
    since: int = 0
    due: int = 0
    blind: int | None = None
    initial: bool = False
    hits: tuple[int, ...] = ()
    mark: Value | None = None

    @property
    def waiting(self) -> bool:
        """A delay is running."""
        return self.phase is Phase.PENDING or self.phase is Phase.CLEARING

    @property
    def active(self) -> bool:
        """The alarm condition stands, as people see it."""
        return self.phase is Phase.ACTIVE or self.phase is Phase.CLEARING


CALM: Final = Machine()


def look(
    machine: Machine, zone: Zone, now: int, say: Announcement, off_delay: int, *, initial: bool = False
) -> Machine:
    """A good value was seen at `now`; `off_delay` is that of `say`, or longer (chattering)."""
    match machine.phase:
        case Phase.NORMAL if zone is Zone.IN:
            return _come(machine, now, say, initial=initial)
        case Phase.PENDING if zone is Zone.OUT:
            return Machine(hits=machine.hits) if machine.hits else CALM
        case Phase.ACTIVE if zone is Zone.OUT:
            return replace(machine, phase=Phase.CLEARING, due=now + off_delay) if off_delay else CALM
        case Phase.CLEARING if zone is Zone.IN:
            return replace(machine, phase=Phase.ACTIVE)
        case _:
            return machine


def _come(machine: Machine, now: int, say: Announcement, *, initial: bool) -> Machine:
    """The condition has come: it waits, unless it has come often enough (m of n)."""
    hits: tuple[int, ...] = ()
    waits = say.wait > 0
    if say.count is not None:
        hits = (*(hit for hit in machine.hits if hit > now - say.count.within), now)
        waits = len(hits) < say.count.times
    phase = Phase.PENDING if waits else Phase.ACTIVE
    return Machine(phase, since=now, due=now + say.wait, initial=initial, hits=hits if waits else ())


def expire(machine: Machine) -> Machine:
    """The running delay ran out while the value was observed."""
    return replace(machine, phase=Phase.ACTIVE, hits=()) if machine.phase is Phase.PENDING else CALM


def lose(machine: Machine, at: int) -> Machine:
    """Observation stopped at `at` (bad, stale, restart): a running delay pauses."""
    return replace(machine, blind=at) if machine.waiting and machine.blind is None else machine


def regain(machine: Machine, now: int, on_delay: int, off_delay: int) -> Machine:
    """Observation goes on at `now`: a gap longer than the delay voids it, a shorter one moves it on."""
    if machine.blind is None:
        return machine
    gap = now - machine.blind
    if machine.phase is Phase.PENDING:
        return CALM if gap > on_delay else replace(machine, due=machine.due + gap, blind=None)
    if gap > off_delay:
        return replace(machine, phase=Phase.ACTIVE, blind=None)
    return replace(machine, due=machine.due + gap, blind=None)
