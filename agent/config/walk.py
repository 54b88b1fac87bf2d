"""Walking over what is written: values, names, texts, and what a problem is about.

Rules for whoever changes this: nothing is judged here; a path leads to what stands in the file.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from agent.config.secrets import Secret
from agent.config.yaml_text import Keys, Plain
from agent.model import Json

ENTRIES: Final = {
    "sources": "source",
    "templates": "template",
    "destinations": "destination",
    "inbound": "relay",
    "rules": "rule",
    "profiles": "profile",
}
"""The sections of named entries, and what one of them is called."""


def value_at(data: Plain, path: Keys) -> Plain:
    """Give what stands at a path."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step]
    return data


def as_json(written: Plain) -> Json:
    """Give a value with its keys as JSON has them."""
    if isinstance(written, dict):
        return {str(key): as_json(value) for key, value in written.items()}
    return [as_json(value) for value in written] if isinstance(written, list) else written


def keys_of(entry: Plain, key: str) -> list[str]:
    """Give the keys of a map in an entry, if it has one."""
    inner = entry.get(key) if isinstance(entry, dict) else None
    return [str(name) for name in inner] if isinstance(inner, dict) else []


def without_value(data: Plain, path: Keys) -> Iterator[Keys]:
    """Give the paths under which nothing stands: a limit that was forgotten must not mean no limit."""
    match data:
        case None:
            yield path
        case {"each": None}:
            pass  # `{each}` without its quotes, refused as what it is
        case dict():
            for key, value in data.items():
                if value is not None or ":" not in str(key):  # `{high:5}` is a key, refused as unknown
                    yield from without_value(value, (*path, key))
        case list():
            for index, value in enumerate(data):
                yield from without_value(value, (*path, index))


def texts_in(value: object, path: Keys) -> Iterator[tuple[Keys, Secret | str]]:
    """Give every text and secret in a validated entry, with its path."""
    match value:
        case Secret() | str():
            yield path, value
        case BaseModel():
            for name, field in type(value).model_fields.items():
                yield from texts_in(getattr(value, name), (*path, field.alias or name))
        case dict():
            for name, item in value.items():
                yield from texts_in(item, (*path, name))
        case tuple() | list():
            for index, item in enumerate(value):
                yield from texts_in(item, (*path, index))


def subject_of(path: Keys) -> str:
    """Name what a problem is about: `rule R1-temperature, high.at`."""
    match path:
        case ("sources", _, "tags", name, *rest) if name != "import":
            subject = f"tag {name}"
        case ("templates", template, "tags", name, *rest) if name != "import":
            subject = f"template {template}, tag {name}"
        case (str(section), name, *rest) if section in ENTRIES:
            subject = f"{ENTRIES[section]} {name}"
        case (section, *rest):
            subject = str(section)
        case _:
            return ""
    inner = ".".join(str(step) for step in rest if isinstance(step, str))
    return f"{subject}, {inner}: " if inner else f"{subject}: "
