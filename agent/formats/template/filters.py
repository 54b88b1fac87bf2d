"""What a template may do with a value: `{{ value | round(1) }}`.

What is unknown or has no meaning passes through: it is `default`'s to say what is written instead. Rules
for whoever adds one: pure, of the same input the same output; listed in `FILTERS`, told in the README.
"""

import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Undefined

from agent.formats.errors import FormatError
from agent.formats.template import line_protocol
from agent.model import SECOND
from agent.rules.message import show_duration

LARGEST_TEXT: Final = 256_000
"""Characters of one text, and entries of one list."""
_DAY: Final = "%Y-%m-%d %H:%M:%S"


class Ready(str):
    """JSON that is written as it is, also in a JSON body."""

    __slots__ = ()


def is_absent(value: object) -> bool:
    """Unknown, or without meaning for this event."""
    return value is None or isinstance(value, Undefined)


def text_of(value: object) -> str:
    """A value as it is written; nothing for what is unknown.

    Raises:
        FormatError: it is nothing that can be written.
    """
    if is_absent(value):
        return ""
    match value:
        case str():
            return str(value)
        case bool() | int() | float() | list() | tuple() | dict():
            return "" if isinstance(value, float) and not math.isfinite(value) else str(to_json(value))
        case _:
            raise FormatError("`{{ ... }}` holds nothing that can be written: a list is, with `| list`")


def listed(value: object) -> Iterable[object]:
    """What a loop, or a filter over several, goes over; nothing for what is unknown."""
    if is_absent(value):
        return ()
    if isinstance(value, Iterable):
        return value
    raise FormatError(
        "it goes over one single value as if it were a list: name a list, such as `fields | items`"
    )


def to_json(value: object) -> str:
    """The value as JSON, quotes included; unknown is null."""
    if isinstance(value, Undefined):
        return Ready("null")
    if isinstance(value, Iterator):
        value = list(islice(value, LARGEST_TEXT))
    _count(value, 0)
    try:
        return Ready(orjson.dumps(value, default=_absent_as_null).decode())
    except TypeError:
        raise FormatError(
            "`| json` was given something that has no JSON form: give it a value, a list or a map"
        ) from None


def _absent_as_null(value: object) -> None:
    if not isinstance(value, Undefined):
        raise TypeError


def _count(value: object, so_far: int) -> int:
    """Count what is in it, before it is written: lists of lists of lists grow out of a few lines."""
    so_far += 1
    if so_far > LARGEST_TEXT:
        raise FormatError("a list grows too large")
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    for each in inner:
        so_far = _count(each, so_far)
    return so_far


def _default(value: object, instead: object = "", boolean: object = False) -> object:  # noqa: FBT002 - called by templates
    return instead if is_absent(value) or (boolean and not value) else value


def _round(value: object, digits: int = 0) -> object:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if not math.isfinite(value):
        return None
    return round(value, digits) if digits else round(value)


def _join(value: object, between: str = "") -> str:
    texts = [text_of(each) for each in islice(listed(value), LARGEST_TEXT)]
    if sum(map(len, texts)) + len(texts) * len(between) > LARGEST_TEXT:
        raise FormatError("a text grows too large")
    return between.join(texts)


def _replace(value: object, old: str, new: str) -> str:
    text, new = text_of(value), text_of(new)
    if not old or len(text) + text.count(old) * len(new) > LARGEST_TEXT:
        raise FormatError("`| replace` needs something to look for, and a text that stays small")
    return text.replace(old, new)


def _sum(value: object) -> float:
    numbers = [each for each in listed(value) if not is_absent(each)]
    if not all(isinstance(each, int | float) for each in numbers):
        raise FormatError("`| sum` is for numbers: use it on a list of these")
    return sum(numbers)  # type: ignore[arg-type]  # they are all numbers


def _items(value: object) -> Iterable[tuple[object, object]]:
    if is_absent(value):
        return ()
    if not isinstance(value, Mapping):
        raise FormatError("`| items` is for a map: write it behind one, such as `data` or `fields`")
    return value.items()


def _truncate(value: object, length: int = 255, end: str = "…") -> str:
    text = text_of(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def _local(value: object, zone: str, form: str = _DAY) -> object:
    """A stamp of the event in the time of a place: `{{ onset | local("Europe/Berlin") }}`."""
    if is_absent(value):
        return value
    try:
        place = ZoneInfo(zone)
    except (ValueError, OSError, TypeError, KeyError):  # what was given may be anything, and is not repeated
        raise FormatError(
            "`| local` was given no time zone that there is: expected one such as Europe/Berlin"
        ) from None
    try:
        return datetime.fromisoformat(text_of(value)).astimezone(place).strftime(form)
    except (ValueError, OverflowError):
        raise FormatError("`| local` is for times: write it behind time, onset or source_time") from None


def _duration(value: object) -> object:
    """Seconds as people say them: `{{ duration_s | duration }}`."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return value
    return show_duration(round(value * SECOND))


def _slack(value: object) -> str:
    """The three characters that mean something in Slack's texts."""
    return text_of(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _text(use: Callable[[str], object]) -> Callable[[object], object]:
    return lambda value: use(text_of(value))


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "json": to_json,
    "tojson": to_json,
    "default": _default,
    "d": _default,
    "round": _round,
    "join": _join,
    "replace": _replace,
    "sum": _sum,
    "items": _items,
    "truncate": _truncate,
    "local": _local,
    "duration": _duration,
    "string": text_of,
    "slack": _slack,
    "upper": _text(str.upper),
    "lower": _text(str.lower),
    "title": _text(str.title),
    "capitalize": _text(str.capitalize),
    "trim": _text(str.strip),
    "urlencode": _text(lambda text: quote(text, safe="")),
    "escape": _text(html.escape),
    "e": _text(html.escape),
    "influx_name": lambda value: line_protocol.name(text_of(value)),
    "influx_tag": lambda value: line_protocol.tag(text_of(value)),
    "influx_value": lambda value: line_protocol.value(None if is_absent(value) else value),
}
