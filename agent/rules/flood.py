"""Alarm floods: more alarms than anybody can read are told in digests, and none is dropped.

    quiet --more_than raised within--> flood (`agent.flood` started) --fewer than until--> quiet (ended)

Every raised alarm counts. The one that is too many and all `alarm.*` after it are held and told whole in
`agent.flood` digests; what came before went out (first-out is kept). Alone go through: what is of an
`always` priority or follows one that was, what is addressed to certain destinations (`send_to`: a digest
would be for everybody), and all that is not `alarm.*`.

Rules for whoever changes it: pure; each event comes out exactly once, alone or in a digest; a digest has
the instant at which it was due. No more than 200 are held, because all of it is committed with every
step: what would be one more goes into a digest at once.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from agent.model import SECOND, Event, EventType, Json, Priority
from agent.rules.message import show_duration
from agent.rules.spec import FloodSpec

_MOST: Final = 200
_NAMED: Final = 3
"""So many rules are named in the sentence of a digest."""

Mint = Callable[[int], str]


class FloodState(NamedTuple):
    """Where the protection stands.

    Attributes:
        raised: instants of the latest raised alarms, oldest first.
        since: since when there is a flood; None: there is none.
        held: what is held back for the next digest.
        digest_due: when that is to be sent.
        told: how many were told in digests of this flood.
    """

    raised: tuple[int, ...] = ()
    since: int | None = None
    held: tuple[Event, ...] = ()
    digest_due: int = 0
    told: int = 0


def pass_on(
    spec: FloodSpec, state: FloodState, events: Sequence[Event], mint: Mint
) -> tuple[FloodState, list[Event]]:
    """Let `events` (in order of time) through, or hold them; what was due before each comes before it."""
    out: list[Event] = []
    for event in events:
        state, due = advance(spec, state, event.at, mint)
        out += due
        if event.type is EventType.ALARM_RAISED:
            state, began = _count(spec, state, event, mint)
            out += began
        if state.since is None or _alone(spec, event):
            out.append(event)
            continue
        state = state._replace(held=(*state.held, event))
        if len(state.held) >= _MOST:
            state, full = _digest(state, event.at, mint)
            out += full
    return state, out


def _alone(spec: FloodSpec, event: Event) -> bool:
    """No flood can hold it."""
    return (
        not event.type.startswith("alarm.")
        or bool(event.send_to)
        or event.priority in spec.always
        or not spec.always.isdisjoint(event.audience)
    )


def _count(spec: FloodSpec, state: FloodState, event: Event, mint: Mint) -> tuple[FloodState, list[Event]]:
    """Count a raised alarm; it may be one too many."""
    at = max(event.at, state.raised[-1]) if state.raised else event.at
    raised = (*state.raised, at)[-max(spec.more_than + 1, spec.until) :]
    state = state._replace(raised=raised)
    too_many = len(raised) > spec.more_than and raised[-spec.more_than - 1] > at - spec.within
    if state.since is not None or not too_many:
        return state, []
    message = (
        f"more than {spec.more_than} alarms in {show_duration(spec.within)}: "
        f"they are told together, every {show_duration(spec.digest_every)}"
    )
    data: dict[str, Json] = {"state": "started", "count": spec.more_than + 1, "message": message}
    started = _event(mint, event.at, event.priority, data, _everybody(spec))
    return FloodState(raised, event.at, (), event.at + spec.digest_every), [started]


def _everybody(spec: FloodSpec) -> tuple[Priority, ...]:
    """All from whom something may be held back."""
    return tuple([priority for priority in Priority if priority not in spec.always])


def next_due(spec: FloodSpec, state: FloodState) -> int | None:
    """When a digest is to be sent or the flood ends, by time alone."""
    if state.since is None:
        return None
    ends = _ends(spec, state, state.since)
    return min(ends, state.digest_due) if state.held else ends


def _ends(spec: FloodSpec, state: FloodState, since: int) -> int:
    """From when on fewer than `until` were raised in `until_within`."""
    if len(state.raised) < spec.until:
        return since
    return max(since, state.raised[-spec.until] + spec.until_within)


def advance(spec: FloodSpec, state: FloodState, now: int, mint: Mint) -> tuple[FloodState, list[Event]]:
    """Let time pass up to `now`."""
    out: list[Event] = []
    while state.since is not None:
        ends = _ends(spec, state, state.since)
        if min(ends, state.digest_due) > now:
            break
        if ends <= state.digest_due:
            state, last = end(spec, state, ends, mint)
            return state, out + last
        state, due = _digest(state, state.digest_due, mint)
        out += due
        state = state._replace(digest_due=state.digest_due + spec.digest_every)
    return state, out


def end(spec: FloodSpec, state: FloodState, at: int, mint: Mint) -> tuple[FloodState, list[Event]]:
    """End a flood at `at`: the last digest, and that it ended (also: the protection is switched off)."""
    since = state.since
    if since is None:
        return state, []
    state, out = _digest(state, at, mint)
    lasted = at - since
    message = f"the alarm flood is over after {show_duration(lasted)}; {state.told} were told in digests"
    data: dict[str, Json] = {
        "state": "ended",
        "count": state.told,
        "duration_s": lasted / SECOND,
        "message": message,
    }
    priority = out[0].priority if out else Priority.JOURNAL
    out.append(_event(mint, at, priority, data, _everybody(spec), {"from": since, "to": at}))
    return FloodState(state.raised), out


def _digest(state: FloodState, at: int, mint: Mint) -> tuple[FloodState, list[Event]]:
    """Tell what is held; of nothing there is no digest."""
    held = state.held
    if not held:
        return state, []
    alarms: dict[str, Json] = {}
    instants: dict[str, int] = {}
    for event in held:
        alarms[event.id] = {"type": event.type.value, "data": _body(event)}
        instants[f"alarms.{event.id}.timestamp"] = event.at
        instants |= {f"alarms.{event.id}.data.{name}": each for name, each in event.instants.items()}
    data: dict[str, Json] = {
        "state": "digest",
        "count": len(held),
        "message": _sentence(held, at),
        "alarms": alarms,
    }
    priorities = {event.priority for event in held}.union(*[event.audience for event in held])
    audience = tuple(sorted(priorities, reverse=True))
    loudest = max(event.priority for event in held)
    digest = _event(mint, at, loudest, data, audience, instants)
    return state._replace(held=(), told=state.told + len(held)), [digest]


def _body(event: Event) -> dict[str, Json]:
    """What would have been its `data`, but for who sends it and the numbers of delivery."""
    body: dict[str, Json] = {
        "id": event.id,
        "priority": event.priority.word,
        "severity": event.priority.value,
        **event.data,
    }
    if event.rule:
        body.setdefault("rule", event.rule)
    if event.tag:
        body.setdefault("tag", event.tag)
    return body


def _sentence(held: Sequence[Event], at: int) -> str:
    """`23 alarm events in 1 min, 14 of them raised; the first: K1-trip, R1-pressure, P101-suction`."""
    raised = [event for event in held if event.type is EventType.ALARM_RAISED]
    names = list(dict.fromkeys([event.subject for event in raised or held]))
    events = "1 alarm event" if len(held) == 1 else f"{len(held)} alarm events"
    return (
        f"{events} in {show_duration(at - held[0].at)}, {len(raised)} of them raised; "
        f"the first: {', '.join(names[:_NAMED])}"
    )


def _event(
    mint: Mint,
    at: int,
    priority: Priority,
    data: Mapping[str, Json],
    audience: tuple[Priority, ...],
    instants: Mapping[str, int] | None = None,
) -> Event:
    return Event(
        mint(at), EventType.AGENT_FLOOD, at, "agent", priority, data, instants or {}, audience=audience
    )


def encode(state: FloodState) -> bytes:
    """The state as bytes."""
    kept = state._asdict() | {"held": [_kept(event) for event in state.held]}
    return json.dumps(kept, separators=(",", ":")).encode()


def _kept(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type.value,
        "at": event.at,
        "subject": event.subject,
        "priority": event.priority.value,
        "data": dict(event.data),
        "instants": dict(event.instants),
        "tag": event.tag,
        "rule": event.rule,
        "audience": [priority.value for priority in event.audience],
        "send_to": list(event.send_to),
    }


def decode(kept: bytes, shift: int) -> FloodState:
    """Read what `encode` wrote, instants moved by `shift`."""
    fields = json.loads(kept)
    since = fields["since"]
    return FloodState(
        tuple([at + shift for at in fields["raised"]]),
        None if since is None else since + shift,
        tuple([_read(event, shift) for event in fields["held"]]),
        fields["digest_due"] if since is None else fields["digest_due"] + shift,
        fields["told"],
    )


def _read(kept: dict[str, Any], shift: int) -> Event:
    return Event(
        **kept
        | {
            "type": EventType(kept["type"]),
            "at": kept["at"] + shift,
            "priority": Priority(kept["priority"]),
            "instants": {name: at + shift for name, at in kept["instants"].items()},
            "audience": tuple([Priority(number) for number in kept["audience"]]),
            "send_to": tuple(kept["send_to"]),
        }
    )
