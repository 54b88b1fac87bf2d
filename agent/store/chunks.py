"""Samples as bytes, and back: what the rules saw, thinned to what a rule would notice.

A value that is seen again is not written again: it is *held* from its first receipt to its last. A hold
ends where the value changes, and where nothing came for longer than its track's *patience*: the
shortest time after which some rule would miss it. So every change is kept to the nanosecond, every
absence that a rule can notice is kept, and a constant tag costs nothing.

    chunk = zlib(line of instants, line a track, ...)     each line JSON: a reader parses those it wants

Rules for whoever changes it: pure; only what began or ended since the last chunk is in a chunk, so a hold
may begin in one chunk and end in a later one. A *whole* chunk begins every open hold anew: reading can
start there, and what is older can be deleted.
"""

import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from agent.model import Action, Alive, Command, Json, Link, Quality, Reading, Seen, Tick, Value, WallClock

TAG: Final = "tag"
LINK: Final = "link"
ALIVE: Final = "alive"
CLOCK: Final = "clock"
COMMAND: Final = "command"

Key: TypeAlias = tuple[str, str]
"""A track: what kind of thing was seen, and its name (tag, source, rule)."""

_EARLIER: Final = -1  # the position of a hold that began in an earlier chunk
_LEVEL: Final = 6


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


class _Spot(NamedTuple):
    """What was seen of a track at one instant."""

    at: int
    value: Json
    quality: Quality = Quality.GOOD
    reason: str = ""
    baseline: bool = False
    stamp: int | None = None

    def begin(self) -> Hold:
        return Hold(
            self.value, self.at, self.at, 1, self.quality, self.reason, self.baseline, self.stamp, self.stamp
        )

    def prolongs(self, hold: Hold, patience: int | None) -> bool:
        """The very same again, and no rule missed it meanwhile."""
        return (
            self.value == hold.value
            and type(self.value) is type(hold.value)
            and self.quality is hold.quality
            and self.reason == hold.reason
            and not self.baseline
            and (patience is None or self.at - hold.last <= patience)
            and (self.stamp is hold.last_stamp is None or _newer(self.stamp, hold.last_stamp))
        )


def _newer(stamp: int | None, before: int | None) -> bool:
    """A stamp that is not newer than the last is a redelivery: no rule takes it for a sample."""
    return stamp is not None and before is not None and stamp > before


class _Track:
    """One track: its open hold, and what of it goes into the next chunk."""

    __slots__ = ("begun", "ended", "hold", "patience", "position", "told")

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.hold: Hold | None = None
        self.begun: list[Hold] = []
        self.ended: list[tuple[int, Hold]] = []
        self.position = _EARLIER
        self.told = 1

    def see(self, spot: _Spot) -> bool:
        """Take what was seen; True: a hold began."""
        hold = self.hold
        if hold is not None and spot.prolongs(hold, self.patience):
            hold.last, hold.times, hold.last_stamp = spot.at, hold.times + 1, spot.stamp
            return False
        if hold is not None:
            hold.open = False
            self.settle()
        self._begin(spot)
        return True

    def _begin(self, spot: _Spot) -> None:
        self.hold = spot.begin()
        self.position, self.told = len(self.begun), 1
        self.begun.append(self.hold)

    def settle(self) -> None:
        """Write how long the open hold has lasted so far."""
        if self.hold is not None and self.hold.times > self.told:
            self.ended.append((self.position, self.hold))
            self.told = self.hold.times

    def close(self) -> None:
        """End the open hold: nothing came any more."""
        if self.hold is not None:
            self.ended.append((self.position, self.hold))
            self.hold.open, self.hold = False, None

    def restate(self) -> None:
        """Begin the open hold anew, where it was last seen."""
        if self.hold is not None and self.position == _EARLIER:
            self.settle()
            hold = self.hold
            hold.open = False
            self._begin(_Spot(hold.last, hold.value, hold.quality, hold.reason, stamp=hold.last_stamp))


class Tape:
    """What the rules see, gathered until it is written.

    Attributes:
        size: how many holds wait to be written.
    """

    def __init__(self, patience: Mapping[Key, int | None]) -> None:
        self._patience = dict(patience)
        self._tracks: dict[Key, _Track] = {}
        self.size = 0

    def watch(self, patience: Mapping[Key, int | None]) -> None:
        """Other rules are in force: other tracks count, and other absences."""
        self._patience = dict(patience)
        for key, track in self._tracks.items():
            if key in self._patience:
                track.patience = self._patience[key]
            else:
                track.close()

    def see(self, seen: Seen) -> None:
        """Take what was seen, if some rule looks at it."""
        match seen:
            case Reading():
                key = (TAG, seen.tag)
                if key in self._patience:
                    spot = _Spot(
                        seen.received,
                        seen.value,
                        seen.quality,
                        seen.reason,
                        seen.baseline,
                        seen.source_time,
                    )
                    self._see(key, spot)
            case Link():
                self._see((LINK, seen.source), _Spot(seen.at, seen.up, reason=seen.reason))
            case Alive():
                self._see((ALIVE, seen.source), _Spot(seen.at, True))
            case WallClock():
                self._see((CLOCK, ""), _Spot(seen.at, seen.offset))
            case Command():
                words: Json = [seen.action.value, seen.by, seen.reason, seen.until, seen.one_shot]
                self._see((COMMAND, seen.rule), _Spot(seen.at, words))
                self._tracks[COMMAND, seen.rule].close()  # a hand is no state: it is never held
            case Tick():
                pass

    def _see(self, key: Key, spot: _Spot) -> None:
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = _Track(self._patience.get(key))
        self.size += track.see(spot)

    def cut(self, now: int, *, settle: bool = False, whole: bool = False) -> bytes | None:
        """What happened since the last cut, as a chunk; None: nothing that is worth one.

        Args:
            now: holds whose track has been silent for longer than its patience end.
            settle: write how long open holds have lasted so far.
            whole: if there is one, make it a chunk at which reading can start.
        """
        for track in self._tracks.values():
            hold, patience = track.hold, track.patience
            if hold is not None and patience is not None and now - hold.last > patience:
                track.close()
            elif settle:
                track.settle()
        if whole and any(track.begun or track.ended for track in self._tracks.values()):
            for track in self._tracks.values():
                track.restate()
        chunk = _encode(self._tracks)
        for key in [key for key, track in self._tracks.items() if track.hold is None]:
            del self._tracks[key]
        for track in self._tracks.values():
            track.begun, track.ended, track.position = [], [], _EARLIER
        self.size = 0
        return chunk

    def forget(self) -> None:
        """Nothing is recorded any more: what is seen later begins anew."""
        self._tracks.clear()
        self.size = 0


def _encode(tracks: Mapping[Key, _Track]) -> bytes | None:
    instants: dict[int, int] = {}
    lines: list[bytes] = []
    for (kind, name), track in tracks.items():
        if not (track.begun or track.ended):
            continue
        begins = [instants.setdefault(hold.first, len(instants)) for hold in track.begun]
        stamped = any(hold.stamp is not None for hold in track.begun)
        odd = [
            [position, hold.quality.value, hold.reason, hold.baseline]
            for position, hold in enumerate(track.begun)
            if hold.quality is not Quality.GOOD or hold.reason or hold.baseline
        ]
        ended = [
            [
                position,
                instants.setdefault(hold.last, len(instants)),
                hold.times,
                hold.last_stamp,
                hold.open,
            ]
            for position, hold in track.ended
        ]
        stamps = [hold.stamp for hold in track.begun] if stamped else []
        columns = [kind, name, _deltas(begins), [hold.value for hold in track.begun], stamps, odd, ended]
        lines.append(json.dumps(columns, separators=(",", ":")).encode())
    if not lines:
        return None
    head = json.dumps(_deltas(instants), separators=(",", ":")).encode()
    # Line by line, so that no single call keeps other threads from the interpreter for long.
    return zlib.compress(b"\n".join([head, *lines]), _LEVEL)


def _deltas(numbers: Iterable[int]) -> list[int]:
    before, deltas = 0, []
    for number in numbers:
        deltas.append(number - before)
        before = number
    return deltas


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
        if position == _EARLIER and not (holds and holds[-1].open):
            continue  # its beginning was lost with an earlier chunk
        hold = holds[-1] if position == _EARLIER else begun[position or 0]
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
