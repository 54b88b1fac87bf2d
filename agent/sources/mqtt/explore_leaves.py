"""What a payload could give tags: each number, switch and text in it, with the path that leads there.

Rules for whoever changes this file: pure functions; whatever is published, nothing raises and
nothing grows without a bound; a path is written as the configuration reads it, and a test reads it back.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.codec.json_path import JsonPath, Step, kind
from agent.codec.payload import Unreadable, excerpt, json_time, json_value, parse_json, plain_value
from agent.model import SECOND, Json, Value

MOST_LEAVES: Final = 1_000  # of one message
_MOST_ELEMENTS: Final = 32  # of one array: the rest is more of the same
_PLAIN_NAME: Final = re.compile(r"[^.\[\]*?'\"]+")
_TIME_NAMES: Final = frozenset(
    (
        "t",
        "ts",
        "time",
        "timestamp",
        "date_time",
        "datetime",
        "sourcetime",
        "sourcetimestamp",
        "source_timestamp",
    )
)
_DAY: Final = 86_400 * SECOND
_OLDEST: Final = 366 * _DAY  # a retained message may have waited since the last shutdown
_JSON_BEGINS: Final = (b"{", b"[", b'"')


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a message.

    Attributes:
        steps: the way to it; empty: the payload is the value.
        path: the same as the configuration writes it; empty: the payload is plain.
        type: number, text, true or false, null, binary.
        value: what it holds; None: nothing that a tag could have.
        time: the path of the message's time, if one is beside it or above it.
        is_time: it is that time.
        note: why it holds nothing, or what was left out.
    """

    steps: tuple[Step, ...]
    path: str
    type: str
    value: Value | None
    time: str = ""
    is_time: bool = False
    note: str = ""


def leaves(payload: bytes, wall: int) -> list[Leaf]:
    """Take a payload apart; `wall` (nanoseconds UTC, now) tells which number is a time."""
    if not payload.lstrip().startswith(_JSON_BEGINS):
        return [_plain(payload)]
    document = parse_json(payload)
    if isinstance(document, Unreadable):
        return [Leaf((), "", "unreadable", None, note=document.why)]
    found = [_leaf(document, steps, value, note, wall) for steps, value, note in _walk(document)]
    times = [leaf for leaf in found if leaf.is_time]
    return [replace(leaf, time=_time_of(leaf, times)) for leaf in found]


def _plain(payload: bytes) -> Leaf:
    value = plain_value(payload)
    if isinstance(value, Unreadable):
        binary = not payload.isascii() and _is_binary(payload)
        return Leaf((), "", "binary" if binary else "unreadable", None, note=value.why)
    if isinstance(value, str) and not value.isprintable():
        return Leaf((), "", "binary", None, note=f"the payload is binary: {excerpt(payload)}")
    return Leaf((), "", _type(value), value)


def _is_binary(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return True
    return False


def _type(value: Json) -> str:
    return kind(value).removeprefix("a ")


def _walk(document: Json) -> Iterator[tuple[tuple[Step, ...], Json, str]]:
    """Give every scalar in the order in which it was written, and what was left out."""
    waiting: list[tuple[tuple[Step, ...], Json]] = [
        ((), document)
    ]  # a stack: a payload may be 1,000 levels deep
    count = 0
    while waiting and count < MOST_LEAVES:
        steps, value = waiting.pop()
        match value:
            case dict():
                waiting += [((*steps, name), inner) for name, inner in reversed(value.items())]
            case list():
                shown = value[:_MOST_ELEMENTS]
                if len(value) > len(shown):
                    yield steps, None, f"an array of {len(value)}: the first {len(shown)} are shown"
                waiting += [((*steps, at), shown[at]) for at in reversed(range(len(shown)))]
            case _:
                count += 1
                yield steps, value, "" if value is not None else "null in this message"


def _leaf(document: Json, steps: tuple[Step, ...], value: Json, note: str, wall: int) -> Leaf:
    path = write_path(steps)
    if note:
        return Leaf(
            steps, path, "null" if value is None and note.startswith("null") else "array", None, note=note
        )
    json_path = JsonPath(path, steps)
    read = json_value(document, json_path)
    if isinstance(read, Unreadable):
        return Leaf(steps, path, _type(value), None, note=read.why)
    return Leaf(steps, path, _type(value), read, is_time=_is_time(document, json_path, wall))


def _is_time(document: Json, path: JsonPath, wall: int) -> bool:
    name = path.steps[-1] if path.steps else ""
    if not isinstance(name, str) or name.lower().lstrip("_") not in _TIME_NAMES:
        return False
    stamp = json_time(document, path)
    return isinstance(stamp, int) and wall - _OLDEST <= stamp <= wall + _DAY


def _time_of(leaf: Leaf, times: Sequence[Leaf]) -> str:
    """Choose the time that stands nearest: beside the value, else in an object around it."""
    around = [time for time in times if leaf.steps[: len(time.steps) - 1] == time.steps[:-1]]
    nearest = max(around, key=lambda time: len(time.steps), default=None)
    return "" if nearest is None or nearest.steps == leaf.steps else nearest.path


def write_path(steps: Sequence[Step]) -> str:
    """Write a path as the configuration does: `$.a.b[0]`; a JSON Pointer where a name has both quotes."""
    text = "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_NAME.fullmatch(step):
            text += f".{step}"
        elif step and "'" not in step:
            text += f"['{step}']"
        elif step and '"' not in step:
            text += f'["{step}"]'
        else:
            return "".join(f"/{str(one).replace('~', '~0').replace('/', '~1')}" for one in steps)
    return text
