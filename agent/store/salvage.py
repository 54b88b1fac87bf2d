"""What was undelivered, the rules' state and the names, out of a damaged file into a new one.

A new file is a new epoch, in which `seq` begins to mean something new: what was waiting waits again under
numbers beyond all that were ever given out (the old one plus the last), with its id, so that receivers know it
again, and in a chain of `previous` of its own. What was delivered or dead keeps its old number and stands in no
chain. An event whose row or whose deliveries cannot be read is counted, and named as far as it is known.

Rules for whoever changes this: it runs in a thread before anything else does; the newest comes first, because the
time that it may take has a bound; it never writes to what it reads. Memory does not grow with the file.
"""

# ruff: noqa: S608 - statements are put together from constants and integers

import sqlite3
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.model import SECOND, Json
from agent.store import stamping
from agent.store.gaps import joined
from agent.store.migrations import STEPS
from agent.store.records import URGENT, DeliveryState
from agent.store.rows import INSERT_EVENT, decode_event, renumbered, subject_key
from agent.store.salvage_messages import bring_messages
from agent.store.states import checksum_of
from agent.store.wreck import Row, Wreck

LOST_KEY: Final = "lost"
"""The state under which it waits to be told what is missing."""

SALVAGED: Final = "salvaged"
PATIENCE: Final = 90 * SECOND  # a service manager gives it 120 s
_BLOCK: Final = 2_000
_NEAR: Final = 10_000_000
_MOST_NAMED: Final = 200
_EVENT: Final = 'seq, id, type, priority, subject, tag, rule, at, boot, "offset", content, checksum'
# The destination is asked for, because in pages out of place SQLite takes for granted what it looked for.
_STANDING: Final = "seq, destination, state"
_DELIVERY: Final = f"{_STANDING}, charged, due_wall, resent, settled_wall, reason"
_ATTEMPT: Final = "seq, destination, number, at_wall, status, latency, text"
_INSERT_DELIVERY: Final = (
    "INSERT INTO delivery (destination, seq, previous, state, charged, due_wall, resent, settled_wall, reason, subject, urgent) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_ATTEMPT: Final = "INSERT OR IGNORE INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)"
_INSERT_DESTINATION: Final = (
    "INSERT OR IGNORE INTO destination (id, name, disabled, paused, paused_at_wall, paused_for, failing_since_wall) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_DESTINATION: Final = "id, name, disabled, paused, paused_at_wall, paused_for, failing_since_wall"
_FACTS: Final = (str, str, int, int, int)
_STATES: Final = frozenset(DeliveryState)


@dataclass(slots=True)
class Salvaged:
    """What came of it.

    Attributes:
        epoch: the old one; empty when it cannot be read.
        last: the highest number that was given out, as far as can be seen.
        waiting, dead, history: deliveries that were brought over, by how they stand.
        lost: events that are known to have waited and cannot be read, by destination.
        unreadable: numbers in places that cannot be read at all.
        left: the time was over; older ones than this number were not looked at.
    """

    epoch: str = ""
    last: int = 0
    waiting: int = 0
    dead: int = 0
    history: int = 0
    states: int = 0
    lost: dict[str, list[int]] = field(default_factory=dict)
    unreadable: int = 0
    left: int = 0

    def word(self) -> dict[str, Json]:
        """For people and receivers."""
        return {
            "old_epoch": self.epoch or None,
            "last_seq": self.last,
            "waiting": self.waiting,
            "dead": self.dead,
            "rule_states": self.states,
            "unreadable": self.unreadable,
            "left": self.left,
            "lost_count": sum(len(set(seqs)) for seqs in self.lost.values()),
            "lost": {
                name: [list(piece) for piece in joined((seq, seq) for seq in seqs)[:_MOST_NAMED]]
                for name, seqs in self.lost.items()
            },
        }


def salvage(wreck: Wreck, target: Path, clock: Clock, patience: int = PATIENCE) -> Salvaged:
    """Make a new store of what can be read.

    Raises:
        sqlite3.Error: the new file cannot be written.
    """
    target.unlink(missing_ok=True)
    connection = sqlite3.connect(target, isolation_level=None)
    try:
        make_empty(connection)
        connection.execute("BEGIN")
        done = _Salvage(wreck, connection, clock).run(patience)
        connection.execute("COMMIT")
    finally:
        connection.close()
    return done


def make_empty(connection: sqlite3.Connection) -> None:
    """A store of today's version; until it is whole nobody else knows of it, so nothing is synced meanwhile."""
    for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = OFF", "synchronous = OFF"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    for step in STEPS:
        connection.executescript(step)
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")


class _Salvage:
    def __init__(self, wreck: Wreck, target: sqlite3.Connection, clock: Clock) -> None:
        self._wreck = wreck
        self._target = target
        self._clock = clock
        self._done = Salvaged()
        self._names: dict[int, str] = {}
        # By destination the oldest waiting delivery so far: its `previous` is the next older one.
        self._oldest: dict[int, list[object]] = {}

    def run(self, patience: int) -> Salvaged:
        """All of it, the newest first."""
        wreck, done, until = self._wreck, self._done, self._clock.monotonic() + patience
        for (epoch,) in wreck.all("SELECT value FROM meta WHERE key = 'epoch'"):
            done.epoch = str(epoch)
        self._destinations()
        done.last = self._last()
        self._states()
        self._target.execute("INSERT INTO meta VALUES (?, ?)", (SALVAGED, str(done.last)))
        high = done.last
        while high > 0 and not done.left:
            low = max(1, high - _BLOCK + 1)
            self._block(low, high)
            high = low - 1
            if self._clock.monotonic() > until:
                done.left = high
        for row in self._oldest.values():
            self._target.execute(_INSERT_DELIVERY, row)
        bring_messages(wreck, self._target, done.last, self._clock.wall())
        done.unreadable = wreck.unreadable
        return done

    def _last(self) -> int:
        """The highest number that was given out; a damaged one may be any, so it must be near another."""
        wreck = self._wreck
        found = [wreck.last("event", "1"), wreck.last("delivery INDEXED BY delivery_dead", "state = 2")]
        for key in self._names:
            found.append(wreck.last("delivery", f"destination = {key}"))
            found.append(
                wreck.last("delivery INDEXED BY delivery_pending", f"state = 0 AND destination = {key}")
            )
        found.sort()
        while len(found) > 1 and found[-1] > found[-2] + _NEAR:
            found.pop()
        return found[-1]

    def _destinations(self) -> None:
        """The rows, and from the index on their names those whose row cannot be read."""
        whole = self._wreck.all(f"SELECT {_DESTINATION} FROM destination NOT INDEXED")
        names = self._wreck.all(
            "SELECT id, name, NULL, NULL, NULL, NULL, NULL FROM destination ORDER BY name"
        )
        for row in (*whole, *names):
            key, name, *facts = row
            if not (isinstance(key, int) and isinstance(name, str)):
                continue
            if key not in self._names and name not in self._names.values():
                self._names[key] = name
                self._target.execute(_INSERT_DESTINATION, (key, name, *map(_fact, facts, _FACTS)))

    def _states(self) -> None:
        """From both ends, up to what cannot be read."""
        found: dict[str, tuple[bytes, int]] = {}
        for order in ("ASC", "DESC"):
            for key, value, checksum in self._wreck.all(
                f"SELECT key, value, checksum FROM state ORDER BY key {order}"
            ):
                if isinstance(key, str) and isinstance(value, bytes) and checksum_of(key, value) == checksum:
                    found[key] = value, checksum
        found.pop(LOST_KEY, None)
        if stamping.KEY in found:
            value = stamping.moved(found[stamping.KEY][0], self._done.last)
            found[stamping.KEY] = value, checksum_of(stamping.KEY, value)
        rows = [(key, *kept) for key, kept in found.items()]
        self._target.executemany("INSERT INTO state VALUES (?, ?, ?)", rows)
        self._done.states = sum(key.startswith("rule/") for key in found)

    def _block(self, low: int, high: int) -> None:
        events: dict[int, Row] = {}
        for row in self._wreck.numbered("event", _EVENT, "1", low, high):
            if decode_event(row) is not None:
                events[row[0]] = row
        again: set[int] = set()
        past: set[int] = set()
        for key in self._names:
            for row in reversed(self._deliveries(key, low, high)):
                seq, state = row[0], row[1]
                if seq not in events:
                    if state in (DeliveryState.PENDING, DeliveryState.DEAD):
                        self._done.lost.setdefault(self._names[key], []).append(seq)
                    continue
                subject, urgent = subject_key(events[seq][4]), events[seq][3] >= URGENT
                if state == DeliveryState.PENDING:
                    self._wait(key, row, subject, urgent=urgent)
                    again.add(seq)
                else:
                    self._rest(key, row, subject, urgent=urgent)
                    past.add(seq)
            self._attempts(key, low, high, again)
        self._target.executemany(
            INSERT_EVENT, [renumbered(events[seq], seq + self._done.last) for seq in sorted(again)]
        )
        # What nobody was told is history, too.
        self._target.executemany(
            INSERT_EVENT, [events[seq] for seq in sorted(past | (events.keys() - again))]
        )

    def _deliveries(self, key: int, low: int, high: int) -> list[Row]:
        """The rows of a destination; what is damaged in one and is not needed is as in a new one."""
        found: dict[int, Row] = {}
        for seq, of, state, charged, due, resent, settled, reason in self._rows_of(key, low, high):
            if of != key:
                continue
            if state not in _STATES:  # it may have waited
                self._done.lost.setdefault(self._names[key], []).append(seq)
                continue
            if seq in found and (state != DeliveryState.PENDING or found[seq][1] == state):
                continue  # of two with one number, which is damaged in one of them, it may wait
            numbers = (each if isinstance(each, int) else 0 for each in (charged, due, resent))
            found[seq] = (seq, state, *numbers, _fact(settled, int), _fact(reason, str) or "")
        return [found[seq] for seq in sorted(found)]

    def _rows_of(self, key: int, low: int, high: int) -> list[Row]:
        wreck, before = self._wreck, self._wreck.unreadable
        of = f"destination = {key}"
        rows = list(wreck.numbered("delivery NOT INDEXED", _DELIVERY, of, low, high))
        if wreck.unreadable > before:  # the beginning of some may be sound
            wreck.unreadable = before
            begun = wreck.numbered("delivery NOT INDEXED", _STANDING, of, low, high)
            rows += [(*row, 0, 0, 0, None, "") for row in begun]
        return rows

    def _wait(self, key: int, row: Row, subject: int, *, urgent: bool) -> None:
        """It waits again, under a new number; called from the newest to the oldest."""
        seq, state, charged, due, resent, _, _ = row
        number = seq + self._done.last
        if key in self._oldest:
            newer = self._oldest[key]
            newer[2] = number
            self._target.execute(_INSERT_DELIVERY, newer)
        self._oldest[key] = [key, number, None, state, charged, due, resent, None, "", subject, urgent]
        self._done.waiting += 1

    def _rest(self, key: int, row: Row, subject: int, *, urgent: bool) -> None:
        """It has its outcome, under its old number, and stands in no chain."""
        seq, state, charged, due, resent, settled, reason = row
        values = (key, seq, None, state, charged, due, resent, settled, reason, subject, urgent)
        self._target.execute(_INSERT_DELIVERY, values)
        if state == DeliveryState.DEAD:
            self._done.dead += 1
        else:
            self._done.history += 1

    def _attempts(self, key: int, low: int, high: int, again: Container[int]) -> None:
        for seq, of, *rest in self._wreck.numbered("attempt", _ATTEMPT, f"destination = {key}", low, high):
            number = seq + self._done.last if seq in again else seq
            if of != key:
                continue
            with suppress(sqlite3.Error):  # a value of another kind: it was damaged
                self._target.execute(_INSERT_ATTEMPT, (key, number, *rest))


def _fact(value: object, kind: type[object]) -> object:
    """What is kept of a destination, if it is of its kind: a new store takes nothing else, and has to be made."""
    if (
        isinstance(value, bytes) and kind is str
    ):  # it was disabled or paused by a person, who can still read why
        return value.decode(errors="replace")
    return value if isinstance(value, kind) else None
