"""The ledger of the demo's receiver: nothing lost, nothing counted twice (see `agent.proving.ledger`).

Rules for whoever changes this file: pure; the agent's own count takes no part in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from agent.model import Json
from agent.proving.ledger.chain import UNKNOWN
from agent.proving.ledger.entries import Numbered, Who
from agent.proving.ledger.statement import statements
from agent.proving.ledger.streams import Streams


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event as a receiver keeps it; a line of its log.

    Attributes:
        id: the webhook-id, the same on every attempt.
        type: `alarm.raised` and so on.
        epoch: the store that `seq` counts in.
        seq: its number in the store; None if the body does not carry one.
        previous: the `seq` before it that was addressed to this receiver; None for the first.
        rule: the rule it came from.
        occurrence: what ties a `returned` to its `raised`.
        duplicates: how often this id arrived again after the first time.
        late: it was sent again by hand, out of order.
    """

    id: str
    type: str
    epoch: str
    seq: int | None
    previous: int | None
    rule: str
    occurrence: str
    duplicates: int = 0
    late: bool = False

    def line(self) -> dict[str, Json]:
        """The receipt as one line of JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a receiver's receipts prove.

    Attributes:
        produced: events addressed to this receiver, up to the newest that it has.
        delivered: those of them that it has.
        lost: `epoch/seq` of every event that another one names and that never arrived, the last of each hole.
        duplicates: events that came under a second webhook-id, so that nobody could recognise them.
        repeated: arrivals of an event that was there already, recognised by its webhook-id.
    """

    produced: int
    delivered: int
    lost: tuple[str, ...]
    duplicates: int
    repeated: int

    @property
    def exact(self) -> bool:
        """Everything is there, once."""
        return not self.lost and not self.duplicates


def audit(receipts: Iterable[Receipt]) -> Ledger:
    """Follow every `previous`; what carries no `seq` (a template's own body) cannot take part."""
    facts, repeated = Streams(), 0
    for receipt in receipts:
        if receipt.seq is not None:
            who = Who("", "", receipt.epoch)
            facts.take(Numbered(who, receipt.seq, receipt.previous, UNKNOWN, receipt.late))
            repeated += receipt.duplicates
    found = statements(facts)
    lost = tuple(f"{statement.who.epoch}/{hole.last}" for statement in found for hole in statement.holes)
    delivered = sum(statement.received + statement.late for statement in found)
    return Ledger(
        produced=delivered + len(lost),
        delivered=delivered,
        lost=lost,
        duplicates=sum(statement.again for statement in found),
        repeated=repeated,
    )


def receipt_of(webhook_id: str, event: Mapping[str, Json]) -> Receipt:
    """What to keep of an event in the standard format; what the body does not carry stays empty."""
    data = event.get("data")
    fields = data if isinstance(data, dict) else {}
    return Receipt(
        id=webhook_id,
        type=_text(event.get("type")),
        epoch=_text(fields.get("epoch")),
        seq=_number(fields.get("seq")),
        previous=_number(fields.get("previous")),
        rule=_text(fields.get("rule")),
        occurrence=_text(fields.get("occurrence")),
        late=fields.get("late") is True,
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
