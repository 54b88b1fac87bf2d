"""A rule's state as bytes, and back: what the store keeps beside the events.

A machine is kept under its condition's name, so that a rule whose limits changed finds the ones that
stayed. Every instant is moved by `shift` on the way back, because another boot has another zero.
"""

import json
from dataclasses import replace
from typing import Any, assert_never

from agent.model import Json, Priority
from agent.rules import flood, measure
from agent.rules.change import ChangeState
from agent.rules.flood import FloodState
from agent.rules.gate import WATCHED, GateState, Shelf
from agent.rules.inputs import Tag, TagState
from agent.rules.journal import Holder
from agent.rules.kind import RuleState
from agent.rules.machine import CALM, Machine, Phase
from agent.rules.protection import Protection
from agent.rules.runs import AnyState, BaseRun
from agent.rules.spec import OPEN, AlarmSpec, RuleSpec
from agent.rules.state import AlarmState


def encoded(holder: Holder, state: object) -> bytes:
    """What the store keeps of a holder that stood at `state`, which is of its kind."""
    match holder, state:
        case BaseRun(), RuleState():
            return encode(holder.spec, state)
        case Tag(), TagState():
            return str(state.last_time).encode()
        case Protection(), FloodState():
            return flood.encode(state)
        case _:
            raise TypeError("what the plant shows anew after each start is not kept")


def encode(spec: RuleSpec, state: AnyState) -> bytes:
    """Write `state` as JSON."""
    core = state.core
    kept: dict[str, Any]
    match core:
        case AlarmState():
            kept = _alarm(spec, core)
        case ChangeState():
            kept = {"kind": "change"} | {name: getattr(core, name) for name in ChangeState.__slots__}
        case _:
            assert_never(core)
    kept["watched"] = _watched(spec)
    if state.measured is not None:
        kept["measured"] = measure.encode(spec.measures, state.measured)
    if state.gate != WATCHED:
        kept["gate"] = _gate(state.gate)
    return json.dumps(kept, separators=(",", ":")).encode()


def _watched(spec: RuleSpec) -> str:
    """What the values are of that were measured or reported: nothing goes on with those of another."""
    return spec.subject if spec.calc is None else spec.calc.text


def _alarm(spec: RuleSpec, state: AlarmState) -> dict[str, Any]:
    conditions = spec.conditions if isinstance(spec, AlarmSpec) else ()
    kept: dict[str, Any] = {"kind": "alarm"} | {
        name: getattr(state, name) for name in AlarmState.__slots__ if name not in ("machines", "announced")
    }
    kept["tag"] = "" if isinstance(spec, AlarmSpec) and spec.of_source else spec.subject
    kept["rule"] = spec.rule_id
    kept["announced"] = [int(priority) for priority in state.announced]
    kept["machines"] = {
        condition.say.name: [m.phase, m.since, m.due, m.blind, m.initial, m.hits, m.mark]
        for condition, m in zip(conditions, state.machines, strict=True)
    }
    return kept


def _gate(gate: GateState) -> dict[str, Json]:
    shelf = gate.shelf
    return {
        "enabled": gate.enabled,
        "since": gate.since,
        "reasons": list(gate.reasons),
        "shelf": None if shelf is None else [shelf.until, shelf.reason, shelf.by, shelf.one_shot],
        "service": gate.service,
        "waits": gate.waits,
        "due": gate.due,
    }


def decode(spec: RuleSpec, kept: bytes, shift: int = 0) -> AnyState | None:
    """Read what `encode` wrote, for the rule as it is now; None when it was another kind of rule.

    A rule whose digest changed goes on with its open occurrence and is decided anew by the next good
    value (`recheck`); without one it starts afresh. So do measures and reports of what is not watched
    any more.
    """
    fields = json.loads(kept)
    kind, gate = fields.pop("kind"), _read_gate(spec, fields.pop("gate", None), shift)
    before, watched = fields.pop("measured", None), fields.pop("watched", None)
    same = watched in (None, _watched(spec))
    measured = measure.begin(spec.measures) if spec.measures else None
    if measured is not None and before is not None and same:
        measured = measure.decode(spec.measures, before, shift)
    if isinstance(spec, AlarmSpec) and kind == "alarm":
        return RuleState(_read_alarm(spec, fields, shift), measured, gate)
    if not isinstance(spec, AlarmSpec) and kind == "change":
        core = ChangeState(**fields) if same else ChangeState(spec.digest)
        core = replace(core, digest=spec.digest, reported_at=core.reported_at + shift)
        return RuleState(core, measured, gate)
    return None


def _read_gate(spec: RuleSpec, fields: dict[str, Any] | None, shift: int) -> GateState:
    """The gate, due at once where it has anything to judge: what it depends on may have changed meanwhile."""
    if fields is None:
        return WATCHED if spec.gate == OPEN else GateState(due=0)
    shelf = fields["shelf"]
    return GateState(
        fields["enabled"],
        fields["since"] + shift,
        tuple(fields["reasons"]),
        fields["waits"],
        None if shelf is None else Shelf(shelf[0] + shift, *shelf[1:]),
        fields["service"],
        _moved(fields["due"], shift),
    )


def _read_alarm(spec: AlarmSpec, fields: dict[str, Any], shift: int) -> AlarmState:
    kept = {name: _machine(words, shift) for name, words in fields.pop("machines").items()}
    changed = fields["digest"] != spec.digest
    fields = {name: value for name, value in fields.items() if name in AlarmState.__slots__}
    state = AlarmState(
        **fields
        | {
            "machines": tuple(kept.get(condition.say.name, CALM) for condition in spec.conditions),
            "announced": tuple(Priority(number) for number in fields["announced"]),
            "onset": fields["onset"] + shift,
            "raised_at": fields["raised_at"] + shift,
            "reminded": fields["reminded"] + shift,
            "away_since": _moved(fields["away_since"], shift),
            "blind": tuple(instant + shift for instant in fields["blind"]) if fields["blind"] else None,
            "extremes": tuple(fields["extremes"]) if fields["extremes"] else None,
            "raises": tuple(instant + shift for instant in fields["raises"]),
            "digest": spec.digest,
        }
    )
    if not changed:
        return state
    if not state.occurrence:
        return AlarmState((CALM,) * len(spec.conditions), spec.digest)
    return replace(state, recheck=True)


def _machine(words: list[Any], shift: int) -> Machine:
    phase, since, due, blind, initial, hits, mark = words
    return Machine(
        Phase(phase),
        since + shift,
        due + shift,
        _moved(blind, shift),
        initial,
        tuple(hit + shift for hit in hits),
        mark,
    )


def _moved(instant: int | None, shift: int) -> int | None:
    return None if instant is None else instant + shift


def removed_rule(kept: bytes, shift: int) -> tuple[AlarmState, str, str] | None:
    """State, tag and rule of an instance that is no longer in the file, if it left an open alarm behind."""
    fields = json.loads(kept)
    if fields.pop("kind") != "alarm" or not fields["occurrence"]:
        return None
    tag, rule = fields["tag"], fields["rule"]
    return _read_alarm(AlarmSpec("", tag, (), fields["digest"]), fields, shift), tag, rule
