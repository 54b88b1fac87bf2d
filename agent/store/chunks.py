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
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.model import Action, Command, Quality, Value

TAG: Final = "tag"
LINK: Final = "link"
ALIVE: Final = "alive"
CLOCK: Final = "clock"
COMMAND: Final = "command"

Key: TypeAlias = tuple[str, str]
"""A track: what kind of thing was seen, and its name (tag, source, rule)."""

_Line: TypeAlias = tuple[
    str,
    str,
    list[int],
    list[Value | None],
    list[int | None],
    list[tuple[int, str, str, int]],
    list[tuple[int, int, int, int | None, bool]],
]

EARLIER: Final = -1  # the place of a hold that began in an earlier chunk


@dataclass(slots=True)
class Hold:
    """One value of one track, for as long as it was seen.

    Attributes:
        value: of a tag as it was read; of a link whether it is up; of the clock its offset; of a
            command its fields.
        first, last: instants of its first and its last receipt, nanoseconds.
        times: how often it was seen; 1 where only its beginning is known.
        quality, reason, baseline, late: as in `Reading`.
        stamp, last_stamp: the device's own, first and last; None: it gave none.
        open: nothing has ended it so far as the record goes: it was still held there.
    """

    value: Value | None
    first: int
    last: int
    times: int = 1
    quality: Quality = Quality.GOOD
    reason: str = ""
    baseline: bool = False
    stamp: int | None = None
    last_stamp: int | None = None
    open: bool = True
    late: bool = False


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


def _read_line(line: _Line, instants: list[int], into: dict[Key, list[Hold]]) -> None:
    kind, name, begins, values, stamps, odd, ended = line
    holds = into.setdefault((kind, name), [])
    begun = [
        Hold(value, instants[place], instants[place])
        for value, place in zip(values, _sums(begins), strict=True)
    ]
    for hold, stamp in zip(begun, stamps, strict=False):
        hold.stamp = hold.last_stamp = stamp
    for place, quality, reason, marks in odd:  # marks: 1 a baseline (true in older files), 2 late
        hold = begun[place]
        hold.quality, hold.reason = Quality(quality), reason
        hold.baseline, hold.late = bool(marks & 1), bool(marks & 2)
    for place, until, times, stamp, still in ended:
        if place == EARLIER and not (holds and holds[-1].open):
            continue  # its beginning was lost with an earlier chunk
        hold = holds[-1] if place == EARLIER else begun[place]
        hold.last, hold.times, hold.last_stamp = instants[until], times, stamp
        hold.open = hold.open and still
    # What began before another one began is over, although no more is known of it than its beginning.
    for hold in [*holds[-1:], *begun][:-1] if begun else []:
        hold.open = False
    holds += begun


def write_command(command: Command) -> str:
    """A command as the value of a COMMAND track."""
    words = [command.action.value, command.by, command.reason, command.until, command.one_shot]
    return json.dumps(words)


def command_of(rule: str, hold: Hold) -> Command:
    """The command that a hold of a COMMAND track stands for."""
    action, by, reason, until, one_shot = json.loads(str(hold.value))
    return Command(rule, Action(action), hold.first, by, reason, until, one_shot)
