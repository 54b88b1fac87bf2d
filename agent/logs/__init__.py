"""The log of the daemons: one line for each change of state, on stderr, for people, journald or a collector.

    with logging_to(2, form="text", debug=False):
        ...                                           # whoever has a `logging.getLogger` is heard

    record -> line -> restraint (the same again and again) -> ring (the last 1,000) -> queue -> thread -> stderr

Rules for whoever changes this: whoever logs never waits, neither for the disk nor for who reads stderr; what
cannot be written is counted, and the count is told. No secret is looked for here: none may get here.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, TextIO, TypeAlias

from agent.clock import Clock, SystemClock
from agent.logs.handler import LogHandler
from agent.logs.lines import json_line, text_line, under_journald
from agent.logs.restraint import Restraint
from agent.logs.stderr import Writer

Form: TypeAlias = Literal["text", "json"]

FORMS: Final[Sequence[Form]] = ("text", "json")

_LIBRARIES: Final = {
    "aiosqlite": logging.WARNING,  # each statement
    "asyncua": logging.WARNING,  # the limits of each connection
    "aiohttp.access": logging.WARNING,  # each request
}
"""What libraries say that is no change of state of the plant, with --debug neither."""

_log = logging.getLogger(__name__)


@contextmanager
def logging_to(stderr: int, *, form: Form = "text", debug: bool = False) -> Iterator[None]:
    """Write the log to this file descriptor while the context lasts; at its end what waits is written."""
    clock: Clock = SystemClock()
    journald = under_journald(stderr)
    shape = json_line if form == "json" else text_line
    writer = Writer(stderr)
    handler = LogHandler(
        writer,
        lambda line: shape(line, journald=journald),
        None if debug else Restraint(),
        clock,
    )
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for library, level in _LIBRARIES.items():
        logging.getLogger(library).setLevel(level)
    hooks = warnings.showwarning, sys.unraisablehook, threading.excepthook
    warnings.showwarning, sys.unraisablehook, threading.excepthook = _warned, _unraisable, _thread_died
    try:
        yield
    finally:
        warnings.showwarning, sys.unraisablehook, threading.excepthook = hooks
        root.removeHandler(handler)
        root.setLevel(level_before)
        handler.close()


def last_lines() -> list[str]:
    """The last 1,000 lines of this process's log, the oldest first; with their UTC stamps, whatever form stderr has."""
    return [
        line for each in logging.getLogger().handlers if isinstance(each, LogHandler) for line in each.ring
    ]


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python's signature
    line: str | None = None,  # noqa: ARG001 - Python's signature
) -> None:
    _log.warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    what = unraisable.err_msg or "an exception that nobody could be told"
    about = getattr(unraisable.object, "__qualname__", type(unraisable.object).__name__)
    _bug(f"{what}: {about}", unraisable.exc_value)


def _thread_died(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is not SystemExit:
        _bug(
            f"the thread {arguments.thread.name if arguments.thread else '?'} has ended", arguments.exc_value
        )


def _bug(what: str, error: BaseException | None) -> None:
    trace = None if error is None else (type(error), error, error.__traceback__)
    _log.error("%s", what, exc_info=trace, extra={"brief": True})
