"""What came of a batch that the engine took: for the caller to put on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.model import Event
from agent.rules.runs import RuleState


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch.

    Attributes:
        events: in the order in which they happened.
        runs: the new state of every rule that the batch changed, for the store.
        times: the newest device stamp of every timed tag that it moved.
        removed: rules that are no longer in the configuration; their state goes.
        durable: it must be on disk before the batch counts as taken; else all of this is empty.
    """

    events: Sequence[Event]
    runs: Mapping[str, RuleState]
    times: Mapping[str, int]
    durable: bool
    removed: Sequence[str] = ()


NOTHING: Final = Taken((), {}, {}, durable=False)
"""What comes of nearly every batch."""
