"""Long lists and the loop."""

import asyncio

from agent.slices import in_slices


async def test_others_have_their_turn_while_a_long_list_is_made():
    """Each some items, and nothing is lost or moved by it."""
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await in_slices(str, range(10_000)) == [str(number) for number in range(10_000)]
    task.cancel()

    assert turns >= 100
