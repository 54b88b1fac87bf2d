"""A rule's state as bytes, and back: what the store keeps beside the events.

A machine is kept under its condition's name, so that a rule whose limits changed finds the ones that
stayed. Every instant is moved by `shift` on the way back, because another boot has another zero.
"""

import json
from dataclasses import replace
from typing import Any, assert_never

from agent.model import Priority
from agent.rules.change import ChangeState
from agent.rules.machine import CALM, Machine, Phase
from agent.rules.runs import RuleState
from agent.rules.spec import AlarmSpec, RuleSpec
from agent.rules.state import AlarmState


def encode(spec: RuleSpec, state: RuleState) -> bytes:
    """Write `state` as JSON."""
    match state:
        case AlarmState():
            kept = _alarm(spec, state)
        case ChangeState():
            kept = {"kind": "change"} | {name: getattr(state, name) for name in ChangeState.__slots__}
        case _:
            assert_never(state)
    return json.dumps(kept, separators=(",", ":")).encode()


def _alarm(spec: RuleSpec, state: AlarmState) -> dict[str, Any]:
    conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
    kept: dict[str, Any] = {"kind": "alarm"} | {
        name: getattr(state, name) for name in AlarmState.__slots__ if name not in ("machines", "announced")
    }
    kept["tag"] = "" if isinstance(spec, AlarmSpec) and spec.of_source else spec.subject
    kept["announced"] = [int(priority) for priority in state.announced]
    kept["machines"] = {
        condition.say.name: [machine.phase, machine.since, machine.due, machine.blind, machine.initial]
        for condition, machine in zip(conditions, state.machines, strict=True)
    }
    return kept


def decode(spec: RuleSpec, kept: bytes, shift: int = 0) -> RuleState | None:
    """Read what `encode` wrote, for the rule as it is now; None when it was another kind of rule.

    A rule whose digest changed goes on with its open occurrence and is decided anew by the next good
    value (`recheck`); without one it starts afresh.
    """
    fields = json.loads(kept)
    kind = fields.pop("kind")
    if isinstance(spec, AlarmSpec) and kind == "alarm":
        return _read_alarm(spec, fields, shift)
    if not isinstance(spec, AlarmSpec) and kind == "change":
        state = ChangeState(**fields)
        return replace(state, digest=spec.digest, reported_at=state.reported_at + shift)
    return None


def _read_alarm(spec: AlarmSpec, fields: dict[str, Any], shift: int) -> AlarmState:
    kept = {name: _machine(words, shift) for name, words in fields.pop("machines").items()}
    changed = fields["digest"] != spec.digest
    fields.pop("tag", "")
    state = AlarmState(
        **fields
        | {
            "machines": tuple(kept.get(condition.say.name, CALM) for condition in spec.conditions),
            "announced": tuple(Priority(number) for number in fields["announced"]),
            "onset": fields["onset"] + shift,
            "raised_at": fields["raised_at"] + shift,
            "away_since": _moved(fields["away_since"], shift),
            "blind": tuple(instant + shift for instant in fields["blind"]) if fields["blind"] else None,
            "digest": spec.digest,
        }
    )
    if not changed:
        return state
    if not state.occurrence:
        return AlarmState((CALM,) * len(spec.conditions), spec.digest)
    return replace(state, recheck=True)


def _machine(words: list[Any], shift: int) -> Machine:
    phase, since, due, blind, initial = words
    return Machine(Phase(phase), since + shift, due + shift, _moved(blind, shift), initial)


def _moved(instant: int | None, shift: int) -> int | None:
    return None if instant is None else instant + shift


def removed_rule(kept: bytes, shift: int) -> tuple[AlarmState, str] | None:
    """The state and the tag of a rule that is no longer in the file, if it left an open alarm behind."""
    fields = json.loads(kept)
    if fields.pop("kind") != "alarm" or not fields["occurrence"]:
        return None
    tag = fields.get("tag", "")
    return _read_alarm(AlarmSpec("", tag, (), fields["digest"]), fields, shift), tag
