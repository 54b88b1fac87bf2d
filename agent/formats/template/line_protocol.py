"""InfluxDB's line protocol: how names, tags and values are written so that they stay what they are.

    MEASUREMENT,TAG=VALUE FIELD=VALUE TIME

What the protocol cannot hold becomes the nearest that it can: a line break a blank, a backslash at the
end of a name nothing (it would take the separator after it along).
"""

import math
import re
from typing import Final

import orjson

from agent.formats.errors import FormatError

_BREAKS: Final = re.compile(r"[\r\n]+")
_IN_A_NAME: Final = re.compile(r"([, ])")
_IN_A_TAG: Final = re.compile(r"([,= ])")
_IN_A_TEXT: Final = re.compile(r'(["\\])')


def name(text: str) -> str:
    """A measurement. One that begins with `#` would be a comment, and lost without a word."""
    written = _IN_A_NAME.sub(r"\\\1", _kept(text))
    return f"\\{written}" if written.startswith("#") else written


def tag(text: str) -> str:
    """The key or the value of a tag, or the key of a field."""
    return _IN_A_TAG.sub(r"\\\1", _kept(text))


def value(given: object) -> str:
    """The value of a field: every number as a float, for a field keeps the kind of its first value."""
    match given:
        case bool():
            return "true" if given else "false"
        case int() | float() if math.isfinite(given):
            return orjson.dumps(float(given)).decode()
        case str():
            return '"' + _IN_A_TEXT.sub(r"\\\1", _BREAKS.sub(" ", given)) + '"'
        case _:
            raise FormatError(
                "InfluxDB has no word for an unknown value: put {% if value is known %} around it"
            )


def _kept(text: str) -> str:
    kept = _BREAKS.sub(" ", text).rstrip("\\")
    if not kept:
        raise FormatError(
            "InfluxDB takes no empty name and no empty tag: put {% if tag is known %} around it"
        )
    return kept
