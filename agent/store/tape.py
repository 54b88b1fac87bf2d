"""What the rules see, gathered and thinned until it is written as a chunk (see `chunks`).

Rules for whoever changes it: pure, and cheap: `see` is called for every reading.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from agent.model import Alive, Command, Link, Quality, Reading, Seen, Tick, WallClock
from agent.store.chunks import ALIVE, CLOCK, COMMAND, EARLIER, LINK, TAG, Hold, Key, write_command

_LEVEL: Final = 6


def _prolongs(seen: Reading, hold: Hold, patience: int | None) -> bool:
    """The very same again, and no rule missed it meanwhile."""
    _, value, quality, at, reason, stamp, baseline, late = seen
    return (
        value == hold.value
        and type(value) is type(hold.value)
        and quality is hold.quality
        and (patience is None or at - hold.last <= patience)
        and reason == hold.reason
        and not (baseline or late or hold.late)
        and (stamp is hold.last_stamp is None or _newer(stamp, hold.last_stamp))
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
        self.position = EARLIER
        self.told = 1

    def see(self, seen: Reading) -> bool:
        """Take what was seen; True: a hold began."""
        hold = self.hold
        if hold is not None:
            if _prolongs(seen, hold, self.patience):
                hold.last, hold.last_stamp = seen.received, seen.source_time
                hold.times += 1
                return False
            hold.open = False
            self.settle()
        self._begin(seen)
        return True

    def _begin(self, seen: Reading) -> None:
        _, value, quality, at, reason, stamp, baseline, late = seen
        self.hold = Hold(value, at, at, 1, quality, reason, baseline, stamp, stamp, late=late)
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
        if self.hold is not None and self.position == EARLIER:
            self.settle()
            hold = self.hold
            hold.open = False
            again = Reading("", hold.value, hold.quality, hold.last, hold.reason, hold.last_stamp)
            self._begin(again._replace(late=hold.late))


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
            track.patience = self._patience.get(key)
            if key[0] in (TAG, ALIVE) and key not in self._patience:
                track.close()

    def see(self, seen: Seen) -> None:
        """Take what was seen, if some rule looks at it."""
        match seen:
            case Reading(tag=name):
                if (TAG, name) in self._patience:
                    self._see((TAG, name), seen)
            case Link(source=name, up=up, at=at, reason=reason):
                self._see((LINK, name), Reading(name, up, Quality.GOOD, at, reason))
            case Alive(source=name, at=at):
                self._see((ALIVE, name), Reading(name, True, Quality.GOOD, at))
            case WallClock(at=at, offset=offset):
                self._see((CLOCK, ""), Reading("", offset, Quality.GOOD, at))
            case Command(rule=name, at=at):
                # As a baseline: what is done twice is done twice. The last one is held: it may be a shelf.
                done = Reading(name, write_command(seen), Quality.GOOD, at, baseline=True)
                self._see((COMMAND, name), done)
            case Tick():
                pass

    def _see(self, key: Key, seen: Reading) -> None:
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = _Track(self._patience.get(key))
        self.size += track.see(seen)

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
            track.begun, track.ended, track.position = [], [], EARLIER
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
            [position, hold.quality.value, hold.reason, hold.baseline + 2 * hold.late]
            for position, hold in enumerate(track.begun)
            if hold.quality is not Quality.GOOD or hold.reason or hold.baseline or hold.late
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
