"""What an agent would have recorded of readings that a test makes up."""

from types import SimpleNamespace

from agent.model import SECOND, Link, Quality, Reading, TagSpec
from agent.recorder import watched
from agent.store.chunks import read_chunk
from agent.store.samples import Recorded
from agent.store.tape import Tape

START = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z
OFFSET = START - 1_000_000 * SECOND


def configured(*rules, stale=3, zone="UTC", **tags: TagSpec):
    """A configuration of these rules over tags `T` and `U` of the source `plc`."""
    stale_after = None if stale is None else stale * SECOND
    known = {name: TagSpec(name, "plc", "°C", stale_after=stale_after, every=SECOND) for name in ("T", "U")}
    return SimpleNamespace(
        rules=rules,
        tags={**known, **tags},
        sources={"plc": None},
        agent=SimpleNamespace(zone=zone, site="dresden", name="line-4"),
        flood=None,
    )


def recorded(configuration, *seen, until, began=0, away_since=None, killed=False):
    """A session in which this was seen; all times in seconds after START.

    `killed`: how long the last values have lasted was not written any more.
    """
    tape = Tape(watched(configuration.rules, configuration.tags))
    tracks = {}
    wanted = {("tag", tag) for tag in configuration.tags} | {
        (kind, name) for kind in ("link", "alive", "clock", "command") for name in ("plc", "", "R")
    }
    for one in sorted([Link("plc", up=True, at=instant(began)), *seen], key=moment):
        tape.see(one)
    read_chunk(tape.cut(instant(until), settle=not killed), wanted, tracks)
    return Recorded(
        "boot",
        instant(began),
        None if away_since is None else instant(away_since),
        instant(began),
        instant(until),
        OFFSET,
        tracks,
    )


def instant(second):
    """Monotonic nanoseconds."""
    return START - OFFSET + round(second * SECOND)


def wall(second):
    """UTC nanoseconds."""
    return START + round(second * SECOND)


def moment(seen):
    return seen.received if isinstance(seen, Reading) else seen.at


def values(*numbers, tag="T", begin=0, every=1):
    """A value each second; None is one that cannot be read."""
    return [
        Reading(
            tag,
            value,
            Quality.BAD if value is None else Quality.GOOD,
            instant(begin + n * every),
            "" if value is not None else "no answer",
        )
        for n, value in enumerate(numbers)
    ]
