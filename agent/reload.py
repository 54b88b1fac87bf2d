"""A changed configuration is taken up while the agent works: all of it or none of it (design: rules, "Reload").

Asked for by SIGHUP, by `edge-relay reload`, and by the files themselves (`watch: true`). Untouched rules
keep their state, untouched sources their connections, and delivery never pauses.

Rules for whoever changes this: up to the commit of the rules' state every failure leaves the old
configuration in force; after it nothing is given up. A refusal is told wherever somebody may look.
"""

import asyncio
import gc
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.changes import changes, needs_restart
from agent.config.load import load
from agent.config.model import Configuration
from agent.errors import ConfigError, Problem, StoreUnavailable
from agent.model import EventType, Json

if TYPE_CHECKING:
    from agent.app import Agent

_log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_NO_ROOM_S: Final = 5.0


class Reloader:
    """Takes up changed files for one agent."""

    def __init__(self, agent: "Agent", path: Path) -> None:
        self._agent = agent
        self._path = path
        self._at_work = asyncio.Lock()

    async def run(self, wanted: asyncio.Event) -> None:
        """Load anew whenever it is `wanted`; a disk without room delays it."""
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                await self.reload()
            except ConfigError:
                continue  # told where it arose
            except StoreUnavailable as error:
                _log.warning("the changed configuration waits until something can be stored: %s", error)
                await self._room()
                wanted.set()

    async def _room(self) -> None:
        await asyncio.sleep(_NO_ROOM_S)
        while self._agent.store.unavailable is not None:  # noqa: ASYNC110 - the disk raises no event
            await asyncio.sleep(_NO_ROOM_S)

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew; what changed, as `changes` gives it.

        Raises:
            ConfigError: it has errors, the old one goes on.
            StoreUnavailable: it cannot be taken up now, the old one goes on.
        """
        systemd = self._agent.systemd
        async with self._at_work:
            systemd.reloading(self._agent.clock.monotonic())
            try:
                return await self._reload()
            except ConfigError as error:
                self._reject(error)
                raise
            finally:
                systemd.ready()

    def _reject(self, error: ConfigError) -> None:
        _log.error("the changed configuration is refused, the old one goes on:\n%s", error)
        problems: list[Json] = [str(problem) for problem in error.problems]
        word: dict[str, Json] = {"problems": problems, "message": "a changed configuration was refused"}
        self._tell(EventType.AGENT_CONFIG_REJECTED, word)

    def _tell(self, kind: EventType, word: dict[str, Json]) -> None:
        pipeline = self._agent.pipeline
        pipeline.announce(pipeline.event(kind, word))

    async def _reload(self) -> Sequence[Json]:
        new, old = await self._load(), self._agent.configuration
        changed = changes(old, new)
        if not changed:
            return []
        await self._take_up(old, new)
        message = f"the configuration was loaded anew: {len(changed)} change{'s' if len(changed) > 1 else ''}"
        self._tell(EventType.AGENT_CONFIG_RELOADED, {"changed": list(changed), "message": message})
        _log.info("%s", message)
        return changed

    async def _load(self) -> Configuration:
        thread = ThreadPoolExecutor(1, "configuration")
        try:
            new = await asyncio.get_running_loop().run_in_executor(thread, load, self._path)
        finally:
            thread.shutdown(wait=False)
        if fixed := needs_restart(self._agent.configuration, new):
            raise ConfigError([Problem(str(self._path), 0, 0, text) for text in fixed])
        return new

    async def _take_up(self, old: Configuration, new: Configuration) -> None:
        agent = self._agent
        await agent.store.sync_destinations({**old.destinations, **new.destinations})
        agent.outlets.address({**old.destinations, **new.destinations})
        try:
            await agent.pipeline.replace_engine(agent.engine(new))
        except StoreUnavailable:
            agent.outlets.address(old.destinations)
            raise
        # In force from here on: what follows may have to wait for the disk, but is not given up.
        agent.configuration = new
        agent.recorder.watch(new)
        agent.outlets.address(new.destinations)
        await agent.intakes.change(new.sources)
        pass_over_what_stays()
        await self._replace_destinations(new)

    async def _replace_destinations(self, new: Configuration) -> None:
        while True:
            try:
                await self._agent.outlets.change(new.destinations)
                await self._agent.store.sync_destinations(new.destinations)
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)
            else:
                return


def pass_over_what_stays() -> None:
    """Keep the garbage collector from modules, tags and rules: looking at all of them takes 70 ms with 1,600 tags."""
    gc.unfreeze()  # what a reload has replaced is garbage by now
    gc.collect()
    gc.freeze()
