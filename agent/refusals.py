"""How refused messages are told: each by an event of its own if its sender is known and it is new, else together.

A stranger who knows the address of a relay must fill neither the outbox nor the audit. So what is signed
by nobody, and what comes again, is told once an hour for each sender and reason; and in the audit all
refusals of one sender for one reason and target share a line an hour, which counts them.

Rules for whoever changes this: nothing here waits for more than one look at the store; a target is a name
of the configuration: a sender that is mad must not have a line for each name that it makes up.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from agent.clock import Clock
from agent.incoming.message import word
from agent.incoming.screening import Code, Rejected
from agent.model import SECOND, Event
from agent.outcomes import Outcome, audited, told
from agent.pipeline import Beside
from agent.store.audit import Audit
from agent.store.messages import Audited, Received

_HOUR: Final = 3_600 * SECOND


class Refusals:
    """What was refused in this hour."""

    def __init__(self, audit: Audit, clock: Clock, mint: Callable[[int], str]) -> None:
        self._audit = audit
        self._clock = clock
        self._mint = mint
        self._shared: dict[bytes, Audited] = {}
        self._hour = 0

    async def told(self, received: Received, why: Rejected) -> Beside:
        """Give what is stored of a message that is not taken.

        Raises:
            StoreUnavailable: the disk does not answer.
        """
        outcome = "repeated" if why.code is Code.SEEN else "rejected"
        what = Outcome(outcome, why.why, "" if why.route is None else word(why.route.deed))
        line, first = await self.line(received, what, why.code)
        if received.sender and why.code is not Code.SEEN:
            return Beside([self._event(received, what)], [received, line])
        if not first:
            return Beside(inbox=[line])
        return Beside([self._event(received, replace(what, more={"count": line.count}))], [line])

    def _event(self, received: Received, what: Outcome) -> Event:
        at = self._clock.monotonic()
        return told(received, what, self._mint(at), at)

    async def line(self, received: Received, what: Outcome, code: str) -> tuple[Audited, bool]:
        """The line of the audit that a refusal shares with others of this hour, and whether it is the first.

        Raises:
            StoreUnavailable: the disk does not answer.
        """
        hour = received.at_wall // _HOUR
        if hour > self._hour:
            self._hour = hour
            self._shared.clear()
        shares = ("refused", received.relay, received.sender, what.action, what.target, code, str(hour))
        key = hashlib.sha256("\0".join(shares).encode(errors="replace")).digest()[:16]
        known = self._shared.get(key) or await self._audit.one(key)
        line = audited(replace(received, key=key), what)
        if known is not None:
            line = replace(line, count=known.count + 1)
        self._shared[key] = line
        return line, known is None

    def forget(self) -> None:
        """What was counted last may not be on disk."""
        self._shared.clear()
