"""The agent: everything wired together, from configuration to tasks in one TaskGroup. Reads top to bottom.

    sources -> intake -> pipeline (rules, store) -> destinations
                             ^ ticks, checkpoints      ^ outcomes back to the store

Rules for whoever changes this: only wiring here; what decides something is a part with a test of its
own. Every task is named and ends with the group; what must last is in the store before it counts.
"""

import asyncio
import gc
import logging
import os
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.config.load import load
from agent.config.model import Configuration
from agent.delivery.body import Identity
from agent.delivery.identity import RANDOM_BYTES, mint
from agent.desk import Desk
from agent.errors import ConfigError, Problem, StoreUnavailable
from agent.intake import Intake
from agent.metrics import LOOP_LAG
from agent.model import SECOND, EventType, Json, Link
from agent.notify import Systemd, feed_watchdog, stuck
from agent.operate import Hand
from agent.outlets import Outlets
from agent.paths import ALIVE, CONTROL_SOCKET, SAMPLES
from agent.pipeline import Pipeline
from agent.recorder import Recorder
from agent.reload import changes, needs_restart
from agent.restore import Away, restored
from agent.rules.engine import Engine
from agent.status import health, measure, status
from agent.store.alive import stay_alive
from agent.store.store import Store
from agent.web.control import control_app
from agent.web.monitor import monitor_app
from agent.web.serve import serve_port, serve_socket

_log = logging.getLogger(__name__)

_PRUNE_EVERY_S: Final = 60.0
_LAG_EVERY_S: Final = 1.0
_LAST_WORD_S: Final = 1.0
_RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What the process is told from outside: to go down (SIGTERM), to load its files anew (SIGHUP)."""

    stop: asyncio.Event
    reload: asyncio.Event


class Agent:
    """One agent, from open store to orderly stop.

    Attributes:
        configuration: what is in force.
        started: monotonic nanoseconds.
        intakes: the sources at work, by name.
    """

    def __init__(self, path: Path, configuration: Configuration, store: Store, clock: Clock) -> None:
        self.configuration = configuration
        self.store = store
        self.clock = clock
        self.started = clock.monotonic()
        self.identity = Identity(configuration.agent.site, configuration.agent.name, store.epoch)
        self.desk = Desk(store, self.identity)
        self.systemd = Systemd.from_environment(os.environ, os.getpid())
        self.outlets = Outlets(store, self.identity, clock, random.random, self.mint)
        self.pipeline = Pipeline(
            self._engine(configuration), store, self.outlets.subscribers, self.outlets.offer, clock, self.mint
        )
        self.recorder = Recorder(configuration.agent.data_dir / SAMPLES, clock)
        self.recorder.watch(configuration)
        self.pipeline.note, self.flush_samples = self.recorder.note, self.recorder.flush
        self.hand = Hand(self.pipeline, clock)
        self.outlets.announce = self.pipeline.announce
        store.on_damaged = self.outlets.damaged
        self.intakes: dict[str, Intake] = {}
        self._path = path
        self._sources: dict[str, asyncio.Task[None]] = {}
        self._reloading = asyncio.Lock()
        self._stopping = False

    def mint(self, at: int) -> str:
        """A new event id for an instant on the monotonic clock."""
        return mint(at - self.clock.monotonic() + self.clock.wall(), os.urandom(RANDOM_BYTES))

    def _engine(self, configuration: Configuration) -> Engine:
        return Engine(
            configuration.rules,
            configuration.tags.values(),
            configuration.sources,
            mint=self.mint,
            started=self.clock.monotonic(),
            flood=configuration.flood,
        )

    # --- life ----------------------------------------------------------------------------------------

    async def run(self, signals: Signals, away: Away | None, boot: str) -> None:
        """Take up where the last run ended, work until told to stop, and go down in good order."""
        data_dir = self.configuration.agent.data_dir
        await self.store.sync_destinations(self.configuration.destinations)
        self.outlets.address(self.configuration.destinations)
        await restored(self.pipeline, self.store, away)
        async with asyncio.TaskGroup() as tasks:
            keepers = {
                "store": self.store.watch(),
                "ticks": self.pipeline.tick_forever(),
                "checkpoints": self.pipeline.checkpoint_forever(),
                "announcements": self.pipeline.announce_forever(),
                "recovery": self.pipeline.recover_forever(),
                "retention": self._prune_forever(),
                "samples": self.recorder.run(boot, None if away is None else away.since),
                "alive": stay_alive(data_dir / ALIVE, self.clock, boot),
                "loop lag": self._measure_lag(),
                "hang-ups": self._reload_forever(signals.reload),
                "watchdog": feed_watchdog(self.systemd, self.stuck),
                "destinations": self.outlets.run(),
                "monitor": serve_port(monitor_app(self), self.configuration.http.listen),
                "control": serve_socket(control_app(self), data_dir / CONTROL_SOCKET),
            }
            running = [tasks.create_task(work, name=name) for name, work in keepers.items()]
            self._tasks = tasks
            await asyncio.sleep(0)  # each has begun
            await self.outlets.change(self.configuration.destinations)
            self._start_sources(self.configuration)
            _pass_over_what_stays()
            self.systemd.ready()
            _log.info("ready: %s", self.configuration.summary())
            await signals.stop.wait()
            await self._stop(running)

    async def _stop(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Stop reading, commit, let what is in flight finish for a moment; the rest stays pending."""
        _log.info("stopping")
        self.systemd.stopping()
        self._stopping = True
        await self._stop_sources(list(self._sources))
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                word: dict[str, Json] = {"message": "the agent is stopping"}
                await self.pipeline.tell(self.pipeline.event(EventType.AGENT_STOPPING, word))
        except TimeoutError:
            _log.warning("the store does not answer: it is stopped without a last word")
        await self.outlets.stop()
        await self.recorder.stop()
        self.pipeline.checkpoint()
        for task in keepers:
            task.cancel()

    def _start_sources(self, configuration: Configuration) -> None:
        for name, config in configuration.sources.items():
            if name not in self._sources and not self._stopping:  # a reload may still be under way
                self.intakes[name] = Intake(name, config, self.pipeline, self.clock, random.random)
                self._sources[name] = self._tasks.create_task(self.intakes[name].run(), name=f"source {name}")

    async def _stop_sources(self, names: Sequence[str]) -> None:
        stopped = [self._sources.pop(name) for name in names]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        for name in names:
            del self.intakes[name]

    async def _reload_forever(self, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            with suppress(ConfigError, StoreUnavailable):  # each has been told where it arose
                await self.reload()

    async def _prune_forever(self) -> None:
        """Let go of what was delivered long ago."""
        while True:
            await asyncio.sleep(_PRUNE_EVERY_S)
            try:
                await self.store.prune(self.configuration.store.keep_delivered)
            except StoreUnavailable:
                continue  # the store has said so; what is old can wait

    async def _measure_lag(self) -> None:
        while True:
            asleep = self.clock.monotonic()
            await asyncio.sleep(_LAG_EVERY_S)
            LOOP_LAG.set(max(0.0, (self.clock.monotonic() - asleep) / SECOND - _LAG_EVERY_S))

    # --- what it can be asked ---------------------------------------------------------------------------

    def stuck(self) -> str:
        """Why it is not alive; empty while it is."""
        return stuck(self.store.writing_since, self.clock.monotonic())

    def problems(self) -> Sequence[str]:
        """Why it does not do its work, a sentence each."""
        return health(self)

    def measure(self) -> None:
        """Bring the gauges up to date that nobody sets by itself."""
        measure(self)

    def status(self) -> dict[str, Json]:
        """What is going on."""
        return status(self)

    async def enable(self, destination: str) -> None:
        """Take up a disabled destination again."""
        await self.outlets.enable(destination)

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew: all of it or none of it; what changed.

        Raises:
            ConfigError: it has errors, the old one goes on.
            StoreUnavailable: it cannot be taken up now, the old one goes on.
        """
        async with self._reloading:
            self.systemd.reloading(self.clock.monotonic())
            try:
                return await self._reload()
            except ConfigError as error:
                _log.error("the changed configuration is refused, the old one goes on:\n%s", error)
                problems: list[Json] = [str(problem) for problem in error.problems]
                word: dict[str, Json] = {
                    "problems": problems,
                    "message": "a changed configuration was refused",
                }
                self.pipeline.announce(self.pipeline.event(EventType.AGENT_CONFIG_REJECTED, word))
                raise
            finally:
                self.systemd.ready()

    async def _load(self) -> Configuration:
        thread = ThreadPoolExecutor(1, "configuration")
        try:
            new = await asyncio.get_running_loop().run_in_executor(thread, load, self._path)
        finally:
            thread.shutdown(wait=False)
        if fixed := needs_restart(self.configuration, new):
            raise ConfigError([Problem(str(self._path), 0, 0, text) for text in fixed])
        return new

    async def _replace_sources(self, new: Configuration) -> None:
        changed = [name for name, intake in self.intakes.items() if new.sources.get(name) != intake.config]
        await self._stop_sources(changed)
        now, reason = self.clock.monotonic(), "its configuration was changed, it is connected anew"
        down = [Link(name, up=False, at=now, reason=reason) for name in changed if name in new.sources]
        with suppress(StoreUnavailable):  # told again when the connection fails
            await self.pipeline.emit(down)
        self._start_sources(new)

    async def _replace_destinations(self, new: Configuration) -> None:
        while True:
            try:
                await self.outlets.change(new.destinations)
                await self.store.sync_destinations(new.destinations)
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _reload(self) -> Sequence[Json]:
        new, old = await self._load(), self.configuration
        changed = changes(old, new)
        if not changed:
            return []
        await self.store.sync_destinations({**old.destinations, **new.destinations})
        self.outlets.address({**old.destinations, **new.destinations})
        try:
            await self.pipeline.replace_engine(self._engine(new))
        except StoreUnavailable:
            self.outlets.address(old.destinations)
            raise
        # In force from here on: what follows may have to wait for the disk, but is not given up.
        self.configuration = new
        self.recorder.watch(new)
        self.outlets.address(new.destinations)
        await self._replace_sources(new)
        _pass_over_what_stays()
        await self._replace_destinations(new)
        message = f"the configuration was loaded anew: {len(changed)} change{'s' if len(changed) > 1 else ''}"
        word: dict[str, Json] = {"changed": list(changed), "message": message}
        self.pipeline.announce(self.pipeline.event(EventType.AGENT_CONFIG_RELOADED, word))
        _log.info("%s", message)
        return changed


def _pass_over_what_stays() -> None:
    """Keep the garbage collector from modules, tags and rules: looking at all of them takes 70 ms with 1,600 tags."""
    gc.unfreeze()  # what a reload has replaced is garbage by now
    gc.collect()
    gc.freeze()
