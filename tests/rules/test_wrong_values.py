"""Whatever a device sends, the rules go on: what cannot be compared is said once, and never ends the agent."""

import pytest
from rigs.rules import Player, gate, high, rule, say

from agent.model import SECOND, EventType, Priority
from agent.rules.expression import Expression
from agent.rules.spec import Bit, ChangeSpec, Counter, Deviation, Take, Window

CALC = {"tag": "", "calc": Expression.parse("T - U")}
SPECS = {
    "a limit": rule(high()),
    "a bit": rule(Bit(say("bits"), 3)),
    "a calculation": rule(high(), **CALC),
    "a window over a calculation": rule(high(), **CALC, measures=(Window(SECOND, Take.MAX),)),
    "a counter": rule(high(), measures=(Counter(64),)),
    "a deviation": rule(high(), measures=(Deviation("U"),)),
    "a gate": rule(high(), gate=gate("T > 0")),
    "a report of a calculation": ChangeSpec("R", "", "d", Priority.JOURNAL, calc=CALC["calc"]),
    "a report of a measure": ChangeSpec("R", "T", "d", Priority.JOURNAL, measures=(Deviation("U"),)),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_text_is_told_once_and_a_number_goes_on(name):
    """`rule.unknown` once, with a reason and the sentence of it; a number after it is looked at as ever."""
    player = Player((SPECS[name],))
    player.values(0, T=1, U=1)
    for at in (1, 2, 3):
        player.value(at, "broken")
    [unknown] = player.events
    assert unknown.type is EventType.RULE_UNKNOWN
    assert unknown.data["reason"] in unknown.data["message"]

    player.value(4, 1)
    player.value(5, "broken")
    assert len(player.events) == 2


def test_a_result_without_a_number_raises_nothing():
    """The difference of two numbers may be none; no alarm stands on what is infinite."""
    player = Player((rule(high(), measures=(Deviation("U"),)),))
    player.values(0, T=1e308, U=-1e308)
    assert player.events == []
    player.values(1, T=1e308, U=0)

    assert player.timeline == [(1.0, "raised", "high")]
