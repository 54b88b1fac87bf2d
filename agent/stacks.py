"""What the agent is doing at this moment: every task and every thread, with its stack; for a support bundle.

Three ways, for three states of the loop: it is asked over the control socket while the loop runs; a loop that
stands still for five seconds is logged by a thread, with where it stands; and SIGUSR1 has all threads written
into a file of the data directory whatever the loop does.

Rules for whoever changes this: places only, no values: a local variable may be a secret.
"""

import asyncio
import faulthandler
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGUSR1
from types import CodeType, FrameType
from typing import Final

from agent.clock import Clock
from agent.model import SECOND

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_STANDS_STILL: Final = 5 * SECOND
_DEEPEST: Final = 50


def task_lines() -> list[str]:
    """Each task of the running loop by name, and below it what it awaits, the outermost first."""
    lines: list[str] = []
    for task in sorted(asyncio.all_tasks(), key=lambda each: each.get_name()):
        lines.append(f"task {task.get_name()}")
        lines += [f"  {place}" for place in _awaited(task.get_coro())]
    return lines


def thread_lines() -> list[str]:
    """Each thread by name, and below it its stack, the innermost first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines: list[str] = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way, for debuggers
        lines.append(f"thread {names.get(ident, ident)}")
        lines += [f"  {place}" for place in _stack(frame)]
    return lines


@contextmanager
def written_on_signal(path: Path) -> Iterator[None]:
    """Have SIGUSR1 write the stacks of all threads there; by the kernel's signal alone, no loop is needed."""
    try:
        file = path.open("w")
    except OSError as error:  # a full disk is no reason not to start
        _log.warning(
            "%s cannot be written (%s): a hung agent would not say where; check the folder and the room on its disk",
            path,
            error.strerror,
        )
        yield
        return
    with file:
        faulthandler.register(SIGUSR1, file, all_threads=True)
        try:
            yield
        finally:
            faulthandler.unregister(SIGUSR1)


async def watch_loop(clock: Clock) -> None:
    """Have a thread log where the loop stands, once each time that it stands still for five seconds."""
    beat = _Beat(clock, threading.get_ident())
    thread = threading.Thread(target=beat.look_forever, name="loop watch", daemon=True)
    thread.start()
    try:
        while True:
            beat.at = clock.monotonic()
            await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        beat.over.set()


class _Beat:
    """When the loop was last seen at work, and the thread that looks."""

    def __init__(self, clock: Clock, loop: int) -> None:
        self.at = clock.monotonic()
        self.over = threading.Event()
        self._clock = clock
        self._loop = loop

    def look_forever(self) -> None:
        told, looked = 0, self._clock.monotonic()
        while not self.over.wait(_LOOK_EVERY_S):
            before, looked = looked, self._clock.monotonic()
            # This thread was late as well: the machine or the process was stopped, and nothing stands still.
            if looked - before > 2 * _LOOK_EVERY_S * SECOND:
                self.at = max(self.at, looked)
            still = looked - self.at
            if still > _STANDS_STILL and told != self.at:
                told = self.at
                places = "\n".join(_stack(sys._current_frames().get(self._loop)))  # noqa: SLF001 - as above
                text = "nothing is done for %.0f s, because one thing does not end; a bug, this is where:\n%s"
                _log.error(text, still / SECOND, places)


def _awaited(awaited: object) -> Iterator[str]:
    """The places of a coroutine and of what it waits for; a future at the end has none."""
    for _ in range(_DEEPEST):
        for kind, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame, code = getattr(awaited, f"{kind}_frame", None), getattr(awaited, f"{kind}_code", None)
            if isinstance(code, CodeType):
                yield _place(code, frame.f_lineno if isinstance(frame, FrameType) else code.co_firstlineno)
                awaited = getattr(awaited, inner)
                break
        else:
            if awaited is not None:
                yield f"awaits {type(awaited).__qualname__}"
            return


def _stack(frame: FrameType | None) -> Iterator[str]:
    for inner, line in traceback.walk_stack(frame) if frame is not None else ():
        yield _place(inner.f_code, line)


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line} in {code.co_qualname}"
