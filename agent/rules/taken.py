"""What came of a batch that the engine took: for the caller to put on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.model import Event
from agent.rules.journal import Holder
from agent.rules.saved import encoded


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a batch.

    Attributes:
        events: in the order in which they happened.
        durable: it must be on disk before the batch counts as taken; else all of this is empty.
        touched: the holders that the batch moved and the states it left them in, by the store's key.
        removed: keys that the store need not keep any more.
    """

    events: Sequence[Event]
    durable: bool
    touched: Mapping[str, tuple[Holder, object]] = field(default_factory=dict)
    removed: Sequence[str] = ()

    @property
    def states(self) -> dict[str, bytes | None]:
        """What the store keeps, by key (`rule/INSTANCE`, `tag/NAME`, `flood`); None: it goes.

        Written when it is asked for: whoever has no store does not pay for it.
        """
        written = {key: encoded(holder, state) for key, (holder, state) in self.touched.items()}
        return dict.fromkeys(self.removed) | written


NOTHING: Final = Taken((), durable=False)
"""What comes of nearly every batch."""
