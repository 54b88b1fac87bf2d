"""What was seen of a tag, or of the number that a rule makes of it: frozen values, decimated.

Instants are nanoseconds UTC as the history has them, durations nanoseconds.

Rules for whoever changes it: everything here is bounded, however long the history is. Counts and lengths
are exact; what is only looked at (buckets, bars, gaps) is thinned.
"""

from dataclasses import dataclass
from typing import NamedTuple

from agent.model import TagSpec


class Bucket(NamedTuple):
    """The least and the greatest good number in one `Series.width`, which begins at `begin`."""

    begin: int
    least: float
    greatest: float


class Bar(NamedTuple):
    """How many of the sampled numbers lie in `low <= number < high` (the last bar includes its high)."""

    low: float
    high: float
    samples: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How the good numbers of a tag lie.

    Attributes:
        samples: of how many they were taken (evenly thinned, not all).
        bars: a histogram, ordered.
    """

    samples: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """The tag of one rule in normal operation: while the rule was watched and not in alarm.

    Attributes:
        samples: how many were taken then.
        low, high: the 0.1 % and the 99.9 % quantile. Excursions that were over within 60 s belong to normal
            operation, announced or not. None: too few samples to tell.
        middle: the median; None: as low and high.
        noise: sigma = MAD(first differences) / 0.6745 / sqrt(2) of the times in which nothing was going
            on, in the unit. None: too few.
    """

    samples: int
    low: float | None
    middle: float | None
    high: float | None
    noise: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One tag of the history.

    Attributes:
        tag: what is known of it.
        samples, bad: how many readings there were, and how many of them were of bad quality.
        interval: the median time between two readings.
        stale_after: for how long a value counted as fresh.
        width: of a bucket.
        buckets: ordered; a bucket without a good number is absent. Texts have none; switches are 0 and 1.
        gaps: (begin, end) of each time without a fresh good value, ordered (of very many the longest).
        blind: the length of all gaps together, exact.
        spread: None for what is no number.
    """

    tag: TagSpec
    samples: int
    bad: int
    interval: int
    stale_after: int
    width: int
    buckets: tuple[Bucket, ...]
    gaps: tuple[tuple[int, int], ...]
    blind: int
    spread: Spread | None
