"""All relays at work: started, changed by a reload, stopped; each under a supervisor of its own.

Rules for whoever changes this: a relay that did not change keeps its session; what was stored of where it
stood (its cursor) outlives reloads and restarts, and is written with the messages that it stands behind.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent.clock import Clock
from agent.delivery.verifying import Tolerance
from agent.inbound import session
from agent.inbound.config import RelayConfig
from agent.incoming.message import Arrived
from agent.incoming.screening import Terms
from agent.metrics import RELAY_UP
from agent.model import SECOND, Json
from agent.receiving import Reception
from agent.signing.verifier import key_names, verifier
from agent.store.store import Store
from agent.supervise import Backoff, Supervisor

_log = logging.getLogger(__name__)

CURSOR: Final = "inbound/"
"""Under which the store keeps, by relay, where its session stands."""
_TOLD_EVERY: Final = 60 * SECOND
"""How often the log tells of messages that cannot be used: who sends them may send thousands a second."""
_PROVED: Final = 10 * SECOND
"""So long must a session have lasted that brought nothing: then the relay is up, and the next back-off the first."""
_REST_S: Final = 0.1
_LONGEST_REST_S: Final = 2.0
_PATIENT: Final = 50  # hand-overs, after each so many of which it waits longer
_BACKOFF: Final = Backoff(longest=10 * SECOND)
"""What waits at a relay grows older, and what moves something is refused after a minute."""
_ANY_AGE: Final = Tolerance(past=None, future=None)
"""How old a message may be, its route says (`agent.incoming.screening`)."""


def terms(name: str, config: RelayConfig) -> Terms:
    """What a section says, with its keys decoded once."""
    routes = tuple(section.route(name, route) for route, section in config.routes.items())
    if config.verify == "none":
        return Terms(name, routes)
    return Terms(name, routes, verifier(config.verify, _ANY_AGE), key_names(config.verify))


class RelayAtWork:
    """One relay; `run` until cancelled.

    Attributes:
        config: its section.
        up: it has answered, and no session failed since.
        since: since when it is up or down, monotonic nanoseconds.
        taken: messages that it handed over since it began.
        unusable: how many of them were none that can be used.
    """

    def __init__(
        self,
        name: str,
        config: RelayConfig,
        reception: Reception,
        clock: Clock,
        dice: Callable[[], float],
        cursor: bytes | None,
    ) -> None:
        self.config = config
        self.terms = terms(name, config)
        self.up = False
        self.since = clock.monotonic()
        self.taken = self.unusable = 0
        self._unusable = ""
        self._lost = ""
        self._told_at: int | None = None
        self._in_vain = 0
        self._began = 0
        self._name = name
        self._session = session(config)
        self._reception = reception
        self._clock = clock
        self._cursor = cursor
        self._up = RELAY_UP.labels(name)
        self._up.set(0)
        self.on_up: Callable[[], None] = lambda: None
        self._supervisor = Supervisor(
            f"relay {name}",
            self._one_session,
            on_down=self._down,
            clock=clock,
            random=dice,
            backoff=_BACKOFF,
        )

    async def run(self) -> None:
        """Keep it connected until cancelled."""
        await self._supervisor.run()

    async def _one_session(self) -> None:
        self._began = self._clock.monotonic()
        await self._session(self._name, self._accept, self._clock, self._cursor)

    async def _accept(self, messages: Sequence[Arrived], cursor: bytes | None = None) -> None:
        """See `agent.inbound.base.Accept`."""
        self._answers()
        if messages or cursor not in (None, self._cursor):
            states = {} if cursor is None else {CURSOR + self._name: cursor}
            taken = await self._reception.accept(self.terms, messages, states)
            self._cursor = self._cursor if cursor is None else cursor
            self.taken += len(messages)
            if taken:
                self._supervisor.alive()
            self._tell_unusable([each for each in messages if each.unusable])
            await self._rest(in_vain=bool(messages) and not taken)

    async def _rest(self, *, in_vain: bool) -> None:
        """Let a relay wait that brings nothing but what is refused or known, for ever: each time costs a commit.

        It may be a backlog that has become too old, so that the first of many hand-overs wait little.
        """
        self._in_vain = self._in_vain + 1 if in_vain else 0
        if in_vain:
            await asyncio.sleep(min(_REST_S * (1 + self._in_vain // _PATIENT), _LONGEST_REST_S))

    def _tell_unusable(self, messages: Sequence[Arrived]) -> None:
        """What is lost is told whenever the relay says so; of the rest the latest, now and then."""
        if not messages:
            return
        self.unusable += len(messages)
        self._unusable = messages[-1].unusable
        lost = [each.unusable for each in messages if each.lost]
        self._lost = lost[-1] if lost else self._lost
        now = self._clock.monotonic()
        if lost:
            _log.warning("relay %s: %s", self._name, self._lost)
        elif self._told_at is None or now - self._told_at >= _TOLD_EVERY:
            self._told_at = now
            _log.warning(
                "relay %s: %s; it is left out (%d so far)",
                self._name,
                self._unusable,
                self.unusable,
            )

    def _said(self) -> str:
        """What people are to know while it is up."""
        return self._lost or (
            f"{self.unusable} of its messages cannot be used, the last: {self._unusable}"
            if self.unusable
            else ""
        )

    def _answers(self) -> None:
        if not self.up:
            self.up, self.since = True, self._clock.monotonic()
            self._up.set(1)
            if not self._supervisor.reason:  # else it is told that it is up again, once it has proved that
                _log.info("relay %s answers", self._name)
            self.on_up()
        # One that answers and is lost at once, again and again, is neither to be asked each second for
        # days nor to be told so often.
        if self._clock.monotonic() - self._began >= _PROVED:
            self._supervisor.alive()

    async def _down(self, _: str) -> None:
        if self.up:
            self.up, self.since = False, self._clock.monotonic()
        self._up.set(0)

    @property
    def state(self) -> tuple[str, str]:
        """In one word, and why; while it is up, what people are to know all the same."""
        if not self.up:
            return "down", self._supervisor.reason or "not connected yet"
        held = self._reception.held.get(self._name, "")
        return ("held", held) if held else ("up", self._said())

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        state, reason = self.state
        return {
            "type": self.config.type,
            "state": state,
            "for_s": (self._clock.monotonic() - self.since) // SECOND,
            "reason": reason,
            "taken": self.taken,
            "unusable": self.unusable,
        }


class Relays:
    """All of them; `run` first, then `change`.

    Attributes:
        at_work: by name.
        on_up: told when a relay answers again: the way to the outside is there.
    """

    def __init__(self, reception: Reception, store: Store, clock: Clock, dice: Callable[[], float]) -> None:
        self.at_work: dict[str, RelayAtWork] = {}
        self.on_up: Callable[[], None] = lambda: None
        self._reception = reception
        self._store = store
        self._clock = clock
        self._dice = dice
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._changing = asyncio.Lock()
        self._stopped = False

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.Event().wait()

    async def change(self, configs: Mapping[str, RelayConfig]) -> None:
        """Start what is new, stop what is gone, and replace what changed; the others are not touched."""
        if self._tasks is None:
            raise RuntimeError("`run` comes first")
        async with self._changing:
            await self._end(
                [name for name, relay in self.at_work.items() if configs.get(name) != relay.config]
            )
            kept = await self._store.states()
            for name, config in configs.items():
                if name not in self.at_work and not self._stopped:
                    parts = (self._reception, self._clock, self._dice)
                    relay = RelayAtWork(name, config, *parts, kept.get(CURSOR + name))
                    relay.on_up = self.on_up
                    self.at_work[name] = relay
                    self._running[name] = self._tasks.create_task(relay.run(), name=f"relay {name}")

    async def stop(self) -> None:
        """Take nothing more, whatever a reload is about to begin."""
        self._stopped = True
        async with self._changing:
            await self._end(list(self.at_work))

    async def _end(self, names: Sequence[str]) -> None:
        tasks = [self._running.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for name in names:
            del self.at_work[name]
            RELAY_UP.remove(name)  # what is gone must not look to monitoring as if it were down

    def status(self) -> dict[str, Json]:
        """What people are told, by name."""
        return {name: relay.status() for name, relay in self.at_work.items()}

    def problems(self, grace: int) -> list[str]:
        """Why messages do not come, a sentence each; nothing of what is down for less than `grace` nanoseconds."""
        now = self._clock.monotonic()
        found = []
        for name, relay in self.at_work.items():
            status = relay.status()
            if status["state"] == "held" or (status["state"] == "down" and now - relay.since > grace):
                found.append(f"relay {name} is {status['state']}: {status['reason']}")
        return found
