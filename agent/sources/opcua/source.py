"""One session with one OPC UA server: connect, subscribe (or read on a timer), hand over what arrives.

Rules for whoever changes this file: one task alone emits, so that the order of a tag's values holds;
whatever proves the connection (a value, a keep-alive) is told as `Alive`, for a constant value stays
fresh by it; the session ends with a `SourceError` and never mends itself, for two owners of
reconnecting made 6,410 sessions in two minutes (telegraf#18787).
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.client.ua_session import UaSession
from asyncua.observer import Observer

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.metrics import ITEMS_ALIVE, ITEMS_WANTED, POLL_LATENESS, POLLS, POLLS_SKIPPED
from agent.model import SECOND, Alive, Link, Reading, Seen
from agent.sources.base import Emit, until_one_fails
from agent.sources.opcua.calls import Calls
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.connection import connected, keep_channel
from agent.sources.opcua.inbox import Inbox
from agent.sources.opcua.items import Items
from agent.sources.opcua.subscription import subscribe
from agent.sources.opcua.values import status_reason
from agent.sources.writing import Door

_ALIVE_EVERY: Final = SECOND
_SILENT_KEEP_ALIVES: Final = 3
_LOOK_EVERY: Final = SECOND


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a session waits, nanoseconds.

    Attributes:
        keep_alive: the longest silence asked of a server that has nothing to tell.
        silence: without a word for so long, the server is lost (or three keep-alives, if it insists
            on rarer ones).
        retry: between attempts at the items that the server refused.
        first_value: how long the server may take for the first value of an item that it accepted.
        offer_again: after the store could not take what was emitted.
    """

    keep_alive: int = 5 * SECOND
    silence: int = 15 * SECOND
    retry: int = 60 * SECOND
    first_value: int = 15 * SECOND
    offer_again: int = SECOND


USUAL: Final = Timing()


async def run(
    name: str,
    config: OpcUaSource,
    emit: Emit,
    clock: Clock,
    door: Door | None = None,
    *,
    timing: Timing = USUAL,
) -> None:
    """Run one session, until it is lost or cancelled.

    Raises:
        SourceError: the connection could not be made, or was lost.
    """
    ITEMS_WANTED.labels(name).set(len(config.tags))
    try:
        async with connected(name, config, clock) as client:
            await _Session(name, config, emit, clock, timing).serve(client, door)
    finally:
        ITEMS_ALIVE.labels(name).set(0)


class _LossWatch(Observer):
    """Tells the inbox when the socket is gone; asyncua calls it synchronously."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def observe_request(self, request: object) -> AbstractContextManager[None]:  # noqa: ARG002 - asyncua's
        """Measure nothing."""
        return nullcontext()

    def on_state_change(self, state: UaClientState) -> None:
        """Note the loss."""
        if state is UaClientState.DISCONNECTED:
            self._inbox.fail(
                "the server closed the connection, or the network broke: see whether it restarted"
            )


class _Session:
    def __init__(self, name: str, config: OpcUaSource, emit: Emit, clock: Clock, timing: Timing) -> None:
        self._name = name
        self._config = config
        self._emit = emit
        self._clock = clock
        self._timing = timing
        self._inbox = Inbox(len(config.tags), clock)
        self._told_alive = clock.monotonic()

    async def serve(self, client: Client, door: Door | None) -> None:
        """Subscribe, then hand over what arrives until there is no more; meanwhile, lend what writes."""
        client.uaclient.observer = _LossWatch(self._inbox)
        session = client.uaclient.session
        calls = await Calls.of(session)
        subscription = None
        if self._config.read == "subscribe":
            keep_alive, put = self._timing.keep_alive, self._inbox.put
            subscription = await subscribe(session, self._name, self._config, keep_alive, put)
        silence = None
        if subscription is not None:
            silence = max(self._timing.silence, _SILENT_KEEP_ALIVES * subscription.keep_alive) / SECOND
        items = Items(self._name, self._config, calls, subscription, self._clock)
        refused = await items.begin()
        await self._offer([Link(self._name, up=True, at=self._clock.monotonic()), *refused], items)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._deliver(items, silence), name=f"{self._name}: deliver")
                tasks.create_task(self._poll(items), name=f"{self._name}: read on a timer")
                tasks.create_task(self._look_after(items), name=f"{self._name}: look after missing tags")
                tasks.create_task(keep_channel(client), name=f"{self._name}: renew keys")
                if subscription is None or subscription.keep_alive > self._timing.silence:
                    tasks.create_task(self._knock(calls), name=f"{self._name}: keep the session")
                with self._lend(door, session, calls):
                    await until_one_fails()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None  # the others are its echoes

    def _lend(self, door: Door | None, session: UaSession, calls: Calls) -> AbstractContextManager[None]:
        """Lend what writes, if a tag may be written; else nothing is lent, and what could write is not even imported."""
        if door is None or not self._config.writes():
            return nullcontext()
        from agent.sources.opcua.writing import OpcUaWriter  # noqa: PLC0415 - see above

        return door.open(OpcUaWriter(self._config, session, calls, self._clock))

    async def _knock(self, calls: Calls) -> None:
        """Ask for something where no Publish does, or too rarely: a session that is silent for its timeout is dropped.

        It also notices a line that is dead, however rarely the tags are read.
        """
        while True:
            await asyncio.sleep(self._timing.keep_alive / SECOND)
            await calls.refresh()

    async def _look_after(self, items: Items) -> None:
        """Ask anew for what never came, and again for what was refused."""
        due = self._clock.monotonic() + self._timing.retry
        made_up = 0
        while True:
            await asyncio.sleep(min(_LOOK_EVERY, self._timing.retry, self._timing.first_value) / SECOND)
            if items.broken and self._clock.monotonic() >= made_up:
                if spoilt := await items.make_up():
                    self._inbox.tell(spoilt)
                else:  # it may be the numbers that are wrong: not all the time then
                    made_up = self._clock.monotonic() + self._timing.retry
            # What waits for the store may be the very value that seems to be missing.
            late = [] if self._inbox.waits else items.late(self._timing.first_value)
            if late or self._clock.monotonic() >= due:
                if news := [*late, *await items.retry()]:
                    self._inbox.tell(news)  # once the server has answered: what is told is a sign of its life
                due = self._clock.monotonic() + self._timing.retry

    async def _poll(self, items: Items) -> None:
        """Read on a timer what the server will not watch; a time that is missed is skipped, and counted."""
        polls, skipped = POLLS.labels(self._name), POLLS_SKIPPED.labels(self._name)
        lateness = POLL_LATENESS.labels(self._name)
        period, due = self._config.sample_every, self._clock.monotonic()
        while True:
            if items.cyclic and self._inbox.holds_readings:  # the store is slower: newer ones will do
                skipped.inc()
            elif items.cyclic:
                polls.inc()
                lateness.observe(max(self._clock.monotonic() - due, 0) / SECOND)
                self._inbox.tell(await items.poll())
            now = max(self._clock.monotonic(), due)
            missed = (now - due) // period
            if items.cyclic:
                skipped.inc(missed)
            due += (missed + 1) * period
            await asyncio.sleep((due - now) / SECOND)

    async def _deliver(self, items: Items, silence: float | None) -> None:
        while True:
            await self._inbox.wait(silence)
            if seen := self._take(items):
                await self._offer(seen, items)

    def _take(self, items: Items) -> list[Seen]:
        """Turn all that has arrived into what is emitted.

        Raises:
            SourceError: the connection is lost, or the server ended the subscription.
        """
        seen: list[Seen] = []
        for received, arrival in self._inbox.take():
            if isinstance(arrival, ua.PublishResult):
                for part in arrival.NotificationMessage.NotificationData or ():
                    if isinstance(part, ua.DataChangeNotification):
                        seen += items.read(part, received)
                    elif isinstance(part, ua.StatusChangeNotification):
                        reason = status_reason(part.Status.value)
                        self._inbox.fail(f"the server ended the subscription: {reason}")
            else:
                seen += arrival
            if received - self._told_alive >= _ALIVE_EVERY:
                self._told_alive = received
                seen.append(Alive(self._name, received))
        return seen

    async def _offer(self, seen: Sequence[Seen], items: Items) -> None:
        """Emit; while the store cannot take it, keep the newest of each tag and offer that again."""
        while True:
            try:
                await self._emit(seen)
            except StoreUnavailable:
                seen = newest(seen)
                await asyncio.sleep(self._timing.offer_again / SECOND)
                seen = newest([*seen, *self._take(items)])
            else:
                return


def newest(seen: Sequence[Seen]) -> list[Seen]:
    """Keep the last reading of each tag, the link, and the last proof of life.

    What replaces a baseline that nobody took is one: it is the first value that anyone sees.
    """
    kept: dict[tuple[type, str], Seen] = {}
    for one in seen:
        key = (type(one), one.tag if isinstance(one, Reading) else "")
        before = kept.get(key)
        unseen_baseline = isinstance(before, Reading) and before.baseline
        kept[key] = one._replace(baseline=True) if unseen_baseline and isinstance(one, Reading) else one
    return list(kept.values())
