"""Where in a JSON document a tag's value stands: `$.data.temp`, `data.temp` or `/data/temp`.

Three ways of writing one thing, a list of steps: a JSONPath of plain steps (RFC 9535: names and
indexes), the same without its `$.`, and a JSON Pointer (RFC 6901). A path names one value, so
everything in JSONPath that names many (wildcards, slices, filters, descent) is refused when the
configuration is loaded.

Rules for whoever changes this file: pure functions; a path that leads nowhere is an expected
outcome, so it is a value (`Missing`) whose text a plant engineer can act on.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from agent.model import Json

Step: TypeAlias = "str | int"

_FORMS: Final = "expected a path to one value: $.data.temp, $.values[0], data.temp or /data/temp"
_STEP: Final = re.compile(
    r"""
      \.(?P<name>[^.\[\]*?'"]+)       # .name
    | \[(?P<index>\d{1,9})\]          # [0]
    | \['(?P<single>[^']+)'\]         # ['a name with . in it']
    | \["(?P<double>[^"]+)"\]
    """,
    re.VERBOSE,
)
_POINTER_ESCAPE: Final = re.compile(r"~(?![01])")
_KEYS_SHOWN: Final = 8
_KEY_LENGTH_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A way into a document.

    Attributes:
        text: as it was written.
        steps: names of members and indexes of elements; a name made of digits is also an index
            where it meets an array (RFC 6901 cannot tell them apart).
    """

    text: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        """As it was written."""
        return self.text


@dataclass(frozen=True, slots=True)
class Missing:
    """A path led nowhere; `why` says where it ended and what stood there."""

    why: str


def parse_path(text: object) -> JsonPath:
    """Read a path in any of its three forms.

    Raises:
        ValueError: not a path to one value.
    """
    if not isinstance(text, str) or not text:
        raise ValueError(f"{_FORMS} ($ alone is the whole document)")
    if text.startswith("/"):
        return JsonPath(text, _pointer_steps(text))
    return JsonPath(text, _dotted_steps(text))


def _pointer_steps(text: str) -> tuple[Step, ...]:
    if _POINTER_ESCAPE.search(text):
        raise ValueError(f"{_FORMS}; in {text!r} a ~ stands alone: write ~0 for ~ and ~1 for / (RFC 6901)")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def _dotted_steps(text: str) -> tuple[Step, ...]:
    rest = text[1:] if text.startswith("$") else f".{text}"
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        if not (match := _STEP.match(rest, at)):
            raise ValueError(f"{_FORMS}; cannot read {rest[at:]!r} in {text!r}")
        steps.append(
            int(match["index"]) if match["index"] else match["name"] or match["single"] or match["double"]
        )
        at = match.end()
    return tuple(steps)


def find(document: Json, path: JsonPath) -> "Json | Missing":
    """Follow a path."""
    here = document
    for step in path.steps:
        match here:
            case dict() if isinstance(step, str) and step in here:
                here = here[step]
            case list() if (index := _index(step)) is not None and index < len(here):
                here = here[index]
            case _:
                return Missing(f"no {step!r} in it: {_contents(here)}")
    return here


def _index(step: Step) -> int | None:
    if isinstance(step, int):
        return step
    return int(step) if step.isascii() and step.isdecimal() and len(step) <= len("999999999") else None


def _contents(here: Json) -> str:
    """Say what there is instead: a misspelt name is found by seeing the right one."""
    match here:
        case dict():
            names = [repr(name[:_KEY_LENGTH_SHOWN]) for name in list(here)[:_KEYS_SHOWN]]
            more = ", ..." if len(here) > _KEYS_SHOWN else ""
            return f"the object there has {', '.join(names)}{more}" if names else "the object there is empty"
        case list():
            return f"the array there has {len(here)} elements"
        case _:
            return f"there is {kind(here)}"


def kind(value: Json) -> str:
    """Name the type of a JSON value as a person would."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "an array"
        case dict():
            return "an object"
