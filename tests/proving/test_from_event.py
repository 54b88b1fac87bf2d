"""A raised event becomes a unit test that passes as it is written: the engine finds again what happened."""

import re

import pytest
from rigs.recordings import instant, recorded, values, wall

from agent.config.load import load
from agent.errors import EdgeRelayError
from agent.model import Action, Command, Link, Quality, Reading
from agent.proving.from_event import Incident, unit_test_of
from agent.proving.load_tests import load_tests
from agent.proving.unit_tests import judge, play_test

CONFIGURATION = """
agent: {site: dresden, name: line-4}
sources:
  plc:
    type: modbus
    url: tcp://127.0.0.1:502
    poll_every: 1s
    tags:
      T: {area: holding, offset: 0, type: float32, unit: °C}
      U: {area: holding, offset: 2, type: float32}
rules:
  R: {tag: T, high: 170, on_delay: 4s, off_delay: 2s}
  AVERAGE: {tag: T, window: {over: 20s, take: average}, high: 150}
  GATED: {tag: T, high: 170, when: U > 5}
"""


@pytest.fixture
def plant(tmp_path):
    file = tmp_path / "plant.yaml"
    file.write_text(CONFIGURATION)
    return load(file, {})


def made(plant, incident, *sessions):
    """The file, and the test that it holds."""
    return unit_test_of(plant, incident, sessions, "plant.yaml")


def incident(rule="R", at=14, onset=10, digest=None, plant=None):
    digest = digest or next(spec.digest for spec in plant.rules if spec.name == rule)
    return Incident("evt_1", "alarm.raised", rule, wall(at), wall(onset), "dresden/line-4", digest)


def run(text, plant, folder):
    """The outcome of the test, as `edge-relay test` runs it, and what the engine told."""
    file = folder / "made.yaml"
    file.write_text(text)
    [test] = load_tests(file, file, lambda _: plant).tests
    return judge(test, plant).problem, play_test(test, plant).events


EXCURSION = (*[165.0] * 10, *[172.5] * 8, *[160.25] * 12)


def test_the_file_as_it_is_written(plant, tmp_path):
    """Head, signals as run lengths on the tag's own pace, the whole timeline."""
    text = made(plant, incident(plant=plant), recorded(plant, *values(*EXCURSION), until=29))

    assert (
        text
        == f"""\
# alarm.raised of R, evt_1
# told by dresden/line-4 at 2026-11-21T12:00:14.000Z; rule {incident(plant=plant).digest}
# From the agent's own samples: edge-relay test --from-event
rules: "plant.yaml"
tests:
  - name: "R on 2026-11-21T12:00:14.000Z"
    start: 2026-11-21T12:00:01Z
    every: 1s
    only: ["R"]
    signals:
      T: "165.0 x9, 172.5 x8, 160.25 x8"
    expect:
      - {{at: 13s, raised: "R high"}}
      - {{at: 19s, returned: "R high"}}
"""
    )
    assert run(text, plant, tmp_path)[0] == ""


def test_an_unexpected_event_fails_it(plant, tmp_path):
    """The test proves something: with another value it does not pass."""
    text = made(plant, incident(plant=plant), recorded(plant, *values(*EXCURSION), until=29))

    assert run(text.replace("172.5 x8", "169 x8"), plant, tmp_path)[0] != ""


def jittered(numbers, tag="T"):
    """Polled a little early or late."""
    return [
        Reading(tag, value, Quality.GOOD, instant(n + (0, 0.03, -0.04, -0.05, 0.02)[n % 5]))
        for n, value in enumerate(numbers)
    ]


def test_samples_beside_the_grid_are_moved_and_that_is_said(plant, tmp_path):
    """The grid is the tag's pace; the head says by how much samples were moved."""
    text = made(plant, incident(plant=plant), recorded(plant, *jittered(EXCURSION), until=29))

    assert re.search(r"# A sample each 1s: samples that came between were moved by up to 50ms\.", text)
    assert 'T: "165.0 x9, 172.5 x8, 160.25 x7"' in text
    assert run(text, plant, tmp_path)[0] == ""


def test_gates_bad_values_and_silence(plant, tmp_path):
    """Every tag that the rule looks at has a signal; what could not be read, and what did not come."""
    watched = values(*[165.0] * 6, None, None, 165.0, 165.0, 172.0, 172.0) + values(*[172.0] * 5, begin=26)
    gate = values(*[7.0] * 31, tag="U")
    text = made(
        plant, incident("GATED", at=10, onset=10, plant=plant), recorded(plant, *watched, *gate, until=30)
    )

    assert 'T: "165.0 x1, bad x2, 165.0 x2, 172.0 x2, gap x4"' in text
    assert 'U: "7.0 x' in text
    assert run(text, plant, tmp_path)[0] == ""


def test_what_had_to_be_seen_before_is_in_it(plant, tmp_path):
    """A window is full when the event comes."""
    numbers = [100.0] * 40 + [200.0] * 30
    text = made(
        plant, incident("AVERAGE", at=50, onset=50, plant=plant), recorded(plant, *values(*numbers), until=69)
    )
    problem, told = run(text, plant, tmp_path)

    assert (problem, "does NOT" in text) == ("", False)
    assert [event.type for event in told if event.subject == "AVERAGE"] == ["alarm.raised"]


def test_a_restart_and_a_lost_connection_are_in_it(plant, tmp_path):
    """The agent was away for three seconds, the source for two."""
    first = recorded(plant, *values(*[165.0] * 10, *[172.0] * 2), until=11)
    down = Link("plc", up=False, at=instant(17), reason="refused")
    up = Link("plc", up=True, at=instant(19))
    second = recorded(
        plant,
        *values(*[172.0] * 3, begin=14),
        down,
        up,
        *values(*[172.0] * 9, begin=19),
        began=14,
        until=27,
        away_since=11,
    )
    text = made(plant, incident(at=23, onset=10, plant=plant), first, second)

    assert "restart: [{at: " in text
    assert re.search(r'plc: "up x\d+, down x2, up x\d+"', text)
    assert run(text, plant, tmp_path)[0] == ""


def test_a_rule_that_was_changed_since_is_told(plant, tmp_path):
    """The digest then and now; and that the rule as it is does not tell this event."""
    text = made(
        plant,
        incident(at=12, onset=10, digest="old", plant=plant),
        recorded(plant, *values(*[165.0] * 30), until=29),
    )

    assert "# The rule has been changed since: it is " in text
    assert "# As it is configured now, the rule does NOT tell this event of these samples." in text
    assert "    expect: []\n" in text
    assert run(text, plant, tmp_path)[0] == ""


def test_samples_that_are_gone_are_a_sentence(plant):
    """Nothing is made up."""
    with pytest.raises(EdgeRelayError, match=r"the samples that are kept begin at 2026-11-21T12:01:00"):
        made(plant, incident(plant=plant), recorded(plant, *values(165.0, begin=60), began=60, until=70))


def test_a_long_signal_is_folded(plant, tmp_path):
    """No line is longer than a page is wide, and it is read as the same."""
    numbers = [165 + n % 7 / 4 for n in range(60)] + [172.0] * 10 + [160.0] * 10
    text = made(plant, incident(at=64, onset=60, plant=plant), recorded(plant, *values(*numbers), until=79))
    noisy = made(
        plant,
        incident("AVERAGE", at=40, onset=40, plant=plant),
        recorded(plant, *values(*numbers), until=79),
    )

    assert max(map(len, noisy.splitlines())) <= 120
    assert "T: >-" in noisy
    assert [run(each, plant, tmp_path)[0] for each in (text, noisy)] == ["", ""]


def test_what_operators_did_is_in_it(plant, tmp_path):
    """A shelf that was set and taken off; what belongs to an alarm before the test is left out."""
    shelf = Command("R", Action.SHELVE, instant(12), "Ann", "seal change", until=instant(12 + 600))
    off = Command("R", Action.UNSHELVE, instant(16), "Ann")
    seen = values(*EXCURSION)
    text = made(plant, incident(at=16, plant=plant), recorded(plant, *seen, shelf, off, until=29))
    late = made(plant, incident(at=14, plant=plant), recorded(plant, *seen, off, until=29))

    assert '{"at": "11s", "shelve": "R", "by": "Ann", "reason": "seal change", "for": "10m"}' in text
    assert "unshelve" not in late
    assert [run(each, plant, tmp_path)[0] for each in (text, late)] == ["", ""]
    assert [event.type for event in run(text, plant, tmp_path)[1]][:2] == ["alarm.shelved", "alarm.unshelved"]


def test_a_lost_connection_becomes_a_test(plant, tmp_path):
    """A rule over a connection has no tag: the connection is its signal."""
    down = Link("plc", up=False, at=instant(10), reason="refused")
    text = made(
        plant,
        incident("plc.communication", at=25, onset=10, plant=plant),
        recorded(plant, *values(*[165.0] * 10), down, until=40),
    )

    assert re.search(r'plc: "up x\d+, down x\d+"', text)
    assert 'raised: "plc.communication connection"' in text
    assert run(text, plant, tmp_path)[0] == ""
