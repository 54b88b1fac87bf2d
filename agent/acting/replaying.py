"""What a receiver has lost is sent to it again, because it asks for that.

Rules for whoever changes this: in bites, so that a long one holds up no commit; begun twice, after a kill,
it does no harm: deliveries keep their ids, and what waits already is left alone.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final

from agent.acting.journal import AGAIN_S, Declined, Journal
from agent.acting.task import Task
from agent.config.fields import parse_duration
from agent.config.messages import did_you_mean
from agent.errors import StoreUnavailable
from agent.incoming.message import Replay
from agent.incoming.screening import Code, Now, instant_of
from agent.model import SECOND
from agent.store import orders
from agent.store.store import Store

_BITE: Final = 5_000


class Replaying:
    """Replays for one message at a time; `destinations` are those of the configuration in force."""

    def __init__(self, store: Store, journal: Journal, destinations: Callable[[], Collection[str]]) -> None:
        self._store = store
        self._journal = journal
        self._destinations = destinations

    async def do(self, task: Task, deed: Replay, now: Now) -> None:
        """Send it again, and report how much that is.

        Raises:
            Declined: nobody can be sent that.
            StoreUnavailable: it cannot be begun now.
        """
        name = task.text(deed.destination)
        what = replace(task.what, target=name)
        known = self._destinations()
        if name not in known:
            why = f"there is no destination {name}{did_you_mean(name, known)}"
            raise Declined(Code.ASKED, why, task.what)  # what is made up is no target
        since = _since(task, task.text(deed.since), now)
        if since > now.utc:
            raise Declined(
                Code.ASKED,
                "since: it lies in the future, and nothing was sent after it: send a time that is past",
                what,
            )
        await self._journal.begin(task.received, what)
        try:
            count = await self._walk(orders.Replay(name, since_wall=since * SECOND))
        except KeyError:  # a reload has just taken it away
            what = replace(what, outcome="failed", reason=f"destination {name} is not configured any more")
        else:
            reason = f"{count} event{' is' if count == 1 else 's are'} sent again"
            what = replace(what, outcome="done", reason=reason, more={"replayed": count})
        await self._journal.report(task.received, what)

    async def _walk(self, wanted: orders.Replay) -> int:
        """How many are sent again; a disk that takes nothing now is asked again."""
        after, upto, count = 0, self._store.seq, 0
        while True:
            try:
                walked = await self._store.letters.replay(wanted, orders.Stretch(after, upto, _BITE))
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
                continue
            count += walked.count
            if walked.next is None:
                return count
            after = walked.next


def _since(task: Task, since: str, now: Now) -> int:
    """Seconds UTC of an instant, or of a duration back from now."""
    try:
        return max(0, now.utc - parse_duration(since) // SECOND)
    except ValueError:
        instant = instant_of(since)
    if instant is None:
        why = f"since: expected a time with its zone (2026-11-21T08:00:00Z) or a duration back (2h), got {since!r}"
        raise Declined(Code.ASKED, why, task.what)
    return max(0, instant)
