"""Samples of something that has no end, in bounded memory and always the same ones.

Rules for whoever changes it: no dice, so that two runs over one history tell the same.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from typing import Final, Generic, TypeVar

Kept = TypeVar("Kept")
_MOST: Final = 16_384


class Thinned(Generic[Kept]):
    """Every `stride`-th of what was added; the stride doubles whenever there are too many.

    Attributes:
        kept: the samples, in order.
        count: how many there were.
    """

    def __init__(self, most: int = _MOST) -> None:
        self.kept: list[Kept] = []
        self.count = 0
        self._most = most
        self._stride = 1

    def extend(self, added: Sequence[Kept]) -> None:
        """Take what follows."""
        self.kept += added[-self.count % self._stride :: self._stride]
        self.count += len(added)
        while len(self.kept) > self._most:
            del self.kept[1::2]
            self._stride *= 2

    def append(self, added: Kept) -> None:
        """Take one more."""
        self.extend((added,))


def quantile(samples: Iterable[float], share: float) -> float | None:
    """The least sample that at least `share` of them do not exceed; None of none."""
    ordered = sorted(samples)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
