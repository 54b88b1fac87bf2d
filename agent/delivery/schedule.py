"""When to try again: the waits of an event, and the waits of a destination.

Rules: nanoseconds throughout; the dice are passed in, uniform in [0, 1). The figures are the
specification's (delivery, "What an answer means"), and the fleet test holds them: 1,000 agents
that come back after an hour must not knock the receiver down again.
"""

from typing import Final

from agent.model import SECOND

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

OWN_SCHEDULE: Final = (MINUTE, 5 * MINUTE, 30 * MINUTE)
CONFIGURATION_WAIT: Final = 5 * MINUTE
LONGEST_BACK_OFF: Final = 300 * SECOND
LONGEST_RETRY_AFTER: Final = 24 * HOUR
LONE_CHARGE: Final = HOUR
NEW_EVENT_WITHIN: Final = 15 * SECOND
WAKE_WITHIN: Final = 5 * SECOND
FAILING_AFTER: Final = MINUTE

_FIRST_BACK_OFF: Final = 1 * SECOND
_TENTH: Final = 10


def back_off_ceiling(failures: int, outage: int) -> int:
    """The longest a destination waits after `failures` (1, 2, ...) in a row, `outage` ns after the first.

    1 s doubling, but never more than a tenth of the outage so far: whoever was away for ten seconds
    is back within one, whoever was away for an hour need not hurry.
    """
    doubled = _FIRST_BACK_OFF << min(max(failures - 1, 0), 20)  # 2 ** 20 s is far beyond the longest
    return min(doubled, max(_FIRST_BACK_OFF, outage // _TENTH), LONGEST_BACK_OFF)


def back_off(failures: int, outage: int, dice: float) -> int:
    """The wait itself: full jitter, anything from nothing to the ceiling."""
    return int(back_off_ceiling(failures, outage) * dice)


def own_wait(schedule: tuple[int, ...], charged: int) -> int:
    """How long an event waits by its own schedule when `charged` attempts have counted so far."""
    return schedule[min(charged, len(schedule) - 1)]
