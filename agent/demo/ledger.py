"""Proving completeness from the receiver's side alone: nothing lost, nothing counted twice.

Each event names the `seq` before it that was addressed to the same destination (`previous`). So a
receiver that has every `previous` it was told of has everything up to its newest event; one that it
has not is a hole, by name.

Rules for whoever changes this file: pure; the agent's own count takes no part in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from agent.model import Json


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
    """

    id: str
    type: str
    epoch: str
    seq: int | None
    previous: int | None
    rule: str
    occurrence: str
    duplicates: int = 0

    def line(self) -> dict[str, Json]:
        """The receipt as one line of JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a receiver's receipts prove.

    Attributes:
        produced: events addressed to this receiver, up to the newest that it has.
        delivered: those of them that it has.
        lost: `epoch/seq` of every event that another one names and that never arrived.
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
    numbered = [(receipt.epoch, receipt.seq, receipt) for receipt in receipts if receipt.seq is not None]
    have = {(epoch, seq) for epoch, seq, _ in numbered}
    named = {(epoch, receipt.previous) for epoch, _, receipt in numbered if receipt.previous is not None}
    return Ledger(
        produced=len(have | named),
        delivered=len(have),
        lost=tuple(f"{epoch}/{seq}" for epoch, seq in sorted(named - have)),
        duplicates=len(numbered) - len(have),
        repeated=sum(receipt.duplicates for _, _, receipt in numbered),
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
    )


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
