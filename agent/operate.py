"""The operator's hand on a running agent: an order becomes commands, and the answer says what became of it.

A name is a rule's id or one of its instances. An id stands for all of its instances, and the order is
carried out for each for which it can be; a name for which it cannot be done at all is refused.

Rules for whoever changes this: whether something can be done is the engine's to say, and nothing is
awaited between its word and the command.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.alarms import open_alarms, unwatched
from agent.clock import Clock
from agent.config.messages import did_you_mean
from agent.desk import UnknownError
from agent.model import SECOND, Action, Command, Json
from agent.pipeline import Pipeline
from agent.rules.engine import Engine
from agent.web.orders import ImpossibleError, MalformedError, Order

_TOLD: Final = 5
"""So many unknown names are told: to find what was meant takes a look at each rule there is."""


@dataclass(frozen=True, slots=True)
class Hand:
    """The operator's eyes and hand on the rules at work."""

    pipeline: Pipeline
    clock: Clock

    def alarms(self) -> dict[str, Json]:
        """What is open, and the rules of which nothing would be told now."""
        engine = self.pipeline.engine
        return {"open": open_alarms(engine, self.clock), "unwatched": unwatched(engine, self.clock)}

    async def carry_out(self, action: Action, order: Order, login: str) -> dict[str, Json]:
        """Do it: `done` names the instances, `refused` has a sentence for each name that it cannot be done for.

        Args:
            action: what is done.
            order: to which rules, and why.
            login: whose process asks.

        Raises:
            MalformedError: it names no rule.
            UnknownError: there is no such rule; nothing was done.
            ImpossibleError: it can be done for none of the names.
            StoreUnavailable: it cannot be stored now; nothing was done.
        """
        engine, now = self.pipeline.engine, self.clock.monotonic()
        meant = _everything(action, engine) if order.all else named(order.rules, engine)
        until = None if order.for_s is None else now + round(order.for_s * SECOND)
        by = f"{order.by} ({login})" if order.by not in ("", login) else login
        commands = {
            name: Command(name, action, now, by, order.reason, until, order.one_shot)
            for instances in meant.values()
            for name in instances
        }
        against = {name: engine.refusal(command) for name, command in commands.items()}
        refused = [] if order.all else list(refused_for(meant, against))
        done = [name for name, why in against.items() if not why]
        if refused and not done:
            raise ImpossibleError("\n".join(refused))
        if done:
            await self.pipeline.emit([commands[name] for name in done])
        return {"done": list[Json](done), "refused": list[Json](refused)}


def _everything(action: Action, engine: Engine) -> dict[str, Sequence[str]]:
    if action is not Action.ACKNOWLEDGE:
        raise MalformedError(
            f"all: only acknowledging is done for all at once, name the rules to {action.value}"
        )
    return {"": list(engine.runs)}


def named(names: Sequence[str], engine: Engine) -> dict[str, Sequence[str]]:
    """Give the instances that each name stands for.

    Raises:
        MalformedError: there is no name.
        UnknownError: there is no such rule.
    """
    if not names:
        raise MalformedError("rules: expected the name of at least one rule")
    instances: dict[str, list[str]] = {name: [name] for name in engine.runs}
    for name, run in engine.runs.items():
        if run.spec.rule not in ("", name):
            instances.setdefault(run.spec.rule, []).append(name)
    if unknown := [name for name in names if name not in instances]:
        told = [f"there is no rule {name}{did_you_mean(name, instances)}" for name in unknown[:_TOLD]]
        more = [f"and {len(unknown) - _TOLD} more"] if len(unknown) > _TOLD else []
        raise UnknownError("; ".join([*told, *more]))
    return {name: instances[name] for name in names}


def refused_for(meant: Mapping[str, Sequence[str]], against: Mapping[str, str]) -> Sequence[str]:
    """Give a sentence for each name of whose instances none can be done."""
    sentences = []
    for name, instances in meant.items():
        whys = [against[instance] for instance in instances]
        if all(whys):
            sentences.append(whys[0] if len(whys) == 1 else f"{name}: none of {len(whys)} can be: {whys[0]}")
    return sentences
