"""Trends over HTTP: what tags were in the last ten minutes."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import orjson

from agent.model import Json
from agent.web.orders import MalformedError
from agent.web.routes import Asked, Parameter, Route, question
from agent.web.tables import Trends

_MOST: Final = 200
_NAME: Final = r'"([^"\\\u0000-\u001f]|\\["\\])+"'
_TAGS: Final = Parameter(
    "tags",
    f'a list of names, JSON: ["press.temperature","press.count"]; {_MOST} at most',
    {"type": "string", "pattern": rf"^\[({_NAME}(,{_NAME}){{0,{_MOST - 1}}})?\]$"},
    '["press.temperature"]',
)


class Trending(Protocol):
    """What was read lately; see `agent.board`."""

    def trends(self, tags: Iterable[str]) -> dict[str, Json]:
        """What these were; those that are not known are left out."""
        ...


def trend_routes(board: Trending) -> Sequence[Route]:
    """Ask the board."""

    async def trends(asked: Asked) -> Json:
        return board.trends(_names(asked.query.get("tags", "[]")))

    about = "What tags were in the last ten minutes, a number each ten seconds."
    return [question("/api/trends", about, trends, Trends, _TAGS)]


def _names(written: str) -> Sequence[str]:
    try:
        names = orjson.loads(written)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MalformedError('tags: expected a JSON list of names, such as ["press.temperature"]')
    if len(names) > _MOST:
        raise MalformedError(f"tags: {len(names)} names, {_MOST} at most: ask for the rest by itself")
    return names
