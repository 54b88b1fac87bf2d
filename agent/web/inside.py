"""What only the control socket answers: where the agent stands, and its log; for a support bundle.

Not for the page's port: paths of this machine, and whatever a library wrote into the log.
"""

from collections.abc import Sequence

from typing_extensions import TypedDict

from agent.logs import last_lines
from agent.model import Json
from agent.stacks import task_lines, thread_lines
from agent.web.routes import Asked, Route, question


class Stacks(TypedDict):
    """Lines: each task and thread by name, and below it where it stands."""

    tasks: list[str]
    threads: list[str]


class Log(TypedDict):
    """Lines, the oldest first."""

    lines: list[str]


def inside_routes() -> Sequence[Route]:
    """What can be asked, beside `api_routes`."""

    async def stacks(_: Asked) -> Json:
        return {"tasks": [*task_lines()], "threads": [*thread_lines()]}

    async def log(_: Asked) -> Json:
        return {"lines": [*last_lines()]}

    return [
        question("/api/stacks", "Where every task and every thread stands.", stacks, Stacks),
        question("/api/log", "The last lines of the log.", log, Log),
    ]
