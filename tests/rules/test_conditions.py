"""Every condition and every measure in an alarm, case by case; each also with a kill after every step."""

import pytest
from rigs.rules import Player, high, low, reading, rule, say

from agent.model import SECOND, EventType
from agent.rules.expression import Expression
from agent.rules.spec import (
    Announcement,
    Bit,
    ChangeSpec,
    Count,
    Counter,
    Deviation,
    Limit,
    Rate,
    State,
    Still,
    Take,
    Window,
)
from agent.rules.spec import Priority as Loud

MINUTE = 60 * SECOND


def counted(times, within):
    return Announcement("is", 1, 0, 0, Loud.MEDIUM, count=Count(times, within * SECOND))


def still(by, within, *, rising=False):
    return Still(say("increase" if rising else "change", on=within), by, rising)


def calc(text, *conditions, **more):
    return rule(*conditions, tag="", calc=Expression.parse(text), **more)


CASES = {
    "a bit that is set": (
        rule(Bit(say("bits"), 3)),
        [(0, {"T": 0b0111}), (1, {"T": 0b1000}), (2, {"T": 0b0111})],
        [(1, "raised"), (2, "returned")],
    ),
    "a state that is none of these, and another such state": (
        rule(State(say("is_not"), (0, 1), negated=True)),
        [(0, {"T": 1}), (1, {"T": 7}), (2, {"T": 9}), (3, {"T": 0})],
        [(1, "raised"), (2, "changed"), (3, "returned")],
    ),
    "three times within ten seconds": (
        rule(State(counted(3, 10), (True,))),
        [(t, {"T": t % 2 == 1}) for t in range(7)],
        [(5, "raised"), (6, "returned")],
    ),
    "twice, and once more too late": (
        rule(State(counted(3, 10), (True,))),
        [
            (1, {"T": True}),
            (2, {"T": False}),
            (3, {"T": True}),
            (4, {"T": False}),
            (12, {"T": True}),
            (13, {"T": False}),
        ],
        [],
    ),
    "or it comes once and stays": (
        rule(State(counted(3, 10), (True,))),
        [(1, {"T": True}), (30, {})],
        [(11, "raised")],
    ),
    "a flat line": (
        rule(still(0.1, 60)),
        [
            (0, {"T": 5.0}),
            (30, {"T": 5.05}),
            (59, {"T": 5.2}),
            (100, {"T": 5.2}),
            (130, {"T": 5.25}),
            (140, {"T": 6}),
        ],
        [(119, "raised"), (140, "returned")],
    ),
    "a slow drift is no flat line": (
        rule(still(1, 60)),
        [(t * 10, {"T": t * 0.2}) for t in range(30)],
        [],
    ),
    "a counter that stands": (
        rule(still(1, 60, rising=True)),
        [(0, {"T": 5}), (30, {"T": 6}), (100, {"T": 6}), (120, {"T": 7})],
        [(90, "raised"), (120, "returned")],
    ),
    "a counter that was reset has produced nothing by that": (
        rule(still(1, 60, rising=True)),
        [(0, {"T": 5}), (30, {"T": 0}), (70, {"T": 1})],
        [(60, "raised"), (70, "returned")],
    ),
    "a limit that is a tag": (
        rule(Limit(say("high"), 1, "U", 1.0)),
        [(0, {"T": 5, "U": 6}), (1, {"T": 7}), (2, {"U": 7.5}), (3, {"U": 9}), (4, {"U": 6})],
        [(1, "raised"), (3, "returned"), (4, "raised")],
    ),
    "a limit that cannot be read holds what was": (
        rule(Limit(say("high"), 1, "U")),
        [(0, {"T": 5, "U": 6}), (1, {"U": "bad"}), (2, {"T": 70}), (3, {"U": 6})],
        [(3, "raised")],
    ),
    "a deviation from a setpoint": (
        rule(high(3), low(-3), measures=(Deviation("U"),)),
        [(0, {"T": 50, "U": 50}), (1, {"T": 53}), (2, {"U": 53}), (3, {"U": 57})],
        [(1, "raised"), (2, "returned"), (3, "raised")],
    ),
    "too fast": (
        rule(high(5), measures=(Rate(MINUTE, 30 * SECOND),)),
        [(t, {"T": 20 + (min(60, t)) * 0.1}) for t in range(200)],
        [(30, "raised"), (69, "returned")],
    ),
    "an average is not a peak": (
        rule(high(6.5), measures=(Window(MINUTE, Take.AVERAGE),)),
        [(t, {"T": 50 if t == 40 else 6}) for t in range(120)],
        [(41, "raised"), (101, "returned")],
    ),
    "an average moves although nothing comes": (
        rule(high(10), measures=(Window(100 * SECOND, Take.AVERAGE),)),
        [(0, {"T": 0}), (100, {"T": 20}), (300, {})],
        [(150, "raised")],
    ),
    "a rate over a counter that rolls over": (
        rule(high(400), measures=(Counter(65536), Rate(3600 * SECOND, 900 * SECOND))),
        [(t * 60, {"T": (65500 + t * 8) % 65536}) for t in range(30)],
        [(900, "raised")],
    ),
    "commanded and not running": (
        calc("T and not U", State(say("is", on=8), (True,))),
        [
            (0, {"T": False, "U": False}),
            (1, {"T": True}),
            (5, {"U": True}),
            (10, {"U": False}),
            (30, {"U": True}),
        ],
        [(18, "raised"), (30, "returned")],
    ),
    "command and feedback in one scan are one moment": (
        calc("T and not U", State(say("is"), (True,))),
        [(0, {"T": False, "U": False}), (1, {"T": True, "U": True}), (2, {"U": False, "T": False})],
        [],
    ),
    "a quotient with nothing to divide by is unknown": (
        calc("T / U", high(2)),
        [(0, {"T": 5, "U": 1}), (1, {"U": 0}), (2, {"U": 5})],
        [(0, "raised"), (2, "returned")],
    ),
    "a value that grows old": (
        calc('age("T") > 20', State(say("is"), (True,))),
        [(0, {"T": 1}), (10, {"T": 1}), (40, {}), (50, {"T": 2}), (51, {})],
        [(31, "raised"), (50, "returned")],
    ),
}


@pytest.mark.parametrize(("spec", "signal", "expected"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("reborn", [False, True], ids=["", "serialised after every step"])
def test_a_condition(spec, signal, expected, reborn):
    """As the name says; also with the whole state serialised and restored after every step."""
    player = Player((spec,), stale=None)
    for at, values in signal:
        player.values(at, **values)
        player.tick(at)
        if reborn:
            player.reborn()

    assert [(at, what) for at, what, _ in player.timeline] == expected


def test_a_word_that_is_no_word_is_told():
    """Bits of a fraction, of a switch, or of a text: the rule cannot be decided."""
    for value in (0.5, True, "ERR"):
        player = Player((rule(Bit(say("bits"), 3)),))
        player.value(0, value)
        assert [event.type for event in player.events] == [EventType.RULE_UNKNOWN]


def test_a_measure_says_what_it_measured():
    """The event has the measured number with its unit, and the tag's value beside it."""
    player = Player((rule(high(3), measures=(Deviation("U"),)),))
    player.values(0, T=54.5, U=50)

    data = player.events[0].data
    assert (data["value"], data["tag_value"], data["measure"], data["setpoint_tag"]) == (
        4.5,
        54.5,
        ["deviation_from"],
        "U",
    )
    assert data["message"] == "R: the deviation of T from U is 4.5 °C, high limit 3 °C"


def test_a_report_of_a_measure():
    """`change` works on every measure."""
    spec = ChangeSpec("R", "T", "d", Loud.JOURNAL, 1.0, measures=(Deviation("U"),))
    player = Player((spec,))
    for at, seen in enumerate(({"T": 5, "U": 5}, {"T": 9, "U": 9}, {"T": 9, "U": 7})):
        player.values(at, **seen)

    assert [event.data["value"] for event in player.events] == [2]


def test_two_values_of_one_tag_at_one_instant_are_both_seen():
    """A subscription may bring a pulse in one batch: the rule over two tags sees it."""
    player = Player((calc("T and U", State(say("is"), (True,))),))
    player.values(0, T=False, U=True)
    player.take(reading(1, True), reading(1, False))

    assert [what for _, what, _ in player.timeline] == ["raised", "returned"]
