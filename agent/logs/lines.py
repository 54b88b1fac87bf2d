"""What was logged, as a line: for people, for journald, as JSON.

Rules for whoever changes this: what devices and strangers sent stands in messages, so nothing in one can begin a
line of its own or steer a terminal; each form is valid UTF-8 whatever came.
"""

import json
import logging
import os
import re
import time
import traceback
from typing import Final, NamedTuple

from agent.model import Json
from agent.stamps import utc_text

_PLAIN: Final = logging.Formatter()
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_ABOUT: Final = re.compile(r"(source|destination|relay) ([\w./-]*\w)")
_TASK: Final = re.compile(r"\bname='([^']*)'")
# The text of a foreign exception may hold an address with its password.
_IN_AN_ADDRESS: Final = re.compile(r"(?<=://)[^\s/@]*@|(?<=[^\s?])\?[^\s'\")]+")
_REASON_AT_MOST: Final = 500
_NANOSECONDS: Final = 1_000_000_000


class Line(NamedTuple):
    """One thing that was logged.

    Attributes:
        level: of the logging module.
        wall: when, nanoseconds since 1970 UTC.
        trace: the traceback, empty if there is none.
    """

    level: int
    logger: str
    message: str
    wall: int
    trace: str = ""


def line_of(record: logging.LogRecord, *, brief: bool) -> Line:
    """Make the line of a record; `brief`: what libraries let fall is one line with its reason, not a traceback."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError) as slip:  # a slip in a call must not hide what it wanted to say
        message = f"{record.msg} {record.args!r} ({slip})"
    error = record.exc_info[1] if record.exc_info else None
    trace = "" if error is None else _PLAIN.formatException((type(error), error, error.__traceback__))
    if brief and (record.name.startswith("asyncio") or getattr(record, "brief", False)):
        message, trace = _in_one_line(message, error), ""
    return Line(record.levelno, record.name, message, round(record.created * _NANOSECONDS), trace)


def _in_one_line(message: str, error: BaseException | None) -> str:
    """Asyncio's message, the task that it names, and the reason."""
    first, _, more = message.partition("\n")
    task = _TASK.search(more)
    about = f" (task {task[1]})" if task else ""
    return f"{first}{about}: {reason_of(error)}" if error is not None else f"{first}{about}"


def reason_of(error: BaseException) -> str:
    """Say the type, the text without what may be secret in addresses, and the place."""
    text = without_address_secrets(" ".join(str(error).split()))[:_REASON_AT_MOST]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' if text else ''}{text}{place}"


def without_address_secrets(text: str) -> str:
    """A text whose addresses have neither login nor query."""
    return _IN_AN_ADDRESS.sub(lambda match: "***@" if match[0].endswith("@") else "?***", text)


def under_journald(stderr: int) -> bool:
    """Whether what is written there goes to journald, by systemd.exec(5): JOURNAL_STREAM is its device and inode."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        is_now = os.fstat(stderr)
    except OSError:
        return False
    return (device, inode) == (str(is_now.st_dev), str(is_now.st_ino))


def text_line(line: Line, *, journald: bool) -> str:
    """Write it for people; journald has a stamp of its own, and takes the priority from each line's front."""
    stamp = "" if journald else f"{_local(line.wall)} "
    text = f"{stamp}{_written(line)}"
    return _with_priority(line.level, text) if journald else text


def kept_line(line: Line) -> str:
    """The line as the agent keeps it for whoever asks later."""
    return f"{utc_text(line.wall)} {_written(line)}"


def json_line(line: Line, *, journald: bool) -> str:
    """Write it as one object; under journald with the priority before it, which journald takes off."""
    told: dict[str, Json] = {
        "ts": utc_text(line.wall),
        "level": logging.getLevelName(line.level).lower(),
        "logger": line.logger,
        "message": _encodable(line.message),
    }
    if about := _ABOUT.match(line.message):
        told[about[1]] = about[2]
    if line.trace:
        told["exception"] = _encodable(line.trace)
    text = json.dumps(told, ensure_ascii=False)
    return _with_priority(line.level, text) if journald else text


def _written(line: Line) -> str:
    text = f"{line.message}\n{line.trace}" if line.trace else line.message
    first, *more = _encodable(text).split("\n")
    head = f"{logging.getLevelName(line.level)} {line.logger}: {first}"
    return _CONTROL.sub(_escaped, head) + "".join(f"\n  {_CONTROL.sub(_escaped, each)}" for each in more)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _encodable(text: str) -> str:
    """Write what is no character (a surrogate of a damaged name) as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _with_priority(level: int, text: str) -> str:
    priority = 3 if level >= logging.ERROR else 4 if level >= logging.WARNING else 6
    prefix = f"<{7 if level < logging.INFO else priority}>"
    return prefix + text.replace("\n", f"\n{prefix}")


def _local(wall: int) -> str:
    seconds, rest = divmod(wall, _NANOSECONDS)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(seconds))},{rest // 1_000_000:03d}"
