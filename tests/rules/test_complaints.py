"""What people complain about in other alarm engines' issue trackers, each shown not to happen here."""

import pytest
from rigs.reborn import Reborn
from rigs.rules import Player, gate, high, high_high, low, rule, say
from rigs.written_rules import WrittenRules

from agent.cli import main
from agent.model import SECOND, EventType, Priority, WallClock
from agent.rules.hours import Hours
from agent.rules.spec import Absence, Awaited, ChangeSpec, Chattering, OnBad, State

WALL = 1_795_000_000 * SECOND  # a Wednesday, 11:06:40 UTC


def moved(player):
    return [(at, what) for at, what, _ in player.timeline]


def test_a_firing_alarm_stays_firing_over_a_restart():
    """prometheus/prometheus #15175: it goes back to pending for its `for` at every restart."""
    player = Reborn((rule(high(on=300)),))
    player.value(0, 180)
    player.tick(301)
    player.restart(400, 390)
    player.value(401, 180)
    assert player.engine.runs["R"].state.core.active is True
    player.value(800, 180)

    assert moved(player) == [(300, "raised")]


def test_the_off_delay_survives_a_restart():
    """prometheus/prometheus #13957: `keep_firing_for` is lost on restart."""
    player = Reborn((rule(high(off=300)),))
    player.value(0, 180)
    player.value(10, 100)
    player.restart(30, 20)
    player.value(31, 100)
    player.tick(400)

    assert moved(player) == [(0, "raised"), (321, "returned")]  # 11 s were not observed


def test_an_alarm_comes_at_one_value_and_goes_at_another():
    """prometheus/prometheus #10536, #6504, grafana/grafana #6202: fire at 30, clear at 10."""
    player = Player((rule(high(30, deadband=20)),))
    for at, value in enumerate([29, 30, 20, 29, 10, 9, 20, 29]):
        player.value(at, value)

    assert moved(player) == [(1, "raised"), (5, "returned")]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_longer_delay_in_the_file_decides_anew_and_leaves_nothing_stuck(restarted):
    """prometheus/prometheus #18243: `for` raised in the configuration, the alert stays firing for ever."""
    player = Reborn((rule(high(on=1)),))
    player.value(0, 180)
    player.tick(2)
    longer = rule(high(on=600), digest="longer")
    if restarted:
        player.restart(10, 5, longer)
    else:
        player.rules = (longer,)
        player.reborn()
    player.value(11, 180)
    player.value(12, 100)
    player.value(13, 180)
    player.tick(600)

    told = [what for _, what in moved(player)]
    assert (told[0], told[-1]) == ("raised", "returned")
    assert len({event.data["occurrence"] for event in player.events}) == 1


def test_nothing_is_told_in_the_first_seconds_after_a_start():
    """prometheus/prometheus #2592: false alerts in the first seconds, before the inputs were read."""
    rules = (
        rule(Absence(say("sample"), Awaited.SAMPLE, 15 * SECOND), name="stale"),
        rule(high(), Absence(say("quality", 0), Awaited.QUALITY, 0), name="bad", on_bad=OnBad.ALARM),
        rule(low(40), name="gated", tag="V", gate=gate("U")),
    )
    player = Player(rules)
    player.value(0.1, 0, "V")
    player.tick(9)
    player.values(10, T=100, U=False)
    player.tick(20)

    assert player.timeline == []


def test_a_unit_test_fails_when_the_signal_ends_before_the_check(tmp_path, capsys):
    """prometheus/prometheus #14500: a unit test passes although its input ends before the check."""
    rules = WrittenRules(tmp_path)
    rules.configuration("  R: {tag: TT1, high: 50}")
    test = tmp_path / "tests.yaml"
    test.write_text(
        "tests:\n  - name: late\n    signals: {TT1: '0 x10'}\n    expect: [{at: 20s, raised: R}]\n"
    )

    assert main(["test", str(test), "-c", str(rules.path)]) == 2
    assert "the signals end at 10s" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["R: {tag: TT1, high: 50}", "  R:\n  tag: TT1\n  high: 50", "  R:\n      tag: TT1\n    high: 50"],
    ids=["not under rules", "keys beside the rule", "keys out of line"],
)
def test_wrong_indentation_is_an_error(tmp_path, text):
    """prometheus/prometheus #11970: wrong indentation is accepted as zero rule groups."""
    assert WrittenRules(tmp_path).refused(text) != []


def test_what_flaps_is_held_and_resolved_once():
    """prometheus/alertmanager #204, #964, #2768: no flap detection; repeated or wrong "resolved"."""
    player = Player((rule(high(), chattering=Chattering(3, 60 * SECOND, 30 * SECOND)),))
    for at in range(41):
        player.value(at, 180 if at % 2 else 100)
    player.tick(200)

    assert moved(player) == [
        *[(at, "raised" if at % 2 else "returned") for at in range(1, 6)],
        (5, "chattering"),
        (70, "returned"),
    ]


def test_no_data_waits_its_time():
    """grafana/grafana #16290: NoData fires at once, ignoring `For`."""
    player = Player((rule(Absence(say("sample"), Awaited.SAMPLE, 60 * SECOND)),))
    player.value(0, 1)
    player.value(10, "bad")
    player.tick(59)
    assert player.timeline == []
    player.tick(70)

    assert moved(player) == [(60, "raised")]


def test_gaps_do_not_toggle_an_alarm():
    """grafana/grafana #39056, #82585: without Keep Last State, gaps toggle alert and ok whatever the value."""
    player = Player((rule(high()),), stale=5)
    for at in range(0, 100, 20):  # stale in between
        player.value(at, 180)
        player.value(at + 10, "bad")

    assert moved(player) == [(0, "raised")]


def test_a_rule_is_tried_on_history_before_it_is_saved(tmp_path, capsys):
    """grafana/grafana #53443, #16616: test a rule on historical data before saving it."""
    rules = WrittenRules(tmp_path)
    rules.configuration("  R: {tag: TT1, high: 50}")
    history = tmp_path / "history.csv"
    history.write_text(
        "time,TT1\n" + "".join(f"{1795248000 + n},{60 if n == 50 else 40}\n" for n in range(99))
    )

    assert main(["backtest", str(history), "-c", str(rules.path)]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("R "))
    assert line.split()[1] == "1"


def test_within_the_deadband_it_is_remembered_over_a_restart_that_it_was_on():
    """home-assistant/core #133377: a threshold forgets that it was on after a restart inside its hysteresis."""
    player = Reborn((rule(high(170, deadband=10)),))
    player.value(0, 171)
    player.restart(30, 20)
    player.value(31, 165)
    player.value(32, 159)

    assert moved(player) == [(0, "raised"), (32, "returned")]


def test_a_value_equal_to_the_limit_is_beyond_it_and_the_deadband_moves_only_the_return():
    """home-assistant/core #116397, PR #83018: hysteresis surprises; a value equal to the limit is `unknown`."""
    player = Player((rule(low(40, deadband=2), high(170, deadband=2)),))
    for at, value in enumerate([169.9, 170, 168, 167.9, 40, 42, 42.1]):
        player.value(at, value)

    assert moved(player) == [(1, "raised"), (3, "returned"), (4, "raised"), (6, "returned")]


def test_an_old_value_that_is_sent_again_does_not_look_fresh():
    """thingsboard/thingsboard-gateway #2119: a resend stamps an old value with the current time."""
    player = Player((rule(Absence(say("sample"), Awaited.SAMPLE, 20 * SECOND)),), timed=True)
    for at in (0, 10, 15, 19):
        player.value(at, 1, source_time=5)
    player.tick(30)

    assert moved(player) == [(20, "raised")]


def test_a_change_is_told_and_at_the_latest_every_so_often():
    """thingsboard-gateway #1896, OPCFoundation/UA-.NETStandard #1499: on change and a period, both ways."""
    spec = ChangeSpec("R", "T", "d", Priority.LOW, 1.0, 5 * SECOND, 300 * SECOND)
    player = Player((spec,))
    for at in range(1000):
        player.value(at, 50.0 if at < 20 else 60.0 + at % 2 * 0.1)

    assert [event.at // SECOND for event in player.events] == [20, 320, 620, 920]


def test_a_delay_does_not_run_out_in_a_gap():
    """thingsboard/thingsboard #14210, VictoriaMetrics #8225: a gap counts towards `for`."""
    player = Reborn((rule(high(on=60)),), stale=5)
    player.value(0, 180)
    player.tick(70)
    player.value(80, 100)
    player.value(90, 180)
    player.restart(200, 91)
    player.value(201, 100)

    assert player.timeline == []


def test_each_level_has_its_own_delays():
    """thingsboard/thingsboard #11803: cannot escalate, downgrade and clear with different delays; no OR."""
    player = Player((rule(high(50, on=10, off=20), high_high(60, on=3, off=5)),), stale=None)
    player.value(0, 65)
    player.value(30, 55)
    player.value(50, 40)
    player.tick(100)
    either = rule(State(say("is"), (True,)), tag="", calc=gate("T > 50 or U > 50").when, name="either")
    other = Player((either,))
    other.values(0, T=40, U=60)

    assert player.timeline == [
        (3, "raised", "high_high"),
        (35, "deescalated", "high"),
        (70, "returned", "normal"),
    ]
    assert moved(other) == [(0, "raised")]


def test_a_schedule_opens_by_the_clock_and_the_delay_runs_without_a_sample():
    """thingsboard/thingsboard PR #16118: schedule and duration are not evaluated until a new sample comes."""
    begin = 11 * 60 + 7  # 20 s after WALL
    hours = Hours(frozenset(range(7)), begin, begin + 60, "UTC")
    player = Player((rule(high(on=30), gate=gate(hours=hours)),), stale=None)
    player.take(WallClock(0, WALL))
    player.value(0, 180)
    player.tick(100)

    assert moved(player) == [(50, "raised")]


def test_a_restart_tells_nothing_again_and_the_return_comes():
    """influxdata/kapacitor #1898, #1115, #744: a restart re-floods, and never sends the OK."""
    player = Reborn(tuple(rule(high(), name=name) for name in "ABCDE"))
    player.value(0, 180)
    for at in (100, 200, 300):
        player.restart(at, at - 10)
        player.value(at + 1, 180)
    player.value(310, 100)

    assert moved(player) == [(0, "raised")] * 5 + [(310, "returned")] * 5


def test_hovering_at_the_limit_is_one_alarm():
    """influxdata/kapacitor #614, SigNoz/signoz #2811, netdata/netdata #945: hovering at the limit spams."""
    player = Player((rule(high(170, deadband=1)),))
    for at in range(1000):
        player.value(at, 170 + (0.4 if at % 2 else -0.4))

    assert moved(player) == [(1, "raised")]


def test_a_dangerous_limit_does_not_wait_for_the_delay_of_the_other():
    """MangoAutomation/ma-core-public #113, #661: one duration delays real alarms for hours."""
    player = Player((rule(high(170, deadband=5, on=3600, off=60), high_high(185)),), stale=None)
    player.value(0, 175)
    player.value(10, 190)

    assert moved(player) == [(10, "raised")]


def test_a_rule_that_is_disabled_during_its_delay_does_not_fire():
    """ControlSystemStudio/phoebus #1966: an alarm disabled during its delay still fires."""
    player = Player((rule(high(on=10), gate=gate("U")),), stale=None)
    player.values(0, T=180, U=True)
    player.value(5, False, "U")
    player.tick(60)

    assert player.timeline == []


def test_a_return_is_never_stamped_before_its_raise():
    """SCADA-LTS/Scada-LTS #3220: the return is stamped before the raise (by the device's clock)."""
    player = Player((rule(high(on=2)),))
    player.value(0, 180, source_time=WALL)
    player.value(3, 100, source_time=WALL - 3600 * SECOND)

    raised, returned = player.events
    assert (raised.at, returned.at, returned.data["duration_s"]) == (2 * SECOND, 3 * SECOND, 1)


def test_an_alarm_of_a_rule_or_a_source_that_is_gone_is_not_stuck():
    """SCADA-LTS/Scada-LTS #3090: an alarm is stuck active after its source was disabled."""
    player = Player((rule(high()),))
    player.value(0, 180)
    player.rules = ()
    player.reborn()

    assert [(event.type, event.data.get("reason")) for event in player.events][1:] == [
        (EventType.ALARM_RETURNED, "rule_removed")
    ]


def test_each_point_that_cannot_be_read_has_its_own_alarm():
    """SCADA-LTS/Scada-LTS #3246: one event for many unreadable points, so the first to recover clears all."""
    quality = Absence(say("quality", 0), Awaited.QUALITY, 0)
    rules = tuple(rule(high(), quality, name=tag, tag=tag, on_bad=OnBad.ALARM) for tag in "TU")
    player = Player(rules)
    player.values(0, T=1, U=1)
    player.values(1, T="bad", U="bad")
    player.value(2, 1)

    assert [(event.rule, event.type.partition(".")[2]) for event in player.events] == [
        ("T", "raised"),
        ("U", "raised"),
        ("T", "returned"),
    ]


def test_no_delay_means_at_once_and_a_limit_may_be_a_tag():
    """frangoteam/FUXA #688, #329: delay 0 means "disabled"; limits should be readable from tags."""
    player = Player((rule(high("U")),))
    player.values(0, T=100, U=150)
    player.value(1, 150)
    player.value(2, 160, "U")
    player.value(3, 120, "U")

    assert moved(player) == [(1, "raised"), (2, "returned"), (3, "raised")]
