"""Who acts on messages: in the order in which they came over all relays, each kind of deed in a lane of its own.

A machine that is slow to answer holds up what is written, and a long replay what is replayed; an operator's
hand on an alarm waits for neither, or it would be too old by then.

What a message asks for is read from the disk at the moment in which it is done, and judged by the
configuration and the clock of that moment, however long it has waited.

Rules for whoever changes this: what was begun when the agent was killed is never begun again, it is
reported as unknown; every step ends in time; all writes stand in one lane, for each is judged by what the
one before it has left.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from agent.acting.handling import Handling
from agent.acting.journal import AGAIN_S, Declined, Journal
from agent.acting.lane import Lane
from agent.acting.machines import Machines
from agent.acting.replaying import Replaying
from agent.acting.task import Task
from agent.acting.writing import Writing
from agent.clock import Clock
from agent.config.model import Configuration
from agent.errors import StoreUnavailable
from agent.inbound.config import RelayConfig
from agent.incoming.message import Handle, Replay, Send, Write
from agent.incoming.screening import Code, Now, document_of, fits
from agent.intakes import Intakes
from agent.pipeline import Pipeline
from agent.refusals import Refusals
from agent.signing.verifier import key_names
from agent.sources.base import until_one_fails
from agent.store.messages import Message, MessageState, Received
from agent.store.store import Store

_LAST_S: Final = 3.0
_DAMAGED: Final = "damaged"


class Actor:
    """Acts on messages."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        intakes: Intakes,
        refusals: Refusals,
        *,
        mint: Callable[[int], str],
        now: Callable[[], Now],
        configuration: Callable[[], Configuration],
    ) -> None:
        """`now` is what is known of the time, `configuration` the one in force."""
        self._store = store
        self._now = now
        self._configuration = configuration
        self._journal = Journal(pipeline, clock, refusals, mint)
        machines = Machines(intakes, clock)
        self._writing = Writing(pipeline, store, clock, machines, self._journal, now)
        self._handling = Handling(pipeline, clock, self._journal)
        self._replaying = Replaying(store, self._journal, lambda: configuration().destinations)
        self._lanes = {name: Lane() for name in ("writes", "replays", "alarms")}
        self._ending = False

    @property
    def idle(self) -> bool:
        """Nothing waits, and nothing is under way."""
        return all(lane.idle for lane in self._lanes.values())

    def take(self, messages: Sequence[Received]) -> None:
        """These are on disk, and wait to be acted on."""
        for name, lane in self._lanes.items():
            lane.take([received.key for received in messages if self._lane(received) == name])

    def _lane(self, received: Received) -> str:
        relay = self._configuration().inbound.get(received.relay)
        section = None if relay is None else relay.routes.get(received.route)
        if section is not None:
            match section.route(received.relay, received.route).deed:
                case Write():
                    return "writes"
                case Replay():
                    return "replays"
        return "alarms"  # or nothing that could be done

    async def run(self) -> None:
        """Act until cancelled; first on what the last run has left."""
        left = await self._left_over()
        came = {key for lane in self._lanes.values() for key in lane.waiting}  # never in two lanes
        left = [received for received in left if received.key not in came]
        for name, lane in self._lanes.items():
            lane.begin([received.key for received in left if self._lane(received) == name])
        async with asyncio.TaskGroup() as tasks:
            for name, lane in self._lanes.items():
                tasks.create_task(lane.follow(self._act), name=f"messages: {name}")
            await until_one_fails()

    async def stop(self) -> None:
        """Begin nothing more, and give what is under way a moment."""
        self._ending = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                for lane in self._lanes.values():
                    await lane.pause()

    async def _left_over(self) -> list[Received]:
        while True:
            try:
                await self._writing.begin()
                return [message.received for message in await self._store.inbox.unsettled()]
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)

    async def _act(self, key: bytes) -> None:
        """Act on one message; while the disk takes nothing it waits, and grows older."""
        while not self._ending:
            try:
                await self._once(key)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _once(self, key: bytes) -> None:
        """What is on disk says what is left to be done.

        Raises:
            StoreUnavailable: nothing was done.
        """
        message = (await self._store.inbox.known([key])).get(key)
        if message is None or message.received.state in (MessageState.SENT, MessageState.SETTLED):
            return
        if message.received.state is MessageState.ACTING:
            line = await self._store.audit.one(key)
            if line is None or line.action == "write":
                await self._writing.interrupted(message.received, line)
                return
        try:
            await self._do(self._task(message))
        except Declined as declined:
            await self._journal.refuse(message.received, declined)

    async def _do(self, task: Task) -> None:
        now = self._now()
        late = task.too_far(now)
        if (
            late is not None and task.received.state is MessageState.WAITING
        ):  # what is begun is brought to its end
            raise Declined(late.code, late.why, task.what)
        match task.route.deed:
            case Write() as deed:
                await self._writing.do(task, deed)
            case Handle() as deed:
                await self._handling.do(task, deed, now)
            case Replay() as deed:
                await self._replaying.do(task, deed, now)
            case Send() as deed:
                why = f"its route is to {deed.word} messages since a reload, and it came before: send it anew"
                raise Declined(Code.NO_ROUTE, why, task.what)

    def _task(self, message: Message) -> Task:
        """What the configuration in force makes of a message.

        Raises:
            Declined: nothing any more.
        """
        received = message.received
        if not message.sound or received.body is None:
            raise Declined(_DAMAGED, "it is damaged on disk: send it anew")
        relay = self._configuration().inbound.get(received.relay)
        if relay is None or received.route not in relay.routes:
            why = f"there is no route {received.route} of {received.relay} any more"
            raise Declined(Code.NO_ROUTE, why)
        route = relay.routes[received.route].route(received.relay, received.route)
        task = Task(received, route, document_of(received.body))
        if received.sender not in _senders(relay):
            why = f"its key {received.sender} is not in the configuration any more"
            raise Declined(Code.SIGNATURE, why, task.what)
        if not fits(route, received.type, task.document):
            why = f"route {route.name} of {received.relay} takes no such messages any more"
            raise Declined(Code.NO_ROUTE, why, task.what)
        return task


def _senders(relay: RelayConfig) -> tuple[str, ...]:
    """Whose messages may move something now."""
    return () if relay.verify == "none" else key_names(relay.verify)
