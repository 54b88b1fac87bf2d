"""Whether the disk does what it is asked when it is asked to sync: by the time that it takes.

A card that has done it within microseconds has not done it: it holds the data in a cache that a power cut
empties, and tells nobody. A store on such a disk was corrupt after every one of 300 power cuts.

Rules for whoever changes this: what is written is a file of its own, gone afterwards; the time that it takes
is bounded; it blocks.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.checkup.finding import Finding, Subject
from agent.checkup.medium import Medium
from agent.clock import Clock
from agent.model import MILLISECOND, SECOND

_DISK: Final = Subject("disk")
_TIMES: Final = 100
_AT_MOST: Final = 5 * SECOND
_PAGE: Final = 4096
_PAGES: Final = 16  # written over and over, as the write-ahead log is
_LIES: Final = 50_000  # nanoseconds; an honest SD card takes 5 to 50 ms, a hard disk one turn: 8 ms
_SLOW: Final = 100 * MILLISECOND
_PERCENTILE: Final = 0.99


@dataclass(frozen=True, slots=True)
class Timed:
    """How long syncs took, nanoseconds."""

    median: int
    slowest: int
    count: int


def time_syncs(folder: Path, clock: Clock) -> Timed | OSError:
    """Write a page and sync it, many times; the error where that cannot be."""
    file = folder / f".doctor-{os.getpid()}"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            return timed(_syncs(descriptor, clock))
        finally:
            os.close(descriptor)
            with suppress(OSError):
                file.unlink()
    except OSError as error:
        return error


def _syncs(descriptor: int, clock: Clock) -> list[int]:
    page = os.urandom(_PAGE)  # what a medium could compress, or knows already, it need not write
    os.pwrite(descriptor, page * _PAGES, 0)
    os.fsync(descriptor)
    took: list[int] = []
    ends = clock.monotonic() + _AT_MOST
    while len(took) < _TIMES and clock.monotonic() < ends:
        began = clock.monotonic()
        os.pwrite(descriptor, page, len(took) % _PAGES * _PAGE)
        os.fdatasync(descriptor)
        took.append(clock.monotonic() - began)
    return took


def timed(took: Sequence[int]) -> Timed:
    """Sum measurements up."""
    ordered = sorted(took)
    return Timed(ordered[len(ordered) // 2], ordered[int(len(ordered) * _PERCENTILE)], len(ordered))


def judge_syncs(found: Timed, medium: Medium | None) -> Iterator[Finding]:
    """Say what the times mean; `medium` None: it is not known what the data lies on."""
    rate = SECOND // max(found.median, 1)
    said = f"median {_ms(found.median)}, worst {_ms(found.slowest)}"
    if found.median < _LIES and (medium is None or not medium.quick):
        what = "its disk" if medium is None else f"{medium.name} ({medium.kind})"
        yield _DISK.warning(
            "sync",
            f"{said}: too fast for {what}: what it says is written lies in a cache, and a power cut may lose "
            "events and damage the store",
            "use a medium with power-loss protection, or a UPS; on a hard disk `hdparm -W0` switches the cache "
            "off; it is well if the maker names power-loss protection, or a controller with a battery",
        )
    elif found.median > _SLOW:
        yield _DISK.warning(
            "sync",
            f"{said}: about {max(rate, 1)} commits a second; events wait for each other, and alarms come late",
            "look for what else writes there (`iotop`), and at the medium's health; a better one is the cure",
        )
    else:
        yield _DISK.good("sync", f"{said}: about {rate} commits a second")


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / MILLISECOND:.3g} ms"
