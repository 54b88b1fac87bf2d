"""What commands that run until Ctrl-C share: an orderly end, and lines that a terminal colours."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Final, TypeVar

from agent.cli.tables import coloured
from agent.demo.lines import Tone

T = TypeVar("T")

_COLOURS: Final = {
    Tone.SCENE: "1;36",
    Tone.ALARM: "31",
    Tone.GOOD: "32",
    Tone.PROBLEM: "1;31",
    Tone.PLAIN: "0",
}


def run_until_stopped(work: Coroutine[None, None, T]) -> T | None:
    """Run `work` to its end; SIGINT, SIGTERM or SIGHUP cancels it once, and it has the time it needs to tidy up.

    A second signal changes nothing: what is tidied up here has time limits of its own.

    Returns:
        What `work` returned, or None if a signal ended it.
    """

    async def guarded() -> T | None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name="command")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _cancel_once, task)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    return asyncio.run(guarded())


def _cancel_once(task: asyncio.Task[T]) -> None:
    if not task.cancelling():
        task.cancel()


def say(text: str, tone: Tone = Tone.PLAIN) -> None:
    """Print a line at once, coloured on a terminal."""
    shown = tone is not Tone.PLAIN and coloured()
    print(f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if shown else text, flush=True)
