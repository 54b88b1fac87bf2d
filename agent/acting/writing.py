"""A value is written to a machine: read, judged, journalled, written once, read back, reported.

Rules for whoever changes this: nothing that may be refused is left for after the write; a write that was
begun is never begun again, whatever became of it; whoever is not sure says "unknown", and what is now.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from agent.acting.journal import Declined, Journal
from agent.acting.machines import Machines
from agent.acting.task import Task
from agent.clock import Clock
from agent.codec.json_path import JsonPath, Missing, find
from agent.incoming.message import LONGEST_TEXT, Write
from agent.incoming.screening import Code, Now
from agent.incoming.writing import Against, Moment, Refusal, refusal, since_write, stands, unfit
from agent.model import SECOND, Json, Quality, Reading, TagSpec, Value
from agent.outcomes import Outcome, said
from agent.pipeline import Pipeline
from agent.rules.expression import Expression, ExpressionError
from agent.sources import SourceConfig
from agent.sources.writing import LastWord, WriteRefused, WriteSection, WriteUncertain
from agent.store.messages import Audited, Received
from agent.store.store import Store

WRITTEN: Final = "written/"
"""Under which the store keeps, by tag, when it was written last: `[boot, monotonic nanoseconds]`, JSON."""
_PATIENCE: Final = 10 * SECOND
_PATIENCE_AFTER: Final = 30 * SECOND
_ASK_AGAIN_S: Final = 0.5
_SHOWS_AFTER_S: Final = (0.0, 0.2, 0.5, 1.0)  # a device shows what it took after its next cycle


class Writing:
    """Writes for one message at a time."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        clock: Clock,
        machines: Machines,
        journal: Journal,
        now: Callable[[], Now],
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._clock = clock
        self._machines = machines
        self._journal = journal
        self._now = now
        self._last: dict[str, tuple[str, int]] = {}  # by tag: boot, monotonic nanoseconds

    async def begin(self) -> None:
        """Learn what was written by the runs before.

        Raises:
            StoreUnavailable: not now.
        """
        for key, kept in (await self._store.states()).items():
            if key.startswith(WRITTEN):
                boot, at = json.loads(kept)
                self._last[key.removeprefix(WRITTEN)] = boot, at

    async def do(self, task: Task, deed: Write) -> None:
        """Write it, and report what became of it.

        Raises:
            Declined: it is not written.
            StoreUnavailable: it could not be journalled, so it is not written now.
        """
        tag, value = task.text(deed.tag), _found(task, deed.value)
        what = task.what
        if tag in self._pipeline.engine.tags:  # what is made up is no target: refusals share a line by it
            what = replace(what, target=tag, new=_shown(value))
        self._check(what, self._unfit(tag, value))
        present = await self._machines.read(tag, min(_PATIENCE, task.left(self._now())))
        what = replace(what, old=present.value)
        self._check(what, self._against(task, tag, value, present))
        await self._journal.begin(task.received, what, {WRITTEN + tag: self._stamp()})

        def last_word() -> None:
            """The disk may have taken its time, and the line to the device."""
            self._check(what, self._against(task, tag, value, present))

        try:
            last_word()
            outcome = await self._written(what, tag, value, last_word)
        except Declined as declined:
            await self._journal.report(task.received, replace(what, reason=declined.why))
            return
        await self._journal.report(task.received, outcome, {WRITTEN + tag: self._stamp(tag)})

    async def _written(self, what: Outcome, tag: str, value: Json, last_word: LastWord) -> Outcome:
        grant = self._machines.grant(tag)
        if grant is None or not isinstance(value, bool | int | float):
            raise TypeError("only what fits is written")
        try:
            await self._machines.write(tag, value, last_word)
        except WriteRefused as error:
            return replace(what, outcome="failed", reason=str(error))
        except WriteUncertain as error:
            return await self.unknown(what, tag, str(error), _PATIENCE)
        return await self._read_back(what, tag, value, grant)

    async def _read_back(self, what: Outcome, tag: str, value: Value, grant: WriteSection) -> Outcome:
        """Look whether it stands there; a device that is slow to show it has a moment."""
        found = None
        for delay in _SHOWS_AFTER_S:
            await asyncio.sleep(delay)
            found = await self._machines.read(tag, _PATIENCE)
            if found.quality is Quality.BAD:
                break
            if stands(self._spec(tag), grant, value, found):
                return replace(what, outcome="done", value=found.value)
        if found is None or found.value is None:
            why = "" if found is None else found.reason
            reason = f"the device has taken it, and cannot be read now: {why}"
            return replace(what, outcome="unknown", reason=reason)
        reason = f"it was written, and reads back {said(found.value)}"
        return replace(what, outcome="failed", reason=reason, value=found.value)

    async def interrupted(self, received: Received, line: Audited | None) -> None:
        """Report a write that the last run had begun: it is never repeated, and what is now can be read."""
        why = "the agent was stopped while it wrote"
        if line is None:
            what = Outcome("unknown", f"{why}, and its line of the audit is lost", "write")
        else:
            begun = Outcome("unknown", action=line.action, target=line.target, old=line.old, new=line.new)
            what = await self.unknown(begun, line.target, why, _PATIENCE_AFTER)
        await self._journal.report(received, what)

    async def unknown(self, what: Outcome, tag: str, why: str, patience: int) -> Outcome:
        """Nobody knows whether it was written: say so, and what is now."""
        until = self._clock.monotonic() + patience
        found = await self._machines.read(tag, patience)
        while (
            found.quality is Quality.BAD
            and self._machines.grant(tag)
            and (left := until - self._clock.monotonic()) > 0
        ):
            await asyncio.sleep(_ASK_AGAIN_S)  # the session may not have noticed yet that it is over
            found = await self._machines.read(tag, left)
        now = f"now {said(found.value)}" if found.value is not None else f"cannot be read now: {found.reason}"
        return replace(what, outcome="unknown", reason=f"{now}; {why}", value=found.value)

    # --- may it be? ------------------------------------------------------------------------------------

    def _unfit(self, tag: str, value: Json) -> Refusal | None:
        grant = self._machines.grant(tag)
        if tag not in self._pipeline.engine.tags:
            return Refusal(Against.TAG, f"there is no tag {tag}: check the name that was sent")
        if grant is None:
            return Refusal(Against.TAG, f"{tag} may not be written: its tag does not say `write`")
        return unfit(self._spec(tag), grant, value)

    def _against(self, task: Task, tag: str, value: Json, present: Reading) -> Refusal | None:
        """All that is against it now; nothing here waits.

        A machine that was suspended wakes with a wall clock that nobody has looked at yet.
        """
        now = self._now()
        now = replace(now, utc=max(now.utc, self._clock.wall() // SECOND))
        if (rejected := task.too_far(now)) is not None:
            return Refusal(rejected.code, rejected.why)
        grant = self._machines.grant(tag)
        if grant is None:  # a reload has just taken it away
            return self._unfit(tag, value)
        return refusal(self._spec(tag), grant, value, self._moment(tag, grant, present))

    def _moment(self, tag: str, grant: WriteSection, present: Reading) -> Moment:
        at = self._clock.monotonic()
        holds, unknown = self._holds(grant, at)
        since = since_write(self._last.get(tag), self._store.boot, at)
        return Moment(at, present, holds, unknown, since, self._store.audit.full)

    def _holds(self, grant: WriteSection, at: int) -> tuple[bool | None, str]:
        if grant.when is None:
            return True, ""
        try:
            return self._pipeline.engine.holding(Expression.parse(grant.when), at)
        except ExpressionError as error:
            return None, str(error)

    def _check(self, what: Outcome, against: Refusal | None) -> None:
        if against is not None:
            raise Declined(against.code, against.why, what)

    def _spec(self, tag: str) -> TagSpec:
        known = self._pipeline.engine.tags.get(tag)
        return TagSpec(tag, "") if known is None else known.spec

    def _stamp(self, tag: str = "") -> bytes:
        """Now, as it is kept; it counts from now on as the last write of `tag`."""
        stamp = self._store.boot, self._clock.monotonic()
        if tag:
            self._last[tag] = stamp
        return json.dumps(stamp).encode()


def _found(task: Task, path: JsonPath) -> Json:
    found = find(task.document, path)
    if isinstance(found, Missing):
        raise Declined(Code.ASKED, f"{path}: {found.why}", task.what)
    return found


def _shown(value: Json) -> Value | None:
    """What was asked for, as far as it can stand in a row."""
    if isinstance(value, str):
        return "".join(letter if letter.isprintable() else "?" for letter in value[:LONGEST_TEXT])
    return value if isinstance(value, bool | int | float) else None


def watched(sources: Iterable[SourceConfig]) -> Iterator[str]:
    """Give the tags that must be known for what may be written: those in a `when`."""
    for source in sources:
        for grant in source.writes().values():
            if grant.when is not None:
                yield from Expression.parse(grant.when).tags
