"""A rule may name a tag that no file declares, because a wildcard of a source makes it."""

from pathlib import Path

import pytest

from agent.config.load import load
from agent.errors import ConfigError
from agent.model import Quality, Reading
from agent.rules.engine import Engine
from agent.sources.modbus.config import ModbusSource

BEGIN = "agent: {site: dresden, name: line-4}\nsources:\n"
FLOOR = """\
  floor:
    type: mqtt
    url: mqtt://broker
    client_id: relay
    tags:
      "COMP{1}.CURRENT": {topic: plant/+/telemetry, value: $.a, unit: A, range: [0, 100]}
      "COMP{1}.STATE": {topic: plant/+/telemetry, value: $.s, type: bool}
      HALL: {topic: hall}
"""
RULES = """\
rules:
  overload: {for_each: [COMP7.CURRENT, COMP8.CURRENT], tag: "{each}", high: 80, deadband: 5%}
  both: {calc: COMP7.CURRENT + COMP9.CURRENT, high: 150}
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "edge-relay.yaml").write_text(text)
        return tmp_path / "edge-relay.yaml"

    return write


def problems_of(path):
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    return [problem.text for problem in refused.value.problems]


def test_the_engine_gets_the_tags_that_rules_name_and_no_more(written):
    """Each with what is written of all of them: percentages, units and kinds are checked as ever."""
    configuration = load(written(BEGIN + FLOOR + RULES), {})

    assert list(configuration.tags) == ["HALL", "COMP7.CURRENT", "COMP8.CURRENT", "COMP9.CURRENT"]
    assert {spec.unit for name, spec in configuration.tags.items() if name != "HALL"} == {"A"}
    assert configuration.tags["COMP8.CURRENT"].range == (0, 100)


def test_readings_of_other_tags_are_passed_over(written):
    """What no rule names costs the engine nothing, however many of them a stranger makes up."""
    configuration = load(written(BEGIN + FLOOR + RULES), {})
    engine = Engine(
        configuration.rules, configuration.tags.values(), configuration.sources, mint=str, started=0
    )
    readings = [Reading(f"COMP{n}.CURRENT", 90.0, Quality.GOOD, 5) for n in (1, 7, 8, 1000)]
    events = engine.take(readings).events

    assert sorted(event.tag for event in events) == ["COMP7.CURRENT", "COMP8.CURRENT"]
    assert set(engine.tags) == set(configuration.tags)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            "{tag: COMP7.CURENT, high: 5}",
            "rule r, tag: unknown tag 'COMP7.CURENT': did you mean `COMP{1}.CURRENT`? ({1} stands for",
        ),
        (
            "{calc: COMP7.CURENT + 1, high: 5}",
            "rule r, calc: unknown tag 'COMP7.CURENT': did you mean `COMP{1}.CURRENT`?",
        ),
        ("{tag: comp7.current, high: 5}", "rule r, tag: unknown tag 'comp7.current': did you mean `COMP{1}."),
        (
            "{tag: X, high: 5}",
            "rule r, tag: unknown tag 'X': expected one of HALL, COMP{1}.CURRENT, COMP{1}.",
        ),
        ("{tag: HAL, high: 5}", "rule r, tag: unknown tag 'HAL': did you mean `HALL`?"),
        ("{tag: COMP.CURRENT, high: 5}", "rule r, tag: unknown tag 'COMP.CURRENT'"),
        (
            '{tag: "COMP{1}.CURRENT", high: 5}',
            "rule r, tag: unknown tag 'COMP{1}.CURRENT': it stands for many tags: name those that are meant",
        ),
        ("{tag: COMP7.STATE, high: 5}", "rule r, high: "),
    ],
)
def test_a_name_that_no_wildcard_makes_is_refused_as_ever(written, rule, problem):
    """A misspelt name must not wait for a message that never comes."""
    (text,) = problems_of(written(f"{BEGIN}{FLOOR}rules:\n  r: {rule}\n"))

    assert text.startswith(problem)


def test_a_name_that_a_wildcard_makes_by_chance_is_doubted(written):
    """COMPRESSOR7 is COMP and RESSOR7; whether a topic gives that, nobody knows before it speaks."""
    configuration = load(written(f"{BEGIN}{FLOOR}rules:\n  r: {{tag: COMPRESSOR7.CURRENT, high: 5}}\n"), {})

    (doubt,) = [each for each in configuration.warnings if each.line == 8]
    says = "a rule names COMPRESSOR7.CURRENT, which this makes of a topic with RESSOR7 in it: look whether"
    assert doubt.text.startswith(f"source floor, tags: {says}")
    assert not load(written(BEGIN + FLOOR + RULES), {}).warnings


def test_two_sources_at_one_broker_need_two_client_ids(written):
    """The broker would let in one of them at a time, for ever; a template makes that mistake easy."""
    (text,) = problems_of(
        written(BEGIN + FLOOR + FLOOR.replace("floor", "annex").replace("COMP", "ANNEX").replace("HALL", "X"))
    )
    other = FLOOR.replace("floor", "annex").replace("COMP", "ANNEX").replace("HALL", "X")

    assert text.startswith("source annex, client_id: sources floor and annex would throw each other out")
    assert load(written(BEGIN + FLOOR + other.replace("//broker", "//broker2")), {})


def test_a_tag_of_one_source_that_another_makes_is_refused(written):
    """Else the readings of the one would be taken for the other's."""
    other = (
        FLOOR.replace("floor:", "annex:")
        .replace("relay", "relay2")
        .replace("HALL", "COMP3.CURRENT")
        .replace('"COMP', '"ANNEX')
    )
    third = (
        FLOOR.replace("floor:", "third:")
        .replace("relay", "relay3")
        .replace("HALL", "OTHER")
        .replace('"COMP{1}', '"{1}MP7')
    )

    (declared,) = problems_of(written(BEGIN + FLOOR + other))
    (named,) = problems_of(written(BEGIN + FLOOR + third + RULES))

    text = "source {}: it makes a tag `{}` as well, which is a tag of source {}: give one another name"
    assert declared == text.format("floor", "COMP3.CURRENT", "annex")
    assert named == text.format("third", "COMP7.CURRENT", "floor")
    assert not load(written(BEGIN + FLOOR + third), {}).warnings, "as long as nobody looks at one of them"


def test_a_mistake_in_the_source_makes_no_other_in_its_rules(written):
    """Tags that cannot be made for now are no unknown tags."""
    for mistake in (FLOOR.replace("$.a,", "$.a[,"), FLOOR.replace("mqtt://", "tcp://")):
        assert len(problems_of(written(BEGIN + mistake + RULES))) == 1


def test_a_source_that_makes_no_names_is_not_asked_for_any(written, monkeypatch):
    """Ten thousand registers on fifty lines are not fifty times ten thousand questions."""
    plc = "  plc{}: {{type: modbus, url: tcp://h{}, tags: {{P{}: {{address: '40001', type: int16}}}}}}\n"
    asked = []
    monkeypatch.setattr(ModbusSource, "tag_named", lambda _, source, name: asked.append((source, name)))

    load(written(BEGIN + FLOOR + plc.format(1, 1, 1) + plc.format(2, 2, 2)), {})
    assert asked == []
