"""The agent: everything wired together, from configuration to tasks in one TaskGroup. Reads top to bottom.

    sources -> intake -> pipeline (rules, store) -> destinations
                             ^ ticks, checkpoints      ^ outcomes back to the store

Rules for whoever changes this: only wiring here; what decides something is a part with a test of its
own. Every task is named and ends with the group; what must last is in the store before it counts.
"""

import asyncio
import logging
import os
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.acting.actor import Actor
from agent.acting.writing import watched
from agent.attention import warnings
from agent.board import Board
from agent.clock import Clock
from agent.config.model import Configuration
from agent.default_route import watch_default_route
from agent.delivery.body import Identity
from agent.delivery.identity import RANDOM_BYTES, mint
from agent.desk import Desk, Terms
from agent.errors import StoreUnavailable
from agent.heartbeat import Heartbeats, Lapses, lasting
from agent.holding import Holding
from agent.intakes import Intakes
from agent.measuring import measure
from agent.model import MILLISECOND, EventType, Json
from agent.notify import Systemd, feed_watchdog, stuck
from agent.operate import Hand
from agent.outlets import Outlets
from agent.paths import ALIVE, CONTROL_SOCKET, SAMPLES
from agent.pipeline import Pipeline
from agent.receiving import Reception
from agent.recorder import Recorder
from agent.relays import Relays
from agent.reload import Reloader, pass_over_what_stays
from agent.restore import Away, restored
from agent.rulebook import rule_rows
from agent.rules.engine import Engine
from agent.sent import Sent
from agent.shown import Shown
from agent.stacks import watch_loop
from agent.status import health, status
from agent.store.alive import stay_alive
from agent.store.records import Addressed
from agent.store.store import Store
from agent.timekeeping import Timekeeper
from agent.web.control import control_app
from agent.web.live import Live
from agent.web.serve import serve_socket
from agent.web.site import Site

_log = logging.getLogger(__name__)

_PRUNE_EVERY_S: Final = 60.0
_LAST_WORD_S: Final = 1.0


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
    """

    def __init__(self, path: Path, configuration: Configuration, store: Store, clock: Clock) -> None:
        self.configuration = configuration
        self.store = store
        self.clock = clock
        self.started = clock.monotonic()
        self.identity = Identity(configuration.agent.site, configuration.agent.name, store.epoch)
        self.desk = Desk(store, self.identity, self.terms)
        self.systemd = Systemd.from_environment(os.environ, os.getpid())
        self.outlets = Outlets(store, self.identity, clock, random.random, self.mint)
        self.pipeline = Pipeline(
            self.engine(configuration), store, self.outlets.subscribers, self.outlets.offer, clock, self.mint
        )
        self.recorder = Recorder(configuration.agent.data_dir / SAMPLES, clock)
        self.recorder.watch(configuration)
        self.pipeline.note, self.flush_samples = self.recorder.note, self.recorder.flush
        self.hand = Hand(self.pipeline, clock)
        self.outlets.announce = self.pipeline.announce
        self.timekeeper = Timekeeper(
            clock,
            self.pipeline.emit,
            store.correct,
            self.outlets.receiver_clocks,
            written=configuration.agent.clock == "trusted",
        )
        self.board = Board(configuration, clock, lambda: self.timekeeper.reckoning)
        self.pipeline.see = self.board.note
        self._serve_store(store)
        self.intakes = Intakes(self.pipeline, clock, random.random, lambda: self.timekeeper.reckoning)
        self.reception = Reception(self.pipeline, store, clock, lambda: self.timekeeper.reckoning, self.mint)
        self.relays = Relays(self.reception, store, clock, random.random)
        self.relays.on_up = self.outlets.way_is_back
        self.actor = self._actor()
        self.sent = Sent(self.pipeline, store, clock, self.mint, lambda: self.configuration.inbound)
        self.heartbeats = self._heartbeats()
        self.reloader = Reloader(self, path)
        self.shown = Shown(self)
        self.live = Live(self.shown, self.board, self._now_ms)
        self.site = Site(self)

    def mint(self, at: int) -> str:
        """A new event id for an instant on the monotonic clock; in their order also when the wall clock steps."""
        return mint(at + self.timekeeper.reckoning.offset, os.urandom(RANDOM_BYTES))

    def engine(self, configuration: Configuration) -> Engine:
        """The rules of a configuration, which have seen nothing yet."""
        return Engine(
            configuration.rules,
            configuration.tags.values(),
            configuration.sources,
            mint=self.mint,
            started=self.clock.monotonic(),
            flood=configuration.flood,
            watched=watched(configuration.sources.values()),
        )

    def _now_ms(self) -> int:
        return (self.clock.monotonic() + self.timekeeper.reckoning.offset) // MILLISECOND

    def _serve_store(self, store: Store) -> None:
        """Whom the store asks for the time, for room, and whom it tells."""
        store.reckon = lambda: self.timekeeper.reckoning
        store.on_damaged = self.outlets.damaged
        room = store.room
        room.limit, room.beside = lambda: self.configuration.store.max_size, self.recorder.files
        room.mint, room.tell, room.shrink = self.mint, self.pipeline.announce, self.recorder.shrink
        room.address = lambda event: Addressed(event, self.outlets.subscribers(event))

    def _actor(self) -> Actor:
        actor = Actor(
            *(self.pipeline, self.store, self.clock, self.intakes, self.reception.refusals),
            mint=self.mint,
            now=self.reception.now,
            configuration=lambda: self.configuration,
        )
        self.reception.act = actor.take
        return actor

    def _heartbeats(self) -> Heartbeats:
        lapses = Lapses(self.clock, lambda: lasting(self.pipeline, self.intakes))
        self.pipeline.on_blind = lapses.note
        return Heartbeats(
            *(self.outlets, self.store, self.clock, lapses),
            mint=self.mint,
            reckoning=lambda: self.timekeeper.reckoning,
            dice=random.random,
        )

    # --- life ----------------------------------------------------------------------------------------

    async def run(self, signals: Signals, away: Away | None, boot: str) -> None:
        """Take up where the last run ended, work until told to stop, and go down in good order."""
        await self.store.sync_destinations(self.configuration.outlets)
        self.outlets.address(self.configuration.outlets)
        await restored(self.pipeline, self.store, away)
        await self.timekeeper.tell()  # before the first reading: schedules are known from then on
        async with asyncio.TaskGroup() as tasks:
            keepers = self._keepers(signals, away, boot)
            running = [tasks.create_task(work, name=name) for name, work in keepers.items()]
            await asyncio.sleep(0)  # each has begun
            await self.outlets.change(self.configuration.outlets)
            self.intakes.begin(tasks, self.configuration.sources)
            await self.relays.change(self.configuration.inbound)
            pass_over_what_stays()
            self.systemd.ready()
            _log.info("ready: %s", self.configuration.summary())
            await signals.stop.wait()
            await self._stop(running)

    def _keepers(
        self, signals: Signals, away: Away | None, boot: str
    ) -> dict[str, Coroutine[object, object, None]]:
        """What runs for as long as the agent does, by the name of its task."""
        data_dir = self.configuration.agent.data_dir
        return {
            "store": self.store.watch(),
            "ticks": self.pipeline.tick_forever(),
            "checkpoints": self.pipeline.checkpoint_forever(),
            "announcements": self.pipeline.announce_forever(),
            "recovery": self.pipeline.recover_forever(),
            "retention": self._prune_forever(),
            "room": self.store.room.run(),
            "board": self.board.run(),
            "samples": self.recorder.run(boot, None if away is None else away.since),
            "alive": stay_alive(data_dir / ALIVE, self.clock, boot),
            "wall clock": self.timekeeper.run(),
            "sources": self.intakes.look_forever(),
            "certificates": self.intakes.watch_certificates(),
            "reloads": self.reloader.run(signals.reload),
            "files": self.reloader.watch(signals.reload),
            "watchdog": feed_watchdog(self.systemd, self.stuck),
            "loop": watch_loop(self.clock),
            "destinations": self.outlets.run(),
            "heartbeats": self.heartbeats.run(),
            "relays": self.relays.run(),
            "messages": self.actor.run(),
            "messages sent on": self.sent.run(),
            "what is shown": self.shown.run(),
            "default route": watch_default_route(lambda: self.outlets.lost, self.outlets.way_is_back),
            "page": self.site.run(),
            "open pages": self.live.run(self.clock),
            "control": serve_socket(control_app(self), data_dir / CONTROL_SOCKET),
        }

    async def _stop(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Stop reading, commit, let what is in flight finish for a moment; the rest stays pending."""
        _log.info("stopping")
        self.systemd.stopping()
        await self.relays.stop()
        await self.actor.stop()  # while what it writes to is still connected
        await self.intakes.stop()
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                word: dict[str, Json] = {"message": "the agent is stopping"}
                last = self.pipeline.event(EventType.AGENT_STOPPING, word)
                for event in (*self.intakes.last_words(), last):
                    await self.pipeline.tell(event)
        except TimeoutError:
            _log.warning(
                "the store does not answer: it is stopped without a last word; see to the disk (dmesg)"
            )
        await self.outlets.stop()
        await self.recorder.stop()
        self.pipeline.checkpoint()
        for task in keepers:
            task.cancel()

    async def _prune_forever(self) -> None:
        """Let go of what was delivered long ago."""
        while True:
            await asyncio.sleep(_PRUNE_EVERY_S)
            try:
                await self.store.prune(self.configuration.store.keep_delivered)
            except StoreUnavailable:
                continue  # the store has said so; what is old can wait
            self.sent.look()

    # --- what it can be asked ---------------------------------------------------------------------------

    def stuck(self) -> str:
        """Why it is not alive; empty while it is."""
        return stuck(self.store.writing_since, self.clock.monotonic())

    def problems(self) -> Sequence[str]:
        """Why it does not do its work, a sentence each."""
        return health(self)

    def warnings(self) -> Sequence[str]:
        """What somebody should see to although it does its work, a sentence each."""
        return warnings(self)

    def measure(self) -> None:
        """Bring the gauges up to date that nobody sets by itself."""
        measure(self)

    def status(self) -> dict[str, Json]:
        """What is going on."""
        return status(self)

    async def rules(self) -> list[Json]:
        """Each rule in words."""
        runs = self.pipeline.engine.runs
        return await rule_rows(
            self.configuration, lambda name: name in runs and runs[name].state.gate.enabled is not False
        )

    @property
    def holding(self) -> Holding:
        """The operator's hand on the destinations."""
        return self.outlets.holding

    def terms(self) -> Terms:
        """What deliveries by hand are subject to."""
        return Terms(self.configuration.outlets, self.configuration.store.keep_delivered)

    async def reload(self) -> Sequence[Json]:
        """Load the configuration anew: all of it or none of it; see `Reloader`."""
        return await self.reloader.reload()
