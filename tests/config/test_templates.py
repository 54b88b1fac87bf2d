"""A device type is described once; sources are made of it, and whatever is wrong stands where it was written."""

import pytest

from agent.changes import changes
from agent.config.load import load
from agent.errors import ConfigError

AGENT = "agent: {site: dresden, name: line-4}\n"
TEMPLATE = """\
templates:
  acs580:
    type: modbus
    url: tcp://192.168.10.40:502
    byte_order: CDAB
    poll_every: 500ms
    tags:
      SPEED: {address: "40102", type: int16, unit: rpm, range: [0, 1500]}
      CURRENT: {address: "40104", type: uint32, scale: 0.01, unit: A}
      FAULT: {address: "40612", type: bit, bit: 3}
"""


@pytest.fixture
def plant(tmp_path):
    """What makes a configuration of the template and some sources."""

    def made(sources, template=TEMPLATE, rules=""):
        (tmp_path / "plant.yaml").write_text(AGENT + template + "sources:\n" + sources + rules)
        return load(tmp_path / "plant.yaml", {})

    return made


def refused(made, *arguments, **named):
    with pytest.raises(ConfigError) as error:
        made(*arguments, **named)
    return [f"{problem.line}: {problem.text}" for problem in error.value.problems]


def test_twenty_drives_behind_one_gateway_take_twenty_lines(plant):
    """One template, another unit id and prefix each; rules name their tags (thingsboard-gateway#1700)."""
    drives = "".join(
        f'  vfd{n}: {{template: acs580, unit_id: {n}, prefix: "VFD{n}."}}\n' for n in range(1, 21)
    )
    configuration = plant(drives, rules="rules:\n  fast: {tag: VFD20.SPEED, high: 900, deadband: 1%}\n")

    assert len(configuration.tags) == 60
    assert {source.url for source in configuration.sources.values()} == {"tcp://192.168.10.40:502"}
    assert [source.unit_id for source in configuration.sources.values()] == list(range(1, 21))
    assert configuration.tags["VFD20.SPEED"].range == (0, 1500)
    assert configuration.rules[0].subject == "VFD20.SPEED"
    assert configuration.warnings == ()


def test_it_is_what_somebody_would_have_written_out(plant, tmp_path):
    """Nobody behind the loader can tell the difference."""
    of_template = plant('  vfd1: {template: acs580, unit_id: 1, prefix: "V."}\n')
    written = (
        TEMPLATE.removeprefix("templates:\n").replace("acs580", "vfd1").replace("      ", "      V.")
        + "    unit_id: 1\n"
    )
    written_out = plant(written, template="")

    assert of_template.sources == written_out.sources
    assert of_template.tags == written_out.tags


def test_the_source_wins_key_by_key(plant):
    """It changes keys of the device and of single tags, adds tags and leaves some out."""
    configuration = plant("""\
  vfd1:
    template: acs580
    url: tcp://192.168.10.41
    poll_every: 2s
    prefix: "V."
    omit: [FAULT]
    tags:
      SPEED: {range: [0, 3000], stale_after: 20s}
      TEMP: {address: "40200", type: int16}
""")
    source = configuration.sources["vfd1"]

    assert (source.url, source.byte_order, source.poll_every) == ("tcp://192.168.10.41", "CDAB", 2 * 10**9)
    assert list(source.tags) == ["V.SPEED", "V.CURRENT", "V.TEMP"]
    assert (source.tags["V.SPEED"].range, source.tags["V.SPEED"].unit) == ((0, 3000), "rpm")


def test_a_template_may_leave_anything_to_its_sources(plant):
    """Even the type; and a source without a template may have a prefix."""
    configuration = plant(
        '  a: {template: slow, type: simulated, prefix: "A.", tags: {X: {signal: ramp}}}\n'
        '  b: {type: simulated, prefix: "B.", tags: {X: {signal: sine}}}\n',
        template="templates:\n  slow: {every: 10s, tags: {Y: {signal: sine}}}\n",
    )

    assert sorted(configuration.tags) == ["A.X", "A.Y", "B.X"]
    assert configuration.sources["a"].every == 10 * 10**9


def test_the_tags_of_a_template_are_kept_once(plant):
    """Fifty devices of two hundred tags take the memory of one."""
    sources = plant(
        '  a: {template: acs580, prefix: "A."}\n  b: {template: acs580, unit_id: 2, prefix: "B."}\n'
    ).sources

    assert sources["a"].tags["A.SPEED"] is sources["b"].tags["B.SPEED"]


def test_an_error_in_a_template_makes_no_other(plant):
    """It is told at its line, once; rules over its tags, and over the other tags, are not wrong as well."""
    problems = refused(
        plant,
        '  vfd1: {template: acs580, prefix: "V1."}\n  vfd2: {template: acs580, unit_id: 2, prefix: "V2."}\n',
        template=TEMPLATE.replace("uint32", "uint23"),
        rules="rules:\n  a: {tag: V2.CURRENT, high: 5}\n  b: {tag: V1.SPEED, high: 900, deadband: 1%}\n",
    )

    assert [problem.partition(":")[0] for problem in problems] == ["10"]
    assert "template acs580, tag CURRENT, type: unknown word" in problems[0]


def test_a_missing_url_is_missing_in_the_source(plant):
    """A template need not be complete; each source must be."""
    problems = refused(
        plant,
        '  vfd1: {template: acs580, prefix: "V1."}\n  vfd2: {template: acs580, url: tcp://h, prefix: "V2."}\n',
        template=TEMPLATE.replace("    url: tcp://192.168.10.40:502\n", ""),
    )

    assert problems == ["12: source vfd1: `url` is missing: add it"]


def test_a_key_without_a_value_in_a_template_is_told_once(plant):
    """A scale that was forgotten must not mean none."""
    problems = refused(
        plant,
        '  vfd1: {template: acs580, prefix: "V1."}\n  vfd2: {template: acs580, unit_id: 2, prefix: "V2."}\n',
        template=TEMPLATE.replace("scale: 0.01", "scale: "),
    )

    assert len(problems) == 1
    assert problems[0].startswith("10: template acs580, tag CURRENT, scale: a value is missing")


def test_a_secret_in_a_template_is_warned_of_there(plant):
    """In plain text, once, at the template's line."""
    warnings = plant(
        "  a: {template: broker, client_id: a, prefix: A., tags: {X: {topic: x}}}\n"
        "  b: {template: broker, client_id: b, prefix: B., tags: {X: {topic: x}}}\n",
        template="templates:\n  broker: {type: mqtt, url: mqtts://h, user: u, password: hunter2}\n",
    ).warnings

    assert [(each.line, each.text.partition(":")[0]) for each in warnings] == [
        (3, "template broker, password")
    ]


def test_a_changed_template_changes_its_sources(plant):
    """A reload tells of the sources, whose connections it makes anew; never of what a template holds."""
    drives = (
        '  vfd1: {template: acs580, prefix: "V1."}\n  other: {type: simulated, tags: {X: {signal: sine}}}\n'
    )
    old = plant(drives)
    new = plant(drives, template=TEMPLATE.replace("500ms", "1s"))

    assert changes(old, new) == [{"source": "vfd1"}]


@pytest.mark.parametrize("tags", ["[SPEED]", "SPEED", "5"])
def test_tags_that_are_no_map_are_told(plant, tags):
    """They would be lost unseen below those of the template; of the template, once for all its sources."""
    told = "tags: expected a map: the name of each tag, and what it is"
    template = f"templates:\n  t: {{type: modbus, url: tcp://h, tags: {tags}}}\n"
    two = "  a: {template: t, tags: {X: {address: '00001'}}}\n  b: {template: t}\n"

    assert refused(plant, f"  vfd1: {{template: acs580, tags: {tags}}}\n") == [f"13: source vfd1, {told}"]
    assert refused(plant, two, template=template) == [f"3: template t, {told}"]


@pytest.mark.parametrize(("name", "what"), [("[acs580]", "a list"), ("{acs580: 1}", "a map")])
def test_a_template_that_is_no_name_is_told(plant, name, what):
    """A device of two types is none, and no traceback."""
    _, problem = refused(plant, f"  vfd1: {{template: {name}}}\n")

    assert problem == f"13: source vfd1, template: expected text, got {what}"


def test_a_key_of_another_kind_of_source_is_told_as_such(plant):
    """Not as a key that is misspelt: Sparkplug's metrics are no JSON, though both are of type mqtt."""
    (problem,) = refused(
        plant,
        "  b: {template: edge, client_id: c, tags: {P: {scale: 2}}}\n",
        template="templates:\n  edge: {type: mqtt, url: mqtt://h, payload: sparkplug_b,"
        " tags: {P: {device: G/E, metric: P}}}\n",
    )

    assert problem == "5: tag P: `scale` has no meaning for this kind: delete it"
