"""Playing what was seen, in order of time, through the engine: tests, backtests and `why` do it alike.

Between two moments time passes as it does live: each delay that runs out is looked at when it does.

Rules for whoever changes it: nothing here knows where the data come from or what becomes of the
events; what is taken counts as stored at once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from agent.model import Command, Event, Reading, Seen, Tick
from agent.rules.engine import Engine
from agent.rules.taken import Taken


def instant(seen: Seen) -> int:
    """When it was seen, monotonic nanoseconds."""
    return seen.received if isinstance(seen, Reading) else seen.at


class Player:
    """An engine that data are played to.

    Attributes:
        engine: may be replaced between two steps by one that goes on where it stands.
        after_each: told what came of each step.
        refused: commands that could not be done, and why.
    """

    def __init__(self, engine: Engine, after_each: Callable[[Taken], None] = lambda _: None) -> None:
        self.engine = engine
        self.after_each = after_each
        self.refused: list[tuple[Command, str]] = []

    def play(self, seen: Iterable[Seen]) -> Iterator[Event]:
        """Show all of `seen`, which is in order of time; what has the same instant is one step.

        A command comes after the readings of its instant, because people act on what they see.
        """
        for (at, _), moment in groupby(seen, lambda each: (instant(each), isinstance(each, Command))):
            yield from self.let_pass(at)
            yield from self._take(list(moment))

    def let_pass(self, until: int) -> Iterator[Event]:
        """Let time pass up to and including `until`, with nothing to be seen."""
        while (due := self.engine.due) is not None and due <= until:
            yield from self._take([Tick(due)])

    def keep(self, taken: Taken) -> Sequence[Event]:
        """Count `taken`, just taken from the engine, as stored; its events."""
        if taken.durable:
            self.engine.keep(taken)
        return taken.events

    def _take(self, batch: Sequence[Seen]) -> Sequence[Event]:
        for command in batch:
            if isinstance(command, Command) and (reason := self.engine.refusal(command)):
                self.refused.append((command, reason))
        taken = self.engine.take(batch)
        events = self.keep(taken)
        self.after_each(taken)
        return events
