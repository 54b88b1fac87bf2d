"""What a rule may look at: its tag (or source) as it stands, without knowing who keeps it."""

from typing import Protocol

from agent.model import Quality, Value
from agent.rules.spec import Awaited


class View(Protocol):
    """A tag's present state, read by the machines. Instants are monotonic nanoseconds."""

    @property
    def tag(self) -> str:
        """The tag's name; empty for a source."""
        ...

    @property
    def unit(self) -> str:
        """Engineering unit."""
        ...

    @property
    def value(self) -> Value | None:
        """The last value; None while it is bad or nothing was read."""
        ...

    @property
    def quality(self) -> Quality:
        """Of the last reading."""
        ...

    @property
    def reason(self) -> str:
        """Why the quality is not good."""
        ...

    @property
    def source_time(self) -> int | None:
        """The device's stamp of the last reading, nanoseconds UTC."""
        ...

    @property
    def fresh_until(self) -> int:
        """The value counts as observed up to and including this instant."""
        ...

    def absent_since(self, awaited: Awaited) -> int | None:
        """Since when `awaited` is missing (may lie in the future: when it will be); None: it is there."""
        ...
