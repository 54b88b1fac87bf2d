"""A rule reads as one sentence that a shift lead can sign: exact, whole, and true of the machine."""

from dataclasses import fields, replace
from zoneinfo import ZoneInfo

import pytest
from rigs.rules import Player, high, high_high, low, rule, say

from agent.model import MILLISECOND, SECOND, Priority, TagSpec
from agent.rules.detection import detection
from agent.rules.expression import Expression
from agent.rules.hours import Hours, Span
from agent.rules.phrases import duration
from agent.rules.sentence import sentence
from agent.rules.spec import (
    Absence,
    AlarmSpec,
    Announcement,
    Awaited,
    Bit,
    ChangeSpec,
    Chattering,
    Count,
    Counter,
    Deviation,
    Gate,
    Limit,
    Maintenance,
    OnBad,
    Rate,
    State,
    Still,
    Take,
    Unusual,
    Window,
    Wording,
)

FLOW = TagSpec("P101.FT", "plc", "m3/h", (0.0, 30.0), every=SECOND)
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
NIGHT = Hours(frozenset({0, 1, 2, 3, 4}), 22 * 60, 6 * 60, "Europe/Berlin")
DECEMBER = 1_764_547_200 * SECOND  # 2025-12-01 00:00 UTC


def change(**more):
    return ChangeSpec("R", "P101.FT", "d", Priority.JOURNAL, **more)


def of(*conditions, **more):
    return rule(*conditions, tag="P101.FT", **more)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            of(
                low(12, 1.5, on=15, off=15),
                name="P101-low-flow",
                gate=Gate(when=Expression.parse("P101.RUN_FB"), settle=45 * SECOND),
            ),
            (
                "P101-low-flow: alarm LOW (medium) when P101.FT is 12 m3/h or lower and does not rise above "
                "13.5 m3/h for 15 s; returns 15 s after it rises above 13.5 m3/h (deadband 1.5 m3/h, 5 % of the "
                "range), unless it is 12 m3/h or lower again before that; ignored unless P101.RUN_FB, and for "
                "45 s after that begins."
            ),
        ),
        (
            of(high(20), high_high(25, 1, priority=Priority.CRITICAL)),
            (
                "R: alarm HIGH (medium) when P101.FT is 20 m3/h or higher; returns when it falls below 20 m3/h; "
                "alarm HIGH HIGH (critical) when P101.FT is 25 m3/h or higher; returns when it falls below 24 m3/h "
                "(deadband 1 m3/h, 3.333 % of the range)."
            ),
        ),
        (
            of(Limit(say(on=5), 1, "P101.SP", 0.1)),
            (
                "R: alarm HIGH (medium) when P101.FT is P101.SP or higher and does not fall below P101.SP minus "
                "0.1 m3/h for 5 s; returns when it falls below P101.SP minus 0.1 m3/h (deadband 0.1 m3/h, 0.3333 % "
                "of the range)."
            ),
        ),
        (
            of(State(say("is", on=8), (True,))),
            "R: alarm (medium) when P101.FT is true and stays so for 8 s; returns when it is not so any more.",
        ),
        (
            of(State(say("is_not"), (0, "AUTO"), negated=True), wording=Wording(codes={7: "door open"})),
            (
                'R: alarm (medium) when P101.FT is neither 0 nor "AUTO"; returns when it is not so any more; '
                "7 means door open."
            ),
        ),
        (
            of(State(replace(say("is", off=60), count=Count(3, 10 * SECOND)), (True,))),
            (
                "R: alarm (medium) when P101.FT is true 3 times within 10 s, or stays so for 10 s; returns 1 min "
                "after it is not so any more, unless it is so again before that."
            ),
        ),
        (
            of(Bit(say("bits"), 3)),
            "R: alarm (medium) when bit 3 of P101.FT is set; returns when it is cleared.",
        ),
        (
            of(Still(say("change", on=7200, off=5), 0.1)),
            (
                "R: alarm (medium) when P101.FT has not moved by 0.1 m3/h for 2 h; returns when it has moved by "
                "0.1 m3/h."
            ),
        ),
        (
            of(Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND)),
            "R: alarm (medium) when no good value of P101.FT came for 30 s; returns when it comes again.",
        ),
        (
            rule(
                Absence(say("connection"), Awaited.CONNECTION, 15 * SECOND), tag="plc-line1", of_source=True
            ),
            (
                "R: alarm (medium) when the source plc-line1 was not connected for 15 s; returns when it is "
                "connected again."
            ),
        ),
        (
            of(high(5), measures=(Rate(MINUTE, 30 * SECOND),)),
            (
                "R: alarm HIGH (medium) when the change of P101.FT per 1 min, taken over 30 s, is 5 m3/h/min or "
                "higher; returns when it falls below 5 m3/h/min."
            ),
        ),
        (
            of(
                State(say("is", priority=Priority.JOURNAL), (99,)), wording=Wording(fields={"batch": "R1.ID"})
            ),
            (
                "R: event (journal) when P101.FT is 99; no return is sent, and it can come again when it is not so "
                "any more; with batch from R1.ID."
            ),
        ),
        (
            change(deadband=0.15, at_most_every=10 * SECOND, at_least_every=15 * MINUTE),
            (
                "R: report (journal) when P101.FT is more than 0.15 m3/h from what was last reported, which is "
                "0.5 % of the range, at most every 10 s, and every 15 min without a report while it can be read."
            ),
        ),
        (
            of(high(20), gate=Gate(hours=NIGHT, trial_until=DECEMBER), latch=True, acknowledge=True),
            (
                "R: alarm HIGH (medium) when P101.FT is 20 m3/h or higher; returns when it falls below 20 m3/h; "
                "stays open after its return until a person resets it; stays open after its return until a person "
                "has acknowledged it; ignored outside of mon-fri 22:00 to 06:00 of the next day (Europe/Berlin); "
                "on trial: nothing is sent before 2025-12-01 00:00 UTC."
            ),
        ),
    ],
)
def test_a_rule_reads_so(spec, expected):
    """The deadband keeps a running delay alive and moves no trip point; the sentence says so."""
    assert sentence(spec, FLOW) == expected


def test_a_calculation_is_named_by_its_text():
    """It has no tag and no unit."""
    spec = rule(
        State(say("is", on=8), (True,)), tag="", calc=Expression.parse("P101.CMD and not P101.RUN_FB")
    )

    assert sentence(spec) == (
        "R: alarm (medium) when (P101.CMD and not P101.RUN_FB) is true and stays so for 8 s; "
        "returns when it is not so any more."
    )


def test_dates_are_told_in_the_time_of_the_plant():
    """A shift lead has no UTC; the zone stands beside it."""
    spec = of(high(20), gate=Gate(maintenance=(Maintenance(Span(DECEMBER, DECEMBER + HOUR), "welding"),)))

    assert (
        "watched but not announced from 2025-12-01 01:00 CET to 2025-12-01 02:00 CET (welding)."
        in sentence(spec, FLOW, ZoneInfo("Europe/Berlin"))
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([(0, 12), (5, 13.5), (14, 13.5), (16, 13.5)], [(15, "raised")]),  # the deadband keeps it pending
        ([(0, 12), (5, 13.6), (6, 13.5), (30, 13.5)], []),  # risen above, and never at the limit again
        ([(0, 12), (15, 13.6), (20, 13.5), (29, 13), (40, 13)], [(15, "raised"), (30, "returned")]),
        ([(0, 12), (15, 13.6), (20, 12), (40, 13)], [(15, "raised")]),  # lower again before that
    ],
)
def test_the_sentence_is_true_of_the_machine(values, told):
    """Played with the sentence's own figures: 12 or lower, does not rise above 13.5, for 15 s."""
    limit = low(12, 1.5, on=15, off=15)
    player = Player((rule(limit),))
    player.link(0, up=True)
    for at, value in values:
        player.value(at, value)

    assert "is 12 or lower and does not rise above 13.5 for 15 s; returns 15 s after" in sentence(rule(limit))
    assert [(at, what) for at, what, _ in player.timeline] == told


def test_a_flat_line_ends_with_the_first_move():
    """Its off-delay means nothing, so the sentence has none."""
    player = Player((rule(Still(say("change", on=10, off=5), 1.0)),))
    player.link(0, up=True)
    for at, value in [(0, 5), (11, 5), (12, 7)]:
        player.value(at, value)

    assert [(at, what) for at, what, _ in player.timeline] == [(10, "raised"), (12, "returned")]


# --- whatever decides is in it ---------------------------------------------------------------------

SAY = Announcement("high", 1, 5 * SECOND, 6 * SECOND, Priority.MEDIUM)
# Of these a change decides nothing, or nothing of its own (see the field's docstring).
DECIDES_NOTHING = {
    Announcement: {"message", "rank"},
    Wording: {"message", "response", "time_to_respond"},
    AlarmSpec: {"digest", "rule", "of_source"},
    ChangeSpec: {"digest", "rule"},
}
OTHER = {
    Announcement: {
        "name": "high_high",
        "on_delay": 7 * SECOND,
        "off_delay": 7 * SECOND,
        "priority": Priority.HIGH,
        "count": Count(3, SECOND),
    },
    Count: {"times": 4, "within": 9 * SECOND},
    Limit: {"say": replace(SAY, on_delay=9), "side": -1, "at": 170.0001, "deadband": 0.3},
    State: {"say": replace(SAY, off_delay=0), "values": (7, "1"), "negated": True},
    Bit: {"say": replace(SAY, off_delay=0), "number": 4},
    Still: {"say": replace(SAY, on_delay=MINUTE), "by": 0.2, "rising": True},
    Absence: {"say": replace(SAY, off_delay=0), "awaited": Awaited.QUALITY, "within": 9 * MILLISECOND},
    Counter: {"rollover_at": None},
    Window: {"over": HOUR, "take": Take.MIN},
    Deviation: {"tag": "V"},
    Rate: {"per": HOUR, "over": HOUR},
    Unusual: {"learn": HOUR, "at_least": 0.3},
    Gate: {
        "when": Expression.parse("U > 2"),
        "settle": SECOND,
        "suppress_while": Expression.parse("U > 3"),
        "hours": None,
        "maintenance": (),
        "trial_until": None,
    },
    Hours: {"days": frozenset({0, 2, 3, 6}), "begin": 61, "end": 61, "zone": "UTC"},
    Maintenance: {"span": Span(0, DAY), "reason": "welding"},
    Chattering: {"raises": 9, "within": 9 * SECOND, "quiet": 9 * SECOND},
    Wording: {"fields": {"batch": "V"}, "codes": {"1": "open"}, "send_to": ("mes", "cmms")},
    AlarmSpec: {
        "name": "S",
        "subject": "U",
        "conditions": (Bit(SAY, 1),),
        "on_bad": OnBad.CLEAR,
        "stale_after": MINUTE,
        "was": ("Q",),
        "calc": Expression.parse("U + 1"),
        "measures": (Rate(MINUTE, MINUTE), Deviation("U")),
        "gate": Gate(),
        "wording": Wording(send_to=("mes",)),
        "latch": True,
        "acknowledge": True,
        "remind_every": HOUR,
        "chattering": Chattering(3, MINUTE, HOUR),
    },
    ChangeSpec: {
        "name": "S",
        "subject": "U",
        "priority": Priority.LOW,
        "deadband": 0.2,
        "at_most_every": SECOND,
        "at_least_every": HOUR,
        "stale_after": MINUTE,
        "was": ("Q",),
        "calc": Expression.parse("U + 1"),
        "measures": (Deviation("U"),),
        "gate": Gate(settle=SECOND),
        "wording": Wording(send_to=("mes",)),
    },
}
GATE = Gate(
    Expression.parse("U > 1"),
    2 * SECOND,
    Expression.parse("U > 9"),
    NIGHT,
    (Maintenance(Span(0, 2 * DAY), "seal change"),),
    DECEMBER,
)
LIMIT = Limit(SAY, 1, 170.0, 0.1)
PARTS = [
    (SAY, lambda part: rule(replace(LIMIT, say=part))),
    (Count(3, SECOND), lambda part: rule(replace(LIMIT, say=replace(SAY, count=part)))),
    *((part, rule) for part in (LIMIT, State(SAY, (7,)), Bit(SAY, 3), Still(SAY, 0.1))),
    *((Absence(SAY, awaited, 8 * MILLISECOND), rule) for awaited in (Awaited.SAMPLE, Awaited.CONNECTION)),
    *(
        (part, lambda part: rule(LIMIT, measures=(part,)))
        for part in (
            Counter(65536.0),
            Window(MINUTE, Take.MAX),
            Deviation("U"),
            Rate(MINUTE, MINUTE),
            Unusual(DAY, 0.2),
        )
    ),
    (GATE, lambda part: rule(LIMIT, gate=part)),
    (NIGHT, lambda part: rule(LIMIT, gate=Gate(hours=part))),
    (GATE.maintenance[0], lambda part: rule(LIMIT, gate=Gate(maintenance=(part,)))),
    (Chattering(3, MINUTE, HOUR), lambda part: rule(LIMIT, chattering=part)),
    (Wording(fields={"a": "U"}, codes={1: "open"}, send_to=("mes",)), lambda part: rule(LIMIT, wording=part)),
    (rule(LIMIT, gate=GATE), lambda part: part),
    (change(), lambda part: part),
]
CASES = [
    (part, name, make)
    for part, make in PARTS
    for name in (field.name for field in fields(part))
    if name not in DECIDES_NOTHING.get(type(part), ())
]


@pytest.mark.parametrize(
    ("part", "name", "make"), CASES, ids=[f"{type(part).__name__}.{name}" for part, name, _ in CASES]
)
def test_whatever_decides_is_in_the_sentence(part, name, make):
    """Every field of every part of a spec: one that is added later, and not told, is noticed here."""
    other = replace(part, **{name: OTHER[type(part)][name]})

    assert sentence(make(part)) != sentence(make(other))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 s"),
        (1_500_000, "1.5 ms"),
        (500 * MILLISECOND, "500 ms"),
        (90 * SECOND, "1 min 30 s"),
        (2_500 * MILLISECOND, "2.5 s"),
        (2 * DAY + 3 * HOUR + 4 * SECOND + 1, "2 d 3 h 4.000000001 s"),
    ],
)
def test_a_duration_is_exact(nanoseconds, text):
    """Two delays that differ read differently."""
    assert duration(nanoseconds) == text


# --- how long it takes -------------------------------------------------------------------------------

TAGS = {
    "P101.FT": FLOW,
    "SLOW": TagSpec("SLOW", "plc", every=10 * SECOND),
    "MQTT": TagSpec("MQTT", "broker"),
}


@pytest.mark.parametrize(
    ("spec", "worst", "text"),
    [
        (of(high(20, on=5)), 6, "6 s: read every 1 s + 5 s delay"),
        (of(high(20, on=60), high_high(25)), 61, "1 min 1 s: read every 1 s + 1 min delay"),
        (of(high(20)), 1, "1 s: read every 1 s"),
        (of(Limit(say(on=5), 1, "SLOW")), 15, "15 s: read every 10 s + 5 s delay"),
        (of(high(2), measures=(Deviation("SLOW"),)), 10, "10 s: read every 10 s"),
        (
            of(high(2), measures=(Window(MINUTE, Take.AVERAGE),)),
            61,
            "1 min 1 s: read every 1 s + 1 min measuring",
        ),
        (of(high(2), measures=(Window(MINUTE, Take.MAX),)), 1, "1 s: read every 1 s"),
        (of(low(2), measures=(Window(MINUTE, Take.MIN),)), 1, "1 s: read every 1 s"),
        (
            of(low(2, on=15), gate=Gate(Expression.parse("MQTT"), 45 * SECOND)),
            61,
            "1 min 1 s: read every 1 s + 45 s settling + 15 s delay",
        ),
        (
            of(State(replace(say("is", on=1), count=Count(3, 10 * SECOND)), (True,))),
            11,
            "11 s: read every 1 s + 10 s delay",
        ),
        (rule(high(20, on=5), tag="MQTT"), None, "5 s delay + the time until its source tells"),
        (
            rule(high(1), tag="", calc=Expression.parse("P101.FT - MQTT")),
            None,
            "the time until its source tells",
        ),
        (rule(high(1), tag="", calc=Expression.parse("P101.FT - SLOW")), 10, "10 s: read every 10 s"),
        (of(Absence(say("sample"), Awaited.SAMPLE, 30 * SECOND)), 30, "30 s"),
        (of(Still(say("change", on=7200), 0.1)), 7201, "2 h 1 s: read every 1 s + 2 h delay"),
        (
            rule(Absence(say(), Awaited.CONNECTION, 15 * SECOND), tag="plc", of_source=True),
            None,
            "15 s delay + the time until its source tells",
        ),
        (change(at_most_every=10 * SECOND), 11, "11 s: read every 1 s + 10 s delay"),
    ],
)
def test_the_worst_case_is_the_sum_of_all_waits(spec, worst, text):
    """What only the device decides is not guessed."""
    found = detection(spec, TAGS)

    assert found.worst == (None if worst is None else worst * SECOND)
    assert str(found) == text
