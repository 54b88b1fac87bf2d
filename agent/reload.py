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
from agent.config.files import Stamp, stamp
from agent.config.load import load
from agent.config.model import Configuration
from agent.errors import ConfigError, Problem, StoreUnavailable
from agent.model import EventType, Json
from agent.watch import watch_files

if TYPE_CHECKING:
    from agent.app import Agent

_log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0
_NO_ROOM_S: Final = 5.0
_MOST_TOLD: Final = 200
"""So many changes or problems are in an event: a file that is replaced whole must not make one that no receiver takes."""


class Reloader:
    """Takes up changed files for one agent.

    Attributes:
        path: the file or the folder.
        loaded: when the files were last found good, monotonic nanoseconds.
        rejected: why the files on disk are not in force, as `FILE:LINE:COLUMN: error: TEXT`; empty: they are.
        problems: all that was found in these files, warnings too; empty while `rejected` is.
        rejected_at: when that was, monotonic nanoseconds.
    """

    def __init__(self, agent: "Agent", path: Path) -> None:
        self.path = path
        self.loaded = agent.clock.monotonic()
        self.rejected: Sequence[str] = ()
        self.problems: Sequence[Problem] = ()
        self.rejected_at = 0
        self._agent = agent
        self._loaded = agent.configuration.stamp
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

    async def watch(self, changed: asyncio.Event) -> None:
        """Set `changed` when the files on disk change, while the configuration in force wants that."""

        def loaded() -> Stamp | None:
            return self._loaded if self._agent.configuration.watch else None

        await watch_files(self.path, loaded, changed)

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
                systemd.status(
                    f"a changed configuration is refused: {self.rejected[0]}" if self.rejected else ""
                )

    async def _reload(self) -> Sequence[Json]:
        new, old = await self._load(), self._agent.configuration
        changed = changes(old, new)
        if changed:
            await self._take_up(old, new)
        else:
            self._agent.site.change()  # whoever has renewed its certificate reloads for that
        if changed or self.rejected:
            self._accepted(changed)
        self.loaded = self._agent.clock.monotonic()
        return changed

    async def _load(self) -> Configuration:
        self._loaded = stamp(self.path)
        thread = ThreadPoolExecutor(1, "configuration")
        try:
            new = await asyncio.get_running_loop().run_in_executor(thread, load, self.path)
        finally:
            thread.shutdown(wait=False)
        if fixed := needs_restart(self._agent.configuration, new):
            raise ConfigError([Problem(str(self.path), 0, 0, text) for text in fixed])
        return new

    def _accepted(self, changed: Sequence[Json]) -> None:
        """Tell it; also that a refused configuration is again what it was, to whom was told of the refusal."""
        self.rejected, self.problems = (), ()
        message = (
            f"the configuration was loaded anew: {len(changed)} change{'' if len(changed) == 1 else 's'}"
        )
        told: list[Json] = list(changed[:_MOST_TOLD])
        word: dict[str, Json] = {"changed": told, "count": len(changed), "message": message}
        self._tell(EventType.AGENT_CONFIG_RELOADED, word)
        _log.info("%s", message)

    def _reject(self, error: ConfigError) -> None:
        self.rejected = [str(problem) for problem in error.problems if problem.severity == "error"]
        self.problems, self.rejected_at = error.problems, self._agent.clock.monotonic()
        _log.error("the changed configuration is refused, the old one goes on:\n%s", error)
        problems: list[Json] = [str(problem) for problem in error.problems]
        word: dict[str, Json] = {
            "problems": problems[:_MOST_TOLD],
            "count": len(problems),
            "message": "a changed configuration was refused",
        }
        self._tell(EventType.AGENT_CONFIG_REJECTED, word)

    def _tell(self, kind: EventType, word: dict[str, Json]) -> None:
        pipeline = self._agent.pipeline
        pipeline.announce(pipeline.event(kind, word))

    async def _take_up(self, old: Configuration, new: Configuration) -> None:
        agent = self._agent
        await agent.store.sync_destinations({**old.outlets, **new.outlets})
        agent.outlets.address({**old.outlets, **new.outlets})
        try:
            await agent.pipeline.replace_engine(agent.engine(new))
        except StoreUnavailable:
            agent.outlets.address(old.outlets)
            raise
        # In force from here on: what follows may have to wait for the disk, but is not given up.
        agent.configuration = new
        agent.recorder.watch(new)
        agent.board.watch(new)
        agent.site.change()
        await agent.intakes.change(new.sources)
        pass_over_what_stays()
        await self._replace_destinations(new)

    async def _replace_destinations(self, new: Configuration) -> None:
        agent = self._agent
        while True:
            try:
                await agent.relays.change(new.inbound)
                agent.outlets.address(new.outlets)  # no relay takes anything for what is gone any more
                await agent.outlets.change(new.outlets)
                await agent.store.sync_destinations(new.outlets)
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)
            else:
                agent.sent.look()
                return


def pass_over_what_stays() -> None:
    """Keep the garbage collector from modules, tags and rules: looking at all of them takes 70 ms with 1,600 tags."""
    gc.unfreeze()  # what a reload has replaced is garbage by now
    gc.collect()
    gc.freeze()
