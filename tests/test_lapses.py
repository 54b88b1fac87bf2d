"""Interruptions of a source, and tags of which nothing comes."""

import pytest

from agent.lapses import Connection, Interruption, Overdue
from agent.model import SECOND, TagSpec

UP, DOWN = True, False


def told(*changes, until=1000):
    """What is told by one who looks each second; `changes`: (second, up)."""
    connection, events, found = Connection(0), dict(changes), []
    for second in range(until):
        if second in events:
            if events[second]:
                connection.up(second * SECOND)
            else:
                connection.down(second * SECOND, f"reason at {second}")
        if (over := connection.interruption(second * SECOND)) is not None:
            found.append((over.since // SECOND, over.until // SECOND, over.reason))
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([(1, UP)], []),
        ([(20, UP)], [(0, 20, "the connection was not there yet")]),
        ([(2, DOWN), (20, UP)], [(0, 20, "reason at 2")]),
        ([(1, UP), (50, DOWN), (60, UP)], [(50, 60, "reason at 50")]),
        ([(1, UP), (50, DOWN), (55, DOWN), (60, UP)], [(50, 60, "reason at 50")]),
        ([(1, UP), (50, DOWN), (55, UP), (60, DOWN), (70, UP)], [(50, 70, "reason at 50")]),
        (
            [(1, UP), (50, DOWN), (55, UP), (70, DOWN), (80, UP)],
            [(50, 55, "reason at 50"), (70, 80, "reason at 70")],
        ),
        ([(1, UP), (50, DOWN)], []),
    ],
)
def test_each_interruption_is_told_once_when_the_connection_holds(changes, expected):
    """From the loss to the return; a loose plug is one; connecting at the start is none."""
    assert told(*changes) == expected


def test_what_is_open_can_be_told_at_the_end():
    """An agent that is stopped while the device is away tells since when."""
    connection = Connection(0)
    connection.up(SECOND)
    assert connection.open(5 * SECOND) is None
    connection.down(10 * SECOND, "cable")
    assert connection.open(60 * SECOND) == Interruption(10 * SECOND, 60 * SECOND, "cable")


def test_a_first_connection_that_never_came_is_open():
    """An agent that is stopped while its first connection takes its time tells that, and no moment's interruption."""
    connection = Connection(0)
    assert connection.open(2 * SECOND) is None
    assert connection.open(60 * SECOND) == Interruption(0, 60 * SECOND, "the connection was not there yet")
    connection.down(61 * SECOND, "no answer")
    assert connection.open(62 * SECOND) == Interruption(0, 62 * SECOND, "no answer")
    connection = Connection(0)
    connection.up(SECOND)
    connection.down(10 * SECOND, "cable")
    assert connection.open(10 * SECOND + 1) is None


def test_a_fast_poll_is_not_late_for_a_moments_load():
    """Whatever its own limit, five seconds of silence are the least that people are told of."""
    overdue, specs = Overdue(), [TagSpec("FAST", "s", stale_after=SECOND // 10)]
    assert [second for second in range(10) if overdue.since(second * SECOND, 0, specs)] == [6, 7, 8, 9]


def test_a_tag_is_overdue_by_its_own_limit():
    """With `stale_after` whenever nothing comes for so long; without, when nothing has come at all."""
    specs = [TagSpec("POLLED", "s", stale_after=8 * SECOND), TagSpec("QUIET", "s")]
    overdue = Overdue()
    at = {name: [] for name in ("POLLED", "QUIET")}
    for second in range(100):
        if second == 20:
            overdue.hear("QUIET", second * SECOND)
        if 5 <= second < 50:
            overdue.hear("POLLED", second * SECOND)
        for tag in overdue.since(second * SECOND, 0, specs):
            at[tag].append(second)
    assert at == {"POLLED": [*range(58, 100)], "QUIET": [16, 17, 18, 19]}
    overdue.connected()
    assert overdue.since(100 * SECOND, 100 * SECOND, specs) == {}
