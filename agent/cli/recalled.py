"""What the agent remembers of its plant: its recent samples, and the events it made of them.

Works beside a running agent, which is asked to write its last minute first, and without one.
"""

import sys
from collections.abc import Collection, Sequence
from datetime import datetime

from agent.cli.asking import NoAgentError, RefusedError, ask
from agent.cli.opened import asked_or_opened, opened_desk
from agent.config.agent_section import AgentSection
from agent.errors import EdgeRelayError
from agent.model import MILLISECOND, Json
from agent.paths import SAMPLES
from agent.store.chunks import Key
from agent.store.samples import Recorded, read_samples

_MOST_EVENTS = "10000"


async def recalled(agent: AgentSection, wanted: Collection[Key], begin: int, end: int) -> Sequence[Recorded]:
    """What was seen of the `wanted` tracks from `begin` to `end`, UTC nanoseconds; a session each.

    Raises:
        EdgeRelayError: nothing was kept, or it cannot be read.
    """
    try:
        await ask(agent.data_dir, "POST", "/api/samples/flush")
    except NoAgentError:
        pass
    except RefusedError as error:
        print(f"edge-relay: the newest samples are missing: {error}", file=sys.stderr)
    sessions = read_samples(agent.data_dir / SAMPLES, wanted, begin, end)
    if not sessions:
        raise EdgeRelayError(
            "no samples are kept of this time: they go when they are old, or when there are many; name a later time, or raise `store: {samples: {keep}}`"
        )
    return sessions


async def events_since(agent: AgentSection, begin: int, rule: str | None = None) -> list[dict[str, Json]]:
    """The events that were made from `begin` (UTC nanoseconds) on, oldest first, as the desk tells them."""
    query = {"since": str(begin // MILLISECOND), "limit": _MOST_EVENTS}
    if rule is not None:
        query["rule"] = rule

    async def opened() -> Json:
        async with opened_desk(agent) as desk:
            return await desk.events(query)

    rows = await asked_or_opened(lambda: ask(agent.data_dir, "GET", "/api/events", query), opened)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def wall_of(stamp: Json) -> int:
    """Read a stamp of an event as UTC nanoseconds."""
    return round(datetime.fromisoformat(str(stamp)).timestamp() * 1000) * MILLISECOND
