"""What came of a batch that the engine took: for the caller to put on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.model import Event
from agent.rules.journal import Holder


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch.

    Attributes:
        events: in the order in which they happened.
        states: what the store keeps, by key (`rule/INSTANCE`, `tag/NAME`, `flood`); None: it goes.
        durable: it must be on disk before the batch counts as taken; else all of this is empty.
        touched: whose state that is, for the engine.
    """

    events: Sequence[Event]
    states: Mapping[str, bytes | None]
    durable: bool
    touched: Mapping[str, tuple[Holder, object]] = field(default_factory=dict)


NOTHING: Final = Taken((), {}, durable=False)
"""What comes of nearly every batch."""
