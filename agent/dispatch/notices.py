"""The events that a destination's health makes: for the other destinations, never for itself."""

from collections.abc import Callable
from typing import Final

from agent.delivery.subscription import DESTINATION_SUBJECT
from agent.model import Event, EventType, Json, Priority

UNKNOWN: Final = -1
"""Whoever makes the event does not know which number was before it."""


def notice(
    kind: EventType,
    destination: str,
    reason: str,
    at: int,
    mint: Callable[[int], str],
    *,
    seq: int | None = None,
    previous: int | None = UNKNOWN,
) -> Event:
    """Make the `delivery.*` event `kind` about a destination.

    `seq` is the event it is about, if any, and `previous` the one before it that was addressed there: with
    both a receiver's ledger can tell what was given up from what was lost.
    """
    message = {
        EventType.DELIVERY_FAILING: f"{destination} takes no events: {reason}",
        EventType.DELIVERY_RECOVERED: f"{destination} takes events again",
        EventType.DELIVERY_DISABLED: f"{destination} is disabled until somebody enables it: {reason}",
        EventType.DELIVERY_DEAD: f"event {seq} for {destination} was given up: {reason}",
    }[kind]
    data: dict[str, Json] = {"destination": destination, "message": message}
    if reason:
        data["reason"] = reason
    if seq is not None:
        data["event_seq"] = seq
        if previous != UNKNOWN:
            data["event_previous"] = previous
    loud = kind in (EventType.DELIVERY_FAILING, EventType.DELIVERY_DISABLED)
    return Event(
        id=mint(at),
        type=kind,
        at=at,
        subject=DESTINATION_SUBJECT + destination,
        priority=Priority.HIGH if loud else Priority.JOURNAL,
        data=data,
        # Whoever was told that it fails is told that it recovered.
        audience=(Priority.HIGH,) if kind is EventType.DELIVERY_RECOVERED else (),
    )
