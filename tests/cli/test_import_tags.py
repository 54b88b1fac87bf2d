"""`edge-relay import-tags` writes what an engineer would have typed, and says what it could not."""

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.cli import main
from agent.config.load import load

LISTS = Path(__file__).parents[1] / "config" / "lists"
AGENT = "agent: {site: dresden, name: line-4}\n"
OPTIONS = {
    "frequency_converter.csv": ["--addresses", "manual"],
    "pv_inverter.csv": ["--addresses", "offset", "--area", "holding", "--scaling", "divide"],
}


@pytest.fixture
def ask(capsys):
    """Run the command; exit status, what it printed, and what it said beside."""

    def run(*words):
        status = main(["import-tags", *map(str, words)])
        return status, *capsys.readouterr()

    return run


def points(folder):
    """What would be read, of all sources together."""
    return [point for source in load(folder, {}).sources.values() for point in source.points()]


def by_hand_and_by_import(folder, file, printed, options):
    """The points of the printed YAML, and those of a configuration that names the list."""
    (folder / "printed.yaml").write_text(AGENT + printed)
    words = dict(zip((word.removeprefix("--") for word in options[::2]), options[1::2], strict=True))
    source = {"type": "modbus", "url": "tcp://h", "tags": {"import": {"file": file.name, **words}}}
    (folder / "imported.yaml").write_text(
        AGENT + json.dumps({"sources": {"em": source}})[1:-1].replace('"sources"', "sources")
    )
    return points(folder / "printed.yaml"), points(folder / "imported.yaml")


@pytest.mark.parametrize("name", sorted(path.name for path in LISTS.glob("*.csv")))
def test_what_is_printed_loads_as_it_is(tmp_path, ask, name):
    """And reads the very points that the loader makes of the list; nothing is warned of."""
    file = Path(shutil.copy(LISTS / name, tmp_path))
    status, printed, said = ask(file, *OPTIONS.get(name, []))
    printed_points, imported_points = by_hand_and_by_import(tmp_path, file, printed, OPTIONS.get(name, []))

    assert status == 0
    assert printed_points == imported_points
    assert len(printed_points) > 5
    assert load(tmp_path / "printed.yaml", {}).warnings == ()
    assert said.splitlines()[-1].startswith(f"{file}: {len(printed_points)} tags")


def test_the_page_is_one_that_an_engineer_would_write(ask):
    """A tag a line, maps and remarks below each other, units and ranges kept."""
    status, printed, said = ask(
        LISTS / "water_meter.csv", "--source", "wm7", "--prefix", "WM.", "--url", "tcp://10.0.0.7"
    )

    assert status == 0
    assert printed.splitlines()[:8] == [
        "# 8 tags of water_meter.csv",
        "sources:",
        "  wm7:",
        "    type: modbus",
        '    url: "tcp://10.0.0.7"',
        "    tags:",
        '      WM.FLOW:           {address: "40001", type: float32, unit: "m³/h", range: [0, 25]}           # instantaneous flow',
        '      WM.VOLUME:         {address: "40009", type: uint32, scale: 0.001, unit: m³}                  # forward volume',
    ]
    assert said == f"{LISTS / 'water_meter.csv'}: 8 tags\n"


def test_what_can_be_read_in_two_ways_is_said_with_its_option(ask):
    """Nothing is printed that would have to be guessed."""
    status, printed, said = ask(LISTS / "frequency_converter.csv")

    assert (status, printed) == (1, "# 0 tags of frequency_converter.csv\n")
    assert "frequency_converter.csv:3:13: error: addresses such as 40102 can be read in two ways" in said
    assert "(addresses: offset, area: holding): say --addresses manual\n" in said
    assert "import:" not in said, "here nobody writes a configuration"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Register;Typ\n1;INT16\n2;INT16\n",
            "2:1: error: no heading says where the names of the tags are, beside ",
        ),
        ("1;2\n3;4\n", "called otherwise: say --column name=HEADING --column address=HEADING\n"),
    ],
)
def test_a_list_without_the_headings_is_answered_with_the_option(ask, tmp_path, text, said):
    """Once, not for every row of it, and as it is typed on the command line."""
    (tmp_path / "list.csv").write_text(text)
    status, _, errors = ask(tmp_path / "list.csv")

    assert status == 1
    assert said in errors
    assert errors.count(": error: ") == 1
    assert "--column name=HEADING" in errors


def test_the_rest_of_a_list_with_wrong_rows_is_printed(ask, tmp_path):
    """Those rows are told one by one, and the exit status is 1."""
    file = tmp_path / "list.csv"
    file.write_text("Name,Register,Type\nA,4x0001,INT16\nB,4x0002,INT61\nC,4x65536,UINT32\n")
    status, printed, said = ask(file)

    assert status == 1
    assert [line.split(":")[0].strip() for line in printed.splitlines()[6:]] == ["A"]
    assert [line.partition("error: ")[2][:40] for line in said.splitlines()] == [
        "tag B: unknown type `INT61`: write INT16",
        "tag C: it would end behind the last addr",
        "",
    ]
    assert said.splitlines()[-1] == f"{file}: 1 tag, 2 cannot be used"


def test_json_for_scripts(ask):
    """One document with tags, notes, what was left out, and problems."""
    status, printed, said = ask(LISTS / "energy_meter.csv", "--json")
    document = json.loads(printed)

    assert (status, said, document["type"], document["source"]) == (0, "", "modbus", "energy_meter")
    assert document["tags"]["Frequency"] == {"area": "input", "offset": 70, "type": "float32", "unit": "Hz"}
    assert document["left_out"] == {"reserved": 1, "write-only": 1}


def test_lists_of_other_protocols_load_as_they_are(ask, tmp_path):
    """Nodes of OPC UA, topics of MQTT."""
    for text in ("Tag,NodeId,Unit\nSTEAM,ns=2;s=Steam,bar\n", "Tag,Topic,Unit\nCURRENT,plant/1/a,A\n"):
        (tmp_path / "list.csv").write_text(text)
        status, printed, _ = ask(tmp_path / "list.csv")
        (tmp_path / "plant.yaml").write_text(AGENT + printed)

        assert status == 0
        assert len(load(tmp_path / "plant.yaml", {}).tags) == 1


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["nowhere.csv"], 2, "edge-relay: nowhere.csv cannot be read: No such file or directory\n"),
        (
            [LISTS / "water_meter.csv", "--column", "name"],
            2,
            "edge-relay: --column name: expected FIELD=HEADING",
        ),
        ([LISTS / "water_meter.csv", "--column", "nmae=Tag"], 2, 'edge-relay: --column: unknown word "nmae"'),
        (
            [LISTS / "water_meter.csv", "--column", "name=Tga"],
            1,
            "there is no column `Tga`: did you mean `Tag`?",
        ),
        ([LISTS.parents[2] / "LICENSE"], 1, "no headings found: expected a line that names the columns"),
    ],
)
def test_slips(ask, words, status, message):
    """A sentence with the remedy; 2 for what was typed, 1 for what the list holds."""
    found = ask(*words)

    assert found[:2] == (status, "")
    assert message in found[2]


# --- any table ------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
CELLS = {
    "Name": TEXT | st.sampled_from(["FLOW", "Wirkleistung L1 [W]", "import", "true", "0x10", "null", "1e3", "-", "a: b", "#x"]),
    "Address": st.integers(-5, 66_000).map(str) | st.sampled_from(["4x0011", "0x10", "40011.3", "40011-40012", "x"]),
    "Type": st.sampled_from(["INT16", "U32", "FLOAT", "REAL", "BOOL", "STRING(8)", "STRING", "LREAL", "Bitfield", "?", ""]),
    "Register type": st.sampled_from(["Holding", "Input", "Coil", "03", "4", "", "?"]),
    "Scale": st.floats(-1e9, 1e9).map(str) | st.sampled_from(["0,1", "1/10", "x10", "10 = 1 Hz", "1,000", "-1", ""]),
    "Einheit": TEXT | st.sampled_from(["°C", "%", "m³/h", "on", "~", "{", "&a", "*a", "!x", "|", "'", '"']),
    "Min": st.integers(-100, 100).map(str), "Max": st.floats(-1e9, 1e9).map(str) | st.just(""),
    "Words": st.sampled_from(["1", "2", "4", "300", "", "x"]),
    "Invalid": st.sampled_from(["0x8000", "65535, -1", "", "x"]),
    "Byte order": st.sampled_from(["", "CDAB", "big endian", "little", "?"]),
    "Comment": TEXT,
}  # fmt: skip
HEADS = st.lists(st.sampled_from(sorted(CELLS)), unique=True).map(lambda found: [*{"Name": 0, "Address": 0, "Type": 0, **dict.fromkeys(found, 0)}])  # fmt: skip
TABLES = HEADS.flatmap(
    lambda heads: st.tuples(
        st.just(heads), st.lists(st.tuples(*(CELLS[head] for head in heads)), min_size=1, max_size=8)
    )
)
ANY_OPTIONS = st.tuples(
    st.sampled_from([[], ["--addresses", "manual"], ["--addresses", "number"], ["--addresses", "offset"]]),
    st.sampled_from([[], ["--area", "holding"], ["--area", "coil"]]),
    st.sampled_from([[], ["--scaling", "divide"]]),
).map(lambda each: [word for words in each for word in words])


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(table=TABLES, delimiter=st.sampled_from(",;\t|"), options=ANY_OPTIONS)
def test_any_table_becomes_yaml_that_loads_to_the_same_points(tmp_path, capsys, table, delimiter, options):
    """Or its rows are refused: no cell makes a traceback, nor YAML that means something else than the list."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([table[0], *table[1]])
    file = tmp_path / "any.csv"
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    capsys.readouterr()
    status = main(["import-tags", str(file), *options])
    printed, said = capsys.readouterr()
    (tmp_path / "plant.yaml").write_text(AGENT + printed)
    document = tags_of(capsys, file, options)

    assert status in {0, 1}
    assert said
    if document:
        loaded = load(tmp_path / "plant.yaml", {}).sources[file.stem].tags
        assert list(loaded) == list(document)
        for name, tag in document.items():
            assert loaded[name].unit == tag.get("unit", "")
            assert loaded[name].model_dump(include=tag.keys(), mode="json") == as_loaded(tag)


def tags_of(capsys, file, options):
    main(["import-tags", str(file), "--json", *options])
    printed = capsys.readouterr().out
    return json.loads(printed)["tags"] if printed else {}


def as_loaded(tag):
    return {key: list(map(float, of)) if key == "range" else of for key, of in tag.items()}
