"""Why a rule did or did not raise: the sentence, the margin, and what was sent beside what is configured."""

import pytest
from rigs.recordings import START, configured, recorded, values, wall
from rigs.rules import high, low, rule, say

from agent.model import SECOND, Action, Alive, Command, Link
from agent.proving.why import Sent, explain
from agent.rules.expression import Expression
from agent.rules.hours import Hours
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Announcement,
    Awaited,
    Bit,
    ChangeSpec,
    Chattering,
    Gate,
    Priority,
    State,
    Still,
)


def why(configuration, *sessions, begin=0, end=None, sent=None):
    """The answer for `R`, over all that was recorded."""
    last = (sessions[-1].until + sessions[-1].offset - START) / SECOND
    interval = (wall(begin), wall(last if end is None else end))
    return explain(configuration, "R", sessions, interval, sent)


def texts(answer):
    return [finding.text for finding in answer.findings]


def test_a_delay_that_did_not_run_out():
    """The peak, how long it lasted, and what was missing."""
    plant = configured(rule(high(170, on=10)))
    seen = values(*[165] * 5, 170.5, 171.2, *[170] * 4, *[165] * 9)
    answer = why(plant, recorded(plant, *seen, until=20), sent=[])

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:20"
    assert texts(answer) == [
        "12:00:05: T went beyond its high limit 170 °C, reached 171.2 °C; it lasted for 6 s; on_delay is 10 s, 4 s were missing"
    ]
    assert [(move.at, *move[1:]) for move in answer.moves] == [
        (wall(5), "high", "normal", "pending", "170.5 °C"),
        (wall(11), "high", "pending", "normal", "165 °C"),
    ]
    assert answer.differences == ()


def test_a_tag_that_never_spoke():
    """Nothing moved at all, which is an answer."""
    plant = configured(rule(high(170)))
    answer = why(plant, recorded(plant, until=5))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:05"
    assert texts(answer) == [
        "from 12:00:00 to 12:00:05: T could not be seen: not read yet",
        "high: there was nothing to compare",
    ]


def test_a_delay_that_still_runs():
    """So far, and what is missing yet."""
    plant = configured(rule(high(170, on=10)))
    answer = why(plant, recorded(plant, *values(*[165] * 5, *[172] * 5), until=9))

    assert texts(answer) == [
        "12:00:05: T went beyond its high limit 170 °C, reached 172 °C; so far it has lasted 4 s; on_delay is 10 s, 6 s are missing yet"
    ]


def test_what_was_raised():
    """When, because of what, and when it was over."""
    plant = configured(rule(high(170, on=4, off=2)))
    seen = values(*[165] * 3, *[172] * 6, *[165] * 10)
    answer = why(plant, recorded(plant, *seen, until=18))

    assert answer.answer == "R raised at 12:00:07"
    assert texts(answer) == [
        "12:00:03: T went beyond its high limit 170 °C, reached 172 °C and lasted for 4 s: high at 12:00:07; it was over at 12:00:11"
    ]
    assert [event.type for event in answer.told] == ["alarm.raised", "alarm.returned"]


def test_what_was_active_before():
    """It cannot be raised twice."""
    plant = configured(rule(high(170)))
    answer = why(plant, recorded(plant, *values(165, *[172] * 100), until=100), begin=50)

    assert (
        answer.answer
        == "R did not raise between 12:00:50 and 12:01:40: it was active already, raised at 12:00:01"
    )


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (high(170), "high: T came no nearer than 166.5 °C at 12:00:01; the limit is 170 °C, 3.5 °C away"),
        (low(40), "low: T came no nearer than 164 °C at 12:00:02; the limit is 40 °C, 124 °C away"),
        (State(say("is"), (7,)), "is: T was 165 °C; it comes when T is 7"),
        (Bit(say("overload"), 3), None),
    ],
)
def test_how_far_it_was(condition, text):
    """The margin, where nothing came."""
    plant = configured(rule(condition))
    answer = why(plant, recorded(plant, *values(165, 166.5, 164, 165), until=3))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:03"
    assert text is None or texts(answer) == [text]


def test_a_gap_is_not_counted():
    """What could not be seen pauses the delay, and is said."""
    plant = configured(rule(high(170, on=10)))
    seen = values(*[165] * 5, *[172] * 5, *[None] * 4, *[172] * 3, *[165] * 9)
    answer = why(plant, recorded(plant, *seen, until=25))

    assert texts(answer) == [
        "12:00:05: T went beyond its high limit 170 °C, reached 172 °C; it lasted for 8 s; on_delay is 10 s, 2 s were missing",
        "from 12:00:10 to 12:00:14: T could not be seen: no answer",
    ]


def test_a_delay_that_a_gap_voids():
    """The gap was longer than the delay: only what was seen before it counts."""
    plant = configured(rule(high(170, on=10)))
    seen = values(*[165] * 5, *[172] * 5, *[None] * 15, *[165] * 3)
    answer = why(plant, recorded(plant, *seen, until=27))

    assert (
        texts(answer)[0]
        == "12:00:05: T went beyond its high limit 170 °C, reached 172 °C; it lasted for 5 s; on_delay is 10 s, 5 s were missing"
    )


def test_what_was_held_when_the_agent_was_killed():
    """A value that stayed is written once: it was seen as long as anything was written."""
    plant = configured(rule(high(170)))
    answer = why(plant, recorded(plant, *values(*[165] * 60), until=59, killed=True))

    assert texts(answer) == ["high: T came no nearer than 165 °C at 12:00:00; the limit is 170 °C, 5 °C away"]


def test_silence_is_seen():
    """Nothing came for longer than the tag's staleness: the rule could not know."""
    plant = configured(rule(high(170)))
    answer = why(plant, recorded(plant, *values(165, 165), *values(165, begin=30), until=30))

    assert (
        texts(answer)[0]
        == "from 12:00:04 to 12:00:30: T could not be seen: nothing came, and the last value is too old"
    )


def gated(**gate):
    return configured(rule(high(170), gate=Gate(**gate)))


def test_a_rule_that_was_not_watched():
    """`when` was false: the words of the configuration."""
    plant = gated(when=Expression.parse("U > 5"))
    seen = values(*[172] * 20) + values(*[0] * 20, tag="U")
    answer = why(plant, recorded(plant, *seen, until=20))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:20"
    assert "from 12:00:00 to 12:00:20: it was not watched: `U > 5` was false" in texts(answer)


def test_a_rule_that_was_suppressed():
    """It was raised inside, and nothing was told."""
    plant = gated(suppress_while=Expression.parse("U > 5"))
    seen = values(*[165] * 5, *[172] * 10) + values(*[7] * 15, tag="U")
    answer = why(plant, recorded(plant, *seen, until=15))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:15"
    assert any("nothing was announced: by_design" in text for text in texts(answer))
    assert any(text.endswith("suppressed (by_design), so nothing was told") for text in texts(answer))


def test_a_restart_is_played_as_it_was():
    """The delay goes on after a short absence: the same engine, restored."""
    plant = configured(rule(high(170, on=10)))
    first = recorded(plant, *values(*[165] * 5, *[172] * 5), until=9)
    second = recorded(plant, *values(*[172] * 10, begin=12), began=12, away_since=9, until=22)
    answer = why(plant, first, second)

    assert answer.answer == "R raised at 12:00:18"
    assert any("from 12:00:09 to 12:00:12: no samples" in text for text in texts(answer))


def test_a_source_that_was_down():
    """Connections have no value: what counts is for how long it was away."""
    say_it = Announcement("connection", 1, 0, 0, Priority.HIGH)
    spec = AlarmSpec("R", "plc", (Absence(say_it, Awaited.CONNECTION, 15 * SECOND),), "d", of_source=True)
    plant = configured(spec)
    down = Link("plc", up=False, at=recorded(plant, until=1).started + 5 * SECOND, reason="refused")
    answer = why(plant, recorded(plant, down, until=30))

    assert answer.answer == "R raised at 12:00:20"
    assert texts(answer) == ["12:00:05: the source plc was not connected for 15 s: connection at 12:00:20"]


def test_a_report_by_exception():
    """What it reported."""
    plant = configured(ChangeSpec("R", "T", "d", Priority.LOW, deadband=1.0))
    answer = why(plant, recorded(plant, *values(1, 1.5, 3, 3.1), until=3))

    assert answer.answer.startswith("R made 1 reports") or answer.answer.startswith("R made 2 reports")


def test_what_was_sent_and_what_is_configured():
    """Every difference is said, and that the rule was another one then."""
    plant = configured(rule(high(170, on=4)))
    seen = values(*[165] * 3, *[172] * 10)
    record = recorded(plant, *seen, until=12)
    same = Sent("alarm.raised", wall(7), "evt_1", "d")
    other = Sent("alarm.raised", wall(3), "evt_2", "old")

    assert why(plant, record, sent=[same]).differences == ()
    assert why(plant, record, sent=[other]).differences == (
        "this configuration tells alarm.raised at 12:00:07, and the agent did not: it had another one then, or held it back (flood)",
        "the agent told alarm.raised at 12:00:03 (evt_2), and this configuration does not: the rule was another one then",
    )
    assert why(plant, record).differences == (), "nobody knows what was sent"


def test_what_is_not_kept_is_said():
    """The interval reaches beyond the samples."""
    plant = configured(rule(high(170)))
    answer = why(plant, recorded(plant, *values(*[1] * 10), until=9), begin=-60, end=60)

    assert texts(answer)[0] == "samples are kept from 12:00:00 on only"
    assert "samples are kept up to 12:00:09 only" in texts(answer)


def test_the_plants_own_time():
    """Times are those of the agent's zone; another day has its date."""
    plant = configured(rule(high(170)), zone="Europe/Berlin")
    answer = why(plant, recorded(plant, *values(*[1] * 3), until=3), begin=-86_400)

    assert answer.answer == "R did not raise between 2026-11-20 13:00:00 and 13:00:03"


def test_a_value_that_stands_still():
    """Each move begins anew: the longest is what counts."""
    plant = configured(rule(Still(Announcement("change", 1, 10 * SECOND, 0, Priority.LOW), 0.5)))
    answer = why(plant, recorded(plant, *values(1, 2, 2, 2, 3, 3, 4), until=6))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:06"
    assert texts(answer) == [
        "12:00:01: T stood still; it lasted for 3 s; within is 10 s, 7 s were missing",
        "change: it came 3 more times, each further from its delay",
    ]


def test_keep_alives_are_played():
    """A value that never changes is alive while the subscription proves itself."""
    say_it = Announcement("sample", 1, 0, 0, Priority.HIGH)
    plant = configured(rule(Absence(say_it, Awaited.SAMPLE, 10 * SECOND)), stale=None)
    base = recorded(plant, until=1).started
    alive = [Alive("plc", base + second * SECOND) for second in range(0, 60, 5)]
    answer = why(plant, recorded(plant, *values(1), *alive, until=80))

    assert answer.answer == "R raised at 12:01:05"


def test_a_shelf_from_long_ago_still_holds():
    """What was done before the interval, and that it was done: a whole chunk says it again."""
    plant = configured(rule(high(170)))
    base = recorded(plant, until=1).started
    shelf = Command("R", Action.SHELVE, base, "Ann", "seal change", until=base + 3600 * SECOND)
    answer = why(plant, recorded(plant, shelf, *values(*[165] * 5, *[172] * 5), until=9), begin=1)

    assert answer.answer == "R did not raise between 12:00:01 and 12:00:09"
    assert any("nothing was announced: shelved" in text for text in texts(answer))


def test_active_hours_follow_the_recorded_clock():
    """Outside of them the rule is not watched."""
    noon = Hours(frozenset(range(7)), 6 * 60, 11 * 60, "UTC")
    plant = configured(rule(high(170), gate=Gate(hours=noon)))
    answer = why(plant, recorded(plant, *values(*[172] * 5), until=5))

    assert answer.answer == "R did not raise between 12:00:00 and 12:00:05"
    assert any("it was not watched: outside of its active hours" in text for text in texts(answer))


def test_an_alarm_that_chatters():
    """It goes on being active although the value is back: that a return must last is said."""
    noise = Chattering(raises=3, within=60 * SECOND, quiet=20 * SECOND)
    plant = configured(rule(high(170), chattering=noise))
    seen = values(*[165, 172] * 3, *[165] * 30)
    answer = why(plant, recorded(plant, *seen, until=35), sent=None)

    assert (
        "from 12:00:05 to 12:00:26: it chattered: it came and went, and returns only after a quiet of 20 s"
        in texts(answer)
    )
