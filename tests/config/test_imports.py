"""Tags that come from a list stand in the configuration as if they were written there, and so do their mistakes."""

import os
import shutil
from pathlib import Path

import pytest

from agent.config.files import stamp
from agent.config.load import load
from agent.errors import ConfigError

LISTS = Path(__file__).parent / "lists"
AGENT = "agent: {site: dresden, name: line-4}\n"
METER = (
    "sources:\n  em:\n    type: modbus\n    url: tcp://192.168.10.50\n    tags: {import: energy_meter.csv}\n"
)
LIST = "Name;Register;Type;Scale\nA;4x0001;INT16;0,1\nB;4x0002;INT61;0,1\nC;4x0003;INT16;0,1\n"


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """A folder `plant` with the vendors' lists and a small one, and how to load it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(LISTS, "plant")
    Path("plant", "small.csv").write_text(LIST)

    def made(text):
        Path("plant", "plant.yaml").write_text(AGENT + text)
        return load(Path("plant"), {})

    return made


def refused(made, text):
    with pytest.raises(ConfigError) as error:
        made(text)
    return [str(problem) for problem in error.value.problems]


def test_the_rows_of_a_list_are_tags(plant):
    """Rules may name them; percentages are of their ranges."""
    configuration = plant(METER + "rules:\n  low: {tag: Frequency, low: 49.8}\n")

    assert len(configuration.tags) == 12
    assert configuration.tags["Voltage_L1_N"].unit == "V"
    assert [rule.name for rule in configuration.rules] == ["low", "em.communication"]
    assert configuration.warnings == ()


def test_what_is_written_beside_a_list_wins_key_by_key(plant):
    """A range for one, another tag, one less, and a prefix before all."""
    configuration = plant("""\
sources:
  em:
    type: modbus
    url: tcp://192.168.10.50
    prefix: "EM1."
    omit: [Pulse_width, Demand_period]
    tags:
      import: energy_meter.csv
      Frequency: {range: [45, 55]}
      RELAY: {address: "00001"}
""")
    tags = configuration.sources["em"].tags

    assert len(tags) == 11
    assert (tags["EM1.Frequency"].range, tags["EM1.Frequency"].unit) == ((45, 55), "Hz")
    assert tags["EM1.RELAY"].address == "00001"


def test_a_template_may_have_a_list(plant):
    """It is read once, however many devices there are; overrides are by its names."""
    configuration = plant("""\
templates:
  drive:
    type: modbus
    url: tcp://192.168.10.40
    tags: {import: {file: frequency_converter.csv, addresses: manual}}
sources:
  vfd1: {template: drive, unit_id: 1, prefix: "VFD1."}
  vfd2: {template: drive, unit_id: 2, prefix: "VFD2.", tags: {SPEED: {range: [0, 3000]}}, omit: [FAULTED]}
""")
    first, second = configuration.sources.values()

    assert (len(first.tags), len(second.tags)) == (11, 10)
    assert (second.tags["VFD2.SPEED"].range, second.tags["VFD2.SPEED"].address) == ((0, 3000), "40102")
    assert first.tags["VFD1.MOTOR_CURRENT"].scale == 0.01


def test_a_row_that_cannot_be_used_is_told_in_its_cell(plant):
    """Once for all devices; rules over its tag are not wrong as well; whoever omits it is not bothered."""
    device = "{template: t, prefix: %s., url: tcp://h%s}\n"
    text = "templates:\n  t: {type: modbus, tags: {import: small.csv}}\nsources:\n"
    rules = "rules:\n  a: {tag: X.B, high: 5}\n"

    assert refused(plant, text + "  x: " + device % ("X", "") + "  y: " + device % ("Y", "") + rules) == [
        (
            "plant/small.csv:3:10: error: tag B: unknown type `INT61`: write INT16, UINT16, INT32, UINT32, INT64, UINT64, "
            "FLOAT32, FLOAT64, BIT or STRING"
        )
    ]
    assert list(plant(text + "  x: " + (device % ("X", "")).replace("}", ", omit: [B]}")).tags) == [
        "X.A",
        "X.C",
    ]


def test_what_the_protocol_refuses_is_told_in_its_cell(plant):
    """As it is in YAML."""
    Path("plant", "small.csv").write_text(
        "Name,Register,Type,Byte order\nA,4x0001,INT16,\nB,4x65536,UINT32,\n"
    )

    assert refused(plant, METER.replace("energy_meter", "small")) == [
        (
            "plant/small.csv:3:1: error: tag B: it would end behind the last address of its area: 465536 and 2 registers "
            "make 1 too many"
        )
    ]


def test_two_sources_of_one_list_need_prefixes(plant):
    """One sentence, not one for each tag."""
    two = METER + METER.removeprefix("sources:\n").replace("  em:", "  em2:")

    assert refused(plant, two) == [
        (
            "plant/plant.yaml:7:3: error: source em2: its tags are called as those of source em are (`Voltage_L1_N`): "
            'give it a prefix of its own, such as prefix: "em2."'
        )
    ]


def test_a_tag_that_two_lists_or_hands_name_is_told(plant):
    """As ever, where one of them is written by hand."""
    both = METER + "  x: {type: simulated, tags: {Frequency: {signal: sine}}}\n"

    assert refused(plant, both) == [
        (
            "plant/plant.yaml:7:31: error: source x, tags: tag `Frequency` is read by source em already: "
            "give one another name"
        )
    ]


def test_a_list_of_nodes_for_opcua(plant):
    """The columns are node, name, unit and range."""
    Path("plant", "nodes.csv").write_text(
        "Tag,NodeId,Einheit,Bereich\nSTEAM,ns=2;s=Steam,bar,0...16\nX,nonsense,,\n"
    )

    [problem] = refused(
        plant, "sources:\n  b: {type: opcua, url: opc.tcp://h, security: none, tags: {import: nodes.csv}}\n"
    )
    assert problem.startswith("plant/nodes.csv:3:3: error: tag X, node: expected a node id")


def test_a_change_of_the_list_is_a_change_of_the_configuration(plant):
    """In the folder or in one there, new, changed or gone: `watch: true` sees it."""
    plant(METER)
    folder, single = Path("plant"), Path("plant", "plant.yaml")
    seen = {stamp(folder)}
    for change in (
        lambda: Path("plant", "energy_meter.csv").write_text("changed"),
        lambda: Path("plant", "lists").mkdir(),
        lambda: Path("plant", "lists", "more.CSV").write_text(LIST),
        lambda: os.truncate(Path("plant", "lists", "more.CSV"), 10),
        lambda: Path("plant", "lists", "more.CSV").unlink(),
    ):
        before, alone = stamp(folder), stamp(single)
        change()
        seen.add(stamp(folder))
        assert (stamp(folder) != before) == (stamp(single) != alone)

    assert len(seen) == 4  # an empty folder is no change; what is gone again is as it was


def test_a_list_in_a_folder_of_the_configuration(plant):
    """Several devices keep their lists together."""
    Path("plant", "lists").mkdir()
    Path("plant", "energy_meter.csv").rename(Path("plant", "lists", "em.csv"))

    assert len(plant(METER.replace("energy_meter.csv", "lists/em.csv")).tags) == 12


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("circle.csv", "cannot be read: "),
        ("a" * 300 + ".csv", "cannot be read: File name too long"),
        ('"l\\0.csv"', "cannot be read: its path leads nowhere"),
        ("folder.csv", "there is no such file"),
        ("empty.csv", "no row below the headings of this list is a value to be read"),
    ],
)
def test_a_list_that_cannot_be_had_says_why(plant, file, why):
    """A link to itself, no name of a file, a folder, a list without rows: a sentence at the import."""
    Path("plant", "circle.csv").symlink_to("circle.csv")
    Path("plant", "folder.csv").mkdir()
    Path("plant", "empty.csv").write_text("Name;Register;Type\n")

    [problem] = refused(plant, METER.replace("energy_meter.csv", file))
    assert problem.startswith(f"plant/plant.yaml:6:20: error: source em, tags.import: {why}")


def test_a_file_without_lines_is_no_list(plant):
    """Forty thousand columns of addresses are told in a second, and in a line."""
    Path("plant", "small.csv").write_text("Name;Register;" * 40_000)

    [problem] = refused(plant, METER.replace("energy_meter", "small"))
    assert "could be the address: say which" in problem
    assert len(problem) < 300
