"""The flood protection as a holder of the engine: its state is tentative, kept and restored like a rule's."""

from collections.abc import Callable, Sequence
from typing import Final

from agent.model import Event
from agent.rules.flood import FloodState, advance, decode, end, next_due, pass_on
from agent.rules.spec import FloodSpec

_NONE: Final = FloodSpec(more_than=0, within=0, until=0, until_within=0, digest_every=0)
"""Of an agent whose file has no `flood:` any more; to whom the end is told is what counts of it."""


class Protection:
    """One agent's protection against floods of alarms."""

    def __init__(self, spec: FloodSpec) -> None:
        self.spec = spec
        self.state = FloodState()

    def become(self, state: FloodState) -> None:
        """Take `state`."""
        self.state = state

    @property
    def due(self) -> int | None:
        """When time alone sends a digest or ends the flood."""
        return next_due(self.spec, self.state)

    def passed(
        self, events: Sequence[Event], now: int, mint: Callable[[int], str]
    ) -> tuple[FloodState, list[Event]]:
        """What of `events` goes out by `now`, and the state after it."""
        state, out = self.state, list[Event]()
        for event in events:
            due = next_due(self.spec, state)
            if due is not None and due <= event.at:
                state, told = advance(self.spec, state, event.at, mint)
                out += told
            state, told = pass_on(self.spec, state, [event], mint)
            out += told
        due = next_due(self.spec, state)
        if due is not None and due <= now:
            state, told = advance(self.spec, state, now, mint)
            out += told
        return state, out

    def must_last(self, after: FloodState) -> bool:
        """What is held back is nowhere but here."""
        return self.state.held != after.held or self.state.since != after.since

    def decoded(self, kept: bytes, shift: int) -> FloodState:
        """Read what `flood.encode` wrote, instants moved by `shift`."""
        return decode(kept, shift)


def left(kept: bytes, shift: int, now: int, mint: Callable[[int], str]) -> list[Event]:
    """Let go what a protection still held that the configuration does not have any more.

    Args:
        kept: what `flood.encode` wrote.
        shift: what to add to its instants, nanoseconds.
        now: when it is let go.
        mint: makes event ids.
    """
    return end(_NONE, decode(kept, shift), now, mint)[1]
