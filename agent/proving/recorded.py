"""What the agent recorded, as the rules saw it: readings, links, keep-alives, in order of time.

Rules for whoever changes it: what a rule can notice comes back to the nanosecond (each change, each
absence); a value that was merely seen again comes back often enough to stay fresh, and no oftener.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agent.model import Alive, Link, Quality, Reading, Seen, WallClock
from agent.proving.play import instant
from agent.store.chunks import ALIVE, CLOCK, COMMAND, LINK, TAG, Hold, Key, command_of
from agent.store.samples import Recorded

_ORDER = {CLOCK: 0, LINK: 1, TAG: 2, ALIVE: 3, COMMAND: 4}


def seen_in(recorded: Recorded, patience: Mapping[Key, int | None]) -> list[Seen]:
    """All that a session saw, in order; instants are UTC nanoseconds, so that sessions can follow each other.

    Args:
        recorded: the session.
        patience: after how long without a sample a rule would notice, by track (None: never).
    """
    found: list[tuple[int, int, Seen]] = []
    for key, holds in recorded.tracks.items():
        order = _ORDER[key[0]]
        # A whole chunk says again what was done last.
        once = {(hold.first, hold.value): hold for hold in holds}.values() if key[0] == COMMAND else holds
        for hold in once:
            found += ((instant(seen), order, seen) for seen in _seen(key, hold, recorded, patience.get(key)))
    found.sort(key=lambda each: each[:2])
    return [seen for _, _, seen in found]


def _seen(key: Key, hold: Hold, recorded: Recorded, patience: int | None) -> Iterator[Seen]:
    kind, name = key
    shift = recorded.offset
    match kind:
        case "tag":
            reading = Reading(
                name,
                hold.value,
                hold.quality,
                hold.first + shift,
                hold.reason,
                hold.stamp,
                hold.baseline,
                hold.late,
            )
            yield reading
            for at, stamp in _again(hold, recorded, patience):
                yield reading._replace(received=at + shift, source_time=stamp, baseline=False, late=False)
        case "alive":
            yield Alive(name, hold.first + shift)
            yield from (Alive(name, at + shift) for at, _ in _again(hold, recorded, patience))
        case "link":
            yield Link(name, hold.value is True, hold.first + shift, hold.reason)
        case "clock":
            offset = hold.value if isinstance(hold.value, int) else None
            yield WallClock(hold.first + shift, None if offset is None else offset - shift)
        case _:
            command = command_of(name, hold)
            until = None if command.until is None else command.until + shift
            yield replace(command, at=command.at + shift, until=until)


def _again(hold: Hold, recorded: Recorded, patience: int | None) -> Iterator[tuple[int, int | None]]:
    """When it was seen again, and the device's stamp of each; evenly, and not oftener than is noticed."""
    last = max(hold.last, recorded.until) if hold.open else hold.last
    span = last - hold.first
    if not span:
        return
    mean = (hold.last - hold.first) // max(1, hold.times - 1)
    step = span if patience is None else max(mean, patience // 2, 1)
    count = -(-span // step)
    stamps = None if hold.stamp is None or hold.last_stamp is None else hold.last_stamp - hold.stamp
    for number in range(1, count + 1):
        stamp = None if stamps is None else (hold.stamp or 0) + (stamps or count) * number // count
        yield hold.first + span * number // count, stamp


def unread(recorded: Recorded, tag: str) -> bool:
    """Nothing of a tag is known in this session."""
    return not any(hold.quality is not Quality.BAD for hold in recorded.tracks.get((TAG, tag), ()))
