"""A configuration is loaded in full, from one file or a folder, or refused with all that is wrong."""

from pathlib import Path

import pytest

from agent.config.listening import Listen
from agent.config.load import load
from agent.errors import ConfigError, Problem
from agent.model import SECOND, Kind, TagSpec
from agent.sources.simulated import SimulatedSource

AGENT = "agent: {site: dresden, name: line-4}\n"
SOURCES = """\
sources:
  plant:
    type: simulated
    tags:
      TT1: {signal: sine, min: -300, max: 300, range: [0, 200], unit: °C, stale_after: 10s}
      FT1: {signal: ramp}
"""
RULES = "rules:\n  hot: {tag: TT1, high: 170, deadband: 1%}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that messages name as `plant`, and how to fill it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant").mkdir()

    def write(a=None, b=None, c=None):
        for name, text in {"a": a, "b": b, "c": c}.items():
            if text is not None:
                Path("plant", f"{name}.yaml").write_text(text)
        return Path("plant")

    return write


def refused(path):
    with pytest.raises(ConfigError) as error:
        load(path, {})
    return [str(problem) for problem in error.value.problems]


def test_a_small_configuration_is_loaded_in_full(folder):
    """What is not written has its default; every source is watched."""
    configuration = load(folder(AGENT + SOURCES + RULES) / "a.yaml", {})

    assert (configuration.agent.site, configuration.agent.name) == ("dresden", "line-4")
    assert configuration.agent.data_dir == Path("/var/lib/edge-relay")
    assert configuration.store.keep_delivered == 7 * 86_400 * SECOND
    assert configuration.http.listen == Listen("127.0.0.1", 8470)
    assert isinstance(configuration.sources["plant"], SimulatedSource)
    signal = {"kind": Kind.NUMBER, "every": SECOND}
    assert configuration.tags["TT1"] == TagSpec(
        "TT1", "plant", "°C", (0.0, 200.0), 10 * SECOND, reach=(-300.0, 300.0), **signal
    )
    assert configuration.tags["FT1"] == TagSpec(
        "FT1", "plant", stale_after=3 * SECOND, reach=(0.0, 100.0), **signal
    )
    assert [rule.name for rule in configuration.rules] == ["hot", "plant.communication"]
    assert configuration.rules[0].conditions[0].deadband == 2.0
    assert (configuration.destinations, configuration.warnings) == ({}, ())


def test_a_folder_is_one_configuration(folder):
    """Sections of the same name are joined, whatever the files are called."""
    plant = folder(
        a=AGENT + "rules:\n  cold: {tag: TT1, low: 10}\n",
        b=SOURCES + "  spare: {type: simulated, tags: {X: {signal: sine}}}\n",
        c=RULES + "sources:\n  more: {type: simulated, tags: {Y: {signal: sine}}}\n",
    )
    configuration = load(plant, {})

    assert list(configuration.sources) == ["plant", "spare", "more"]
    assert {rule.name for rule in configuration.rules} > {"cold", "hot"}


def test_what_stands_in_two_files_is_refused_with_both_places(folder):
    """Entries and keys of sections alike; the last file never wins silently."""
    plant = folder(
        a=AGENT + SOURCES + RULES,
        b="# the night shift's\n" + RULES + "  cold: {tag: TT1, low: 10}\n",
        c="agent: {data_dir: data, site: meissen}\n",
    )

    assert refused(plant) == [
        "plant/b.yaml:3:3: error: `hot` is given twice, first in plant/a.yaml:9: delete one of them",
        "plant/c.yaml:1:25: error: `site` is given twice, first in plant/a.yaml:1: delete one of them",
    ]


def test_all_files_are_checked_in_one_run(folder):
    """Sorted by file and line; a syntax error in one hides no mistake in another."""
    plant = folder(
        a="agent: {site: dresden}\n",
        b="rules:\n  hot: {tag: TT1, high: [5]}\n  cold: {tag: TT9, low: 1}\n",
        c="sources:\n  plant: {type: simulated\n",
    )

    assert refused(plant) == [
        "plant/a.yaml:1:1: error: agent: `name` is missing: add it",
        "plant/b.yaml:2:19: error: rule hot, high: expected a map, got a list",
        "plant/c.yaml:3:1: error: expected `,` or `}`: the map `{` opens in line 2",
    ]


def test_only_yaml_files_are_read_and_others_are_named(folder):
    """An editor's copies are passed over; `rules.yml` was meant to be read."""
    plant = folder(a=AGENT + SOURCES)
    for name in (".a.yaml.swp", ".hidden.yaml", "a.yaml~", "README.md"):
        (plant / name).write_text("not: [yaml")
    (plant / "rules.yml").write_text(RULES)
    (plant / "old.yaml").mkdir()

    assert load(plant, {}).warnings == (
        Problem("plant/rules.yml", 0, 0, "this file is not read: rename it to rules.yaml", "warning"),
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "nowhere",
            "nowhere:0:0: error: no such file or folder: `edge-relay init DIR` writes one to begin with",
        ),
        (
            "plant",
            "plant:0:0: error: no *.yaml in this folder: `edge-relay init DIR` writes some to begin with",
        ),
    ],
)
def test_nothing_to_read_is_an_error(folder, path, text):
    """With what to do about it."""
    folder()

    assert refused(Path(path)) == [text]


def test_a_configuration_without_an_agent_says_what_it_needs(folder):
    """It has no place in a file, so the folder is named."""
    assert refused(folder(a=SOURCES)) == [
        "plant:0:0: error: agent: `site` is missing: add what the plant is called, such as site: plant-7; every event carries it",
        "plant:0:0: error: agent: `name` is missing: add it",
    ]


def test_a_section_that_is_commented_out_is_empty(folder):
    """`rules:` with nothing left below it."""
    configuration = load(
        folder(a=AGENT + SOURCES, b="rules:\n#  hot: {tag: TT1}\ndestinations:\nstore:\n"), {}
    )

    assert [rule.name for rule in configuration.rules] == ["plant.communication"]


def test_warnings_are_returned_and_not_raised(folder):
    """A secret in plain text works, and is told with its remedy."""
    plant = folder(
        a=AGENT + "destinations:\n  cmms:\n    url: https://example.com/\n"
        "    signing: {secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}\n"
    )

    [warning] = load(plant, {}).warnings

    assert str(warning) == (
        "plant/a.yaml:5:23: warning: destination cmms, signing.secret: a secret in plain text: "
        "put it into a file that only edge-relay may read, and write ${file:PATH} here"
    )


def test_secrets_and_paths_are_found_beside_the_configuration(folder):
    """Wherever the agent was started."""
    plant = folder(
        a="agent: {site: dresden, name: line-4, data_dir: data}\n"
        'destinations:\n  cmms: {url: "https://example.com/", signing: {secret: "${file:cmms.key}"}}\n'
        '  mes: {url: "https://example.com/", signing: {secret: "${env:MES}"}}\n'
    )
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    (plant / "cmms.key").write_text(secret + "\n")
    (plant / "cmms.key").chmod(0o600)
    configuration = load(plant, {"MES": secret})

    assert configuration.agent.data_dir == plant / "data"
    assert {name: of.signing.secret.reveal() for name, of in configuration.destinations.items()} == {
        "cmms": secret,
        "mes": secret,
    }
    assert configuration.warnings == ()
    assert secret not in repr(configuration)


def test_wrong_references_among_thousands_of_tags_are_found_quickly_with_a_suggestion(folder):
    """A plant's tags begin alike; comparing each with each would take minutes."""
    tags = "".join(f"      LINE1.AREA2.TT{n}: {{signal: sine}}\n" for n in range(3000))
    rules = "".join(f"  R{n}: {{tag: LINE1.AREA2.T{n}, high: 5}}\n" for n in range(500))
    problems = refused(
        folder(a=AGENT + "sources:\n  s:\n    type: simulated\n    tags:\n" + tags + "rules:\n" + rules)
    )

    assert len(problems) == 500
    assert problems[7].endswith("unknown tag 'LINE1.AREA2.T7': did you mean `LINE1.AREA2.TT7`?")


def test_what_came_by_an_alias_is_mended_where_it_stands(folder):
    """The position is the anchor's."""
    plant = folder(
        a=AGENT
        + SOURCES
        + "rules:\n  a: {tag: TT1, high: &limit {at: 5, of_delay: 1s}}\n  b: {tag: TT1, high: *limit}\n"
    )

    assert refused(plant) == [
        "plant/a.yaml:9:38: error: rule a, high: unknown key `of_delay`: did you mean `off_delay`?",
        "plant/a.yaml:9:38: error: rule b, high: unknown key `of_delay`: did you mean `off_delay`?",
    ]


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        ("high: 200", ""),
        ("low: 0", ""),
        ("high: 250", "high: it may never be raised: 250 is outside of the range [0, 200] of TT1"),
        (
            "high: {at: 170, deadband: 190}",
            "high: it may never return: that takes -20, outside of the range [0, 200] of TT1",
        ),
        (
            "low: 10, deadband: 100%",
            "low: it may never return: that takes 210, outside of the range [0, 200] of TT1",
        ),
    ],
)
def test_a_limit_that_cannot_be_reached_is_doubted(folder, rule, warning):
    """It is allowed, because a value may leave its range; but an alarm that never comes is told in time."""
    rules = f"rules:\n  hot: {{tag: TT1, {rule}}}\n  flow: {{tag: FT1, high: 90}}\n"
    warnings = load(folder(AGENT + SOURCES + rules), {}).warnings

    assert [str(each).partition(" rule hot, ")[2] for each in warnings] == ([warning] if warning else [])
