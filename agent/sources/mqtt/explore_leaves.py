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
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_DAY: Final = 86_400 * SECOND
_OLDEST: Final = 366 * _DAY  # a retained message may have waited since the last shutdown
_JSON_BEGINS: Final = (b"{", b"[", b'"')


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a message, or a remark on a part of it.

    Attributes:
        steps: the way to it; empty: the payload is the value.
        path: the same as the configuration writes it; empty: the payload is plain.
        type: number, text, true or false, null, binary, unreadable; empty: a remark.
        value: what it holds; None: nothing that a tag could have.
        time: the path of the message's time, if one is beside it or above it.
        is_time: it is that time.
        note: why it holds nothing, or what was left out.
    """

    steps: tuple[Step, ...]
    path: str
    type: str
    value: Value | None = None
    time: str = ""
    is_time: bool = False
    note: str = ""


def leaves(payload: bytes, wall: int) -> list[Leaf]:
    """Take a payload apart; `wall` (nanoseconds UTC, now) tells which number is a time."""
    if not payload.lstrip().startswith(_JSON_BEGINS):
        return [_plain(payload)]
    document = parse_json(payload)
    if isinstance(document, Unreadable):
        return [Leaf((), "", "unreadable", note=document.why)]
    found = list(_walk(document, wall))
    times = [leaf for leaf in found if leaf.is_time]
    return [replace(leaf, time=_time_of(leaf, times)) for leaf in found]


def _plain(payload: bytes) -> Leaf:
    value = plain_value(payload)
    if isinstance(value, Unreadable):
        return Leaf((), "", "binary" if _is_binary(payload) else "unreadable", note=value.why)
    if isinstance(value, str) and _CONTROL.search(value):
        return Leaf((), "", "binary", note=f"the payload is no text: {excerpt(payload)}")
    return Leaf((), "", _type(value), value)


def _is_binary(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return True
    return False


def _type(value: Json) -> str:
    return kind(value).removeprefix("a ")


def _walk(document: Json, wall: int) -> Iterator[Leaf]:
    """Give every scalar in the order in which it was written, and remarks on what is left out."""
    waiting: list[tuple[tuple[Step, ...], Json]] = [((), document)]  # a payload may be 1,000 levels deep
    count = 0
    while waiting and count < MOST_LEAVES:
        steps, value = waiting.pop()
        match value:
            case dict():
                waiting += [((*steps, name), inner) for name, inner in reversed(value.items())]
            case list():
                shown = value[:_MOST_ELEMENTS]
                if len(value) > len(shown):
                    why = f"an array of {len(value):,}: the first {len(shown)} are shown"
                    yield Leaf(steps, write_path(steps), "", note=why)
                waiting += [((*steps, at), shown[at]) for at in reversed(range(len(shown)))]
            case _:
                count += 1
                yield _leaf(document, steps, value, wall)
    if waiting:
        yield Leaf((), "", "", note=f"the message holds more: the first {MOST_LEAVES:,} values are shown")


def _leaf(document: Json, steps: tuple[Step, ...], value: Json, wall: int) -> Leaf:
    path = JsonPath(write_path(steps), steps)
    read = json_value(document, path)
    if isinstance(read, Unreadable):
        return Leaf(
            steps, path.text, _type(value), note="null in this message" if value is None else read.why
        )
    return Leaf(steps, path.text, _type(value), read, is_time=_is_time(document, path, wall))


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
