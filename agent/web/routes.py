"""What can be asked over HTTP, declared once: the server routes by it, and the OpenAPI document is made of it.

    question("/api/events", "The newest events.", events, list[EventRow], SINCE, LIMIT)

The same routes stand behind two doors: the control socket (`agent.web.control`), where the kernel says whose
process asks, and the page's port (`agent.web.site`), where a token does.

Rules for whoever changes this: an answerer knows nothing of HTTP, it is handed an `Asked`; what is not
declared is refused with what was meant, so the document cannot lie by omission.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args, get_origin

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel
from typing_extensions import is_typeddict

from agent.config.messages import did_you_mean
from agent.desk import UnknownError
from agent.errors import ConfigError, EdgeRelayError, StoreUnavailable
from agent.model import Json
from agent.web.orders import ImpossibleError, MalformedError
from agent.web.query import shown, whole_number

_BODY_WITHIN_S: Final = 10.0


class LateError(EdgeRelayError):
    """The body of an order did not come to its end in time."""


ERRORS: Final[Mapping[type[EdgeRelayError], int]] = {
    MalformedError: 400,
    UnknownError: 404,
    LateError: 408,
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
        answers: the type of the answer, of which its schema is made: a TypedDict, or a list of one.
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
    if not is_typeddict(answers) and not (get_origin(answers) is list and is_typeddict(*get_args(answers))):
        raise TypeError(f"{path} has no type of what it answers: a TypedDict, or a list of one")
    named: list[Parameter] = []
    asked: list[Parameter] = []
    for parameter in parameters:
        (named if f"{{{parameter.name}" in path else asked).append(parameter)
    return Route(method, path, summary, answer, answers, named, asked, order)


def add_routes(app: web.Application, routes: Sequence[Route], who: Who) -> None:
    """Answer these routes in `app`; `who` says whose request it is. Everything else below /api is refused in words."""
    app.middlewares.append(_in_words)
    for route in routes:
        add = app.router.add_get if route.method == "GET" else app.router.add_post
        add(route.path, _handler(route, who))


def _handler(route: Route, who: Who) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            _check(route, request)
            body = await _body(request) if route.method == "POST" else b""
            asked = Asked(who(request), request.match_info, request.query, body)
            return web.Response(body=_encoded(await route.answer(asked)), content_type="application/json")
        except tuple(ERRORS) as error:
            return _refused(ERRORS[type(error)], str(error))

    return handle


def _encoded(answer: Json) -> bytes:
    """As JSON, ten times as fast as the standard library makes it.

    That one knows half a surrogate pair, and a number beyond 64 bits, which some device may have sent.
    """
    try:
        return orjson.dumps(answer)
    except TypeError:
        return json.dumps(answer).encode()


async def _body(request: web.Request) -> bytes:
    """All of it, soon: byte by byte it would hold a connection for ever. Raises MalformedError, LateError."""
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            return await request.read()
    except TimeoutError:
        raise LateError("the order did not come to its end: send it again") from None
    except (web.RequestPayloadError, ConnectionResetError):
        raise MalformedError(
            "the body: it does not come to the end that its headers promise: send it again"
        ) from None


def _check(route: Route, request: web.Request) -> None:
    """Refuse what is misspelt or given twice: it would silently select more than was meant."""
    known = {parameter.name: parameter for parameter in route.parameters}
    for name in request.query:
        if name not in known:
            raise MalformedError(f"there is no parameter {shown(name)}{did_you_mean(name, known)}")
        if len(request.query.getall(name)) > 1:
            raise MalformedError(f"{name}: given more than once, give it once")
        _check_text(known[name], request.query[name])


def _check_text(parameter: Parameter, written: str) -> None:
    """Refuse what the schema of a parameter refuses, which is what the document promises."""
    name, words = parameter.name, parameter.schema.get("enum")
    if parameter.schema.get("type") == "integer":
        whole_number(name, written)
    elif isinstance(words, list) and written not in words:
        raise MalformedError(f"{name}: expected {', '.join(map(str, words))}, got {shown(written)}")


# --- what the server refuses by itself ------------------------------------------------------------


@web.middleware
async def _in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        if not _is_ours(request):
            raise
        methods = ", ".join(sorted(error.allowed_methods))
        return _refused(405, f"{request.path} takes {methods}, not {error.method}", Allow=methods)
    except web.HTTPRequestEntityTooLarge:
        return _refused(413, "the body is larger than any order may be: send what the order asks for alone")
    except web.HTTPNotFound:
        if not _is_ours(request):
            raise
        return _refused(404, f"there is no {shown(request.path)}: GET /api/openapi.json lists what there is")


def _is_ours(request: web.Request) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")


def _refused(status: int, why: str, **headers: str) -> web.Response:
    return web.json_response({"error": why}, status=status, headers=headers)
