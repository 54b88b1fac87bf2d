"""The figures of the specification (design: delivery) that no other test would miss when they change."""

import inspect

import pytest

from agent import heartbeat
from agent.config.model import StoreSection
from agent.delivery import schedule
from agent.destinations.base import DestinationSection
from agent.model import SECOND
from agent.store import eviction, limits, opening
from agent.store.store import Store

MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
DAY = 24 * HOUR

FIGURES = {
    "an attempt has 15 s": (DestinationSection().timeout, 15 * SECOND),
    "eight are in flight": (DestinationSection().concurrency, 8),
    "an event's own schedule": (DestinationSection().retry, (MINUTE, 5 * MINUTE, 30 * MINUTE)),
    "nothing is limited, nor too old": (
        (DestinationSection().rate_limit, DestinationSection().max_age),
        (None, None),
    ),
    "a configuration fault is tried every 5 minutes": (schedule.CONFIGURATION_WAIT, 5 * MINUTE),
    "a back-off is 300 s at most": (schedule.LONGEST_BACK_OFF, 300 * SECOND),
    "Retry-After counts for 24 h at most": (schedule.LONGEST_RETRY_AFTER, DAY),
    "a lone event is charged once an hour": (schedule.LONE_CHARGE, HOUR),
    "a new event is tried within 15 s": (schedule.NEW_EVENT_WITHIN, 15 * SECOND),
    "a link that is back is noticed within 5 s": (schedule.WAKE_WITHIN, 5 * SECOND),
    "failing is told after a minute": (schedule.FAILING_AFTER, MINUTE),
    "a heartbeat a minute": (heartbeat.EVERY, MINUTE),
    "the store has 2 GB": (StoreSection().max_size, 2_000_000_000),
    "delivered events are kept for 7 days": (StoreSection().keep_delivered, 7 * DAY),
    "what is settled is written every 5 s": (
        inspect.signature(Store.open).parameters["tick"].default,
        5 * SECOND,
    ),
    "the store says at 80 % that it fills": (limits.FILLING, 0.8),
    "a ballast of 16 MB": (limits.ballast_for(2_000_000_000), 16_000_000),
    "the log is folded in at 4 MB": (opening.WAL_BYTES, 4 * 1024 * 1024),
    "dead letters are old after 30 days": (eviction.OLD_LETTERS, 30 * DAY),
}


@pytest.mark.parametrize("claim", FIGURES)
def test_a_figure_is_the_specifications(claim):
    """Users plan with it; what follows from it has tests elsewhere."""
    found, specified = FIGURES[claim]

    assert found == specified
