"""The outbox by hand: events and dead letters as people and scripts get them, from an open store.

The control socket of a running agent and the commands that open the store themselves (when no agent
runs) both answer through here, so they answer alike.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.delivery.body import Identity, Place, render
from agent.errors import EdgeRelayError
from agent.model import MILLISECOND, Json
from agent.stamps import utc_text
from agent.store.records import (
    Attempt,
    DeadLetter,
    DeliveryState,
    DeliveryStatus,
    EventFilter,
    Listed,
    Selection,
    Stored,
)
from agent.store.store import Store

MOST: Final = 10_000


class UnknownError(EdgeRelayError):
    """Something that was asked for does not exist; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One open store, asked by a person."""

    store: Store
    identity: Identity

    async def events(self, query: Mapping[str, str]) -> list[Json]:
        """The newest events that `query` wants (since, type, rule, state, limit), oldest first."""
        state = query.get("state")
        try:
            wanted = EventFilter(
                since_wall=_wall(query.get("since")),
                type=query.get("type"),
                rule=query.get("rule"),
                state=DeliveryState[state.upper()] if state else None,
            )
        except KeyError:
            words = ", ".join(each.word for each in DeliveryState)
            raise UnknownError(f"no delivery is ever {state!r}: expected {words}") from None
        return [self._listed(event) for event in await self.store.events(wanted, _limit(query))]

    async def dead_letters(self, query: Mapping[str, str]) -> list[Json]:
        """The newest dead letters that `query` selects, oldest first."""
        letters = await self.store.letters.dead(self._selection(query), _limit(query))
        return [self._letter(letter) for letter in letters]

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
        return self._letter(letter) | {"attempts": [_attempt(attempt) for attempt in letter.attempts]}

    async def resend(self, query: Mapping[str, str]) -> int:
        """Send the selected dead letters again; how many."""
        return (await self.store.letters.resend(self._selection(query))).count

    async def drop(self, query: Mapping[str, str]) -> int:
        """Give the selected dead letters up for good; how many."""
        return (await self.store.letters.drop(self._selection(query))).count

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
            seq=int(query["seq"]) if "seq" in query else None,
            rule=query.get("rule"),
            reason=query.get("reason"),
            since_wall=_wall(query.get("since")),
            until_wall=_wall(query.get("until")),
        )

    def _listed(self, listed: Listed) -> dict[str, Json]:
        return self._event(listed.seq, listed.stored) | {
            "deliveries": [_delivery(status) for status in listed.deliveries]
        }

    def _letter(self, letter: DeadLetter) -> dict[str, Json]:
        return self._event(letter.seq, letter.stored) | _delivery(letter.status)

    def _event(self, seq: int, stored: Stored | None) -> dict[str, Json]:
        """The body with the best stamps that are known, and its id; of a damaged row no more than its number."""
        if stored is None:
            return {"seq": seq, "damaged": True}
        known = self.store.stamps.known(stored)
        place = Place(seq, None, known.offset, known.standing)
        body: dict[str, Json] = json.loads(render(stored.event, place, self.identity))
        data = body["data"]
        if isinstance(data, dict):
            del data["previous"]  # each delivery has its own
        return {"id": stored.event.id, "seq": seq, **body}


def _wall(milliseconds: str | None) -> int | None:
    return None if milliseconds is None else int(milliseconds) * MILLISECOND


def _limit(query: Mapping[str, str]) -> int:
    return max(1, min(int(query.get("limit", "100")), MOST))


def _delivery(status: DeliveryStatus) -> dict[str, Json]:
    told: dict[str, Json] = {
        "destination": status.destination,
        "state": status.state.word,
        "previous": status.previous,
        "charged": status.charged,
    }
    if status.settled_wall is not None:
        told["settled"] = utc_text(status.settled_wall)
    if status.reason:
        told["reason"] = status.reason
    if status.resent:
        told["resent"] = True
    return told


def _attempt(attempt: Attempt) -> dict[str, Json]:
    return {
        "at": utc_text(attempt.at_wall),
        "status": attempt.status,
        "latency_s": attempt.latency,
        "text": attempt.text,
    }
