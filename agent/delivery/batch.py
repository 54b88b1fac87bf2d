"""Several events in one request: what it is called, and when it has to be taken apart.

Rules for whoever changes this: only a single event is ever charged or given up; whatever a receiver
says against a batch is said against none of its members (design: delivery, `batch`).
"""

from collections.abc import Sequence
from enum import Enum
from hashlib import sha256
from typing import Final

from agent.delivery.judge import Crash
from agent.model import Answer, NoAnswer

# What these say is about the credentials, the address, the pace or the way, not about what was sent.
_BESIDE: Final = frozenset({401, 403, 404, 407, 408, 410, 429, 502, 503, 504})


class Split(Enum):
    """Whether the members of a batch go in smaller ones from now on."""

    NO = "no"
    LATER = "later"  # after the destination's wait: maybe one of them is what it fails of
    NOW = "now"  # it is well, and does not take this


def batch_id(ids: Sequence[str]) -> str:
    """The `webhook-id` of a batch: the same members in the same order have the same one."""
    return "bat_" + sha256(" ".join(ids).encode()).hexdigest()[:32]


def split(outcome: Answer | NoAnswer | Crash) -> Split:
    """What the outcome of a request with several events means for their company."""
    match outcome:
        case Crash():
            return Split.NOW
        case Answer(status=status, headers=headers):
            wish = headers.get("webhook-delivery", "").strip().lower()
            if wish == "abort-message" and not 200 <= status < 300:  # noqa: PLR2004 - the table speaks in statuses
                return Split.NOW
            if status in _BESIDE or status < 400:  # noqa: PLR2004 - as above
                return Split.NO
            return Split.NOW if status < 500 else Split.LATER  # noqa: PLR2004 - as above
        case NoAnswer(unsent=unsent, blocked=blocked):
            return Split.NO if unsent or blocked else Split.LATER


def half(members: int) -> int:
    """How many of them go together next time."""
    return max(1, members // 2)
