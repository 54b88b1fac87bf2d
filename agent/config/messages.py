"""What pydantic found wrong, in an engineer's words and at the right place of the file.

Pydantic names types and union members; whoever edits the file knows keys and values. Each finding
gets the path that stands in the file, what was expected, what stands there, and, for a misspelt
word, the one that was probably meant.

Rules for whoever changes this: a message never repeats a value that may be a secret (reliability
X2); a wording has its file in `tests/config/bad`.
"""

import re
import string
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from agent.config.aliases import other_name
from agent.config.fields import SIZE_PATTERN, format_duration, format_size
from agent.config.quoting import hint, shown
from agent.config.shape import child, known_keys, known_words
from agent.config.yaml_text import Keys, Plain

Validated = TypeVar("Validated")

_KINDS: Final = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "string_type": "text",
    "path_type": "the path of a file or folder",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "none_required": "nothing",
}
_TEMPLATES: Final = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or less entries",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} or less characters",
    "string_pattern_mismatch": "text of the form {pattern}",
}
_REMEDIES: Final = {
    "at": "add the value itself, such as at: 80",
    "client_secret": "add client_secret: ${file:PATH}",
    "file": "name it, such as file: registers.csv",
    "over": "add the time that is looked at, such as over: 10m",
    "reason": "add why, whoever looks for an alarm reads it",
    "servers": "add where they are, such as servers: [tls://nats.plant:4222]",
    "site": "add what the plant is called, such as site: plant-7; every event carries it",
    "signing": 'write {secret: "${file:PATH}"}, or `signing: none` if the receiver cannot check a signature',
}
"""Of what is missing, how it is written, where its name does not tell."""
_EXAMPLES: Final = {
    "rate_limit": "{events: 10, per: 1s}",
    "batch": "{max_events: 100, max_wait: 1s}",
    "fallback": "{to: NAME, after: 10m}",
    "auth": '{bearer: "${file:PATH}"}',
    "basic": '{user: NAME, password: "${file:PATH}"}',
    "proxy": '{url: "http://HOST:PORT"}',
    "tls": "{ca: plant-ca.pem}",
}
"""Of maps for which people write one value, by their key."""
_NOTHING_LIKE_IT: Final = ": nothing here is called like it, check how it is written"
_BOUNDS: Final = frozenset({"gt", "ge", "lt", "le"})
_QUOTED: Final = re.compile(r"'([^']*)'")
_LONGEST_WORD: Final = 80
_MANY_WORDS: Final = 12
_FEW_WORDS: Final = 6  # words and keys: all of them are said (`mean` is nearer to median than to average)
_TOO_MANY_TO_COMPARE: Final = 200
_STROKES: Final = string.digits + string.ascii_letters + "._-/: "


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong.

    Attributes:
        path: what it is about, as it stands in the file.
        text: what was expected.
        at_key: the key itself is wrong, not its value.
    """

    path: Keys
    text: str
    at_key: bool = False


def did_you_mean(word: object, known: Collection[str], otherwise: str = _NOTHING_LIKE_IT) -> str:
    """Give `: did you mean ...?` for a misspelt word, else the words that are known, if they are few.

    Of many words none of which is near: `otherwise`. Of none at all: an empty text.
    """
    begin_so = [other for other in known if other.startswith(str(word)) and word]
    if 1 < len(begin_so) <= _MANY_WORDS:  # `float`: the wrong one of two would be worse than none
        return f": expected {_one_of(begin_so)}"
    if (meant := _closest(str(word), known)) is not None:
        return f": did you mean `{meant}`?"
    if len(known) > _MANY_WORDS:
        return otherwise
    return f": expected {_one_of(known)}" if known else ""


def _closest(word: str, known: Collection[str]) -> str | None:
    """Find the known word that was probably meant; upper and lower case make no difference.

    Thousands of tags are not compared one by one (a plant's begin alike, so that takes 0.2 s for
    each wrong name): there, only what is one stroke away is found.
    """
    if len(word) > _LONGEST_WORD:
        return None
    if len(known) > _TOO_MANY_TO_COMPARE:
        names = set(known)
        return next((other for other in _one_stroke_away(word) if other in names), None)
    lower = {other.lower(): other for other in known}
    return next((lower[close] for close in get_close_matches(word.lower(), lower, n=1)), None)


def _one_stroke_away(word: str) -> Iterator[str]:
    yield word.upper()
    for cut in range(len(word) + 1):
        head, tail = word[:cut], word[cut:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for stroke in _STROKES:
            yield head + stroke + tail[1:]
            yield head + stroke + tail


def _one_of(words: Collection[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else "".join(words)


def findings(error: ValidationError, data: Plain, adapter: TypeAdapter[Validated]) -> Iterator[Finding]:
    """Translate all errors of one validation of `data`; paths are relative to it."""
    by_path: dict[Keys, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        path = _path(detail, data)
        if detail["loc"][-1:] == ("[key]",):
            yield Finding(path, _text([detail], path), at_key=True)
        else:
            by_path.setdefault(path, []).append(detail)
    outer = {path[:length] for path in by_path for length in range(len(path))}
    meant: set[Keys] = set()  # what misspelt keys were meant to be: it is not missing
    for path, details in by_path.items():
        if details[0]["type"] in {"extra_forbidden", "invalid_key"}:
            known = known_keys(adapter, path[:-1], data)
            meant.add((*path[:-1], _closest(str(path[-1]), known) or ""))
            yield Finding(path, _unknown_key(str(path[-1]), known), at_key=True)
    for path, details in by_path.items():
        further = path in outer and all(
            map(_of_another_kind, details)
        )  # another member of a union came further, or an entry of the list
        match details[0]["type"]:
            case "extra_forbidden" | "invalid_key":
                pass
            case "missing" | "union_tag_not_found" if path not in meant:
                yield _missing(path, data, adapter)
            case "missing" | "union_tag_not_found":
                pass
            case _ if not further:
                yield Finding(path, _with_keys(_text(details, path), path, known_keys(adapter, path, data)))


def _with_keys(text: str, path: Keys, keys: Collection[str]) -> str:
    """Name the keys of a map that was expected, if they are few, and show one."""
    if not text.startswith("expected a map, ") or not 0 < len(keys) <= _FEW_WORDS:
        return text
    example = f": write {written}" if (written := _EXAMPLES.get(str(path[-1]) if path else "")) else ""
    return text.replace("a map", f"a map of {', '.join(keys)}", 1) + example


def _path(detail: ErrorDetails, data: Plain) -> Keys:
    """Give the path of an error in the file; of what is missing, where it should stand."""
    path = _stripped(detail["loc"], data)
    if detail["type"] == "missing":
        return (*path, detail["loc"][-1])
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return (*path, *_QUOTED.findall(detail["ctx"]["discriminator"])[:1])
    return path


def _stripped(location: Keys, data: Plain) -> Keys:
    """Strip from pydantic's location the steps that are not in the file: the members of unions."""
    if len(location) > 1 and isinstance(data, dict) and data.get("type") == location[0]:
        location = location[1:]  # the member of the outermost union, which a key may be called as well
    path: Keys = ()
    for step in location:
        try:
            data = child(data, step)
        except KeyError:
            continue
        path = (*path, step)
    return path


def _of_another_kind(detail: ErrorDetails) -> bool:
    a_word = detail["type"] == "literal_error" and isinstance(detail["input"], dict | list)
    return a_word or detail["type"] in _KINDS or detail["type"] == "too_short"


def _unknown_key(key: str, known: Collection[str]) -> str:
    if key in known:  # of another member of the union: this one has words of its own
        return f"`{key}` has no meaning for this kind: delete it"
    if key.partition(":")[0] in known:
        return f"unknown key `{key}`: a space belongs after `:`, write it"
    if key.isdecimal():
        return f"unknown key `{key}`: write a decimal number with a point, not a comma"
    if other := other_name(key, known):
        return f"unknown key `{key}`: {other}"
    return f"unknown key `{key}`{did_you_mean(key, known, ': nothing here is called like it, delete it')}"


def _missing(path: Keys, data: Plain, adapter: TypeAdapter[Validated]) -> Finding:
    if isinstance(path[-1], int):
        return Finding(path[:-1], f"expected {path[-1] + 1} entries or more")
    if remedy := _REMEDIES.get(str(path[-1])):
        return Finding(path[:-1], f"`{path[-1]}` is missing: {remedy}")
    words = known_words(adapter, path, data)
    return Finding(
        path[:-1], f"`{path[-1]}` is missing: " + (f"expected {_one_of(words)}" if words else "add it")
    )


def _text(details: Sequence[ErrorDetails], path: Keys) -> str:
    """Make one sentence of what was expected, by the one type of a field or by each member of a union."""
    first = details[0]
    words = list(dict.fromkeys(word for detail in details for word in _words(detail)))
    kinds = list(dict.fromkeys(kind for detail in details if (kind := _kind(detail))))
    told = [_told(detail) for detail in details if not _words(detail) and not _kind(detail)]
    if told and (len(details) == 1 or not told[0].startswith("expected ")):
        return told[0]  # it says itself what stands there
    value = first["ctx"]["tag"] if first["type"] == "union_tag_invalid" else first["input"]
    if len(details) == 1 and words and isinstance(value, str):
        known = f": expected {_one_of(words)}" if len(words) <= _FEW_WORDS else did_you_mean(value, words)
        return f"unknown word {shown(value, path).removeprefix('the text ')}{known}"
    kinds += [text.removeprefix("expected ") for text in dict.fromkeys(told)]
    expected = " or ".join([*kinds, _one_of(words)] if words else kinds)
    if "too_" in first["type"]:
        return f"expected {expected}"
    got = shown(value, path)
    return f"expected {expected}, got {got}{hint(expected, value, got)}"


def _words(detail: ErrorDetails) -> list[str]:
    """Give the words of which one was expected."""
    if detail["type"] == "union_tag_invalid":
        return _QUOTED.findall(detail["ctx"]["expected_tags"])
    if detail["type"] in {"literal_error", "enum"}:
        return _QUOTED.findall(detail["ctx"]["expected"]) or re.split(r", | or ", detail["ctx"]["expected"])
    return []


def _bound_as_written(given: object) -> Callable[[int], str]:
    """How a bound is written beside what was given: what is text and has one is a size or a duration."""
    if not isinstance(given, str):
        return "{:g}".format
    return format_size if re.match(SIZE_PATTERN, given.replace(" ", "")) else format_duration


def _kind(detail: ErrorDetails) -> str:
    """Give what was expected, where the type of the error tells it; else an empty text."""
    if (template := _TEMPLATES.get(detail["type"])) is None:
        return _KINDS.get(detail["type"], "")
    bound = _bound_as_written(detail["input"])
    written = {
        name: bound(value) if name in _BOUNDS else value for name, value in detail.get("ctx", {}).items()
    }
    return template.format(**written)


def _told(detail: ErrorDetails) -> str:
    """Give the words of one of our own validators, or pydantic's."""
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    return detail["msg"].replace("Input should be", "expected")
