"""What may stand at a place of the configuration, read from the JSON Schema of its models.

Pydantic says that a key is unknown, but not which ones are known there: unions, maps and lists lie
between the model that was validated and the one that refused. The schema is walked along the data.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeAlias, TypeVar

from pydantic import TypeAdapter

from agent.config.yaml_text import Key, Keys, Plain

Validated = TypeVar("Validated")
_Schema: TypeAlias = Mapping[str, object]


def child(data: Plain, step: Key) -> Plain:
    """Give what stands under a key or index.

    Raises:
        KeyError: nothing.
    """
    if isinstance(data, dict):
        return data[step]
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    raise KeyError(step)


def known_keys(adapter: TypeAdapter[Validated], path: Keys, data: Plain) -> list[str]:
    """Give the keys that the map at a path may have."""
    schemas = _at(_schema(adapter), path, data)
    return list(dict.fromkeys(key for schema in schemas for key in _map(schema, "properties")))


def known_words(adapter: TypeAdapter[Validated], path: Keys, data: Plain) -> list[str]:
    """Give the words that tell the members of a union apart; `path` ends with the key that has them."""
    schemas = _at(_schema(adapter), path[:-1], data)
    fields = [_map(_map(schema, "properties"), str(path[-1])) for schema in schemas]
    return list(dict.fromkeys(str(field["const"]) for field in fields if "const" in field))


@cache
def _schema(adapter: TypeAdapter[Validated]) -> _Schema:
    return adapter.json_schema()


def _at(root: _Schema, path: Keys, data: Plain) -> list[_Schema]:
    schemas = list(_members(root, root, data))
    for step in path:
        data = child(data, step)
        inner = [schema for outer in schemas for schema in _inside(outer, step)]
        schemas = [member for schema in inner for member in _members(root, schema, data)]
    return schemas


def _inside(schema: _Schema, step: Key) -> Iterator[_Schema]:
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
        written = union if isinstance(union, list) else ()
        members = [inner for member in written for inner in _members(root, member, data)]
        yield from [member for member in members if _is_meant(member, data)] or members
    if not unions and _may_be(schema, data):
        yield schema


def _may_be(schema: _Schema, data: Plain) -> bool:
    """Tell whether the words that tell members apart are those of this member."""
    properties = _map(schema, "properties")
    constants = {key: _map(properties, key).get("const") for key in properties}
    return not isinstance(data, dict) or all(
        constant is None or data.get(key, constant) == constant for key, constant in constants.items()
    )


def _is_meant(schema: _Schema, data: Plain) -> bool:
    """Tell whether a member is the one that is meant where the word that tells members apart is left out."""
    properties = _map(schema, "properties")
    return isinstance(data, dict) and any(
        key not in data and {"const", "default"} <= _map(properties, key).keys() for key in properties
    )


def _map(schema: _Schema, key: str) -> _Schema:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}
