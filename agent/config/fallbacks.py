"""Fallbacks of destinations, which name one another: what cannot be, and what hardly helps.

Rules for whoever changes this: what is wrong with a `fallback` alone is its section's; here is what
only shows beside the other destinations, or beside another key.
"""

from collections.abc import Collection, Iterator, Mapping

from agent.config.fields import format_duration
from agent.config.messages import did_you_mean
from agent.config.yaml_text import Keys
from agent.destinations.base import DestinationSection


def check_fallbacks(
    destinations: Mapping[str, DestinationSection], names: Collection[str]
) -> Iterator[tuple[Keys, str, str]]:
    """Give the path, the text and the severity of each problem.

    Args:
        destinations: those without errors of their own.
        names: all that are written.
    """
    for name, destination in destinations.items():
        fallback = destination.fallback
        if fallback is None:
            continue
        path: Keys = ("destinations", name, "fallback")
        if fallback.to == name:
            yield (*path, "to"), "a destination cannot fall back to itself: name another one", "error"
        elif fallback.to not in names:
            text = f"unknown destination {fallback.to!r}{did_you_mean(fallback.to, names)}"
            yield (*path, "to"), text, "error"
        elif (other := destinations.get(fallback.to)) is not None:
            yield from ((keys, text, "warning") for keys, text in _doubts(path, destination, other))


def _doubts(
    path: Keys, destination: DestinationSection, other: DestinationSection
) -> Iterator[tuple[Keys, str]]:
    fallback = destination.fallback
    if fallback is None:
        return
    address = _address(destination)
    if address is not None and address == _address(other):
        same = f"{fallback.to} has the same address: when one takes nothing, neither does the other"
        yield (*path, "to"), f"{same}; name a receiver that is reached another way"
    if destination.max_age is not None and destination.max_age <= fallback.after:
        ends = f"what waits is given up after {format_duration(destination.max_age)} (`max_age`)"
        yield (*path, "after"), f"nothing goes there: {ends}; write a shorter `after`"


def _address(destination: DestinationSection) -> str | None:
    """Where it sends to, for kinds that have an address as `url`."""
    url: object = getattr(destination, "url", None)
    return url if isinstance(url, str) else None
