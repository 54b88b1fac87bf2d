"""Work that blocks, on a thread of its own.

Not the loop's executor: what hangs in a file or a resolver would starve whoever shares it, and Python
joins its threads at exit, however long they hang. These are daemons, left alone when nobody waits.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


async def in_a_thread(name: str, work: Callable[[], Result]) -> Result:
    """Do it elsewhere and wait for it; cancelled, the thread is left to itself.

    `work` returns what is expected to go wrong as a value; an exception is a bug, and told as one.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[Result]] = loop.create_future()

    def settle(results: list[Result]) -> None:
        if not done.done():  # else nobody waits any more
            done.set_result(results)

    def run() -> None:
        results: list[Result] = []
        try:
            results.append(work())
        finally:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, results)

    threading.Thread(target=run, name=name, daemon=True).start()
    results = await done
    if not results:
        raise RuntimeError(f"{name} ended in a bug; its traceback is in the agent's log")
    return results[0]
