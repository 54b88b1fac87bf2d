"""The OpenAPI document of what can be asked over HTTP, made of the routes alone.

    GET /api/openapi.json, and `edge-relay schema --api` where no agent runs

Rules for whoever changes this: what is said of a route comes from its declaration, from the type of its
answer and from the model of its order, so that code and document cannot part; an answer has the fields of
its type and no others. What is no route, the stream and what monitoring asks, stands in `agent.web.fixed`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from agent import __version__
from agent.model import Json
from agent.web.fixed import FIXED, SCHEMAS
from agent.web.routes import Asked, Parameter, Route, question
from agent.web.tables import Whoami

_SCHEMA: Final = "#/components/schemas/{model}"
_ABOUT: Final = """What the page and the commands ask of a running agent.

The same stands behind two doors: the control socket in the data directory (`curl --unix-socket
data/control.sock http://agent/api/status`), where the kernel says whose process asks and no token is
needed, and the port of `http: {listen: ...}`, where a token does. Stamps are UTC; a field without meaning
is left out, an unknown value is null; new fields may come with a new version. Each question (GET) answers
HEAD too. What is asked wrongly is refused with a sentence: `{"error": ...}`. A `/` in a name, as in
RELAY/ROUTE, is written as it is or as `%2F`."""
_TOKEN: Final[Json] = {
    "type": "http",
    "scheme": "bearer",
    "description": "one of `http: {tokens: ...}`; who acts goes by its name",
}
_REFUSALS: Final[Mapping[int, str]] = {
    400: "It cannot be understood; the sentence says which part.",
    401: "No token, or none that is known (the port alone).",
    403: "Not allowed: a page of another site asks, or only reading is open without a token (the port alone).",
    404: "There is none of this name or number.",
    408: "The order did not come to its end in time.",
    409: "It cannot be done now; the sentence says why.",
    413: "The body is larger than any order may be.",
    415: "The body of an order is `application/json` (the port alone).",
    421: "It does not answer to this name (the port alone).",
    422: "The configuration on disk has errors, one a line; the one in force goes on.",
    503: "It cannot be read or stored now; nothing was done.",
}
_OF_QUESTIONS: Final = (400, 401, 403, 421, 503)
_OF_ORDERS: Final = (*_REFUSALS,)


class Document(TypedDict):
    """OpenAPI 3.1; see https://spec.openapis.org/oas/v3.1.0."""

    openapi: str
    info: dict[str, object]
    servers: list[dict[str, object]]
    security: list[dict[str, object]]
    tags: list[dict[str, object]]
    paths: dict[str, object]
    components: dict[str, object]


def with_document(routes: Sequence[Route]) -> Sequence[Route]:
    """Give these routes and the one that tells of them all."""

    @cache  # 30 ms and some memory, for the few who ask
    def described() -> dict[str, Json]:
        return document(everything)

    async def answer(_: Asked) -> Json:
        return described()

    itself = question("/api/openapi.json", "This document.", answer, Document)
    everything = [*routes, itself]
    return everything


def document(routes: Sequence[Route]) -> dict[str, Json]:
    """Give the document of these routes, OpenAPI 3.1."""
    types = {f"{route.method} {route.path}": TypeAdapter[Any](cast("Any", route.answers)) for route in routes}
    types["whoami"] = TypeAdapter(Whoami)
    answers, schemas = _schemas(types, "serialization")
    models = {route.path: TypeAdapter[Any](route.order) for route in routes if route.order is not None}
    orders, of_orders = _schemas(models, "validation")
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        operation = _operation(route, answers[f"{route.method} {route.path}"], orders.get(route.path))
        paths.setdefault(_template(route.path), {})[route.method.lower()] = operation
    tags = dict.fromkeys(_tag(route) for route in routes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Edge Relay",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "tags": [{"name": tag} for tag in (*tags, "page", "monitoring")],
        "paths": {**FIXED, **paths},
        "components": {
            "schemas": {**schemas, **of_orders, **SCHEMAS},
            "responses": {str(status): refusal(why) for status, why in _REFUSALS.items()},
            "securitySchemes": {"token": _TOKEN},
        },
    }


def refusal(why: str) -> Json:
    """Give the answer that is a sentence."""
    return {
        "description": why,
        "content": {"application/json": {"schema": {"$ref": _SCHEMA.format(model="Refusal")}}},
    }


# --- one route ------------------------------------------------------------------------------------


def _operation(route: Route, answer: Json, order: Json) -> Json:
    statuses = set(_OF_QUESTIONS if route.method == "GET" else _OF_ORDERS)
    if route.named or route.parameters:
        statuses.add(404)
    told: dict[str, Json] = {
        "operationId": "_".join(re.findall(r"\w+", _template(route.path).removeprefix("/api/"))),
        "tags": [_tag(route)],
        "summary": route.summary,
        "parameters": [*_parameters(route)],
        "responses": {
            "200": {"description": "So it is.", "content": {"application/json": {"schema": answer}}},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)},
        },
    }
    if route.method == "POST":
        told["security"] = [{"token": []}]
    if order is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": order}}}
    return told


def _parameters(route: Route) -> Iterator[Json]:
    for parameter in route.named:
        least = {"minLength": 1} if parameter.schema.get("type") == "string" else {}
        yield _parameter(parameter, "path") | {"required": True, "schema": {**parameter.schema, **least}}
    for parameter in route.parameters:
        yield _parameter(parameter, "query")


def _parameter(parameter: Parameter, place: str) -> dict[str, Json]:
    example = {"example": parameter.example} if parameter.example else {}
    schema: dict[str, Json] = dict(parameter.schema)
    return {"name": parameter.name, "in": place, "description": parameter.about, "schema": schema, **example}


def _template(path: str) -> str:
    """`/{name:.+}/pause` -> `/{name}/pause`."""
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def _tag(route: Route) -> str:
    return route.path.split("/")[2]


# --- schemas --------------------------------------------------------------------------------------


def _schemas(types: Mapping[str, TypeAdapter[Any]], mode: Any) -> tuple[dict[str, Json], dict[str, Json]]:
    """Give the schema of each type, and those that they refer to."""
    inputs = [(name, mode, adapter) for name, adapter in types.items()]
    each, shared = TypeAdapter.json_schemas(inputs, ref_template=_SCHEMA)
    told = {name: _tidy(schema) for (name, _), schema in each.items()}
    return told, {name: _told(_tidy(schema)) for name, schema in shared.get("$defs", {}).items()}


def _tidy(schema: Any) -> Any:
    """Without the titles, which repeat the names; and nothing beside the fields of a type."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {key: _tidy(each) for key, each in schema.items() if key != "title" or not isinstance(each, str)}
    return {"additionalProperties": False, **tidy} if "properties" in tidy else tidy


def _told(schema: dict[str, Any]) -> Json:
    """What a docstring says of a field stands beside the field."""
    about, _, attributes = schema.get("description", "").partition("\n\nAttributes:\n")
    fields = schema.get("properties", {})
    for names, text in re.findall(r"^ {4}(\w[\w, ]*): ((?:.|\n {8})*)", attributes, re.MULTILINE):
        for name in names.split(", "):
            fields[name]["description"] = " ".join(text.replace("None", "null").split())
    return {**schema, "description": about} if about else schema
