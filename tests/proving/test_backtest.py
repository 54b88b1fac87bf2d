"""A history against a configuration as people write it: what is told, and what is left out."""

import json
import random
import tracemalloc
from dataclasses import replace

import pytest

from agent.config.load import load
from agent.errors import EdgeRelayError
from agent.model import SECOND
from agent.proving.backtest import Candidate, backtest
from agent.proving.results import Doing
from agent.proving.sheet import HistoryError

PLANT = """\
agent: {site: dresden, name: line-4, zone: Europe/Berlin}
sources:
  ua:
    type: opcua
    url: opc.tcp://127.0.0.1:4840
    security: none
    tags:
      T: {node: "nsu=u;s=T", unit: °C}
      U: {node: "nsu=u;s=U"}
      RUN: {node: "nsu=u;s=RUN"}
rules:
"""
BEGIN = 1_795_248_000


def candidate(tmp_path, rules, name="new"):
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    (folder / "all.yaml").write_text(PLANT + "".join(f"  {line}\n" for line in rules))
    return Candidate(name, load(folder))


def history(tmp_path, rows, head="time,T", name="h.csv"):
    path = tmp_path / name
    path.write_text(head + "\n" + "".join(f"{row}\n" for row in rows))
    return path


def seconds(values, begin=BEGIN):
    return [f"{begin + at},{value}" for at, value in enumerate(values)]


HOT = "hot: {tag: T, high: 170, deadband: 2, on_delay: 3s}"
CURVE = [165] * 10 + [175] * 20 + [169] * 5 + [165] * 10


def test_what_is_told_and_when(tmp_path):
    """The timeline by hand: beyond the limit from 10 s on, told at 13 s, back below the deadband at 35 s."""
    lines = []
    path = history(tmp_path, seconds(CURVE))

    outcome = backtest([path], candidate(tmp_path, [HOT]), write=lines.append)

    (hot,) = outcome.side.rules
    told = [(told.at // SECOND - BEGIN, told.type.value, told.condition, told.value) for told in hot.events]
    assert told == [(13, "alarm.raised", "high", 175), (35, "alarm.returned", "high", 165)]
    strip = [(each.doing, each.begin // SECOND - BEGIN, each.end // SECOND - BEGIN) for each in hot.stretches]
    assert strip == [(Doing.PENDING, 10, 13), (Doing.ACTIVE, 13, 35)]
    bodies = [json.loads(line) for line in lines]
    assert [body["type"] for body in bodies] == ["alarm.raised", "alarm.returned"]
    assert bodies[0]["timestamp"] == "2026-11-21T08:00:13.000Z"
    assert bodies[0]["data"]["epoch"] == "backtest"
    assert [(body["data"]["seq"], body["data"]["previous"]) for body in bodies] == [(1, None), (2, 1)]
    assert (outcome.side.total.alarms, outcome.samples, outcome.begin) == (1, 45, BEGIN * SECOND)
    assert hot.figures.detection_delay == 4 * SECOND
    assert "170" in hot.sentence


def test_two_runs_are_the_same(tmp_path):
    """A timeline can be kept and compared."""
    first, second = [], []
    for lines in (first, second):
        backtest([history(tmp_path, seconds(CURVE))], candidate(tmp_path, [HOT]), write=lines.append)

    assert first == second != []


def test_a_value_is_fresh_for_three_intervals(tmp_path):
    """A silence that is longer pauses the delay; it does not count as observed."""
    rows = [*seconds([165] * 200), f"{BEGIN + 200},175", *seconds([175] * 10, BEGIN + 260)]

    outcome = backtest(
        [history(tmp_path, rows)], candidate(tmp_path, ["hot: {tag: T, high: 170, on_delay: 5s}"])
    )

    assert outcome.series["T"].stale_after == 3 * SECOND
    assert outcome.series["T"].gaps == (((BEGIN + 203) * SECOND, (BEGIN + 260) * SECOND),)
    (hot,) = outcome.side.rules
    assert [told.at // SECOND - BEGIN for told in hot.events] == [265]
    assert hot.figures.blind == 57 * SECOND


def test_against_an_old_configuration(tmp_path):
    """The same pass, rule by rule: more, fewer, new, removed; a rule that is as it was is not named."""
    old = candidate(tmp_path, [HOT, "same: {tag: T, high: 172}", "gone: {tag: T, high: 171}"], "old")
    new = candidate(
        tmp_path, ["hot: {tag: T, high: 176}", "same: {tag: T, high: 172}", "added: {tag: T, low: 166}"]
    )

    outcome = backtest([history(tmp_path, seconds(CURVE))], new, old)

    found = {each.rule: (each.before, each.after) for each in outcome.differences}
    assert found == {"hot": (1, 0), "added": (None, 2), "gone": (1, None)}
    assert outcome.differences[0].rule == "added"
    assert outcome.against.name == "old"


def test_what_is_not_in_the_history_is_named(tmp_path):
    """No rule over a tag without samples tells anything, not even that nothing came; others are unharmed."""
    rules = [HOT, "dead: {tag: U, expect: {sample: any, within: 2s}}", "gated: {tag: T, low: 1, when: RUN}"]
    path = history(tmp_path, [f"{row},1" for row in seconds(CURVE)], "time,T,OTHER")

    outcome = backtest([path], candidate(tmp_path, rules))

    assert outcome.without_history == {"dead": "U", "gated": "RUN"}
    assert outcome.unknown_tags == {"OTHER": len(CURVE)}
    assert [rule.spec.name for rule in outcome.side.rules] == ["hot", "gated"]
    assert outcome.side.total.alarms == 1


def test_connections_are_up_and_not_shown(tmp_path):
    """A rule may ask for the alarm of a connection: there is none."""
    rules = ['hot: {tag: T, high: 170, suppress_while: active("ua.communication")}']

    outcome = backtest([history(tmp_path, seconds(CURVE))], candidate(tmp_path, rules))

    assert [(rule.spec.name, rule.figures.alarms) for rule in outcome.side.rules] == [("hot", 1)]


def test_suppressed_and_disabled_time(tmp_path):
    """The strips of the gate, and how long."""
    rules = ["off: {tag: T, high: 170, when: RUN}", "quiet: {tag: T, high: 170, suppress_while: not RUN}"]
    rows = [f"{row},{'false' if at < 30 else 'true'}" for at, row in enumerate(seconds([175] * 60))]

    outcome = backtest([history(tmp_path, rows, "time,T,RUN")], candidate(tmp_path, rules))

    off, quiet = outcome.side.rules
    assert (off.figures.disabled, quiet.figures.suppressed) == (30 * SECOND, 30 * SECOND)
    assert [told.at // SECOND - BEGIN for told in (*off.events, *quiet.events)] == [30, 30]
    assert Doing.SUPPRESSED in {each.doing for each in quiet.stretches}


def test_a_trial_is_shown_as_if_in_force(tmp_path):
    """To see what it would tell is what it is tried for."""
    rules = ["hot: {tag: T, high: 170, trial: until 2099-01-01}"]

    assert backtest([history(tmp_path, seconds(CURVE))], candidate(tmp_path, rules)).side.total.alarms == 1


def test_naive_stamps_are_of_the_agents_zone(tmp_path):
    """Eight in Berlin is seven UTC in winter, and the result says what was assumed."""
    outcome = backtest([history(tmp_path, ["2026-11-21 08:00:00,1"])], candidate(tmp_path, [HOT]))

    assert outcome.begin == (BEGIN - 3600) * SECOND
    assert (outcome.zone, outcome.naive) == ("Europe/Berlin", True)


def test_the_calendar_has_the_hours_of_the_plant(tmp_path):
    """Also where every stamp has a zone of its own, and nothing was assumed."""
    outcome = backtest([history(tmp_path, seconds(CURVE))], candidate(tmp_path, [HOT]))

    assert (outcome.zone, outcome.naive) == ("Europe/Berlin", False)


def test_the_hours_of_a_plant_in_india_begin_at_half_past(tmp_path):
    """Told at 08:00:13 UTC, which is 13:30:13 there: the calendar's hour is that from 13:00, 07:30 UTC."""
    plant = candidate(tmp_path, [HOT])
    (tmp_path / "new" / "all.yaml").write_text(
        (tmp_path / "new" / "all.yaml").read_text().replace("Europe/Berlin", "Asia/Kolkata")
    )
    plant = replace(plant, configuration=load(tmp_path / "new"))

    outcome = backtest([history(tmp_path, seconds(CURVE))], plant)

    assert outcome.side.hours == outcome.side.rules[0].hours == {(BEGIN - 1800) * SECOND: 1}


def test_a_pump_that_stands_still_is_no_normal_operation(tmp_path):
    """Its flow of 0 is neither noise nor a reason to move the limit: the rule is disabled then."""
    dice = random.Random(5)
    flows = [0.0 if at % 2_000 > 1_000 else 20 + dice.gauss(0, 0.5) for at in range(10_000)]
    flows[500:505] = [5.0] * 5  # one alarm, or nothing is suggested
    rows = [
        f"{row},{'false' if flow == 0 else 'true'}" for flow, row in zip(flows, seconds(flows), strict=True)
    ]

    outcome = backtest(
        [history(tmp_path, rows, "time,T,RUN")], candidate(tmp_path, ["flow: {tag: T, low: 12, when: RUN}"])
    )

    (flow,) = outcome.side.rules
    assert flow.figures.alarms == 1
    assert flow.normal.low > 17
    assert flow.normal.noise == pytest.approx(0.5, rel=0.15)
    assert [(each.key, each.suggested) for each in flow.suggestions if not each.insufficient] == [
        ("deadband", "3")
    ]


def test_what_a_rule_makes_of_its_tags_is_kept(tmp_path):
    """The rate of a ramp, the difference of two tags, each in its unit; nothing of a rule over the value."""
    rules = [
        "rate: {tag: T, rate_of_change: {per: 1s, over: 10s}, high: 5}",
        "apart: {calc: T - U, high: 1000}",
        HOT,
    ]
    rows = [f"{row},{at}" for at, row in enumerate(seconds([3 * at for at in range(100)]))]

    outcome = backtest([history(tmp_path, rows, "time,T,U")], candidate(tmp_path, rules))

    rate, apart, hot = (rule.compared for rule in outcome.side.rules)
    assert {round(each, 6) for bucket in rate.buckets for each in bucket[1:]} == {3.0}
    assert rate.tag.unit == "°C/s"
    assert rate.buckets[0].begin - outcome.begin == pytest.approx(10 * SECOND, abs=2 * SECOND)
    assert rate.gaps[0][0] == outcome.begin
    assert [bucket.greatest for bucket in apart.buckets] == [2 * at for at in range(100)]
    assert hot is None


def test_rules_by_name(tmp_path):
    """A pattern; none that fits is an error that says so."""
    plant = candidate(tmp_path, [HOT, "cold: {tag: T, low: 0}"])
    path = history(tmp_path, seconds(CURVE))

    assert [rule.spec.name for rule in backtest([path], plant, rule="c*").side.rules] == ["cold"]
    with pytest.raises(EdgeRelayError, match="no rule over tags has a name like 'x'"):
        backtest([path], plant, rule="x")


def test_a_history_of_other_tags_is_refused(tmp_path):
    """With the names that it has."""
    with pytest.raises(HistoryError, match="no sample of a configured tag: it has A, B"):
        backtest([history(tmp_path, ["1,2,3"], "time,A,B")], candidate(tmp_path, [HOT]))


def test_memory_does_not_grow_with_the_history(tmp_path):
    """Six times as long, with an alarm each minute: hardly more."""
    peaks = []
    plant = candidate(tmp_path, [HOT])
    for rows in (5_000, 30_000):
        values = [175 if at % 60 < 10 else 165 + at % 7 / 10 for at in range(rows)]
        path = history(tmp_path, seconds(values))
        tracemalloc.start()
        assert backtest([path], plant).side.total.alarms == (rows + 50) // 60
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 4_000_000


def test_every_instance_of_a_rule_counts(tmp_path):
    """A rule made for several tags, and a word of bits: each instance is a rule of its own."""
    rules = [
        'pumps: {for_each: [T, U], tag: "{each}", high: 170}',
        "faults: {tag: RUN, bits: {0: overload, 3: emergency stop}}",
    ]
    rows = [
        f"{BEGIN + at},{value},{value - 10},{word}"
        for at, value, word in zip(
            range(40),
            [165] * 10 + [185] * 10 + [165] * 20,
            [0] * 20 + [9] * 5 + [8] * 5 + [0] * 10,
            strict=True,
        )
    ]
    path = history(tmp_path, rows, "time,T,U,RUN")

    side = backtest([path], candidate(tmp_path, rules)).side

    assert {outcome.spec.name: outcome.figures.alarms for outcome in side.rules} == {
        "pumps/T": 1,
        "pumps/U": 1,
        "faults/overload": 1,
        "faults/emergency stop": 1,
    }
