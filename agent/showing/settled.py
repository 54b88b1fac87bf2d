"""Tables `tags` and `configuration`: what changes with the configuration alone, and is made anew only then."""

from collections.abc import Mapping, Sequence
from typing import Final

from agent.config.model import Configuration
from agent.errors import Problem
from agent.model import Json, TagSpec
from agent.reload import Reloader
from agent.rules.engine import Engine
from agent.showing.parts import tag_row
from agent.showing.text import told
from agent.stamps import utc_text

_MOST_PROBLEMS: Final = 200


class Tags:
    """Table `tags`: the declared ones, and those that a source has found since."""

    def __init__(self) -> None:
        self._rows: Mapping[str, Json] = {}
        self._of: tuple[Engine, Mapping[str, TagSpec], int] | None = None

    def look(self, engine: Engine, found: Mapping[str, TagSpec]) -> Mapping[str, Json]:
        """All of them; `found`: see `agent.board.Board`."""
        of = (engine, found, len(found))
        if self._of != of:
            declared = {name: tag_row(tag.spec) for name, tag in engine.tags.items()}
            self._rows = declared | {name: tag_row(spec) for name, spec in found.items()}
            self._of = of
        return self._rows


class InForce:
    """Table `configuration`."""

    def __init__(self) -> None:
        self._rows: Mapping[str, Json] = {}
        self._of: tuple[object, ...] = ()

    def look(self, configuration: Configuration, reloader: Reloader, offset: int) -> Mapping[str, Json]:
        """What is in force, and what became of the last change; `offset` makes stamps of instants."""
        of = (id(configuration), reloader.loaded, reloader.rejected_at, bool(reloader.rejected), offset)
        if self._of != of:
            self._rows, self._of = {"configuration": _row(configuration, reloader, offset)}, of
        return self._rows


def _row(configuration: Configuration, reloader: Reloader, offset: int) -> dict[str, Json]:
    refused = bool(reloader.rejected)
    problems = reloader.problems if refused else configuration.warnings
    row: dict[str, Json] = {
        "path": str(reloader.path),
        "loaded": utc_text(reloader.loaded + offset),
        "summary": configuration.summary(),
        "refused": refused,
        "problems": _problems(problems),
    }
    return row | ({"refused_at": utc_text(reloader.rejected_at + offset)} if refused else {})


def _problems(problems: Sequence[Problem]) -> list[Json]:
    """The errors first, so that none is cut off by warnings."""
    worst_first = sorted(problems, key=lambda problem: problem.severity != "error")
    return [
        {
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "text": told(problem.text),
            "severity": problem.severity,
        }
        for problem in worst_first[:_MOST_PROBLEMS]
    ]
