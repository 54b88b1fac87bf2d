"""Report by exception: against the last value reported, with its two bounds of time."""

from dataclasses import replace

import pytest
from rigs.rules import Player, gate

from agent.model import SECOND, Priority
from agent.rules.spec import ChangeSpec

CASES = {
    "the first value is a baseline, not a change": ({}, [(0, 5), (1, 5)], []),
    "any difference without a deadband": ({}, [(0, 5), (1, 6), (2, 6), (3, 5)], [(1, 6), (3, 5)]),
    "small moves add up against the last reported value": (
        {"deadband": 1.0},
        [(0, 5.0), (1, 5.6), (2, 6.0), (3, 6.1), (4, 6.9)],
        [(3, 6.1)],
    ),
    "texts and booleans change too": ({}, [(0, "A"), (1, "B"), (2, "B")], [(1, "B")]),
    "too soon waits, and is judged again when its time comes": (
        {"at_most_every": 10},
        [(0, 1), (1, 2), (4, 3), (12, 3)],
        [(10, 3)],
    ),
    "what went back in the meantime is not reported": (
        {"at_most_every": 10},
        [(0, 1), (1, 2), (4, 1), (12, 1)],
        [],
    ),
    "a fresh value is reported at least so often": (
        {"at_least_every": 10},
        [(0, 1), (5, 1), (25, 1)],
        [(10, 1), (20, 1)],
    ),
    "a dead sensor's last value is never reported again": (
        {"at_least_every": 10},
        [(0, 1), (5, "bad"), (35, "bad"), (36, 1)],
        [(36, 1)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reports(name):
    """Each case reports exactly these values at these seconds."""
    keys, signal, expected = CASES[name]
    spec = {key: value * SECOND if key.startswith("at_") else value for key, value in keys.items()}
    player = Player((ChangeSpec("C", "T", "d", Priority.JOURNAL, **spec),))

    for at, value in signal:
        player.value(at, value)

    assert [(event.at / SECOND, event.data["value"]) for event in player.events] == expected


def test_after_a_reconnect_the_stored_value_is_compared_and_marked_late():
    """A baseline that differs from the last reported value makes a late report; an equal one none."""
    player = Player((ChangeSpec("C", "T", "d", Priority.JOURNAL),))
    player.value(0, 1, baseline=True)
    player.value(10, 1, baseline=True)
    player.value(20, 2, baseline=True)
    player.value(21, 3)

    assert [(event.data["value"], event.data.get("late")) for event in player.events] == [
        (2, True),
        (3, None),
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"at_most_every": 10 * SECOND}, [(43, 9)]),
        ({"at_least_every": 10 * SECOND}, [(6, 9), (43, 9), (53, 9)]),
    ],
)
def test_what_fell_due_while_nobody_looked_is_reported_when_somebody_does(keys, expected):
    """`when` was false from 7 to 40 and settles until 43: no report is stamped with an instant between."""
    spec = ChangeSpec("C", "T", "d", Priority.JOURNAL, **keys, gate=gate("U > 0", settle=3 * SECOND))
    player = Player((spec,))
    player.values(0, T=5, U=1)
    player.value(3, 5)
    player.value(6, 9)
    player.value(7, 0, "U")
    player.value(40, 1, "U")
    player.tick(60)

    assert [(event.at // SECOND, event.data["value"]) for event in player.events] == expected


def test_a_stale_value_is_not_reported_when_the_suppression_ends():
    """Held since 15, stale from 65 on, suppressed until 100: at 150 only the new value is reported."""
    spec = ChangeSpec("C", "T", "d", Priority.JOURNAL, at_most_every=10 * SECOND)
    spec = replace(spec, gate=gate(suppress_while="U"))
    player = Player((spec,), stale=50)
    player.values(0, T=5, U=False)
    player.value(10, True, "U")
    player.value(15, 7)
    player.value(100, False, "U")
    player.value(150, 9)

    assert [(event.at // SECOND, event.data["value"]) for event in player.events] == [(150, 9)]
