"""What the events of a rule tell as a whole, and what of it may differ between two runs."""

from dataclasses import replace

from agent.model import EventType, Reading


def instant(seen):
    return seen.received if isinstance(seen, Reading) else seen.at


def facts(events):
    """All that an event says but its ids, which count what was minted."""
    episodes = {}
    return [
        replace(
            event,
            id="",
            data=event.data
            | (
                {"occurrence": episodes.setdefault(o, len(episodes))}
                if (o := event.data.get("occurrence"))
                else {}
            ),
        )
        for event in events
    ]


def assert_whole(events):
    """Raised and returned alternate, each episode has one occurrence, nothing lasts less than no time."""
    ends = [e.type for e in events if e.type in (EventType.ALARM_RAISED, EventType.ALARM_RETURNED)]
    assert ends == [(EventType.ALARM_RAISED, EventType.ALARM_RETURNED)[i % 2] for i in range(len(ends))]
    occurrence = ""
    for event in events:
        if event.type is EventType.ALARM_RAISED and "repeat" not in event.data:
            occurrence = event.id
        assert event.data.get("occurrence", occurrence) == occurrence
        assert event.data.get("duration_s", 0) >= 0
