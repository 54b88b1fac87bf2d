"""Samples as bytes: what a chunk is, and how it is read.

A value that is seen again is not written again: it is *held* from its first receipt to its last. A hold
ends where the value changes, and where nothing came for longer than its track's *patience*: the
shortest time after which some rule would miss it. So every change is kept to the nanosecond, every
absence that a rule can notice is kept, and a constant tag costs nothing.

    chunk = zlib(line of instants, line a track, ...)     each line JSON: a reader parses those it wants
    line of a track = [kind, name, begins, values, stamps, odd, ended]
        begins, values, stamps    a column each: instant (its place in the first line), value, device's stamp
        odd                       [place, quality, reason, baseline] where one is not as usual
        ended                     [place, last instant, times, last stamp, still held]

Rules for whoever changes it: pure; only what began or ended since the last chunk is in a chunk, so a hold
may begin in one chunk and end in a later one. A *whole* chunk begins every open hold anew: reading can
start there, and what is older can be deleted. `tape` writes them.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.model import Action, Command, Json, Quality, Value

TAG: Final = "tag"
LINK: Final = "link"
ALIVE: Final = "alive"
CLOCK: Final = "clock"
COMMAND: Final = "command"

Key: TypeAlias = tuple[str, str]
"""A track: what kind of thing was seen, and its name (tag, source, rule)."""

EARLIER: Final = -1  # the place of a hold that began in an earlier chunk


@dataclass(slots=True)
class Hold:
    """One value of one track, for as long as it was seen.

    Attributes:
        value: of a tag as it was read; of a link whether it is up; of the clock its offset; of a
            command its fields.
        first, last: instants of its first and its last receipt, nanoseconds.
        times: how often it was seen; 1 where only its beginning is known.
        quality, reason, baseline: as in `Reading`.
        stamp, last_stamp: the device's own, first and last; None: it gave none.
        open: nothing has ended it so far as the record goes: it was still held there.
    """

    value: Json
    first: int
    last: int
    times: int = 1
    quality: Quality = Quality.GOOD
    reason: str = ""
    baseline: bool = False
    stamp: int | None = None
    last_stamp: int | None = None
    open: bool = True


def _sums(deltas: Iterable[int]) -> list[int]:
    total, sums = 0, []
    for delta in deltas:
        total += delta
        sums.append(total)
    return sums


def read_chunk(content: bytes, wanted: Collection[Key], into: dict[Key, list[Hold]]) -> None:
    """Add what a chunk says of the `wanted` tracks; chunks are read in the order in which they were written.

    Raises:
        ValueError: the chunk is damaged.
    """
    try:
        head, *lines = zlib.decompress(content).split(b"\n")
    except zlib.error as error:
        raise ValueError(str(error)) from error
    starts = tuple(json.dumps(list(key), separators=(",", ":")).encode()[:-1] + b"," for key in wanted)
    instants = _sums(json.loads(head))
    for line in lines:
        if line.startswith(starts):
            _read_line(json.loads(line), instants, into)


def _read_line(columns: list[list[Json]], instants: list[int], into: dict[Key, list[Hold]]) -> None:
    kind, name, begins, values, stamps, odd, ended = columns
    holds = into.setdefault((str(kind), str(name)), [])
    begun = [
        Hold(value, at, at)
        for value, at in zip(values, (instants[n] for n in _sums(_whole(begins))), strict=True)
    ]
    for hold, stamp in zip(begun, stamps, strict=False):
        hold.stamp = hold.last_stamp = stamp if isinstance(stamp, int) else None
    for each in odd:
        position, quality, reason, baseline = _row(each)
        hold = begun[int(position or 0)]
        hold.quality, hold.reason, hold.baseline = Quality(str(quality)), str(reason), bool(baseline)
    for each in ended:
        position, until, times, stamp, still = (int(one) if one is not None else None for one in _row(each))
        if position == EARLIER and not (holds and holds[-1].open):
            continue  # its beginning was lost with an earlier chunk
        hold = holds[-1] if position == EARLIER else begun[position or 0]
        hold.last, hold.times, hold.last_stamp = instants[until or 0], times or 1, stamp
        hold.open = hold.open and bool(still)
    # What began before another one began is over, although no more is known of it than its beginning.
    for hold in [*holds[-1:], *begun][:-1] if begun else []:
        hold.open = False
    holds += begun


def _whole(column: Iterable[Json]) -> Iterator[int]:
    return (number for number in column if isinstance(number, int))


def _row(each: Json) -> list[bool | int | float | str | None]:
    return [one for one in each if not isinstance(one, list | dict)] if isinstance(each, list) else []


def command_of(rule: str, hold: Hold) -> Command:
    """The command that a hold of a COMMAND track stands for."""
    action, by, reason, until, one_shot = _row(hold.value)
    end = until if isinstance(until, int) else None
    return Command(rule, Action(str(action)), hold.first, str(by), str(reason), end, bool(one_shot))


def value_of(hold: Hold) -> Value | None:
    """The value that a hold of a TAG track stands for."""
    return hold.value if isinstance(hold.value, bool | int | float | str) else None
