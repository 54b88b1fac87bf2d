"""One session with a polling endpoint; see `agent.inbound.base`.

To send the next iterator is to acknowledge: it is used only after `accept` has returned. A relay that
says `Relay-Wait: SECONDS` holds a question until something comes (`wait=`): then nothing is asked again
and again, and a message is here at once.

Rules for whoever changes this: whatever a relay answers, it is never asked again without a pause unless
it has got on, or has held the question; what a pause is, `_pause` alone decides. There are no dice here:
sessions of many agents begin apart because the supervisor's back-off has them.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from agent.clock import Clock
from agent.delivery.http_time import retry_after
from agent.errors import RelayError, StoreUnavailable
from agent.http.reading import OK, Reader, open_reader
from agent.inbound.base import Accept
from agent.inbound.poll.answers import (
    Batch,
    Place,
    is_invalid_iterator,
    is_too_large,
    read_answer,
    read_place,
    write_place,
)
from agent.inbound.poll.config import PollRelay
from agent.model import SECOND
from agent.stamps import utc_text

_log = logging.getLogger(__name__)

_ACCEPT: Final = {"Accept": "application/json"}
_LARGEST_ANSWER: Final = 16_000_000
"""Bytes: the largest message that is taken, twice: as base64, and parsed."""
_LARGEST_REFUSAL: Final = 16_000  # bytes; it is a code and a sentence
_FEWER: Final = 8  # times, after an answer that was too large
_LONGEST_HELD: Final = 55  # seconds; what stands between ends a silent connection after 60
_HELD: Final = 5 * SECOND
"""After so long, or half the time that it offered, an answer is not one of a relay that does not hold questions."""
_LONGEST_TOLD: Final = 300 * SECOND
_TOLD_EVERY: Final = 60 * SECOND
"""How often the log tells of one thing: two relays behind one address may take turns for days."""
_STORE_PAUSE: Final = 1.0  # seconds
_FIRST_PAUSE: Final = 0.1  # seconds; doubles
_MOVING_PAUSE: Final = (
    0.3  # seconds, for a relay that gets on without a message: the longest of Svix's own bridge
)
_OVERLAP: Final = 3600 * SECOND
"""How far before the last message a relay is asked anew: messages share a time, and come out of order."""
_BAD_REQUEST: Final = 400
_MAY_TELL: Final = frozenset({429, 503})


async def run(name: str, config: PollRelay, accept: Accept, clock: Clock, cursor: bytes | None) -> None:
    """Take messages until the relay is lost.

    Raises:
        RelayError: it cannot be asked (any more).
    """
    async with open_reader(
        name, config.url, clock, token=config.token, tls=config.tls, proxy=config.proxy
    ) as reader:
        poller = Poller(name, config, accept, clock, reader, read_place(cursor, config.url))
        while True:
            pause = await poller.turn()
            await asyncio.sleep(pause)


class Poller:
    """Asks, hands over, and moves on."""

    def __init__(
        self, name: str, config: PollRelay, accept: Accept, clock: Clock, reader: Reader, place: Place
    ) -> None:
        self._name = name
        self._config = config
        self._every = config.every / SECOND
        self._accept = accept
        self._clock = clock
        self._reader = reader
        self._place = place
        self._limit = config.limit
        self._caught_up = False
        self._holds = 0
        """Seconds for which the relay offers to hold a question."""
        self._in_vain = 0
        """Answers in a row by which nothing got on."""
        self._begun_anew = 0
        """Iterators in a row that the relay has given and does not know."""
        self._told_to_wait = False
        self._told_at: dict[str, int] = {}

    async def turn(self) -> float:
        """Ask once and hand over what came; give the seconds until the next question.

        Raises:
            RelayError: no good answer came, and the relay does not say when to ask again.
        """
        wait = self._holds if self._caught_up else 0
        began = self._clock.monotonic()
        try:
            batch = await self._ask(wait)
        except RelayError:
            if not wait:
                raise
            # What stands between may end a silent connection long before the relay would: a question that
            # is not held shows whether the relay is there.
            self._caught_up = False
            if self._was_held(wait, began):
                self._in_vain = 0
            return 0.0
        if isinstance(batch, float):
            return batch
        return await self._take(batch, held=self._was_held(wait, began))

    def _was_held(self, wait: int, began: int) -> bool:
        return wait > 0 and self._clock.monotonic() - began >= min(wait * SECOND // 2, _HELD)

    async def _ask(self, wait: int) -> Batch | float:
        """Ask once; give what came, or the seconds until the next question.

        Raises:
            RelayError: see `turn`.
        """
        content = None
        async with self._reader.get(
            self._params(wait), _ACCEPT, self._config.timeout / SECOND + wait
        ) as answer:
            if answer.status in {OK, _BAD_REQUEST}:
                content = await answer.whole(_LARGEST_ANSWER if answer.status == OK else _LARGEST_REFUSAL)
        if answer.status != OK:
            return self._refused(answer.status, answer.headers, content)
        if content is None or is_too_large(content):
            return self._too_large()
        batch = read_answer(content)
        if isinstance(batch, str):
            raise self._reader.error(_not_ours(batch))
        self._good(content, answer.headers)
        return batch

    def _params(self, wait: int) -> dict[str, str]:
        params = {"limit": str(self._limit)}
        if self._place.iterator:
            params["iterator"] = self._place.iterator
        elif self._place.after:
            params["after"] = self._place.after
        if wait:
            params["wait"] = str(wait)
        return params

    def _good(self, content: bytes, headers: Mapping[str, str]) -> None:
        """Learn from an answer what has nothing to do with its messages."""
        self._told_to_wait = False
        if self._place.iterator:
            self._begun_anew = 0
        told = headers.get("Relay-Wait", "")
        self._holds = min(int(told), _LONGEST_HELD) if told.isdecimal() and len(told) <= len("3600") else 0
        if len(content) * 2 < _LARGEST_ANSWER:
            self._limit = min(self._limit * 2, self._config.limit)

    async def _take(self, batch: Batch, *, held: bool) -> float:
        """Hand over what came, and move on once it is on disk."""
        after = self._place.after if batch.newest is None else self._reaches_back(batch.newest)
        place = Place(batch.iterator, after)
        moved = batch.iterator != self._place.iterator
        try:
            if batch.messages or place != self._place:
                await self._accept(batch.messages, write_place(place, self._config.url))
            else:
                await self._accept(())
        except StoreUnavailable:
            return _STORE_PAUSE  # the place is what it was: the same is offered again
        self._place = place
        self._caught_up = batch.done
        return self._pause(done=batch.done, brought=bool(batch.messages), moved=moved, held=held)

    def _pause(self, *, done: bool, brought: bool, moved: bool, held: bool) -> float:
        """How long to wait until the next question, seconds."""
        got_on = (brought and moved) or held
        self._in_vain = 0 if got_on else self._in_vain + 1
        if done:
            return 0.0 if self._holds and self._in_vain <= 1 else self._every
        if self._in_vain <= 1:  # Svix's first answer is empty, and not the last
            return 0.0
        return min(_doubled(_FIRST_PAUSE, self._in_vain - 2), _MOVING_PAUSE if moved else self._every)

    def _reaches_back(self, newest: int) -> str:
        """From when on to ask a relay that does not know the iterator; not by a time that has not come yet."""
        return utc_text(max(min(newest, self._clock.wall()) - _OVERLAP, 0))

    def _too_large(self) -> float:
        """Ask for fewer.

        Raises:
            RelayError: there was but one.
        """
        if self._limit == 1:
            raise self._reader.error(
                f"one message alone is an answer of more than {_LARGEST_ANSWER:,} bytes, or holds too much to be "
                "read: take it from the relay"
            )
        self._limit = max(self._limit // _FEWER, 1)
        return 0.0

    def _refused(self, status: int, headers: Mapping[str, str], content: bytes | None) -> float:
        """Give how long to wait, if the relay has named it; or begin anew.

        Raises:
            RelayError: neither.
        """
        if status == _BAD_REQUEST and self._place.iterator and is_invalid_iterator(content):
            return self._begin_anew()
        told = retry_after(headers, self._clock.wall()) if status in _MAY_TELL else None
        if told is None:
            raise self._reader.refused(status)
        if not self._told_to_wait:
            self._warn("wait", "it answered %d, and is asked again when it says", status)
        self._told_to_wait = True
        return min(told, _LONGEST_TOLD) / SECOND

    def _begin_anew(self) -> float:
        if self._begun_anew == 0:
            since = f", from {self._place.after} on" if self._place.after else ""
            self._warn(
                "anew",
                "it does not know any more where this agent stood (invalid_iterator), and is asked anew%s: "
                "what was taken before comes again and is not acted on twice",
                since,
            )
        self._place = Place(after=self._place.after)
        self._caught_up = False
        self._begun_anew += 1
        return (
            0.0 if self._begun_anew == 1 else min(_doubled(_STORE_PAUSE, self._begun_anew - 2), self._every)
        )

    def _warn(self, subject: str, text: str, *values: object) -> None:
        now = self._clock.monotonic()
        if subject not in self._told_at or now - self._told_at[subject] >= _TOLD_EVERY:
            self._told_at[subject] = now
            _log.warning(f"relay %s: {text}", self._name, *values)


def _doubled(first: float, times: int) -> float:
    return first * float(2 ** min(times, 20))


def _not_ours(why: str) -> str:
    return (
        f"its answer is not one of a polling endpoint, {why}: check `url`, and whether a portal or a proxy "
        "stands before it"
    )
