"""Whether the configuration loads, and says what `edge-relay check` says of it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from agent.checkup.case import Case
from agent.checkup.finding import Finding, Subject, parted
from agent.clock import Clock
from agent.config.load import load
from agent.config.model import Configuration
from agent.config.secrets import NOT_NEEDED
from agent.errors import ConfigError, Problem

_CONFIGURATION: Final = Subject("configuration")
_EDIT: Final = "edit that line; `edge-relay check` looks at it again"


def examine_configuration(case: Case, clock: Clock, *, service: bool) -> Iterator[Finding]:
    """Load all of it, with and without its secrets; `service`: systemd runs the agent, and hands it secrets."""
    found = _problems(case, os.environ, clock)
    bare = {str(problem) for problem in _problems(case, NOT_NEEDED, clock)[0]}
    problems, configuration = found
    for problem in problems:
        elsewhere = (case.running or service) and str(problem) not in bare and _may_be_ours(problem)
        yield _finding(problem, elsewhere=elsewhere)
    if configuration is not None:
        yield _CONFIGURATION.good(str(case.path), configuration.summary())


def _problems(
    case: Case, environment: Mapping[str, str], clock: Clock
) -> tuple[Sequence[Problem], Configuration | None]:
    try:
        loaded = load(case.path, environment, clock.wall())
    except ConfigError as error:
        return error.problems, None
    return loaded.warnings, loaded


def _may_be_ours(problem: Problem) -> bool:
    """Whether a secret may be missing here alone: variables and credentials, and files that only we may not read."""
    return "secret file" not in problem.text or "Permission denied" in problem.text


def _finding(problem: Problem, *, elsewhere: bool) -> Finding:
    place = f"{problem.file}:{problem.line}" if problem.line else problem.file
    said, remedy = parted(problem.text, _EDIT)
    if elsewhere:
        said = f"{said}; not for this command at least, the service may have it"
        return _CONFIGURATION.warning(place, said, f"leave it if the agent starts; else {remedy}")
    make = _CONFIGURATION.problem if problem.severity == "error" else _CONFIGURATION.warning
    return make(place, said, remedy)
