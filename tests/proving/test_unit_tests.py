"""Unit tests of rules: the whole timeline decides, and it is the engine's own."""

from pathlib import Path

import pytest

from agent.config.load import load
from agent.config.secrets import NOT_NEEDED
from agent.proving.coverage import Coverage
from agent.proving.load_tests import load_tests
from agent.proving.unit_tests import describe, judge, judge_crashing, play_test

ROOT = Path(__file__).parents[2]
SHIPPED = [
    ROOT / "config" / "example" / "tests" / "rules.yaml",
    ROOT / "agent" / "config" / "starter" / "tests" / "rules.yaml",
]

PLANT = """\
agent: {site: dresden, name: line-4, zone: Europe/Berlin}
sources:
  plc-line1:
    type: modbus
    url: tcp://192.168.10.20:502
    tags:
      R1.TT101: {address: "40011", type: int16, scale: 0.1, unit: °C, range: [0, 250]}
      R1.LT: {address: "40012", type: int16, scale: 0.1}
      TANK1.LT: {address: "40014", type: int16, scale: 0.1}
      P101.FT: {address: "40013", type: int16, scale: 0.1}
      P101.RUN_FB: {address: "10001"}
rules:
  R1-temperature:
    {tag: R1.TT101, high: 170, high_high: {at: 185, on_delay: 0s}, deadband: 1%, on_delay: 60s, off_delay: 60s}
  R1-level: {tag: R1.LT, high: 90, low: 10}
  P101-low-flow: {tag: P101.FT, low: 12, when: P101.RUN_FB}
  P101-quiet: {tag: P101.FT, low: 12, active_hours: {days: mon-fri, from: "06:00", to: "22:00"}}
  TANK1-full: {tag: TANK1.LT, high: 90, acknowledge: true}
  TANK1-change: {tag: TANK1.LT, change: {deadband: 5}}
  TANK1-empty: {tag: TANK1.LT, low: 10, suppress_while: active("R1-level")}
  R1-alive: {tag: R1.TT101, expect: {sample: any, within: 30s}}
destinations:
  cmms: {url: https://cmms.example.com, signing: {secret: "${file:nowhere}"}, auth: {bearer: "${env:NOWHERE}"}}
"""
# The examples of the design page ("Proving a rule before it runs") and of its reference.
DESIGN = """\
  - name: a 4 s spike is not an alarm, a hold is
    start: 2026-11-21T08:00:00Z
    every: 1s
    signals:
      R1.TT101: "165 x60, 172 x4, 165 x60, ramp 165..175 x20, 175 x90, 160 x120"
    expect:
      - {at: 190s..198s, raised: R1-temperature high}
      - {at: 290s..298s, returned: R1-temperature}
  - name: pump stopped, no low flow alarm
    every: 1s
    signals: {P101.FT: "0 x300", P101.RUN_FB: "false x300"}
    only: [P101-low-flow]
    expect: []
  - name: bad quality and restart do not change anything
    every: 1s
    signals: {R1.TT101: "175 x120, bad x20, 175 x100"}
    restart: [{at: 90s, down: 20s}]
    expect: [{raised: R1-temperature high}]
"""


@pytest.fixture
def suite(tmp_path):
    """Write tests beside the plant, and load them."""

    def written(tests):
        (tmp_path / "plant.yaml").write_text(PLANT)
        (tmp_path / "tests.yaml").write_text(f"rules: plant.yaml\ntests:\n{tests}")
        return load_tests(tmp_path / "tests.yaml", None, lambda path: load(path, NOT_NEEDED))

    return written


def one(suite, signals, expect="[]", more=""):
    """The suite of one test."""
    return suite(f"  - {{name: one, signals: {signals}, expect: {expect}{more and ', ' + more}}}\n")


def problem(suite):
    (test,) = suite.tests
    return judge(test, suite.configuration).problem


def told(suite):
    (test,) = suite.tests
    return [describe(event) for event in play_test(test, suite.configuration).events]


def test_the_examples_of_the_design_pass(suite):
    """As they are written there, on a configuration whose secrets are elsewhere."""
    loaded = suite(DESIGN)

    assert [judge(test, loaded.configuration).problem for test in loaded.tests] == ["", "", ""]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parts[-3])
def test_what_is_shipped_passes_and_a_crash_after_every_sample_changes_nothing(file):
    """Each rule of the shipped configurations goes on where it stood."""
    loaded = load_tests(file, None, lambda path: load(path, NOT_NEEDED))
    outcomes = [
        (test.name, run(test, loaded.configuration).problem)
        for test in loaded.tests
        for run in (judge, judge_crashing)
    ]

    assert len(loaded.tests) > 2
    assert [outcome for outcome in outcomes if outcome[1]] == []


@pytest.mark.parametrize(
    ("expect", "problem_is"),
    [
        ("[{at: 2s, raised: R1-level high, value: 95}, {at: 4s, returned: R1-level}]", ""),
        ("[{at: 1s..3s, raised: R1-level}, {returned: R1-level high, duration_s: 2}]", ""),
        ("[{raised: R1-level}, {returned: R1-level}]", ""),
        ("[]", "2s raised R1-level high: nothing was expected here"),
        ("[{raised: R1-level}]", "4s returned R1-level high: nothing was expected here"),
        (
            "[{raised: R1-level}, {returned: R1-level}, {raised: R1-level low}]",
            "raised R1-level low: it did not come",
        ),
        (
            "[{at: 3s, raised: R1-level}, {returned: R1-level}]",
            "3s raised R1-level: it came 1s too early",
        ),
        (
            "[{at: 0s..1s, raised: R1-level}, {returned: R1-level}]",
            "0s..1s raised R1-level: it came 1s too late",
        ),
        (
            "[{raised: R1-level low}, {returned: R1-level}]",
            "raised R1-level low: expected low, got high",
        ),
        (
            "[{raised: R1-level, value: 96}, {returned: R1-level}]",
            "raised R1-level value: 96: expected value: 96, got 95.0",
        ),
        (
            "[{raised: R1-level, priority: high}, {returned: R1-level}]",
            "raised R1-level priority: high: expected priority: high, got medium",
        ),
        ("[{returned: R1-level}, {raised: R1-level}]", "2s raised R1-level high: nothing was expected here"),
    ],
)
def test_the_whole_timeline_decides(suite, expect, problem_is):
    """What is missing, too much, too early, too late, out of order or of another content fails."""
    assert problem(one(suite, '{R1.LT: "50 x2, 95 x2, 50 x3"}', expect)) == problem_is


def test_a_field_that_the_event_does_not_have_is_told_with_those_that_it_has(suite):
    """A misspelt field cannot pass for one that is not sent."""
    found = problem(one(suite, '{R1.LT: "95 x2"}', "[{raised: R1-level, valeu: 95}]"))

    assert found.startswith("raised R1-level valeu: 95: it has no field valeu: it has condition, ")


def test_events_of_one_instant_may_stand_in_any_order(suite):
    """Which of two rules is looked at first is nobody's business."""
    signals = '{R1.LT: "50 x2, 95 x2", P101.FT: "20 x2, 5 x2", P101.RUN_FB: true}'
    events = ["{at: 2s, raised: R1-level}", "{at: 2s, raised: P101-low-flow}"]

    for order in (events, events[::-1]):
        assert problem(one(suite, signals, f"[{', '.join(order)}]", 'only: ["R1-*", P101-low-flow]')) == ""


@pytest.mark.parametrize(
    ("signals", "events"),
    [
        ('"175 x60"', ["1m raised R1-temperature high"]),  # the delay runs out with the last sample's time
        ('"175 x59"', []),
        ('"175 x40, bad x20, 175 x40"', ["1m20s raised R1-temperature high"]),
        ('"175 x40, gap x20, 175 x40"', ["1m18s raised R1-temperature high"]),  # fresh for three polls
        ('"120 x5, gap x60"', ["34s raised R1-alive sample"]),
        ('"120 x5, bad x60"', ["34s raised R1-alive sample"]),
        ('"uncertain 190 x5"', ["0s raised R1-temperature high_high"]),
    ],
)
def test_what_is_bad_and_what_does_not_come_is_as_live(suite, signals, events):
    """A bad value ends freshness at once, a gap when the last value is stale."""
    rules = "only: [R1-alive]" if "R1-alive" in str(events) else "only: [R1-temperature]"

    assert told(one(suite, f"{{R1.TT101: {signals}}}", more=rules)) == events


@pytest.mark.parametrize(
    ("sources", "events"),
    [
        ('"up x20, down x14, up x20"', []),
        ('"up x20, down x20, up x20"', [(35, "raised"), (40, "returned")]),
        ('"down x20, up x20"', [(15, "raised"), (20, "returned")]),
    ],
)
def test_a_connection_goes_down_and_comes_back(suite, sources, events):
    """The rule that every source gets is part of every test, and silent while all are up."""
    found = told(suite(f"  - {{name: one, sources: {{plc-line1: {sources}}}, expect: []}}\n"))

    assert found == [f"{at}s {what} plc-line1.communication connection" for at, what in events]


def test_nothing_is_read_while_the_source_is_down(suite):
    """Its tags are bad until it is back."""
    found = told(
        one(suite, '{R1.LT: "50 x5, 95 x5, 50 x5"}', more='sources: {plc-line1: "up x5, down x5, up x5"}')
    )

    assert found == []


@pytest.mark.parametrize(
    ("restart", "events"),
    [
        ("{at: 30s, down: 20s}", ["1m20s raised R1-temperature high"]),  # shorter than the delay: it goes on
        ("{at: 30s, down: 70s}", ["2m40s raised R1-temperature high"]),  # longer: it begins again
        ("{at: 70s, down: 20s}", ["1m raised R1-temperature high"]),  # the alarm stands: nothing new
    ],
)
def test_a_restart_is_the_store_and_an_absence(suite, restart, events):
    """The table of the design page: what was pending pauses, what is active is told once."""
    more = f"only: [R1-temperature], restart: [{restart}]"

    assert told(one(suite, '{R1.TT101: "175 x170"}', more=more)) == events


def test_what_returned_while_nobody_watched_says_so(suite):
    """The event carries the reason, which an expectation can ask for."""
    expect = "[{at: 0s, raised: R1-level}, {at: 20s, returned: R1-level, reason: returned_while_blind}]"

    assert problem(one(suite, '{R1.LT: "95 x15, 50 x15"}', expect, "restart: [{at: 10s, down: 10s}]")) == ""


def test_operators_have_a_hand_in_it(suite):
    """A shelf that ends while the alarm stands tells it then."""
    found = one(
        suite,
        '{R1.LT: "50 x20, 95 x60"}',
        "[{at: 10s, shelved: R1-level, by: anna}, {at: 40s, unshelved: R1-level}, {at: 40s, raised: R1-level high}]",
        "do: [{at: 10s, shelve: R1-level, for: 30s, reason: cleaning, by: anna}]",
    )

    assert problem(found) == ""


def test_the_store_has_what_no_event_told(suite):
    """The peak before the kill is in the return after it: it was in a checkpoint."""
    signals = '{R1.LT: "50 x5, 95 x5, 99 x5, 95 x10, 50 x5"}'
    expect = "[{at: 5s, raised: R1-level}, {at: 25s, returned: R1-level, peak: 99}]"

    assert problem(one(suite, signals, expect, "restart: [{at: 20s, down: 2s}]")) == ""


def test_the_first_value_after_a_connect_is_no_change_that_was_seen(suite):
    """As sources mark it: it is told as late."""
    found = one(
        suite,
        '{TANK1.LT: "50 x10, 60 x20"}',
        "[{at: 15s, tag.changed: TANK1-change, value: 60, late: true}]",
        'only: [TANK1-change], sources: {plc-line1: "up x5, down x10, up"}',
    )

    assert problem(found) == ""


def test_a_rule_that_is_only_asked_for_is_played_but_not_expected(suite):
    """Its alarm suppresses the one that the test is about."""
    signals = '{TANK1.LT: "50 x5, 5 x25", R1.LT: "95 x20, 50 x10"}'

    assert told(one(suite, signals, more="only: [TANK1-empty]")) == ["20s raised TANK1-empty low"]


def test_an_alarm_can_be_acknowledged_at_the_instant_of_its_raise(suite):
    """People act on what they see, so their hand comes after the readings."""
    expect = (
        "[{at: 5s, raised: TANK1-full}, {at: 5s, acknowledged: TANK1-full, by: operator},"
        " {at: 10s, returned: TANK1-full}]"
    )
    more = "only: [TANK1-full], do: [{at: 5s, acknowledge: TANK1-full}]"

    assert problem(one(suite, '{TANK1.LT: "50 x5, 95 x5, 50 x5"}', expect, more)) == ""


def test_what_an_operator_cannot_do_fails_the_test(suite):
    """A command that does nothing would prove nothing."""
    found = one(suite, '{R1.LT: "50 x20"}', more="do: [{at: 10s, acknowledge: R1-level}]")

    assert problem(found).startswith("10s acknowledge R1-level is refused: ")


def test_an_operator_acts_on_what_he_sees(suite):
    """The alarm of the same instant is there to be put aside; the order in the file is not that of time."""
    expect = (
        "[{at: 10s, raised: R1-level}, {at: 10s, out_of_service: R1-level}, {at: 30s, returned: R1-level},"
        " {at: 35s, in_service: R1-level}]"
    )
    hands = "do: [{at: 35s, in_service: R1-level}, {at: 10s, out_of_service: R1-level, reason: broken}]"
    found = one(suite, '{R1.LT: "50 x10, 95 x20, 50 x10"}', expect, hands)

    assert problem(found) == ""


@pytest.mark.parametrize(
    ("start", "events"),
    [
        (
            "2026-11-20T05:30:00",
            ["30m raised P101-quiet low"],
        ),  # naive: in Berlin, so the hours begin at 06:00
        ("2026-11-20T05:30:00Z", ["0s raised P101-quiet low"]),
        ("2026-11-21T05:30:00", []),  # a Saturday
    ],
)
def test_schedules_follow_the_start_of_the_test(suite, start, events):
    """A time without an offset is in the zone of the agent."""
    found = one(suite, '{P101.FT: "5 x240"}', more=f"every: 10s, start: {start}, only: [P101-quiet]")

    assert told(found) == events


def test_a_long_pace_does_not_make_values_stale(suite):
    """Samples a minute apart stand for what is polled each second in between."""
    assert told(one(suite, '{R1.TT101: "120 x5, 175 x5"}', more="every: 1m, only: [R1-temperature]")) == [
        "6m raised R1-temperature high"
    ]


def test_a_rule_without_a_signal_is_left_out(suite):
    """R1-alive would raise because nothing is read of its tag; `gap` asks for it."""
    assert told(one(suite, '{R1.LT: "50 x60"}')) == []
    assert told(one(suite, '{R1.TT101: "gap x60"}')) == ["30s raised R1-alive sample"]


def test_the_hint_names_what_the_rule_depends_on(suite):
    """A gate whose tag has no signal, a schedule without a start."""
    expect = "[{at: 1s, raised: P101-low-flow}]"
    found = problem(one(suite, '{P101.FT: "5 x10"}', expect, "only: [P101-low-flow]"))
    hours = problem(one(suite, '{P101.FT: "5 x10"}', "[{raised: P101-quiet}]", "only: [P101-quiet]"))

    assert found.endswith("It depends on P101.RUN_FB too, which the test gives no signal")
    assert hours.endswith("It depends on the time of day, and the test has no `start`")


def test_coverage_tells_what_no_test_has_shown(suite):
    """Limits never raised, returns never seen, gates never false, rules without a test."""
    loaded = suite(
        '  - {name: a, signals: {R1.LT: "50 x2, 95 x2, 50 x2"}, expect: []}\n'
        '  - {name: b, signals: {P101.FT: "5 x9", P101.RUN_FB: true}, only: [P101-low-flow], expect: []}\n'
    )
    coverage = Coverage(loaded.configuration)
    for test in loaded.tests:
        judge(test, loaded.configuration, coverage.watch(test.rules))
    found = {rule.rule: (rule.shown, rule.of, rule.missing) for rule in coverage.rules()}

    assert found == {
        "R1-temperature": (0, 4, ("no test",)),
        "R1-level": (2, 4, ("low never raised",)),
        "P101-low-flow": (2, 4, ("when never false", "low never returned")),
        "P101-quiet": (0, 2, ("no test",)),
        "TANK1-full": (0, 2, ("no test",)),
        "TANK1-change": (0, 1, ("no test",)),
        "TANK1-empty": (0, 4, ("no test",)),
        "R1-alive": (0, 2, ("no test",)),
    }
