"""The operator's hand: what a person does to an alarm, and the promises that hold whatever he does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rigs.rules import Player, gate, high, high_high, low, reading, rule, say
from rigs.stories import facts, instant

from agent.model import SECOND, Action, Command, EventType, Priority, Tick
from agent.rules.hand import LONGEST_SHELF
from agent.rules.hours import Span
from agent.rules.message import Message
from agent.rules.saved import decode, encode
from agent.rules.spec import ChangeSpec, Maintenance, State, Take, Window, Wording

SHELF = {"until": 100, "reason": "seal change"}
REPAIR = {"reason": "broken"}


def told(player):
    """(second, what, why) of each event."""
    return [
        (event.at / SECOND, event.type.partition(".")[2], event.data.get("reason")) for event in player.events
    ]


def play(spec, *steps):
    """Play steps: (second, value), or (second, action, options); each action must be allowed."""
    player = Player((spec,))
    for at, what, *options in steps:
        if isinstance(what, str) and what in {action.value for action in Action}:
            assert player.hand(at, what, **(options[0] if options else {})) == ""
        elif what is None:
            player.tick(at)
        else:
            player.value(at, what)
    return player


CASES = {
    "what is raised on the shelf is told at its end": (
        rule(high()),
        [(0, 160), (1, "shelve", SHELF), (2, 180), (200, None)],
        [(1, "shelved", "seal change"), (100, "unshelved", "expired"), (100, "raised", None)],
    ),
    "what came and went on the shelf is never told": (
        rule(high()),
        [(0, 160), (1, "shelve", SHELF), (2, 180), (3, 160), (200, None)],
        [(1, "shelved", "seal change"), (100, "unshelved", "expired")],
    ),
    "whoever got raised gets returned, shelf or not": (
        rule(high()),
        [(0, 180), (1, "shelve", SHELF), (3, 160), (4, 180), (5, "unshelve")],
        [
            (0, "raised", None),
            (1, "shelved", "seal change"),
            (3, "returned", None),
            (5, "unshelved", None),
            (5, "raised", None),
        ],
    ),
    "an alarm that stood before the shelf and after it is not raised twice": (
        rule(high()),
        [(0, 180), (1, "shelve", SHELF), (200, None), (201, 160)],
        [
            (0, "raised", None),
            (1, "shelved", "seal change"),
            (100, "unshelved", "expired"),
            (201, "returned", None),
        ],
    ),
    "a second shelf takes the place of the first": (
        rule(high()),
        [
            (0, 160),
            (1, "shelve", SHELF),
            (2, "shelve", {"until": 300, "reason": "it takes longer"}),
            (400, None),
        ],
        [(1, "shelved", "seal change"), (2, "shelved", "it takes longer"), (300, "unshelved", "expired")],
    ),
    "one shot: the first return ends the shelf": (
        rule(high()),
        [(0, 160), (1, "shelve", SHELF | {"one_shot": True}), (2, 180), (3, 160), (4, 180)],
        [(1, "shelved", "seal change"), (3, "unshelved", "returned"), (4, "raised", None)],
    ),
    "one shot: without a return it ends on time": (
        rule(high()),
        [(0, 180), (1, "shelve", SHELF | {"one_shot": True}), (200, None)],
        [(0, "raised", None), (1, "shelved", "seal change"), (100, "unshelved", "expired")],
    ),
    "out of service lasts until a person ends it": (
        rule(high()),
        [
            (0, 160),
            (1, "out_of_service", REPAIR),
            (2, 180),
            (10_000, None),
            (10_000, 180),
            (10_001, "in_service"),
        ],
        [(1, "out_of_service", "broken"), (10_001, "in_service", None), (10_001, "raised", None)],
    ),
    "a shelf that ends out of service ends in silence": (
        rule(high()),
        [
            (0, 160),
            (1, "shelve", SHELF),
            (2, "out_of_service", REPAIR),
            (3, 180),
            (200, None),
            (201, "in_service"),
        ],
        [
            (1, "shelved", "seal change"),
            (2, "out_of_service", "broken"),
            (100, "unshelved", "expired"),
            (201, "in_service", None),
            (201, "raised", None),
        ],
    ),
    "an on-delay goes on underneath": (
        rule(high(on=10)),
        [(0, 180), (1, "shelve", {"until": 5, "reason": "x"}), (20, None)],
        [(1, "shelved", "x"), (5, "unshelved", "expired"), (10, "raised", None)],
    ),
    "without acknowledge, an acknowledgement closes nothing and is noted": (
        rule(high()),
        [(0, 180), (1, "acknowledge"), (2, 160)],
        [(0, "raised", None), (1, "acknowledged", None), (2, "returned", None)],
    ),
    "acknowledged after the return it is closed: the next one is another alarm": (
        rule(high(), acknowledge=True),
        [(0, 180), (1, 160), (2, "acknowledge"), (3, 180)],
        [(0, "raised", None), (1, "returned", None), (2, "acknowledged", None), (3, "raised", None)],
    ),
    "what comes again in silence is not returned: nobody was told": (
        rule(high(), acknowledge=True),
        [(0, 180), (1, 160), (2, "shelve", SHELF), (3, 180), (4, 160), (200, None)],
        [
            (0, "raised", None),
            (1, "returned", None),
            (2, "shelved", "seal change"),
            (100, "unshelved", "expired"),
        ],
    ),
    "a reminder comes until somebody has seen it, and not from the shelf": (
        rule(high(), remind_every=10 * SECOND),
        [(0, 180), (12, "shelve", {"until": 35, "reason": "x"}), (47, "acknowledge"), (100, None)],
        [
            (0, "raised", None),
            (10, "reminder", None),
            (12, "shelved", "x"),
            (35, "unshelved", "expired"),
            (45, "reminder", None),
            (47, "acknowledged", None),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_person_does(case):
    """Case by case, as a person would tell it."""
    spec, steps, expected = CASES[case]

    assert told(play(spec, *steps)) == expected


def test_latched_alarms_are_seen_and_reset():
    """In this order only; raised again while open it is the same occurrence, and has to be seen again."""
    player = play(
        rule(high(), latch=True, acknowledge=True), (0, 180), (1, "acknowledge"), (2, 160), (3, 180)
    )
    occurrence = player.events[0].id
    assert "still active" in player.hand(4, "reset")
    player.value(5, 160)
    assert "acknowledge it first" in player.hand(6, "reset")
    assert player.hand(7, "acknowledge") == ""
    assert player.hand(8, "reset") == ""
    assert {event.data["occurrence"] for event in player.events} == {occurrence}
    assert [event.data.get("repeat") for event in player.events][3:5] == [1, 1]
    assert "there is nothing to reset" in player.hand(9, "reset")


def test_what_was_told_is_closed_though_the_next_one_stands_in_silence():
    """Raised, returned, acknowledged: that is one alarm; what stood on the shelf is another when it is told."""
    player = play(
        rule(high(), acknowledge=True), (0, 180), (1, 160), (2, "shelve", SHELF), (3, 180), (4, "acknowledge")
    )
    first = player.events[0].id
    player.tick(200)

    assert [what for _, what, _ in told(player)[2:]] == ["shelved", "acknowledged", "unshelved", "raised"]
    assert player.events[-1].data["occurrence"] not in (first, None)
    assert "repeat" not in player.events[-1].data


REFUSALS = [
    ("acknowledge", {}, "has no open alarm"),
    ("reset", {}, "has no open alarm"),
    ("unshelve", {}, "is not shelved"),
    ("in_service", {}, "is in service"),
    ("shelve", {"until": 100}, "a reason is needed"),
    ("shelve", {"reason": "x"}, "an end is needed"),
    ("shelve", {"reason": "x", "until": 1}, "an end is needed"),
    ("shelve", {"reason": "x", "until": 2 + LONGEST_SHELF / SECOND}, "a week at most"),
    ("out_of_service", {}, "a reason is needed"),
]


@pytest.mark.parametrize(("action", "options", "why"), REFUSALS)
def test_what_cannot_be_done_is_refused(action, options, why):
    """With the reason, and nothing comes of it."""
    player = play(rule(high()), (0, 160))
    state = player.engine.runs["R"].state

    assert why in player.hand(1, action, **options)
    assert (player.events, player.engine.runs["R"].state) == ([], state)


def test_a_report_by_exception_has_no_alarm():
    """It is refused, and so is a rule that does not exist."""
    player = Player((ChangeSpec("C", "T", "d", Priority.LOW),))

    assert "has no alarm" in player.hand(0, "shelve", "C", until=9, reason="x")
    assert "there is no rule" in player.hand(0, "shelve", "D", until=9, reason="x")


def test_the_rules_own_message_is_of_the_plant():
    """What a person did is told in its own words: `Open the valve` is no sentence for a shelf."""
    spec = rule(high(), wording=Wording(message=Message.parse("Open the valve")))
    player = play(spec, (0, 180), (1, "shelve", SHELF), (2, "unshelve"))

    assert [event.data["message"] for event in player.events] == [
        "Open the valve",
        "R was shelved by anna: seal change",
        "R was unshelved by anna",
    ]


def test_time_may_overtake_a_command():
    """What was allowed a moment ago and is not when its turn comes does nothing."""
    player = play(rule(high(off=10)), (0, 180), (1, 160))
    late = Command("R", Action.ACKNOWLEDGE, 11 * SECOND, "anna")
    assert player.engine.refusal(late) == ""
    player.take(late)
    assert told(player) == [(0, "raised", None), (11, "returned", None)]
    assert not player.engine.runs["R"].state.core.acknowledged
    player.take(Command("gone with a reload", Action.ACKNOWLEDGE, 12 * SECOND, "anna"))


NONSENSE = {
    "a gate that compares a text": (gate("U > 5"), ()),
    "a suppression that compares a text": (gate(suppress_while="U > 5"), ()),
}


@pytest.mark.parametrize("where", NONSENSE)
def test_a_shelf_ends_although_the_gate_makes_no_sense(where):
    """The rule is unknown and says so once; a person can shelve it, and time goes on."""
    player = Player((rule(high(), gate=NONSENSE[where][0]),))
    player.values(0, T=160, U=9)
    player.value(1, "text", "U")
    assert player.hand(2, "shelve", until=10, reason="x") == ""
    player.tick(20)

    assert told(player)[1:] == [(2, "shelved", "x"), (10, "unshelved", "expired")]
    assert player.events[0].type is EventType.RULE_UNKNOWN


def test_a_text_in_a_window_stops_no_clock():
    """A measure that would move with time alone is lost with a value that cannot be measured."""
    player = Player((rule(high(), measures=(Window(10 * SECOND, Take.AVERAGE),)),))
    for at in range(5):
        player.value(at, 100 + at)
    player.value(6, "text")
    player.tick(100)

    assert [event.type for event in player.events] == [EventType.RULE_UNKNOWN]


@pytest.mark.parametrize(("value", "expected"), [(160, []), (180, ["raised"])])
def test_a_shelf_that_ended_while_the_agent_was_away(value, expected):
    """What stood on it is not announced before the first good value has decided."""
    player = play(rule(high()), (0, 160), (1, "shelve", {"until": 10, "reason": "x"}), (2, 180))
    kept = {name: encode(run.spec, run.state) for name, run in player.engine.runs.items()}
    player.engine = player.fresh()
    player.keep(player.engine.restore(kept, {}, away_since=3 * SECOND))
    player.tick(20)
    player.tick(21)
    assert [what for _, what, _ in told(player)] == ["shelved", "unshelved"]
    player.value(22, value)

    assert [what for _, what, _ in told(player)][2:] == expected


# --- whatever a person does ------------------------------------------------------------------------------

delays = st.sampled_from([0, 0, 1, 7])
values = st.sampled_from([36, 45, 48, 50, 52, 58, 60, 62, "bad"])
gates = st.sampled_from(
    [
        gate(),
        gate(),
        gate("U == 1"),
        gate("U == 1", settle=3 * SECOND),
        gate(suppress_while="U == 1"),
        gate(maintenance=(Maintenance(Span(20 * SECOND, 40 * SECOND), "x"),)),
    ]
)


@st.composite
def rules(draw):
    limits = [
        make(at, draw(st.sampled_from([0.0, 4.0])), draw(delays), draw(delays))
        for make, at in ((low, 40.0), (high, 50.0), (high_high, 60.0))
        if draw(st.booleans())
    ] or [State(say("is", on=draw(delays), off=draw(delays)), (50,))]
    return rule(
        *limits,
        latch=draw(st.booleans()),
        acknowledge=draw(st.booleans()),
        remind_every=draw(st.sampled_from([None, 5 * SECOND])),
        gate=draw(gates),
    )


@st.composite
def stories(draw):
    """Things seen and things done, in order of time."""
    story, now = [], 0.0
    for _ in range(draw(st.integers(1, 25))):
        now = round(now + draw(st.sampled_from([0, 0.5, 1, 1, 2, 4, 12])), 1)
        instant = round(now * SECOND)
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2 | 3:
                story.append(
                    Command(
                        "R",
                        draw(st.sampled_from(list(Action))),
                        instant,
                        "anna",
                        draw(st.sampled_from(["because", "because", ""])),
                        draw(
                            st.sampled_from(
                                [None, instant + SECOND, instant + 9 * SECOND, instant + 30 * SECOND]
                            )
                        ),
                        draw(st.booleans()),
                    )
                )
            case 4:
                story.append(reading(now, draw(st.sampled_from([0, 1, 1, "bad"])), "U"))
            case _:
                story.append(reading(now, draw(values)))
    return [*story, Tick(round((now + 60) * SECOND))]


def tell(spec, story, *, reborn=False, each=lambda player, seen: None):
    player = Player((spec,), stale=30)
    player.clock(0, 0)
    for seen in story:
        if not isinstance(seen, Command) or not player.engine.refusal(seen):
            player.take(seen)
        each(player, seen)
        if reborn:
            player.reborn()
    return player


@given(rules(), stories())
def test_the_story_stays_whole(spec, story):
    """Whoever got `raised` gets `returned`; all that is told of an alarm is told while it is open."""
    open_one, active = None, False
    for event in tell(spec, story).events:
        kind = event.type
        if kind is EventType.ALARM_RAISED:
            assert not active
            assert open_one is None or spec.latch or spec.acknowledge
            open_one, active = event.data["occurrence"], True
        elif kind is EventType.ALARM_RETURNED:
            assert active
            active = False
            open_one = open_one if event.data.get("open") else None
            assert event.data.get("open", False) == (
                spec.latch or (spec.acknowledge and "acknowledged_by" not in event.data)
            )
        elif kind is EventType.ALARM_RESET:
            assert (active, spec.latch or spec.acknowledge) == (False, True)
            open_one = None
        elif kind is EventType.ALARM_ACKNOWLEDGED:
            assert open_one is not None
            open_one = open_one if active or spec.latch else None
        elif kind in {
            EventType.ALARM_ESCALATED,
            EventType.ALARM_DEESCALATED,
            EventType.ALARM_CHANGED,
            EventType.ALARM_REMINDER,
            EventType.ALARM_SUPPRESSED,
            EventType.ALARM_UNSUPPRESSED,
        }:
            assert active
        if event.type not in {EventType.ALARM_RETURNED, EventType.ALARM_RESET, EventType.ALARM_ACKNOWLEDGED}:
            assert event.data.get("occurrence") == open_one


@given(rules(), stories())
def test_nothing_is_announced_from_the_shelf(spec, story):
    """While it is shelved or out of service: only what a person did, and the return of what had been raised."""
    put_aside = set()
    for event in tell(spec, story).events:
        match event.type.partition(".")[2]:
            case ("shelved" | "out_of_service") as what:
                put_aside.add(what)
            case "unshelved":
                assert "shelved" in put_aside
                put_aside.remove("shelved")
            case "in_service":
                assert "out_of_service" in put_aside
                put_aside.remove("out_of_service")
            case "returned" | "acknowledged" | "reset":
                pass
            case what:
                assert not put_aside, what


@given(rules(), stories())
def test_a_shelf_ends_on_time(spec, story):
    """At its end to the nanosecond, if nobody and no return ended it before."""
    until = None
    for event in tell(spec, story).events:
        if event.type is EventType.ALARM_SHELVED:
            until = event.at + round(event.data["for_s"] * SECOND)
        elif event.type is EventType.ALARM_UNSHELVED:
            assert event.at == until if event.data.get("reason") == "expired" else event.at <= until
            until = None
        assert until is None or event.at <= until
    assert until is None


@given(rules(), stories())
def test_a_kill_after_every_step_changes_nothing(spec, story):
    """All that a person did is in the state that is stored."""
    assert facts(tell(spec, story, reborn=True).events) == facts(tell(spec, story).events)


@given(rules(), stories())
@settings(max_examples=50)
def test_what_a_person_did_is_read_back_as_it_was_written(spec, story):
    """Serialising is exact for every state that a story can lead to."""

    def same(player, _):
        run = player.engine.runs["R"]
        assert decode(spec, encode(spec, run.state)) == run.state

    tell(spec, story, each=same)


@given(rules(), stories(), st.sampled_from(list(Action)))
def test_a_refusal_does_not_lie(spec, story, action):
    """What is allowed is done and told of at once; what is refused would have changed nothing."""

    def tried(player, seen):
        now = instant(seen)
        player.take(Tick(now))
        before, run = len(player.events), player.engine.runs["R"]
        command = Command("R", action, now, "anna", "because", now + SECOND)
        refused, state = player.engine.refusal(command), run.state
        player.take(command)
        if refused:
            assert (run.state, len(player.events)) == (state, before)
        else:
            assert player.events[before].data["by"] == "anna"

    tell(spec, story, each=tried)


def test_what_got_worse_on_the_shelf_is_unacknowledged():
    """Whoever had seen the high limit has not seen the higher one (references: rules, 1.3)."""
    player = Player((rule(high(), high_high(), acknowledge=True),))
    player.value(0, 175)
    player.hand(1, "acknowledge")
    player.hand(2, "shelve", until=60, reason="seal change")
    player.value(3, 190)
    player.value(70, 160)

    assert player.events[-1].data["open"] is True
