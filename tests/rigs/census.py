"""What a process holds: to show that something left nothing behind."""

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_OPEN = Path("/proc/self/fd")
_PATIENCE = 20.0  # seconds for threads and sockets that end by themselves


class Census(NamedTuple):
    """How many there are now."""

    tasks: int
    descriptors: int
    threads: int


def census() -> Census:
    return Census(len(asyncio.all_tasks()), len(list(_OPEN.iterdir())), threading.active_count())


async def settled(before: Census) -> None:
    """Wait until there is no more of anything than before."""
    deadline = time.monotonic() + _PATIENCE
    while any(now > then for now, then in zip(census(), before, strict=True)):
        assert time.monotonic() < deadline, (
            f"left behind: {before} has become {census()}; "
            f"{asyncio.all_tasks()} {threading.enumerate()} {descriptors()}"
        )
        await asyncio.sleep(0.01)


def descriptors() -> list[str]:
    """What the open ones are."""
    found = []
    for each in _OPEN.iterdir():
        with suppress(OSError):  # the one that lists them
            found.append(str(each.readlink()))
    return found


async def disconnected(port: int) -> None:
    """Wait until nobody holds a connection to a port of loopback any more (what is over, the system keeps itself)."""
    deadline = time.monotonic() + _PATIENCE
    while any(_held_connections(port)):
        assert time.monotonic() < deadline, f"still connected to {port}: {list(_held_connections(port))}"
        await asyncio.sleep(0.005)


def _held_connections(port: int):
    """What `/proc/net/tcp` has of clients of a port: one line each, with the inode of its descriptor, 0 of none."""
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].rpartition(":")[2], 16) == port and fields[9] != "0":
            yield line
