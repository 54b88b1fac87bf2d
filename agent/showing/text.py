"""Texts as the page shows them: cut, and what may hold an address without the secrets that may stand in it."""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from agent.model import Json

_MOST: Final = 500
_MOST_DATA: Final = 4_000
_FIRST: Final = ("message", "rule", "tag")
_USER: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE)
_QUERY: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?#\"'<>]*)[?#][^\s\"'<>]*", re.IGNORECASE)


def cut(text: str) -> str:
    """At most 500 characters."""
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def told(text: str) -> str:
    """A reason, cut: its addresses without user, password, query and fragment."""
    if "://" in text:
        text = _QUERY.sub(r"\1", _USER.sub(r"\1", text))
    return cut(text)


def cut_data(data: Mapping[str, Json]) -> dict[str, Json]:
    """The data of an event: at most 4 kB of it, what a line of a list needs first; `cut` says that there is more."""
    if len(orjson.dumps(data)) <= _MOST_DATA:
        return dict(data)
    kept: dict[str, Json] = {"cut": True}
    room = _MOST_DATA
    for name in sorted(data, key=lambda each: each not in _FIRST):
        value = data[name]
        part: dict[str, Json] = {name: cut(value) if isinstance(value, str) else value}
        if (size := len(orjson.dumps(part))) <= room:
            kept |= part
            room -= size
    return kept
