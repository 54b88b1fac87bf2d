"""The outbox by hand: events and dead letters as people and scripts get them, from an open store.

The control socket of a running agent and the commands that open the store themselves (when no agent
runs) both answer through here, so they answer alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from agent.config.messages import did_you_mean
from agent.delivery.body import Identity, Place, document, render
from agent.delivery.subscription import subscribers
from agent.errors import EdgeRelayError
from agent.formats import FormatError, open_format
from agent.model import MILLISECOND, SECOND, Event, EventType, Json
from agent.rules.phrases import duration
from agent.slices import in_slices
from agent.store.messages import AuditFilter
from agent.store.orders import Replay, Stretch, Walked
from agent.store.records import (
    DeadLetter,
    DeliveryState,
    EventFilter,
    Listed,
    Selection,
    Stored,
)
from agent.store.store import Store
from agent.web.deliveries import attempt_row, delivery_row, tally_rows
from agent.web.messages import audit_line, inbox_row
from agent.web.orders import ReplayOrder
from agent.web.query import LAST, limit, moment, number

if TYPE_CHECKING:
    from agent.destinations.base import DestinationSection

_STATES: Final = {state.word: state for state in DeliveryState}


class UnknownError(EdgeRelayError):
    """Something that was asked for does not exist; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says of deliveries by hand.

    Attributes:
        destinations: by name; None: it cannot be read, so the store's word counts.
        keep_delivered: for how long delivered events are kept, nanoseconds; None: not known.
    """

    destinations: "Mapping[str, DestinationSection] | None" = None
    keep_delivered: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """One open store, asked by a person; `terms` are those of the moment."""

    store: Store
    identity: Identity
    terms: Callable[[], Terms] = Terms

    async def events(self, query: Mapping[str, str]) -> list[Json]:
        """The newest events that `query` wants (since, type, rule, state, limit), oldest first.

        With `after`: the first beyond that number.
        """
        state = query.get("state")
        if state is not None and state not in _STATES:
            raise UnknownError(f"no delivery is ever {state!r}: expected {', '.join(_STATES)}")
        wanted = EventFilter(
            since_wall=moment(query, "since"),
            type=query.get("type"),
            rule=query.get("rule"),
            state=None if state is None else _STATES[state],
            after=number(query, "after", 0) if "after" in query else None,
        )
        return await in_slices(self._listed, await self.store.events(wanted, limit(query)))

    async def event(self, seq: int) -> Json:
        """One event with its deliveries, and every attempt of them that is kept.

        Raises:
            UnknownError: there is none, or none any more.
        """
        listed = await self.store.letters.event(seq)
        if listed is None:
            raise UnknownError(self._no_event(seq))
        deliveries: list[Json] = [
            delivery_row(status)
            | {"attempts": [attempt_row(attempt) for attempt in listed.attempts.get(status.destination, ())]}
            for status in listed.deliveries
        ]
        return self._event(seq, listed.stored) | {"deliveries": deliveries}

    async def audit(self, query: Mapping[str, str]) -> list[Json]:
        """The newest lines of the audit that `query` wants (since, target, outcome, limit), oldest first."""
        wanted = AuditFilter(moment(query, "since"), query.get("target"), query.get("outcome"))
        return await in_slices(audit_line, await self.store.audit.newest(wanted, limit(query)))

    async def inbox(self, query: Mapping[str, str]) -> list[Json]:
        """The newest messages that came in (limit), oldest first."""
        return await in_slices(inbox_row, await self.store.inbox.newest(limit(query)))

    async def dead_letters(self, query: Mapping[str, str]) -> list[Json]:
        """The newest dead letters that `query` selects, oldest first."""
        letters = await self.store.letters.dead(self._selection(query), limit(query))
        return await in_slices(self._letter, letters)

    async def dead_letter(self, destination: str, seq: int) -> Json:
        """One dead letter with every attempt that is kept.

        Raises:
            UnknownError: there is none.
        """
        try:
            letter = await self.store.letters.one(destination, seq)
        except KeyError:
            letter = None
        if letter is None:
            raise UnknownError(
                f"there is no dead letter {seq} for {destination}: `edge-relay deadletters list` shows all"
            )
        return (
            self._letter(letter)
            | self._body(letter)
            | {"attempts": [attempt_row(attempt) for attempt in letter.attempts]}
        )

    async def count(self, query: Mapping[str, str]) -> dict[str, Json]:
        """How many dead letters are selected, by destination; a part of a long order as `resend`."""
        stretch = self._stretch(query)
        tallies, left = await self.store.letters.tally(self._selection(query), stretch)
        return {"counts": tally_rows(tallies), "upto": stretch.upto, "next": left}

    async def resend(self, query: Mapping[str, str]) -> dict[str, Json]:
        """Send the selected dead letters again; how many, and the number to go on after (null: done).

        Beside the selection: `after`, `upto` and `limit`, for a part of a long order.
        """
        walked = await self.store.letters.resend(self._selection(query), self._stretch(query))
        return {"resent": walked.count, "next": walked.next}

    async def drop(self, query: Mapping[str, str]) -> dict[str, Json]:
        """Give the selected dead letters up for good; answers as `resend` does."""
        walked = await self.store.letters.drop(self._selection(query), self._stretch(query))
        return {"dropped": walked.count, "next": walked.next}

    async def replay(self, order: ReplayOrder) -> dict[str, Json]:
        """Send again what was delivered, or what a new destination has missed; or count it.

        Raises:
            UnknownError: there is no such destination.
        """
        letters, terms = self.store.letters, self.terms()
        stretch = Stretch(order.after, order.upto or self.store.seq, order.limit or LAST)
        since, until = order.since_ms * MILLISECOND, order.until_ms
        wanted = Replay(
            order.destination, order.rule, order.type, since, None if until is None else until * MILLISECOND
        )
        count, send = partial(letters.replay_tally, wanted), partial(letters.replay, wanted)
        if order.to is not None:
            wants = self._wants(order.to)
            count = partial(letters.after_all_tally, order.to, wanted, wants)
            send = partial(letters.send_after_all, order.to, wanted, wants)
        told: dict[str, Json] = {"upto": stretch.upto}
        if terms.keep_delivered is not None:
            told["keep_delivered_s"] = terms.keep_delivered // SECOND
        try:
            if order.dry_run:
                tallies, left = await count(stretch=stretch)
                return {"counts": tally_rows(tallies), "next": left, **told}
            walked: Walked = await send(stretch=stretch)
        except KeyError as error:
            raise self._no_destination(str(error.args[0])) from None
        return {"replayed": walked.count, "next": walked.next, **told}

    def _wants(self, to: str) -> Callable[[Event], bool]:
        """What a destination would have been sent. A rule's `send_to` is not kept: its events count as any."""
        destinations = self.terms().destinations
        if destinations is None or to not in destinations:
            raise self._no_destination(to)
        subscription = {to: destinations[to].subscription()}
        return lambda event: bool(subscribers(event, subscription))

    def _no_destination(self, name: str) -> UnknownError:
        known = self.terms().destinations or {}
        if name in known:  # the store of an agent that has not run since
            return UnknownError(f"the agent has not run with {name} yet: start it, and ask again")
        return UnknownError(f"there is no destination {name}{did_you_mean(name, known)}")

    def _no_event(self, seq: int) -> str:
        newest, kept = self.store.seq, self.terms().keep_delivered
        if seq < 1 or seq > newest:
            return f"there is no event {seq}: the newest is {newest}, `edge-relay events` lists them"
        lasting = "" if kept is None else f" for {duration(kept)}"
        return (
            f"event {seq} is not kept any more: what was delivered is kept{lasting} (store: keep_delivered)"
        )

    def _stretch(self, query: Mapping[str, str]) -> Stretch:
        after, upto = number(query, "after", 0), number(query, "upto", self.store.seq)
        return Stretch(after, upto, number(query, "limit", LAST))

    def _selection(self, query: Mapping[str, str]) -> Selection:
        """Which dead letters a query selects; an unknown destination is a slip, not an empty list."""
        destination = query.get("destination")
        try:
            self.store.dead_count(destination)
        except KeyError:
            text = f"there is no destination {destination}: `edge-relay status` shows all"
            raise UnknownError(text) from None
        return Selection(
            destination=destination,
            seq=number(query, "seq", 0) if "seq" in query else None,
            event_id=query.get("id"),
            rule=query.get("rule"),
            reason=query.get("reason"),
            since_wall=moment(query, "since"),
            until_wall=moment(query, "until"),
        )

    def _listed(self, listed: Listed) -> Json:
        return self._event(listed.seq, listed.stored) | {
            "deliveries": [delivery_row(status) for status in listed.deliveries]
        }

    def _letter(self, letter: DeadLetter) -> dict[str, Json]:
        return self._event(letter.seq, letter.stored) | delivery_row(letter.status)

    def _body(self, letter: DeadLetter) -> dict[str, Json]:
        """What its receiver is sent, as the destination's format writes it today."""
        stored, status = letter.stored, letter.status
        if stored is None:
            return {}
        known = self.store.stamps.known(stored, status.destination)
        place = Place(letter.seq, status.previous, known.offset, known.standing, late=status.resent)
        section = (self.terms().destinations or {}).get(status.destination)
        try:
            if section is None:
                body = render(stored.event, place, self.identity)
            else:
                body = open_format(section, self.identity).one(stored.event, place)
        except FormatError as error:
            return {"body": None, "body_error": str(error)}
        return {"body": body.decode(errors="replace")}

    def _event(self, seq: int, stored: Stored | None) -> dict[str, Json]:
        """The body with the best stamps that are known, and its id; of a damaged row no more than its number."""
        if stored is None:
            return {"seq": seq, "damaged": True}
        known = self.store.stamps.known(stored)
        place = Place(seq, None, known.offset, known.standing)
        body = document(stored.event, place, self.identity)
        data = body["data"]
        if isinstance(data, dict):
            del data["previous"]  # each delivery has its own
            if stored.event.type is EventType.INBOUND_MESSAGE:
                _hide(data)
        return {"id": stored.event.id, "seq": seq, **body}


def _hide(data: dict[str, Json]) -> None:
    """What a stranger has sent may hold his secrets: it is for the service of its route and nobody else."""
    data["bytes"] = len(str(data.pop("body"))) * 3 // 4
    del data["headers"]
