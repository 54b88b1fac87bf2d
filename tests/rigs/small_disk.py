"""A disk of a few megabytes that somebody else fills: a real one where a namespace may be made, else SQLite's own bound.

`python -m rigs.small_disk FOLDER` plays the whole story on it and prints a line for each thing that held.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from rigs.stores import BOOT, HandClock, eventually, numbers, sql, step

from agent.errors import StoreUnavailable
from agent.model import SECOND
from agent.store.records import Addressed, MarkDelivered
from agent.store.store import Store

LIMIT = 50_000_000
SIZE = "60m"
BULK = 3_000
MOUNT = f'mount -t tmpfs -o size={SIZE} none "$1" && shift && exec "$@"'


def command(folder: Path, module: str = "rigs.small_disk") -> list[str]:
    """How the story of a module is played here: in a mount namespace of its own, if this machine lets one be made."""
    story = [sys.executable, "-m", module, str(folder)]
    for namespace in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        wrapped = [*namespace, "sh", "-c", MOUNT, "sh", str(folder)]
        if (
            shutil.which("unshare")
            and subprocess.run([*wrapped, "true"], capture_output=True, check=False).returncode == 0
        ):
            return [*wrapped, *story]
    return [*story, "paged"]


class Disk:
    """A real small file system."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "somebody-else"

    async def fill(self, _: Store) -> None:
        """Leave not a byte."""
        for size in (1 << 20, 4096, 512, 1):
            with self._filler.open("ab", buffering=0) as file:
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    continue

    async def empty(self, _: Store) -> None:
        """Somebody else is gone."""
        self._filler.unlink()


class Paged:
    """No file system, but a store that may not grow, and gets 500 pages for its ballast."""

    def __init__(self, _: Path) -> None:
        pass

    async def fill(self, store: Store) -> None:
        [(pages,)] = await sql(store, "PRAGMA page_count")
        await sql(store, f"PRAGMA max_page_count = {pages}")
        release = store.room.ballast.release

        async def more() -> bool:
            gave = await release()
            if gave:
                await store._turns.connection.execute_fetchall(f"PRAGMA max_page_count = {pages + 500}")
            return gave

        store._writer.make_room = more
        store.room.ballast._take = lambda _: False

    async def empty(self, store: Store) -> None:
        await sql(store, "PRAGMA max_page_count = 1073741823")
        del store.room.ballast._take


async def opened(folder: Path, clock: HandClock) -> Store:
    store = await Store.open(folder / "events.db", clock=clock, boot=BOOT, tick=SECOND // 20)
    await store.sync_destinations(["a"])
    store.room.limit = lambda: LIMIT
    store.room.address = lambda event: Addressed(event, ())
    return store


async def story(folder: Path, disk: Disk | Paged) -> None:
    clock = HandClock()
    store = await opened(folder, clock)
    await store.room.keep()
    assert store.room.ballast.held
    print("the ballast is there")
    for start in range(1, 1001, 50):
        await store.commit(step(*range(start, start + 50), bulk=BULK))
    await store.flush()
    await disk.fill(store)
    for seq in range(1, 901):
        store.mark(MarkDelivered("a", seq, 0))
    await store.flush()
    number = 1001
    while not store.room.ballast.spent:
        await store.commit(step(number, bulk=BULK))
        number += 1
    assert store.unavailable is None
    print("the ballast went before an event did")
    await store.room.keep()
    [(left,)] = await sql(store, "SELECT min(seq) FROM event")
    assert left == 901
    print("what was delivered made room")
    for _ in range(600):
        await store.commit(step(number, bulk=BULK))
        number += 1
    print("events go on in it")
    seen = None
    while seen is None:
        try:
            await store.commit(step(*range(number, number + 20), bulk=BULK))
            number += 20
        except StoreUnavailable as error:
            seen = str(error)
    assert "free some space" in seen, seen
    assert numbers(await store.waiting("a", 0, 3))[0] == 901
    print("when that is used up it says so, and is read")
    await disk.empty(store)
    clock.instant += SECOND
    await eventually(lambda: store.unavailable is None, 10)
    await store.commit(step(number, bulk=BULK))
    await store.room.keep()
    assert store.room.ballast.held
    assert not store.room.ballast.spent
    print("it comes back by itself, and so does the ballast")
    waiting = numbers(await store.waiting("a", 0, 10_000))
    store.mark(MarkDelivered("a", waiting[0], 0))
    await store.flush()
    await disk.fill(store)
    await store.close()
    store = await opened(folder, clock)
    assert numbers(await store.waiting("a", 0, 10_000)) == waiting[1:]
    await store.close()
    print("it opens without a byte left")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    place = Path(sys.argv[1])
    try:
        asyncio.run(story(place, (Paged if sys.argv[2:] else Disk)(place)))
    except BaseException:  # noqa: BLE001 - the store's thread would keep the process
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
