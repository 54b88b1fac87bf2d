"""The events of a backtest as they would be sent: bodies, one a line, through the protection against floods."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

from agent.delivery import identity
from agent.delivery.body import Identity, Place, render, sendable
from agent.model import Event
from agent.rules.protection import Protection
from agent.rules.spec import FloodSpec

EPOCH: Final = "backtest"


def minter(series: int) -> Callable[[int], str]:
    """A maker of ids that the next run over the same history makes again.

    Args:
        series: 0 or 1: who makes them; each counts for himself, however the history is cut into batches.
    """
    counter = count(1)

    def mint(at: int) -> str:
        return identity.mint(at, (series << 63 | next(counter) << 2).to_bytes(identity.RANDOM_BYTES, "big"))

    return mint


class Sender:
    """Stands where the destinations stand.

    Args:
        write: takes each line.
        site, agent: whose events these are.
        flood: the configuration's protection; None: it has none.
    """

    def __init__(
        self, write: Callable[[bytes], object], site: str, agent: str, flood: FloodSpec | None
    ) -> None:
        self._write = write
        self._whose = Identity(site, agent, EPOCH)
        self._flood = Protection(flood) if flood is not None else None
        self._seq = 0
        self._mint = minter(1)

    def send(self, events: Sequence[Event], now: int) -> None:
        """Send `events`, and what the protection held back until `now`."""
        if self._flood is not None:
            state, events = self._flood.passed(events, now, self._mint)
            self._flood.become(state)
        for event in events:
            self._seq += 1
            place = Place(self._seq, self._seq - 1 or None, 0)
            self._write(render(sendable(event), place, self._whose) + b"\n")
