"""`edge-relay test --from-event`: a raised event with its samples becomes a unit test file."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from agent.cli.asking import told
from agent.errors import EdgeRelayError
from agent.model import MILLISECOND, SECOND, Json

if TYPE_CHECKING:
    from agent.config.model import Configuration
    from agent.proving.from_event import Incident


def write_test(event: str, configured: Path, output: Path | None) -> int:
    """Write the test of an event to `output`, or to standard output; the exit status."""
    if output is not None and output.exists():  # somebody may have worked on it
        print(f"edge-relay: {output} is there already: name another file", file=sys.stderr)
        return 1
    folder = Path.cwd() if output is None else output.absolute().parent
    if output is not None and configured.is_dir() and folder.resolve() == configured.resolve():
        beside = configured / "tests" / output.name
        print(f"edge-relay: {output} would be read as configuration: write {beside}", file=sys.stderr)
        return 1
    rules = os.path.relpath(configured.absolute(), folder)
    made: list[str] = []

    async def work() -> int:
        made.append(await _text(event, configured, rules))
        return 0

    if status := told(work):
        return status
    if output is None:
        print(made[0], end="")
        return 0
    try:
        output.write_text(made[0], encoding="utf-8")
    except OSError as error:
        print(f"edge-relay: {output} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    print(f"wrote {output}; run it: edge-relay test {output}")
    return 0


async def _text(event: str, configured: Path, rules: str) -> str:
    from agent.cli.recalled import recalled
    from agent.config.load import load
    from agent.config.secrets import NOT_NEEDED
    from agent.proving.from_event import interval_of, unit_test_of
    from agent.proving.replay import needed, tracks_of

    configuration = load(configured, NOT_NEEDED)
    incident = await _incident(event, configuration)
    wanted = tracks_of(needed(configuration, incident.instance), configuration)
    sessions = await recalled(configuration.agent, wanted, *interval_of(configuration, incident))
    return unit_test_of(configuration, incident, sessions, rules)


async def _incident(event: str, configuration: "Configuration") -> "Incident":
    from agent.cli.recalled import events_since, wall_of
    from agent.proving.from_event import Incident

    rows = await events_since(configuration.agent, made(event) - SECOND)
    row = next((row for row in rows if row.get("id") == event), None)
    data: Json = None if row is None else row.get("data")
    if row is None or not isinstance(data, dict):
        raise EdgeRelayError(f"there is no event {event}: `edge-relay events --json` shows their ids")
    instance = str(data.get("instance", ""))
    if instance not in {rule.name for rule in configuration.rules}:
        raise EdgeRelayError(
            f"{event} is {row['type']}, and of no rule that is configured now: name an event of one of these, `edge-relay explain` lists them"
        )
    at = wall_of(row["timestamp"])
    return Incident(
        event,
        str(row["type"]),
        instance,
        at,
        wall_of(data["onset"]) if "onset" in data else at,
        f"{data['site']}/{data['agent']}",
        str(data.get("rules_hash", "")),
    )


def made(event: str) -> int:
    """When an event was made, by its id (a UUIDv7), UTC nanoseconds.

    Raises:
        EdgeRelayError: it is no id of an event.
    """
    try:
        return (UUID(event.removeprefix("evt_")).int >> 80) * MILLISECOND
    except ValueError:
        raise EdgeRelayError(f"{event} is no id of an event: `edge-relay events --json` shows them") from None
