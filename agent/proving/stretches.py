"""What a trace is made of: how often a condition came, and when the rule could not or should not see.

Rules for whoever changes it: pure; intervals are read off the engine's own states, nothing is decided anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from agent.model import Value
from agent.proving.replay import Trace
from agent.rules.gate import GateState
from agent.rules.machine import Machine, Phase
from agent.rules.spec import AlarmSpec


@dataclass(slots=True)
class Episode:
    """A condition came, and went.

    Attributes:
        begin: when it was first seen.
        raised_at: when its delay had run out; None: it never did.
        end: when it was over; None: it is not.
        due: when its delay would have run out.
        seen_until: up to here its delay ran.
        values: what was compared meanwhile.
        initial: it was there already when it was first looked at.
        disabled: it ended because the rule was not watched any more.
    """

    begin: int
    due: int
    seen_until: int
    raised_at: int | None = None
    end: int | None = None
    values: tuple[Value, ...] = ()
    initial: bool = False
    disabled: bool = False


class Doing(StrEnum):
    """What a rule as a whole was doing."""

    DISABLED = "disabled"
    SETTLING = "settling"
    UNDECIDED = "undecided"
    SUPPRESSED = "suppressed"
    CHATTERING = "chattering"
    BLIND = "blind"


class Stretch(NamedTuple):
    """From `begin` to `end`, and why; UTC nanoseconds."""

    doing: Doing
    begin: int
    end: int
    why: str


def episodes(trace: Trace, index: int) -> list[Episode]:
    """How often the condition `index` came."""
    found: list[Episode] = []
    now: Episode | None = None
    before = Machine()
    for step in trace.steps:
        if not step.machines:
            continue
        machine = step.machines[index]
        if now is not None and (machine.phase is Phase.NORMAL or machine.since != before.since):
            now.end, now.disabled = step.at, step.gate.enabled is False
            if before.phase is Phase.PENDING:
                now.seen_until = step.at if before.blind is None else before.blind
            now = None
        if machine.phase is not Phase.NORMAL:
            if now is None:
                now = Episode(machine.since, machine.due, step.at, initial=machine.initial)
                found.append(now)
            if machine.active and now.raised_at is None:
                now.raised_at = step.at
            elif machine.phase is Phase.PENDING:
                now.due = machine.due
                now.seen_until = trace.end if machine.blind is None else machine.blind
        before = machine
    for each in found:
        each.values = tuple(_values(trace, each))
    return found


def _values(trace: Trace, episode: Episode) -> Iterator[Value]:
    end = trace.end + 1 if episode.end is None else episode.end
    for look in trace.looks:
        if episode.begin <= look.at < end and look.value is not None:
            yield look.value


def gated(trace: Trace) -> Iterator[Stretch]:
    """When the gate kept the rule from being watched, or from being announced."""
    ends = [*(step.at for step in trace.steps[1:]), trace.end]  # without a step it has not begun to look
    last: Stretch | None = None
    for step, end in zip(trace.steps, ends, strict=False):
        stretch = _gate(trace, step.gate, step.at, end)
        if (
            last is not None
            and stretch is not None
            and (last.doing, last.why) == (stretch.doing, stretch.why)
        ):
            last = last._replace(end=stretch.end)
            continue
        if last is not None and last.end > last.begin:
            yield last
        last = stretch
    if last is not None and last.end > last.begin:
        yield last


def _gate(trace: Trace, gate: GateState, begin: int, end: int) -> Stretch | None:
    spec = trace.spec.gate
    if gate.waits:
        return Stretch(Doing.UNDECIDED, begin, end, "a tag that it depends on was not read yet")
    if gate.enabled is None and spec != type(spec)():
        return Stretch(Doing.UNDECIDED, begin, end, "what it depends on was not known")
    if gate.enabled is False:
        hours = "" if spec.hours is None else "outside of its active hours"
        when = "" if spec.when is None else f"`{spec.when.text}` was false"
        return Stretch(Doing.DISABLED, begin, end, " or ".join(filter(None, [when, hours])))
    if gate.since > begin:
        return Stretch(Doing.SETTLING, begin, min(end, gate.since), "")
    if gate.reasons:
        return Stretch(Doing.SUPPRESSED, begin, end, ", ".join(gate.reasons))
    return None


def chattering(trace: Trace) -> Iterator[Stretch]:
    """When a return had to last, because the alarm came and went."""
    ends = [step.at for step in trace.steps[1:]] + [trace.end]
    spells = groupby(zip(trace.steps, ends, strict=False), key=lambda step: step[0].chattering)
    for chatters, spell in spells:
        if chatters:
            steps = list(spell)
            yield Stretch(Doing.CHATTERING, steps[0][0].at, steps[-1][1], "")


def blind(trace: Trace) -> Iterator[Stretch]:
    """When there was nothing that the rule could believe."""
    if isinstance(trace.spec, AlarmSpec) and trace.spec.of_source:
        return
    ends = [look.at for look in trace.looks[1:]] + [trace.end]
    for look, end in zip(trace.looks, ends, strict=True):
        if look.value is None:
            yield Stretch(Doing.BLIND, look.at, end, look.reason)
        elif look.fresh_until + 1 < end:
            yield Stretch(Doing.BLIND, look.fresh_until, end, "nothing came, and the last value is too old")
