"""Deliveries, their attempts and their numbers, as people and scripts get them."""

from collections.abc import Mapping

from agent.model import Json
from agent.stamps import utc_text
from agent.store.orders import Tally
from agent.store.records import Attempt, DeliveryStatus


def delivery_row(status: DeliveryStatus) -> dict[str, Json]:
    """Where an event stands with one destination."""
    told: dict[str, Json] = {
        "destination": status.destination,
        "state": status.state.word,
        "previous": status.previous,
        "charged": status.charged,
    }
    if status.settled_wall is not None:
        told["settled"] = utc_text(status.settled_wall)
    if status.reason:
        told["reason"] = status.reason
    if status.resent:
        told["resent"] = True
    return told


def attempt_row(attempt: Attempt) -> dict[str, Json]:
    """When it was, what was answered, and how soon."""
    return {
        "at": utc_text(attempt.at_wall),
        "status": attempt.status,
        "latency_s": attempt.latency,
        "text": attempt.text,
    }


def tally_rows(tallies: Mapping[str, Tally]) -> dict[str, Json]:
    """How many are meant, by destination."""
    return {
        name: {
            "count": tally.count,
            "first": None if tally.first_wall is None else utc_text(tally.first_wall),
            "last": None if tally.last_wall is None else utc_text(tally.last_wall),
            "damaged": tally.damaged,
            "removed": tally.removed,
        }
        for name, tally in tallies.items()
    }
