"""The body of an event, as every destination sends it unless its format says otherwise.

In the core although it needs orjson: it is arithmetic over values, and all kinds of destinations
share it. Rules for whoever changes this: receivers parse this for years, so a field is added and
never changes its meaning (`schema` counts up if one must); unknown is null, meaningless is left
out; the same delivery gives the same bytes on every attempt.
"""

from dataclasses import dataclass, replace

import orjson

from agent.model import Event, Json
from agent.stamps import Standing, utc_text

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose events these are.

    Attributes:
        site: the plant or building.
        agent: the agent's name, unique within the site.
        epoch: random, new with each store: `seq` counts within it.
    """

    site: str
    agent: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in what one destination gets.

    Attributes:
        seq: its number; None: it has none, for it is not kept (a heartbeat).
        previous: the number before it that was addressed to this destination; None for the first.
        offset: nanoseconds to add to its instants to make them UTC.
        standing: how far the clock behind that is believed.
        late: a person sent it again, out of order.
    """

    seq: int | None
    previous: int | None
    offset: int
    standing: Standing = Standing.TRUSTED
    late: bool = False


def render(event: Event, place: Place, identity: Identity) -> bytes:
    """Write the body: `{"type", "timestamp", "data"}` (design: delivery, "What is sent").

    Raises:
        TypeError: something in the data has no JSON form (an integer beyond 64 bits).
    """
    return orjson.dumps(document(event, place, identity))


def document(event: Event, place: Place, identity: Identity) -> dict[str, Json]:
    """The body before it is written; what every other format is made of."""
    data: dict[str, Json] = {
        "schema": SCHEMA,
        "id": event.id,
        "site": identity.site,
        "agent": identity.agent,
        "epoch": identity.epoch,
        **({} if place.seq is None else {"seq": place.seq, "previous": place.previous}),
        "priority": event.priority.word,
        "severity": event.priority.value,
        **event.data,
    }
    if event.rule:
        data.setdefault("rule", event.rule)
    if event.tag:
        data.setdefault("tag", event.tag)
    for name, instant in event.instants.items():
        _put(data, name.split("."), utc_text(instant + place.offset))
    if place.standing is not Standing.TRUSTED:
        data["clock"] = "unsynchronized"
    if place.late:
        data["late"] = True
    return {"type": event.type.value, "timestamp": utc_text(event.at + place.offset), "data": data}


def sendable(event: Event) -> Event:
    """The event with everything in it that has no JSON form in the nearest one that has.

    An integer beyond 64 bits becomes a float (or unknown), half a surrogate pair a question mark: one
    odd value must stop neither the alarm nor what is committed with it.
    """
    return replace(event, data={name: _sendable(value) for name, value in event.data.items()})


def _sendable(value: Json) -> Json:
    match value:
        case int() if not -(2**63) <= value < 2**64:
            try:
                return float(value)
            except OverflowError:
                return None
        case str() if not value.isascii():
            return value.encode(errors="replace").decode()
        case list():
            return [_sendable(each) for each in value]
        case dict():
            return {str(_sendable(name)): _sendable(each) for name, each in value.items()}
        case _:
            return value


def _put(data: dict[str, Json], path: list[str], value: str) -> None:
    """Put a value where a dotted name says: `blind.from` is `{"blind": {"from": ...}}`."""
    for step in path[:-1]:
        # A copy: what lies there may belong to the event, which is shared by all destinations.
        inner = data.get(step)
        deeper: dict[str, Json] = dict(inner) if isinstance(inner, dict) else {}
        data[step] = deeper
        data = deeper
    data[path[-1]] = value
