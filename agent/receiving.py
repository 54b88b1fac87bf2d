"""The road of a message that comes in: screened, known or new, stored; then its relay is told so.

    accept(messages)  ->  screen  ->  one commit (rows, events that carry messages, refusals)  ->  acted on

When `accept` returns, every message is on disk or refused for good (idea 2 of the design). What was seen
is known by what its sender has signed: in whatever order relays repeat it, it is taken once.

Rules for whoever changes this: one batch at a time, over all relays, so that nothing is taken twice
between the question and the commit; nothing is acted on before the commit.
"""

import asyncio
import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from agent.clock import Clock
from agent.errors import StoreUnavailable
from agent.incoming.message import Arrived, Part, Send
from agent.incoming.screening import FUTURE_S, Code, Now, Origin, Rejected, Taken, Terms, screen
from agent.metrics import INBOUND_MESSAGES
from agent.model import SECOND, Event, EventType, Json, Priority
from agent.pipeline import Beside, Pipeline
from agent.refusals import Refusals
from agent.stamps import Reckoning, Standing, utc_text
from agent.store.messages import InboxChange, Message, MessageState, Received
from agent.store.store import Store

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 10_000
"""So many messages may wait for one service; more stay where they are kept: at the relay."""
_FILLED: Final = 0.8
_LOOK_AGAIN_S: Final = 1.0
_LARGE: Final = 64_000
"""From so many bytes on a message is looked at in another thread: 64 wrong signatures over 5 MB take 0.2 s."""
_NOT_HANDED_ON: Final = {
    *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"),
    *("transfer-encoding", "upgrade", "proxy-connection", "proxy-authorization", "authorization", "cookie"),
}


@dataclass(slots=True)
class _Batch:
    """What one batch comes to."""

    events: list[Event] = field(default_factory=list)
    inbox: list[InboxChange] = field(default_factory=list)
    acting: list[Received] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)


class Reception:
    """Takes messages for all relays.

    Attributes:
        act: told of the messages that wait to be acted on, in their order, once they are on disk.
        held: why nothing is taken from a relay now, by its name.
        refusals: how what is refused is told.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        reckoning: Callable[[], Reckoning],
        mint: Callable[[int], str],
    ) -> None:
        self.act: Callable[[Sequence[Received]], None] = lambda _: None
        self.held: dict[str, str] = {}
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._reckoning = reckoning
        self._mint = mint
        self._one_at_a_time = asyncio.Lock()
        self._believed_since: int | None = None
        self.refusals = Refusals(store.audit, clock, mint)

    async def accept(
        self, terms: Terms, messages: Sequence[Arrived], states: Mapping[str, bytes | None]
    ) -> int:
        """Return when all is on disk, or refused for good; waits while there is no room for more.

        Gives how many are taken: not refused, and not seen before.

        Raises:
            StoreUnavailable: nothing was taken.
        """
        await self._room(terms)
        verdicts = [await self._screened(arrived, terms) for arrived in messages]
        async with self._one_at_a_time:
            known = await self._store.inbox.known({each.origin.key for each in verdicts} - {b""})
            batch = _Batch()
            try:
                verdicts = [
                    await self._decide(batch, terms, arrived, verdict, known.get(verdict.origin.key))
                    for arrived, verdict in zip(messages, verdicts, strict=True)
                ]
                await self._pipeline.add(Beside(batch.events, batch.inbox, states))
            except StoreUnavailable:
                self.refusals.forget()
                raise
            except asyncio.CancelledError:
                # The relay is stopped or changed: what was offered to the disk is stored all the same, and
                # would wait for the next start. Who acts looks for it there, behind this transaction.
                self.refusals.forget()
                self.act(batch.acting)
                raise
        for verdict in verdicts:
            code = "taken" if isinstance(verdict, Taken) else verdict.code.value
            INBOUND_MESSAGES.labels(terms.relay, code).inc()
        if batch.acting:
            self.act(batch.acting)
        return sum(isinstance(verdict, Taken) for verdict in verdicts)

    async def _screened(self, arrived: Arrived, terms: Terms) -> Taken | Rejected:
        """Others have their turn between two messages: a stranger decides how much work a signature is."""
        if len(arrived.body) > _LARGE:
            return await asyncio.to_thread(screen, arrived, terms, self.now())
        await asyncio.sleep(0)
        return screen(arrived, terms, self.now())

    def now(self) -> Now:
        """What is known of the time, for judging how old a message is."""
        reckoning = self._reckoning()
        utc = (self._clock.monotonic() + reckoning.offset) // SECOND
        horizon = self._store.inbox.horizon
        if reckoning.standing is Standing.TRUSTED and horizon > utc + FUTURE_S:
            # A damaged store was rescued while the clock was years ahead: what may have been done was done before
            # this run, and not all that comes until then is to be refused.
            self._believed_since = utc if self._believed_since is None else self._believed_since
            horizon = self._believed_since
        return Now(utc, reckoning.standing, horizon)

    async def _decide(
        self, batch: _Batch, terms: Terms, arrived: Arrived, verdict: Taken | Rejected, seen: Message | None
    ) -> Taken | Rejected:
        """Put into the batch what a message comes to; give the last word on it."""
        origin = verdict.origin
        again = seen is not None and _may_come_again(seen, verdict)
        if again:
            seen = None
        if origin.key and (seen is not None or origin.key in batch.keys):
            why = "it comes a second time at once" if seen is None else _when_seen(seen, terms.relay)
            verdict = Rejected(origin, Code.SEEN, why, verdict.route)
        elif origin.key:
            batch.keys.add(origin.key)
        if isinstance(verdict, Rejected):
            received = self._received(terms, origin, verdict)
            told = await self.refusals.told(received, verdict)
            batch.events += told.events
            batch.inbox += told.inbox
        elif isinstance(verdict.route.deed, Send):
            row = self._received(terms, origin, verdict, MessageState.SENT, event=len(batch.events))
            row = replace(row, again=again)
            batch.events.append(self._carrying(verdict.route.deed.destination, arrived, verdict.part, row))
            batch.inbox.append(row)
        else:
            row = self._received(terms, origin, verdict, MessageState.WAITING, body=arrived.body)
            row = replace(row, again=again)
            batch.inbox.append(row)
            batch.acting.append(row)
        return verdict

    def _received(
        self,
        terms: Terms,
        origin: Origin,
        verdict: Taken | Rejected,
        state: MessageState = MessageState.SETTLED,
        *,
        event: int | None = None,
        body: bytes | None = None,
    ) -> Received:
        route = "" if verdict.route is None else verdict.route.name
        rejected = isinstance(verdict, Rejected)
        return Received(
            *(origin.key, terms.relay, origin.identity, origin.type, origin.sender, origin.stamp),
            *(self._clock.wall(), route, state, event),
            outcome="rejected" if rejected else "",
            reason=verdict.why if isinstance(verdict, Rejected) else "",
            body=body,
        )

    def _carrying(self, destination: str, arrived: Arrived, part: Part | None, row: Received) -> Event:
        """The event that takes a message, or a part of it, to the service of its route, as its sender wrote it."""
        at = self._clock.monotonic()
        body, theirs = arrived.body, arrived.headers
        if part is not None:
            body, theirs = part.body, {"content-type": part.content_type}
        headers: dict[str, Json] = {
            name: text for name, text in theirs.items() if name.lower() not in _NOT_HANDED_ON
        }
        data: dict[str, Json] = {
            "relay": row.relay,
            "message_id": row.identity or None,
            "message_type": row.type,
            "headers": headers,
            "body": base64.b64encode(body).decode(),
        }
        return Event(
            self._mint(at),
            EventType.INBOUND_MESSAGE,
            at,
            destination,
            Priority.MEDIUM,
            data,
            send_to=(destination,),
        )

    # --- room ----------------------------------------------------------------------------------------------

    async def _room(self, terms: Terms) -> None:
        """Wait until there is room for more: what cannot be taken is kept by the relay, not here."""
        try:
            while why := self._full(terms):
                if terms.relay not in self.held:
                    _log.warning("relay %s: nothing more is taken: %s", terms.relay, why)
                self.held[terms.relay] = why
                await asyncio.sleep(_LOOK_AGAIN_S)
        finally:  # whoever is stopped while he waits is not held any more
            was_held = self.held.pop(terms.relay, "")
        if was_held:
            _log.info("relay %s: messages are taken again", terms.relay)

    def _full(self, terms: Terms) -> str:
        usage = self._store.room.usage
        if usage is not None and usage.share >= _FILLED:
            return "the store is nearly full: bring back the destinations that take nothing, or raise store.max_size"
        for route in terms.routes:
            if isinstance(route.deed, Send):
                waiting = self._store.waiting_count(route.deed.destination)
                if waiting >= _MOST_WAITING:
                    return f"{waiting} messages wait for {route.deed.destination}: see why it takes nothing"
        return ""


def _may_come_again(seen: Message, verdict: Taken | Rejected) -> bool:
    """Whether a message that was refused is taken now that it comes again, unchanged.

    What is only sent on is: whoever adds the route that was missing, or sets the clock, has his sender send
    it again. Nothing was done with it, and nothing moves. Nor does it say anything of a message that no route
    of one relay takes, when another relay hands it over that has one. But a machine or an alarm that a message
    was refused stays refused to it: its sender was told so, and may have asked for something else since.
    """
    if isinstance(verdict, Rejected) or seen.received.outcome != "rejected":
        return False
    return not seen.received.route or isinstance(verdict.route.deed, Send)


def _when_seen(seen: Message, relay: str) -> str:
    """When, by which other relay, and what became of it: ids of two senders may be the same by chance."""
    received = seen.received
    by = "" if received.relay == relay else f" by relay {received.relay}"
    outcome = received.outcome or "under way"
    anew = ", and stays so: send it anew, with an id of its own" if outcome == "rejected" else ""
    return f"it came before, at {utc_text(received.at_wall)}{by}: {outcome}{anew}"
