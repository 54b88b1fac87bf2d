"""What the page shows of a running agent: all tables of `agent.web.tables` but `values`.

    tables = await agent.shown.tables()

Rules for whoever changes this: it is asked twice a second while a page is open, and must cost next to nothing
then, and nothing at all while none is; how a table is made is `agent.showing`'s.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from agent import __version__
from agent.attention import warnings
from agent.model import MILLISECOND, Json
from agent.showing.guide import next_step
from agent.showing.keeping import kept
from agent.showing.parts import destination_row, relay_row, source_row
from agent.showing.recent import Recent
from agent.showing.settled import InForce, Tags
from agent.showing.text import told
from agent.showing.watching import Watching
from agent.stamps import utc_text
from agent.status import health

if TYPE_CHECKING:
    from agent.app import Agent

_STEADY: Final = 100 * MILLISECOND
"""A reckoning that moves by less has not moved: else every stamp would flicker by what reading a clock takes."""
_MOST_SENTENCES: Final = 50


class Shown:
    """See the module; `run` for as long as the agent runs."""

    def __init__(self, agent: "Agent") -> None:
        self._recent = Recent(agent.desk)
        self._agent = agent
        self._watching = Watching()
        self._tags = Tags()
        self._in_force = InForce()
        self._offset = agent.timekeeper.reckoning.offset
        self._tables: Mapping[str, Mapping[str, Json]] = {}

    async def run(self) -> NoReturn:
        """Read what is stored, whenever `tables` wants it."""
        await self._recent.run()

    async def tables(self) -> Mapping[str, Mapping[str, Json]]:
        """All rows by table and key; a row or a table that has not changed is the very object of before.

        Nobody changes what is in it. Waits a moment for the store at the most, and then has what was read before.
        """
        await self._recent.look()
        agent, offset = self._agent, self._reckoned()
        engine, store = agent.pipeline.engine, agent.store
        self._watching.look(engine, agent.clock.monotonic(), offset)
        made: Mapping[str, Mapping[str, Json]] = {
            "agent": {"agent": self._head()},
            "tags": self._tags.look(engine, agent.board.found),
            "alarms": self._watching.open.table,
            "unwatched": self._watching.unwatched.table,
            "sources": {name: source_row(each, offset) for name, each in agent.intakes.at_work.items()},
            "destinations": {
                name: destination_row(name, config.type, dispatcher, store, offset)
                for name, (config, dispatcher) in agent.outlets.at_work.items()
            },
            "relays": {name: relay_row(each, offset) for name, each in agent.relays.at_work.items()},
            "configuration": self._in_force.look(agent.configuration, agent.reloader, offset),
            **self._recent.tables,
        }
        self._tables = {name: kept(self._tables.get(name, {}), rows) for name, rows in made.items()}
        return self._tables

    def _reckoned(self) -> int:
        """What makes stamps of instants."""
        offset = self._agent.timekeeper.reckoning.offset
        if abs(offset - self._offset) > _STEADY:
            self._offset = offset
        return self._offset

    def _head(self) -> dict[str, Json]:
        agent = self._agent
        section, store, clock = agent.configuration.agent, agent.store, agent.timekeeper.judgement
        usage, room = store.room.usage, store.room
        head: dict[str, Json] = {
            "site": section.site,
            "name": section.name,
            "version": __version__,
            "started": utc_text(agent.started + self._offset),
            "zone": section.zone,
            "problems": _sentences(health(agent)),
            "warnings": _sentences(warnings(agent)),
            "clock": clock.standing.word,
            "clock_why": told(clock.why),
            "stored": store.seq,
            "waiting": store.waiting_count(),
            "dead": store.dead_count(),
            "store_unavailable": told(store.unavailable or ""),
            "store_limit": room.limit(),
            "filling": room.filling,
            "next_step": next_step(agent.configuration, agent.reloader.path, len(agent.pipeline.engine.tags)),
            "alarms_open": len(self._watching.open),
            "unwatched_total": len(self._watching.unwatched),
        }
        return head | ({} if usage is None else {"store_bytes": usage.used})


def _sentences(told_of: Sequence[str]) -> list[Json]:
    """The first of them: a plant of a thousand silent devices has as many."""
    shown = [told(each) for each in told_of[:_MOST_SENTENCES]]
    left = len(told_of) - len(shown)
    return [*shown, f"and {left} more: `edge-relay status` shows them"] if left else [*shown]
