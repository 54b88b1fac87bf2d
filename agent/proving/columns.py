"""A portion of a history as columns, one a tag: what is done to many samples at a time.

Rules for whoever changes it: whatever a column gives is what its cells would give one by one.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from agent.model import Kind, Quality, Reading, Value
from agent.proving.cells import Values


class Column(NamedTuple):
    """The samples of one tag in one portion.

    Attributes:
        tag: its name.
        times: nanoseconds UTC, in order.
        cells: what stands there.
        known: what that means.
        qualities: None: good wherever there is a value.
        numbers: the values as floats if every one of them is a good number, else None.
    """

    tag: str
    times: Sequence[int]
    cells: Sequence[str]
    known: Values
    qualities: Sequence[Quality] | None
    numbers: Sequence[float] | None

    def part(self, begin: int, end: int) -> "Column":
        """The samples from one index up to another."""
        return self._replace(
            times=self.times[begin:end],
            cells=self.cells[begin:end],
            qualities=None if self.qualities is None else self.qualities[begin:end],
            numbers=None if self.numbers is None else self.numbers[begin:end],
        )

    def then(self, later: "Column") -> "Column":
        """These samples, and the later ones of another column of the tag."""
        whole = self.numbers is not None and later.numbers is not None
        qualities = None
        if self.qualities is not None or later.qualities is not None:
            qualities = [*self.each_quality(), *later.each_quality()]
        return self._replace(
            times=[*self.times, *later.times],
            cells=[*self.cells, *later.cells],
            qualities=qualities,
            numbers=[*(self.numbers or ()), *(later.numbers or ())] if whole else None,
        )

    def values(self) -> Sequence[Value | None]:
        """The values; None where nothing could be read."""
        known = self.known
        if self.numbers is not None:
            if known.kind is Kind.NUMBER:
                return self.numbers
            # What has a fraction is not looked up: noise has no end of different spellings.
            return [n if n % 1 else known[cell] for n, cell in zip(self.numbers, self.cells, strict=True)]
        if self.qualities is None:
            return [known[cell] for cell in self.cells]
        pairs = zip(self.cells, self.qualities, strict=True)
        return [None if quality is Quality.BAD else known[cell] for cell, quality in pairs]

    def readings(self) -> Iterator[Reading]:
        """The samples as the engine takes them."""
        values = self.values()
        qualities = repeat(Quality.GOOD) if self.numbers is not None else self.each_quality(values)
        return map(Reading, repeat(self.tag), values, qualities, self.times)

    def last(self) -> Iterator[Reading]:
        """The last sample."""
        return self.part(len(self.times) - 1, len(self.times)).readings()

    def each_quality(self, values: Sequence[Value | None] | None = None) -> Iterable[Quality]:
        """The quality of every sample; `values` saves reading the cells again."""
        values = self.values() if values is None else values
        if self.qualities is None:
            return [Quality.BAD if value is None else Quality.GOOD for value in values]
        pairs = zip(values, self.qualities, strict=True)
        return [Quality.BAD if value is None else quality for value, quality in pairs]

    def good(self) -> tuple[Sequence[int], Sequence[float]]:
        """Times of the good samples, and their numbers (a switch is 0 or 1); no numbers if one is a text."""
        if self.numbers is not None:
            return self.times, self.numbers
        values = self.values()
        times = [time for time, value in zip(self.times, values, strict=True) if value is not None]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        return times, numbers if len(numbers) == len(times) else ()
