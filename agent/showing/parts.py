"""Tables `tags`, `sources`, `destinations` and `relays`: a row of each part at work."""

from agent.dispatch.loop import Dispatcher
from agent.dispatch.status import DestinationStatus
from agent.intake import Intake
from agent.model import MILLISECOND, Json, TagSpec
from agent.relays import RelayAtWork
from agent.showing.text import told
from agent.stamps import utc_text
from agent.store.store import Store


def tag_row(spec: TagSpec) -> dict[str, Json]:
    """What is known of a tag beside its value."""
    low, high = (None, None) if spec.range is None else spec.range
    stale = spec.stale_after
    return {
        "source": spec.source,
        "unit": spec.unit,
        "low": low,
        "high": high,
        "stale_after_ms": None if stale is None else stale // MILLISECOND,
    }


def source_row(intake: Intake, offset: int) -> dict[str, Json]:
    """How a source is; `offset` makes stamps of instants, nanoseconds."""
    tag, why = next(iter(intake.bad.items()), ("", ""))
    skew = intake.skew_s
    return {
        "type": intake.config.type,
        "state": intake.state,
        "since": utc_text(intake.since + offset),
        "reason": told(intake.reason),
        "tags": intake.tags,
        "bad": len(intake.bad),
        "late": len(intake.late),
        "first_bad": told(f"{tag}: {why}") if tag else "",
        "clock_skew_s": None if skew is None else round(skew),
    }


def destination_row(
    name: str, kind: str, dispatcher: Dispatcher, store: Store, offset: int
) -> dict[str, Json]:
    """How a destination is; `offset` as above."""
    status, waiting, retry_at = dispatcher.status, store.waiting_count(name), dispatcher.retry_at
    return {
        "type": kind,
        "state": status.state.value,
        "reason": told(status.reason),
        "waiting": waiting,
        "dead": store.dead_count(name),
        "oldest": _oldest(name, store, offset) if waiting else None,
        "retry_at": utc_text(retry_at + offset) if waiting and retry_at is not None else None,
        "attempts": status.attempts,
        "succeeded": status.succeeded,
        "latency_ms": _milliseconds(status),
    }


def _oldest(name: str, store: Store, offset: int) -> str | None:
    """When it happened; of another boot, as that boot's clock had it."""
    oldest = store.oldest_waiting(name)
    if oldest is None:
        return None
    here = oldest.at.boot == store.boot
    return utc_text(oldest.at.monotonic + offset if here else oldest.at.wall)


def _milliseconds(status: DestinationStatus) -> float | None:
    return None if status.median_s is None else round(status.median_s * 1000, 1)


def relay_row(relay: RelayAtWork, offset: int) -> dict[str, Json]:
    """How a relay is; `offset` as above."""
    state, reason = relay.state
    return {
        "type": relay.config.type,
        "state": state,
        "since": utc_text(relay.since + offset),
        "reason": told(reason),
        "taken": relay.taken,
        "unusable": relay.unusable,
    }
