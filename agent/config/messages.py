"""What pydantic found wrong, in an engineer's words and at the right place of the file.

Pydantic names types and union members; whoever edits the file knows keys and values. Each finding
gets the path that stands in the file, what was expected, what stands there, and, for a misspelt
word, the one that was probably meant.

Rules for whoever changes this: a message never repeats a value that may be a secret (reliability
X2); a wording has its file in `tests/config/bad`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from agent.config.yaml_text import Key, Keys, Plain

Validated = TypeVar("Validated")
_Schema: TypeAlias = Mapping[str, object]

_KINDS: Final = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "finite_number": "a finite number",
    "string_type": "text",
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
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "less_than": "expected less than {lt:g}",
    "less_than_equal": "expected at most {le:g}",
    "too_short": "expected at least {min_length} of them",
    "too_long": "expected at most {max_length} of them",
    "string_too_short": "expected text of {min_length} characters or more",
    "string_too_long": "expected text of {max_length} characters or less",
    "string_pattern_mismatch": "expected text of the form {pattern}",
}
_NOUNS: Final = {type(None): "nothing", dict: "a map", list: "a list", tuple: "a list"}
_QUOTED: Final = re.compile(r"'([^']*)'")
_DELICATE: Final = re.compile(r"secret|passw|token|key|bearer|auth|signing|credential", re.IGNORECASE)
_LONGEST_QUOTE: Final = 40
_MANY_WORDS: Final = 12


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


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Give `: did you mean ...?` for a misspelt word, else the words that are known, else nothing."""
    words = list(known)
    lower = {other.lower(): other for other in words}
    if close := get_close_matches(str(word).lower(), lower, n=1):
        return f": did you mean `{lower[close[0]]}`?"
    if not words or len(words) > _MANY_WORDS:
        return ""
    return ": expected one of " + ", ".join(words) if len(words) > 1 else f": expected {words[0]}"


def findings(error: ValidationError, data: Plain, adapter: TypeAdapter[Validated]) -> Iterator[Finding]:
    """Translate all errors of one validation of `data`; paths are relative to it."""
    by_path: dict[Keys, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        by_path.setdefault(_path(detail, data), []).append(detail)
    for path, details in by_path.items():
        deeper = any(other[: len(path)] == path for other in by_path if len(other) > len(path))
        if deeper and all(map(_of_another_kind, details)):
            continue  # another member of a union came further: what it says is what was meant
        yield _finding(path, details, data, adapter)


def _of_another_kind(detail: ErrorDetails) -> bool:
    return detail["type"] in _KINDS or (
        detail["type"] == "literal_error" and isinstance(detail["input"], dict | list)
    )


def _path(detail: ErrorDetails, data: Plain) -> Keys:
    """Strip from pydantic's location the steps that are not in the file: the members of unions."""
    path: Keys = ()
    here = data
    for step in detail["loc"]:
        try:
            here = _child(here, step)
        except KeyError:
            continue
        path = (*path, step)
    if detail["type"] == "missing":
        return (*path, detail["loc"][-1])
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return (*path, *_QUOTED.findall(detail["ctx"]["discriminator"])[:1])
    return path


def _child(data: Plain, step: Key) -> Plain:
    """Give what stands under a key or index.

    Raises:
        KeyError: nothing.
    """
    if isinstance(data, dict):
        return data[step]
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    raise KeyError(step)


def _finding(
    path: Keys, details: Sequence[ErrorDetails], data: Plain, adapter: TypeAdapter[Validated]
) -> Finding:
    first = details[0]
    match first["type"]:
        case "extra_forbidden" | "invalid_key":
            return Finding(path, _unknown_key(str(path[-1]), path[:-1], data, adapter), at_key=True)
        case "missing":
            return Finding(path[:-1], f"`{path[-1]}` is missing")
        case "union_tag_not_found":
            words = _QUOTED.findall(str(first["ctx"].get("expected_tags", "")))
            return Finding(path[:-1], f"`{path[-1]}` is missing{did_you_mean('', words)}")
        case "union_tag_invalid":
            return Finding(path, _unknown_word(first["ctx"]["tag"], first["ctx"]["expected_tags"], path))
        case _:
            return Finding(path, _text(first, path) if len(details) == 1 else _of_union(details, path))


def _unknown_key(key: str, path: Keys, data: Plain, adapter: TypeAdapter[Validated]) -> str:
    known = _known_keys(adapter.json_schema(), path, data)
    if key.partition(":")[0] in known:
        return f"unknown key `{key}`: a space belongs after `:`"
    return f"unknown key `{key}`{did_you_mean(key, known)}"


def _of_union(details: Sequence[ErrorDetails], path: Keys) -> str:
    """Make one sentence of what the members of a union expected."""
    words = [
        _QUOTED.findall(detail["ctx"]["expected"]) for detail in details if detail["type"] == "literal_error"
    ]
    wholes = [_text(detail, path) for detail in details if detail["type"] != "literal_error"]
    parts = [whole.removeprefix("expected ").partition(", got ")[0] for whole in wholes]
    expected = " or ".join(dict.fromkeys([*parts, *(word for group in words for word in group)]))
    return f"expected {expected}, got {_shown(details[0]['input'], path)}"


def _text(detail: ErrorDetails, path: Keys) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind in {"literal_error", "enum"}:
        return _unknown_word(value, context["expected"], path)
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}, got {_shown(value, path)}{_hint(_KINDS[kind], value)}"
    if kind in _TEMPLATES:
        return f"{_TEMPLATES[kind].format(**context)}, got {_shown(value, path)}"
    return detail["msg"].replace("Input should be", "expected")


def _unknown_word(value: object, expected: str, path: Keys) -> str:
    words = _QUOTED.findall(expected) or [expected]
    if not isinstance(value, str):
        return f"expected {' or '.join(words)}, got {_shown(value, path)}"
    return f"unknown word {_shown(value, path).removeprefix('the text ')}{did_you_mean(value, words)}"


def _shown(value: object, path: Keys) -> str:
    """Say what stands there; the value itself only where it can be no secret."""
    if (noun := _NOUNS.get(type(value))) is not None:
        return noun
    if isinstance(value, bool):
        return "true" if value else "false"
    if any(_DELICATE.search(str(step)) for step in path):
        return "something else"
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) <= _LONGEST_QUOTE else "a long text"
    return f"the number {value}"


def _hint(expected: str, value: object) -> str:
    match expected, value:
        case "text", bool() | int() | float():
            return ": put it in quotes"
        case "text", None:
            return " (`#` begins a comment: a text with it needs quotes)"
        case "a number" | "a whole number", str() if re.fullmatch(r"[-+]?\d+,\d+", value):
            return f": write {value.replace(',', '.')}"
        case "a number" | "a whole number", str() if re.fullmatch(r"[-+]?0\d+(\.\d*)?", value):
            return ": drop the leading zero"
        case "true or false", str() if value.lower() in {"yes", "on", "no", "off"}:
            return f": write {'true' if value.lower() in {'yes', 'on'} else 'false'}"
        case _:
            return ""


def _known_keys(root: _Schema, path: Keys, data: Plain) -> list[str]:
    """Find the keys that may stand at a path, by the JSON Schema (union members included)."""
    schemas = list(_members(root, root, data))
    here = data
    for step in path:
        here = _child(here, step)
        inner = [schema for outer in schemas for schema in _inside(outer, step)]
        schemas = [member for schema in inner for member in _members(root, schema, here)]
    return list(dict.fromkeys(key for schema in schemas for key in _map(schema, "properties")))


def _inside(schema: _Schema, step: str | int) -> Iterator[_Schema]:
    properties = _map(schema, "properties")
    if str(step) in properties:
        yield _map(properties, str(step))
    else:
        yield _map(schema, "additionalProperties" if isinstance(step, str) else "items")


def _members(root: _Schema, schema: _Schema, data: Plain) -> Iterator[_Schema]:
    """Give the members of a union that the data may be, resolved."""
    if isinstance(reference := schema.get("$ref"), str):
        yield from _members(root, _map(_map(root, "$defs"), reference.rpartition("/")[2]), data)
        return
    unions = [schema[word] for word in ("anyOf", "oneOf", "allOf") if word in schema]
    for union in unions:
        for member in union if isinstance(union, list) else ():
            yield from _members(root, member, data)
    if not unions and _may_be(schema, data):
        yield schema


def _may_be(schema: _Schema, data: Plain) -> bool:
    constants = {
        key: _map(_map(schema, "properties"), key).get("const") for key in _map(schema, "properties")
    }
    return not isinstance(data, dict) or all(
        constant is None or data.get(key, constant) == constant for key, constant in constants.items()
    )


def _map(schema: _Schema, key: str) -> _Schema:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}
