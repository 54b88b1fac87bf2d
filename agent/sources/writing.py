"""Writing to a machine: what a tag must say for it, and what a session lends while it is connected.

Nothing is written unless a tag says `write:`; a source whose tags say none lends nothing, and its adapter
does not even import what could write. Whether a value may be written is decided in
`agent.incoming.writing`, never by an adapter; an adapter writes one value, once, and says what came of it.

Rules for whoever changes this: a write is never repeated by whoever makes it: after silence nobody knows
whether the machine has moved.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Protocol, Self, TypeAlias

from pydantic import Field, FiniteFloat, model_validator

from agent.config.fields import Duration, Section
from agent.errors import EdgeRelayError
from agent.model import SECOND, Reading, Value


class WriteSection(Section):
    """What may be written to a tag by a signed message; `{}` for a switch, bounds for a number."""

    min: FiniteFloat | None = None
    """The smallest number that may be written; with `max`. Neither: it is a switch, which takes true and false."""
    max: FiniteFloat | None = None
    """The largest number that may be written."""
    max_step: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """How far it may be moved at once from what it is; none: all the way."""
    when: str | None = None
    """An expression that must be true at that moment: R1.REMOTE and not active("door-open"); none: nothing."""
    at_most_every: Annotated[Duration, Field(ge=0)] = 1 * SECOND
    """How long after a write the next one is refused."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if (self.min is None) != (self.max is None):
            raise ValueError("`min` and `max` belong together: write both, or neither for a switch")
        if self.min is not None and self.max is not None and not self.min < self.max:
            raise ValueError(f"expected min < max, got {self.min:g} and {self.max:g}")
        if self.max_step is not None and self.min is None:
            raise ValueError("`max_step` is of a number, which needs `min` and `max`")
        return self

    @property
    def of_number(self) -> bool:
        """Whether it takes numbers; else it is a switch, and takes true and false."""
        return self.min is not None


class WriteRefused(EdgeRelayError):  # noqa: N818 - a word of the device, not a fault
    """The device has said no, or nothing was sent: it is as it was. The message says why, with the remedy."""


class WriteUncertain(EdgeRelayError):  # noqa: N818 - as above
    """It was sent and nothing came back: nobody knows whether the machine has taken it."""


LastWord: TypeAlias = Callable[[], None]
"""Called in the very moment in which a write leaves, after all waiting; what it raises keeps it back."""


def unopposed() -> None:
    """Nothing is against it."""


class Writer(Protocol):
    """Reads and writes single tags of one connected source; calls of it may come side by side."""

    async def read(self, tag: str) -> Reading:
        """Ask the device for the tag now; bad, with the reason, where it cannot be read. It raises nothing of the weather."""
        ...

    async def write(self, tag: str, value: Value, last_word: LastWord = unopposed) -> None:
        """Write one value, in engineering units, once; bounded in time.

        `last_word` is asked when nothing is left to be waited for; what it raises is raised, and nothing was sent.

        Raises:
            WriteRefused: it is not written: the device refuses, the value cannot be had in its type.
            WriteUncertain: the connection was lost, or no answer came.
        """
        ...


class Door:
    """Where a session leaves its writer for as long as it is connected; whoever acts on messages takes it."""

    def __init__(self) -> None:
        self.writer: Writer | None = None

    @contextmanager
    def open(self, writer: Writer) -> Iterator[None]:
        """Lend `writer` for as long as the context lasts."""
        self.writer = writer
        try:
            yield
        finally:
            self.writer = None
