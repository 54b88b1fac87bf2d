"""What can be asked over HTTP, declared once: the server routes by it, and the OpenAPI document is made of it.

    question("/api/events", "The newest events.", events, list[EventRow], SINCE, LIMIT)

The same routes stand behind two doors: the control socket (`agent.web.control`), where the kernel says whose
process asks, and the page's port (`agent.web.site`), where a token does.

Rules for whoever changes this: an answerer knows nothing of HTTP, it is handed an `Asked`; what is not
declared is refused with what was meant, so the document cannot lie by omission.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from aiohttp import web
from pydantic import BaseModel

from agent.config.messages import did_you_mean
from agent.desk import UnknownError
from agent.errors import ConfigError, EdgeRelayError, StoreUnavailable
from agent.model import Json
from agent.web.orders import ImpossibleError, MalformedError

ERRORS: Final[Mapping[type[EdgeRelayError], int]] = {
    MalformedError: 400,
    UnknownError: 404,
    ImpossibleError: 409,
    ConfigError: 422,
    StoreUnavailable: 503,
}
"""How an error of an answerer is told: its status, and `{"error": SENTENCE}`."""


class Asked(NamedTuple):
    """A question or an order.

    Attributes:
        who: whose process or token it is; empty: nobody has said, so it is a question.
        named: what stands in the path, by name.
        query: what stands behind the question mark; names are known ones.
        body: of an order; read it with `agent.web.orders.read`.
    """

    who: str
    named: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def by(self, said: str) -> str:
        """Who asks, and who that is where the login or token does not tell."""
        return f"{said} ({self.who})" if said not in ("", self.who) else self.who


Answerer: TypeAlias = Callable[[Asked], Awaitable[Json]]
Who: TypeAlias = Callable[[web.Request], str]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of a question.

    Attributes:
        name: as it is written behind the question mark, or in the path within braces.
        about: what it selects, a phrase.
        schema: of its text, as JSON Schema.
        example: one that can be asked for.
    """

    name: str
    about: str
    schema: Mapping[str, Json]
    example: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked.

    Attributes:
        path: aiohttp's, `{name}` or `{name:PATTERN}`.
        summary: one sentence for people.
        answers: the type of the answer, of which its schema is made.
        named, parameters: what stands in the path; what may stand behind the question mark.
        order: the model of the body; None: it takes none.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: Answerer
    answers: object
    named: Sequence[Parameter] = ()
    parameters: Sequence[Parameter] = ()
    order: type[BaseModel] | None = None


def question(path: str, summary: str, answer: Answerer, answers: object, *parameters: Parameter) -> Route:
    """What changes nothing."""
    return _route("GET", path, summary, answer, answers, parameters)


def command(
    path: str,
    summary: str,
    answer: Answerer,
    answers: object,
    *parameters: Parameter,
    order: type[BaseModel] | None = None,
) -> Route:
    """What somebody wants done."""
    return _route("POST", path, summary, answer, answers, parameters, order)


def _route(
    method: Literal["GET", "POST"],
    path: str,
    summary: str,
    answer: Answerer,
    answers: object,
    parameters: Sequence[Parameter],
    order: type[BaseModel] | None = None,
) -> Route:
    named: list[Parameter] = []
    asked: list[Parameter] = []
    for parameter in parameters:
        (named if f"{{{parameter.name}" in path else asked).append(parameter)
    return Route(method, path, summary, answer, answers, named, asked, order)


def add_routes(app: web.Application, routes: Sequence[Route], who: Who) -> None:
    """Answer these routes in `app`; `who` says whose request it is."""
    for route in routes:
        app.router.add_route(route.method, route.path, _handler(route, who))


def _handler(route: Route, who: Who) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            _check_query(route, request)
            body = await request.read()
            asked = Asked(who(request), request.match_info, request.query, body)
            return web.json_response(await route.answer(asked))
        except tuple(ERRORS) as error:
            return web.json_response({"error": str(error)}, status=ERRORS[type(error)])

    return handle


def _check_query(route: Route, request: web.Request) -> None:
    """Refuse what is misspelt or given twice: it would silently select more than was meant."""
    known = [parameter.name for parameter in route.parameters]
    for name in request.query:
        if name not in known:
            raise MalformedError(f"there is no parameter {name}{did_you_mean(name, known)}")
        if len(request.query.getall(name)) > 1:
            raise MalformedError(f"{name}: given more than once")
