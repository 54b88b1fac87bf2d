"""A changed file while rules have a state: untouched rules go on as if nothing had been, renamed ones under their new name."""

import pytest
from rigs.rules import reading
from rigs.written_rules import WrittenRules

from agent.model import SECOND, EventType, Tick
from agent.rules.engine import Engine
from agent.rules.saved import encode, encoded

FLOOD = "flood: {more_than: 1 in 10m, until: 1 in 10m, digest_every: 60s}\n"
TOUCHED = "  touched: {tag: TT2, high: %d}\n"


class Written:
    """Rules as text, played by hand; times in seconds."""

    def __init__(self, folder):
        self.rules = WrittenRules(folder)
        self.engine = None
        self.events = []
        self.minted = 0

    def mint(self, at):
        self.minted += 1
        return f"evt_{self.minted}"

    def fresh(self, rules, more="", at=0):
        loaded = self.rules.configuration(rules, more)
        return Engine(
            [spec for spec in loaded.rules if spec.name != "plant.communication"],
            loaded.tags.values(),
            loaded.sources,
            mint=self.mint,
            started=round(at * SECOND),
            flood=loaded.flood,
        )

    def keep(self, taken):
        if taken.durable:
            self.engine.keep(taken)
        self.events += taken.events
        return taken

    def start(self, rules, more=""):
        self.engine = self.fresh(rules, more)
        return self

    def reload(self, rules, more=""):
        before, self.engine = self.engine, self.fresh(rules, more)
        return self.keep(self.engine.take_over(before))

    def restart(self, at, rules, more=""):
        """As after a kill a second ago."""
        kept = {name: encode(run.spec, run.state) for name, run in self.engine.runs.items()}
        flood = self.engine._flood
        flood = None if flood is None else encoded(flood, flood.state)
        self.engine = self.fresh(rules, more, at)
        since = round((at - 1) * SECOND)
        return self.keep(self.engine.restore(kept, {}, away_since=since, flood=flood))

    def play(self, *seen):
        for each in seen:
            self.keep(self.engine.take([each]))

    def values(self, begin, end, value, tag="TT1"):
        self.play(*(reading(at, value, tag) for at in range(begin, end)))

    def told(self):
        return [(event.at / SECOND, event.type.value, event.subject) for event in self.events]


@pytest.fixture
def it(tmp_path):
    return Written(tmp_path)


RULES = {
    "an average": "tag: TT1, window: {over: 1m, take: average}, high: 50",
    "the greatest of a window": "tag: TT1, window: {over: 1m, take: max}, high: 50, off_delay: 20s",
    "a rate": "tag: TT1, rate_of_change: {per: 1m, over: 40s}, high: 70",
    "a counter": "tag: TT1, counter: {rollover_at: 100}, rate_of_change: {per: 1m, over: 40s}, high: 70",
    "what is usual": "tag: TT1, unusual: {learn: 1m, method: robust_z}, high: 5",
    "an on-delay": "tag: TT1, high: 50, on_delay: 15s",
    "m of n": "tag: TT1, high: 50, count: {times: 2, in: 15s}",
    "a flat line": "tag: TT1, expect: {change: 1, within: 35s}",
    "a settling gate": "tag: TT1, low: 20, when: RUN, settle: 35s",
    "a suppressed alarm": "tag: TT1, low: 20, suppress_while: TT2 < 5",
    "a reminder": "tag: TT1, low: 20, remind_every: 31s",
    "a report by exception": "tag: TT1, change: {deadband: 5, at_most_every: 20s, at_least_every: 33s}",
}


@pytest.mark.parametrize("name", RULES)
def test_a_reload_that_touches_another_rule_changes_nothing(tmp_path, name):
    """Windows go on filling, delays on running: the same events at the same instants as without it."""
    told = []
    for reload in (False, True):
        it = Written(tmp_path).start(f"  R: {{{RULES[name]}}}\n{TOUCHED % 900}")
        it.play(reading(0, True, "RUN"), reading(0, 10, "TT2"))
        for at in range(1, 240):
            it.play(reading(at, 10 if at < 60 or at > 150 else 100, "TT1"), Tick(at * SECOND))
            if at == 5:
                it.play(reading(5, 1, "TT2"))
            if at == 100:
                it.play(reading(100, 10, "TT2"))
            if reload and at in (20, 70, 160):
                it.reload(f"  R: {{{RULES[name]}}}\n{TOUCHED % (900 + at)}")
        told.append([(*each, event.data) for each, event in zip(it.told(), it.events, strict=True)])

    assert told[0]
    assert told[1] == told[0]


RENAMED = {
    "a rule": ("  old: {tag: TT1, high: 50}", "  new: {tag: TT1, high: 50, was: old}", "old", "new"),
    "instances": (
        '  old: {for_each: [TT1, TT2], tag: "{each}", high: 50}',
        '  new: {for_each: [TT1, TT2], tag: "{each}", high: 50, was: old}',
        "old/TT1",
        "new/TT1",
    ),
    "rules that became instances": (
        "  TT1-high: {tag: TT1, high: 50}",
        '  new: {for_each: [TT1, TT2], tag: "{each}", high: 50, was: "{each}-high"}',
        "TT1-high",
        "new/TT1",
    ),
    "bits": (
        "  old: {tag: CODE, bits: {0: overload, 1: heat}}",
        "  new: {tag: CODE, bits: {0: overload, 1: heat}, was: old}",
        "old/overload",
        "new/overload",
    ),
}


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
@pytest.mark.parametrize("name", RENAMED)
def test_an_alarm_goes_on_under_its_new_name(it, name, restarted):
    """The same occurrence, raised once and returned once; the store forgets the old name."""
    before, after, old, new = RENAMED[name]
    tag, high, low = ("CODE", 1, 0) if name == "bits" else ("TT1", 60, 40)
    it.start(before)
    it.play(reading(1, high, tag))
    taken = it.restart(10, after) if restarted else it.reload(after)
    it.play(reading(11, high, tag), reading(12, low, tag))

    raised, returned = it.events
    assert it.told() == [(1, "alarm.raised", old), (12, "alarm.returned", new)]
    assert returned.data["occurrence"] == raised.data["occurrence"]
    assert (returned.data["rule"], returned.data["instance"]) == ("new", new)
    assert taken.states[f"rule/{old}"] is None
    assert taken.states[f"rule/{new}"] is not None


def test_a_name_that_is_given_anew_starts_anew(it):
    """`was` is for who goes on; a new rule of the old name inherits nothing once the heir has taken it."""
    it.start("  old: {tag: TT1, high: 50}").play(reading(1, 60, "TT1"))
    it.reload("  new: {tag: TT1, high: 50, was: old}")
    it.reload("  new: {tag: TT1, high: 50}\n  old: {tag: TT1, high: 55}")
    it.play(reading(2, 60, "TT1"), reading(3, 40, "TT1"))

    assert [(kind, name) for _, kind, name in it.told() if name == "new"] == [("alarm.returned", "new")]
    assert [kind for _, kind, name in it.told() if name == "old"][1:] == ["alarm.raised", "alarm.returned"]


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
def test_what_a_flood_held_goes_out_when_it_is_taken_out_of_the_file(it, restarted):
    """The last digest and that the flood is over; from then on each alarm is told at once."""
    rules = "".join(f"  {name}: {{tag: TT1, high: {at}}}\n" for name, at in (("A", 50), ("B", 60), ("C", 70)))
    it.start(rules, FLOOD).play(reading(1, 55, "TT1"), reading(2, 65, "TT1"), reading(3, 75, "TT1"))
    assert [event.data.get("state", event.subject) for event in it.events] == ["A", "started"]

    taken = it.restart(10, rules) if restarted else it.reload(rules)
    digest, ended = it.events[2:]
    assert [event.type for event in (digest, ended)] == [EventType.AGENT_FLOOD] * 2
    assert (digest.data["state"], ended.data["state"]) == ("digest", "ended")
    assert [alarm["data"]["rule"] for alarm in digest.data["alarms"].values()] == ["B", "C"]
    assert taken.states["flood"] is None

    it.play(reading(11, 10, "TT1"))
    assert [kind for _, kind, _ in it.told()[4:]] == ["alarm.returned"] * 3


def test_a_flood_goes_on_over_a_reload(it):
    """Another rule was touched: the digest comes at its time."""
    rules = "  A: {tag: TT1, high: 50}\n  B: {tag: TT1, high: 60}\n"
    it.start(rules + TOUCHED % 900, FLOOD).play(reading(1, 55, "TT1"), reading(2, 65, "TT1"))
    it.reload(rules + TOUCHED % 800, FLOOD)
    it.play(Tick(61 * SECOND), Tick(62 * SECOND))

    assert [(at, kind) for at, kind, _ in it.told()] == [
        (1, "alarm.raised"),
        (2, "agent.flood"),
        (62, "agent.flood"),
    ]


LOOKED_AT = "  old: {tag: TT2, high: 900}\n"
FIRST_LOOK = {
    "an absence": "  new: {tag: TT1, expect: {sample: any, within: 30s}}",
    "bad quality": "  new: {tag: TT1, high: 900, on_bad: alarm}",
    "a gate": "  new: {tag: TT2, high: 0, when: TT1 > 5}",
    "a timed-out calculation": '  new: {calc: age("TT1"), high: 30}',
}


@pytest.mark.parametrize("name", FIRST_LOOK)
def test_a_tag_that_nobody_looked_at_is_waited_for(it, name):
    """A reload brings the first rule over a tag that was read all the time: it was not absent, nor is it false."""
    it.start(LOOKED_AT)
    for at in range(100):
        it.play(reading(at, 1, "TT1"), reading(at, 1, "TT2"))
    it.reload(LOOKED_AT + FIRST_LOOK[name])
    it.play(Tick(100 * SECOND), reading(100.5, 1, "TT2"), reading(101, 1, "TT1"), Tick(102 * SECOND))

    assert it.told() == []


def test_a_tag_that_stays_away_after_a_reload_is_noticed(it):
    """Waiting has its end: without a value the sensor is bad 15 s after somebody began to look."""
    it.start(LOOKED_AT).play(reading(100, 1, "TT2"))
    it.reload(LOOKED_AT + FIRST_LOOK["bad quality"])
    it.play(Tick(130 * SECOND))

    assert it.told() == [(115, "alarm.raised", "new")]


MOVED = {
    "an average": "window: {over: 1m, take: average}, high: 5000",
    "a counter": "counter: {rollover_at: 65536}, high: 5000",
    "a report": "change: {deadband: 1}",
}


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
@pytest.mark.parametrize("name", MOVED)
def test_what_was_measured_of_another_tag_does_not_go_on(it, name, restarted):
    """The rule is moved to another tag: nothing is computed from, or compared with, the values of the first."""
    it.start(f"  R: {{tag: TT1, {MOVED[name]}}}")
    it.values(0, 60, 1000)
    after = f"  R: {{tag: TT2, {MOVED[name]}}}"
    if restarted:
        it.restart(60, after)
    else:
        it.reload(after)
    it.play(reading(61, 10, "TT2"))

    assert it.told() == []
    measured = it.engine.runs["R"].state.measured
    assert measured is None or measured.value in (None, 10)


@pytest.mark.parametrize("restarted", [False, True], ids=["reload", "restart"])
def test_a_rule_may_become_a_measured_one_and_a_plain_one_again(it, restarted):
    """A measure that the file did not have before begins with the reload."""
    change = (lambda rules: it.restart(60, rules)) if restarted else it.reload
    it.start("  R: {tag: TT1, high: 50}").play(reading(1, 60, "TT1"))
    change("  R: {tag: TT1, high: 50, window: {over: 10s, take: average}}")
    it.values(61, 80, 60)
    change("  R: {tag: TT1, high: 50}")
    it.play(reading(81, 40, "TT1"))

    assert (it.told()[0], it.told()[-1]) == ((1, "alarm.raised", "R"), (81, "alarm.returned", "R"))
    assert [event.data["occurrence"] for event in it.events] == [it.events[0].id] * len(it.events)


def test_limits_in_another_order_are_the_same_limits(it):
    """What is kept of a limit is found by its name."""
    it.start("  R: {tag: TT1, high: 50, high_high: {at: 60, on_delay: 5s}}").play(reading(1, 65, "TT1"))
    it.reload("  R: {tag: TT1, high_high: {at: 60, on_delay: 5s}, high: 50}")
    it.values(2, 10, 65)

    assert it.told() == [(1, "alarm.raised", "R"), (6, "alarm.escalated", "R")]
