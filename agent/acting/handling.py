"""The operator's hand on an alarm, from afar: what a person says at the console, a message says here.

Rules for whoever changes this: whether it can be done is the engine's to say; the command, the row, the
audit and the outcome are one transaction, so it is done once, whenever the agent is killed.
"""

from collections.abc import Sequence

from agent.acting.journal import Declined, Journal
from agent.acting.task import Task
from agent.clock import Clock
from agent.config.fields import parse_duration
from agent.desk import UnknownError
from agent.incoming.message import Handle
from agent.incoming.screening import Code, Now, instant_of
from agent.model import SECOND, Command, Json
from agent.operate import named, refused_for
from agent.outcomes import Outcome
from agent.pipeline import Pipeline

_RULE = "alarm"


class Handling:
    """Acknowledges, shelves, unshelves and resets for one message at a time."""

    def __init__(self, pipeline: Pipeline, clock: Clock, journal: Journal) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._journal = journal

    async def do(self, task: Task, deed: Handle, now: Now) -> None:
        """Do it for each instance for which it can be done.

        Raises:
            Declined: it can be done for none.
            StoreUnavailable: it cannot be stored now; nothing was done.
        """
        rule, engine = task.text(deed.rule), self._pipeline.engine
        what = Outcome("done", action=deed.action.value, target=rule)
        try:
            meant = named([rule], engine)
        except UnknownError as error:
            raise Declined(_RULE, str(error), task.what) from None  # what is made up is no target
        commands = self._commands(task, deed, meant[rule], now)
        against = {command.rule: engine.refusal(command) for command in commands}
        possible = [command for command in commands if not against[command.rule]]
        if not possible:
            raise Declined(_RULE, "; ".join(refused_for(meant, against)), what)
        done: list[Json] = [command.rule for command in possible]
        more: dict[str, Json] = {} if done == [rule] else {"done": done}
        said = ": ".join(filter(None, (possible[0].by, possible[0].reason)))
        outcome = Outcome("done", said, what.action, rule, more=more)
        beside = self._journal.beside(task.received, outcome)
        if why := await self._pipeline.obey(possible, beside):
            raise Declined(_RULE, why, what)
        self._journal.told(outcome, str(beside.events[0].data["message"]))

    def _commands(self, task: Task, deed: Handle, instances: Sequence[str], now: Now) -> list[Command]:
        by = task.text(deed.by, or_none=True)
        reason = task.text(deed.reason, or_none=True)
        at, relay = self._clock.monotonic(), task.received.relay
        until = None if deed.until is None else at + _left(task, task.text(deed.until), now)
        who = f"{by} ({relay})" if by else relay
        return [Command(name, deed.action, at, who, reason, until) for name in instances]


def _left(task: Task, until: str, now: Now) -> int:
    """Nanoseconds to the end of a shelf, which is an instant or a duration."""
    try:
        return parse_duration(until)
    except ValueError:
        instant = instant_of(until)
    if instant is None:
        why = f"until: expected a time with its zone (2026-11-21T14:00:00Z) or a duration (2h), got {until!r}"
        raise Declined(Code.ASKED, why, task.what)
    return (instant - now.utc) * SECOND
