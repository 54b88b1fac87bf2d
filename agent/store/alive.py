"""When was the agent last alive, in which boot: a file of one line beside the store.

Rewritten in place without fsync, outside the database, so that nothing is committed while nothing
changes. A kill loses nothing of it (the page cache survives); a power cut may leave an older line, a
torn one or none, and a torn one counts as none.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

from agent.clock import Clock

EVERY_S: Final = 5.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks, nanoseconds; `monotonic` counts within `boot`."""

    boot: str
    monotonic: int
    wall: int


def boot_id(environment: Mapping[str, str] = os.environ, source: Path = _BOOT_ID) -> str:
    """The id of this boot, as the service manager or the kernel tells it.

    Where none of them does, a random one: each start counts as a boot then.
    """
    if told := environment.get("EDGE_RELAY_BOOT_ID"):
        return told
    try:
        return source.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return str(uuid4())


def now(clock: Clock, boot: str) -> Moment:
    """This instant."""
    return Moment(boot, clock.monotonic(), clock.wall())


def format_alive(moment: Moment) -> bytes:
    """The line: fixed width (but for the boot id), so that it is overwritten whole, and a CRC-32."""
    body = f"{moment.boot} {moment.monotonic:020d} {moment.wall:020d}"
    return f"{body} {crc32(body.encode()):08x}\n".encode()


def parse_alive(content: bytes) -> Moment | None:
    """Read the line; None when it is torn, or none."""
    line, _, _ = content.partition(b"\n")
    body, _, checksum = line.rpartition(b" ")
    if checksum != b"%08x" % crc32(body):
        return None
    try:
        boot, monotonic, wall = body.decode().split(" ")
        return Moment(boot, int(monotonic), int(wall))
    except ValueError:
        return None


def read_alive(path: Path) -> Moment | None:
    """The last instant at which an agent was alive; None when there is none to be had."""
    try:
        return parse_alive(path.read_bytes())
    except OSError:
        return None


def away(last: Moment, now: Moment) -> int:
    """Nanoseconds from `last` to `now`: monotonic within a boot, by the wall clock across one, never negative."""
    if last.boot == now.boot:
        return max(0, now.monotonic - last.monotonic)
    return max(0, now.wall - last.wall)


async def stay_alive(path: Path, clock: Clock, boot: str, every_s: float = EVERY_S) -> None:
    """Rewrite the line until cancelled. A disk that hangs stops this task alone: it has its own thread."""
    loop = asyncio.get_running_loop()
    failing = False
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alive")
    try:
        while True:
            line = format_alive(now(clock, boot))
            try:
                await loop.run_in_executor(thread, _rewrite, path, line)
                failing = False
            except OSError as error:
                if not failing:
                    _log.warning(
                        "%s cannot be written (%s): after a restart it is not known how long", path, error
                    )
                failing = True
            await asyncio.sleep(every_s)
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def _rewrite(path: Path, line: bytes) -> None:
    """In place: once the file has its block, this works on a full disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        os.pwrite(file, line, 0)
    finally:
        os.close(file)
