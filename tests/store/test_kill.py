"""kill -9 in the middle of commits: what was acknowledged is there, contiguous, and nothing is torn."""

import asyncio
import random
import sys
from pathlib import Path

from rigs.stores import opened

ROOT = Path(__file__).parents[2]
KILLS = 15
WRITER = """
import asyncio, os, sys
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
from pathlib import Path
from rigs.stores import opened, step

async def source(store, name):
    number = 0
    while True:
        number += 1
        await store.commit(step(number, to=("a", "b"), states={{name: str(number).encode()}}))
        os.write(1, f"{{name}} {{number}} {{store.seq}}\\n".encode())

async def main():
    async with opened(Path(sys.argv[1]), "a", "b") as store, asyncio.TaskGroup() as tasks:
        os.write(1, b"ready\\n")
        for name in "xyz":
            tasks.create_task(source(store, name))

asyncio.run(main())
"""


async def killed(path, after, later_s):
    """Run the writer, kill it a moment after so many acknowledgements; all that it had acknowledged."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER.format(root=str(ROOT)), str(path), stdout=asyncio.subprocess.PIPE
    )
    assert await child.stdout.readline() == b"ready\n"
    told = [await child.stdout.readline() for _ in range(after)]
    await asyncio.sleep(later_s)
    child.kill()
    rest, _ = await child.communicate()
    return [line.split() for line in b"".join([*told, rest]).decode().splitlines()]


async def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path):
    """Kills at random moments of one store: events and rule state agree, numbers have no gap."""
    path, dice = tmp_path / "store.db", random.Random(7)
    acknowledged = 0
    for _ in range(KILLS):
        lines = await killed(path, dice.randrange(40), dice.uniform(0, 0.004))
        acknowledged += len(lines)
        async with opened(path, "a", "b") as store:
            states = await store.states()
            for name in "xyz":
                mine = [int(number) for told, number, _ in lines if told == name]
                stored = int(states.get(name, b"0"))
                # The one under way may be on disk without its acknowledgement, but none after it.
                assert not mine or stored in (mine[-1], mine[-1] + 1)
            newest = max((int(seq) for *_, seq in lines), default=0)
            assert store.seq >= newest
            waiting = await store.waiting("a", 0, 1_000_000)
            assert [one.stored.seq for one in waiting] == list(range(1, store.seq + 1))
            assert [one.previous for one in waiting] == [None, *range(1, store.seq)]
            assert store.waiting_count("b") == store.seq

    assert acknowledged > 10 * KILLS
