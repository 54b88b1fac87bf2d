"""What is served beside the routes, in the words of the OpenAPI document: the stream, whose token it is, monitoring.

Rules for whoever changes this: the tests ask a running agent for each of these and hold the answer against it.
"""

from collections.abc import Mapping
from typing import Final

from agent.model import Json

_STREAM: Final = """A stream of server-sent events (`text/event-stream`), which ends when one side closes it.

    event: state     data: {"now": MS, "tables": {TABLE: {KEY: ROW}}}          all there is, first
    event: change    data: {"now": MS, "tables": {TABLE: {KEY: ROW or null}}}  what has changed; null: gone

`now` is the agent's clock, milliseconds since 1970 UTC. A `change` comes at the latest every 5 s, empty if
need be. The tables are those of the page: agent, alarms, unwatched, tags, values, sources, destinations,
relays, configuration, events, dead_letters, inbound, audit. Served on the port alone."""
_TEXT: Final[Json] = {"type": "string"}


def _asked(name: str, tag: str, summary: str, answers: Mapping[str, Json], about: str = "") -> Json:
    operation: dict[str, Json] = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": about or summary,
        "responses": dict(answers),
    }
    return {"get": operation}


def _answers(kind: str, schema: Json, *refused: int) -> dict[str, Json]:
    good: Json = {"description": "So it is.", "content": {kind: {"schema": schema}}}
    return {"200": good, **{str(each): {"$ref": f"#/components/responses/{each}"} for each in refused}}


def _verdicts(*refused: int) -> dict[str, Json]:
    verdict: Json = {"application/json": {"schema": _named("Verdict")}}
    bad: Json = {"description": "It does not, or is stuck.", "content": verdict}
    return {**_answers("application/json", _named("Verdict"), *refused), "503": bad}


def _named(schema: str) -> Json:
    return {"$ref": f"#/components/schemas/{schema}"}


FIXED: Final[Mapping[str, Json]] = {
    "/health": _asked(
        "health", "monitoring", "Whether the agent does its work, and why not.", _verdicts(401, 403, 421)
    ),
    "/live": _asked(
        "alive", "monitoring", "Whether it runs: what a container may be restarted on.", _verdicts(421)
    ),
    "/ready": _asked("ready", "monitoring", "Whether it has started.", _verdicts(421)),
    "/metrics": _asked(
        "metrics", "monitoring", "Metrics for Prometheus.", _answers("text/plain", _TEXT, 401, 403, 421)
    ),
    "/api/live": _asked(
        "live",
        "page",
        "All that the page shows, live.",
        _answers("text/event-stream", _TEXT, 401, 403, 421, 503),
        _STREAM,
    ),
    "/api/whoami": _asked(
        "whoami",
        "page",
        "Whose token it is, and what may be done with it; on the port alone.",
        _answers("application/json", _named("Whoami"), 401, 403, 421),
    ),
}
"""By path."""

SCHEMAS: Final[Mapping[str, Json]] = {
    "Refusal": {
        "type": "object",
        "description": "Why not, as a sentence, or a line for each reason.",
        "properties": {"error": {"type": "string"}},
        "required": ["error"],
        "additionalProperties": False,
    },
    "Verdict": {
        "type": "object",
        "description": "`warnings`: what somebody should see to although the agent does its work. Who may not "
        "read here is told the status alone.",
        "properties": {
            "status": {"type": "string", "enum": ["ok", "failing"]},
            "problems": {"type": "array", "items": {"type": "string"}},
            "warnings": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["status"],
        "additionalProperties": False,
    },
}
"""What is no type of `agent.web.rows`."""
