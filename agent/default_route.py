"""Notices that this machine has a way to the outside again: a default route that was not there before.

A modem that dials in, a cable that is put back: whoever waits for the next attempt need not wait for all
of it (design: delivery, "a link that comes back is noticed sooner").

Rules for whoever changes this: the kernel's own tables in /proc are read, which costs microseconds and
cannot hang; nothing is read while nobody waits.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOK_EVERY_S: Final = 2.0
PROC: Final = Path("/proc/net")
_UP: Final = 1  # RTF_UP, route(7)
_FOUR_FLAGS, _SIX_FLAGS = 3, 8
_NO_ADDRESS_SIX: Final = "0" * 32


def default_routes(proc: Path = PROC) -> frozenset[str]:
    """Interface and gateway of each default route that is up; none where the kernel does not tell."""
    found = set()
    for fields in _lines(proc / "route"):
        if fields[1:2] == ["00000000"] and fields[7:8] == ["00000000"] and int(fields[_FOUR_FLAGS], 16) & _UP:
            found.add(f"{fields[0]} {fields[2]}")
    for fields in _lines(proc / "ipv6_route"):
        everything = fields[:2] == [_NO_ADDRESS_SIX, "00"]
        # `lo` stands for "unreachable" there.
        if everything and fields[-1] != "lo" and int(fields[_SIX_FLAGS], 16) & _UP:
            found.add(f"{fields[-1]} {fields[4]}")
    return frozenset(found)


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        return []


async def watch_default_route(
    waited_for: Callable[[], bool], way_is_back: Callable[[], None], proc: Path = PROC
) -> None:
    """Call `way_is_back` when a default route appears while it is `waited_for`; until cancelled."""
    known: frozenset[str] | None = None
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if not waited_for():
            known = None
            continue
        routes = default_routes(proc)
        if known is not None and routes - known:
            way_is_back()
        known = routes
