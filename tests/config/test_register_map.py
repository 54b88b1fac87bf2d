"""A vendor's list is understood as its engineers meant it, or refused where it could mean two things."""

import codecs
from pathlib import Path

import pytest

from agent.config.register_map.headings import read_table
from agent.config.register_map.numbers import comma_is_decimal, number
from agent.config.register_map.options import ListOptions
from agent.config.register_map.reading import kind_of, read_list
from agent.config.register_map.scaling import direction, read_factor, scale
from agent.config.register_map.text import ListError, decode, split
from agent.config.register_map.types import type_word
from agent.config.register_map.words import read_codes, read_order, read_range, tag_name

LISTS = Path(__file__).parent / "lists"


def read(text, kind="modbus", **options):
    return read_list(text.encode(), "list.csv", kind, ListOptions(**options))


def tags(text, **options):
    listed = read(text, **options)
    assert listed.problems == []
    return {name: entry.tag for name, entry in listed.entries.items()}


def problems(text, **options):
    return [f"{each.line}:{each.column}: {each.text}" for _, each in read(text, **options).problems]


def of(file, **options):
    listed = read_list((LISTS / file).read_bytes(), file, "modbus", ListOptions(**options))
    assert listed.problems == []
    return {
        name: " ".join(f"{key}={value}" for key, value in entry.tag.items())
        for name, entry in listed.entries.items()
    }


# --- lists in the style of five vendors -----------------------------------------------------------------


def test_an_energy_meter():
    """A title above the headings, hexadecimal offsets, function codes, sections, reserved and write-only rows."""
    listed = of("energy_meter.csv")

    assert len(listed) == 12
    assert listed["Voltage_L1_N"] == "area=input offset=0 type=float32 unit=V"
    assert listed["Import_energy"] == "area=input offset=72 type=uint64 unit=Wh"
    assert listed["Pulse_width"] == "area=holding offset=20 type=int16 unit=ms"
    assert listed["Serial_number"] == "area=holding offset=61696 type=string length=16"


def test_a_frequency_converter():
    """`10 = 1 Hz`, addresses from first to last, bits of a status word; 40102 is not guessed."""
    listed = of("frequency_converter.csv", addresses="manual")

    assert listed["OUTPUT_FREQ"] == "address=40107 type=int16 scale=0.1 unit=Hz"
    assert listed["ENERGY_MWH"] == "address=40121 type=uint32 unit=MWh"
    assert listed["FAULTED"] == "address=40612 type=bit bit=3"
    assert of("frequency_converter.csv", addresses="offset", area="holding")["SPEED"].startswith(
        "area=holding offset=40102"
    )


def test_a_pv_inverter():
    """A gain that divides, codes that mean no value, tabs; a text's length in registers is seen at the numbers."""
    listed = of("pv_inverter.csv", addresses="offset", area="holding", scaling="divide")

    assert listed["Model"] == "area=holding offset=30000 type=string length=30"
    assert listed["PV1_current"] == "area=holding offset=32017 type=int16 scale=0.01 unit=A invalid=[32768]"
    assert listed["Grid_frequency"].endswith("invalid=[65535]")
    assert "Startup" not in listed


def test_a_german_boiler_controller():
    """cp1252, decimal commas, `Wertebereich`, a quoted line end, `frei`; coils and discrete inputs need no type."""
    listed = of("kesselregelung.csv")

    assert listed["Außentemperatur"] == "area=input offset=3 type=int16 scale=0.1 unit=°C range=[-40, 60]"
    assert listed["Betriebsstunden_Brenner"] == "area=input offset=12 type=uint32 scale=0.01 unit=h"
    assert listed["Störung_Brenner"] == "area=discrete offset=1"
    assert listed["Freigabe"] == "area=coil offset=0"


def test_a_water_meter():
    """Modicon's 4x0011, a byte order mark, bars, scalings in four spellings, a bit behind a point."""
    listed = of("water_meter.csv")

    assert listed["VOLUME_REVERSE"] == "address=40011 type=uint32 scale=0.001 unit=m³"
    assert listed["TEMPERATURE"] == "address=40033 type=int16 scale=0.01 unit=°C range=[0, 90]"
    assert listed["BATTERY"] == "address=40060 type=uint16 scale=0.1 unit=V range=[0, 3.9]"
    assert listed["EMPTY_PIPE"] == "address=40072 type=bit bit=0"
    assert listed["METER_ID"] == "address=40100 type=string length=12"


# --- addresses ------------------------------------------------------------------------------------------

ROWS = "Name,Address,Type,FC\n"


@pytest.mark.parametrize(
    ("addresses", "options", "expected"),
    [
        (["400001", "400011"], {}, ["400001", "400011"]),  # above 65536: no offset
        (["4x0011", "3x0002"], {}, ["40011", "30002"]),
        (["0x0010", "0x0011"], {"area": "holding"}, [16, 17]),
        (["0010h", "001Ah"], {"area": "holding"}, [16, 26]),
        (["0", "10"], {"area": "holding"}, [0, 10]),  # 0 is no number counted from 1
        (["40011", "40012"], {"addresses": "manual"}, ["40011", "40012"]),
        (["40011", "40012"], {"addresses": "offset", "area": "input"}, [40011, 40012]),
        (["1", "11"], {"addresses": "number", "area": "holding"}, [0, 10]),
        (["40011-40012", "40013/40014"], {"addresses": "manual"}, ["40011", "40013"]),
    ],
)
def test_addresses_that_mean_one_thing(addresses, options, expected):
    """By their notation, or because the engineer says so."""
    rows = "".join(f"T{index},{address},UINT32,\n" for index, address in enumerate(addresses))
    found = tags(ROWS + rows, **options)

    assert [tag.get("address", tag.get("offset")) for tag in found.values()] == expected


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("A,40011,INT16,\nB,40012,INT16,\n", "holding register 11 (addresses: manual), or counted from 0"),
        ("A,30011,INT16,04\n", "input register 11 (addresses: manual), or counted from 0"),
        (
            "A,10,INT16,03\nB,11,INT16,03\n",
            "counted from 1, holding register 10 (addresses: number), or counted from 0",
        ),
        ("A,40011,INT16,04\n", "counted from 1, input register 40011 (addresses: number), or counted from 0"),
        ("A,40000,INT16,\n", "counted from 1, holding register 40000 (addresses: number, area: holding)"),
        ("A,0,INT16,3\nB,40001,INT16,3\n", "addresses such as 0 can be read in two ways"),
        ("A,0x10,INT16,\n", "addresses such as 0x10 do not tell of which registers they are"),
    ],
)
def test_addresses_that_could_mean_two_things_are_refused_once(rows, words):
    """With both readings and the words that decide: each is another vendor's habit, and a neighbour has a value too."""
    [problem] = problems(ROWS + rows)

    assert words in problem
    assert "write import: {file: list.csv, a" in problem


def test_a_heading_may_say_how_addresses_are_counted():
    """Offset, PDU, Modicon, 1-based, hex."""
    for heading, expected in {
        "Offset": {"area": "holding", "offset": 10},
        "PDU address": {"area": "holding", "offset": 10},
        "Address (0-based)": {"area": "holding", "offset": 10},
        "Register (1-based)": {"area": "holding", "offset": 9},
        "Address [hex]": {"area": "holding", "offset": 16},
    }.items():
        assert tags(f"Name,{heading},Type,Function\nA,10,INT16,3\n")["A"] == expected | {"type": "int16"}
    assert tags("Name,Modicon address,Type\nA,40011,INT16\n")["A"] == {"address": "40011", "type": "int16"}


def test_a_heading_of_0_or_1_does_not_decide_about_five_digits():
    """40011, counted from 1, is what manuals print, or a register far away."""
    for heading in ("Address (0-based)", "Register (1-based)"):
        [problem] = problems(f"Name,{heading},Type,Function\nA,40011,INT16,3\n")
        assert "addresses such as 40011 can be read in two ways: as manuals print them" in problem


def test_a_point_in_an_address_is_a_bit_of_a_bit_alone():
    """A spreadsheet makes 40001.0 of 40001."""
    assert tags(ROWS + "A,40011.3,BOOL,3\n", addresses="manual")["A"]["bit"] == 3
    assert problems(ROWS + "A,40011.0,INT16,3\n", addresses="manual") == [
        "2:3: tag A: one bit is no `INT16`: write BIT, or leave the bit out"
    ]


def test_an_area_that_contradicts_the_address_is_asked_about():
    """In Modicon's notation, and in 5 digits."""
    assert problems(ROWS + "A,4x0011,INT16,04\n") == [
        "2:3: tag A: `4x0011` is of holding registers, but the list says input: which is right?"
    ]
    assert (
        "`40011` is no address of 5 or 6 digits of input registers"
        in (problems(ROWS + "A,40011,INT16,04\n", addresses="manual")[0])
    )


def test_only_what_is_not_used_is_left_out():
    """`Reserve power` is a value."""
    text = (
        ROWS
        + "Reserved,0,INT16,3\nReserve power,1,INT16,3\nspare_2,2,INT16,3\nFreigabe,3,INT16,3\nfrei,4,,\n"
    )

    assert list(tags(text)) == ["Reserve_power", "Freigabe"]


def test_two_columns_of_addresses_are_not_guessed():
    """But the decimal of a decimal and a hexadecimal one, and a `Register` that holds a kind or a name."""
    with pytest.raises(
        ListError, match="`Register` and `Address` could be the address: say which, columns: "
    ):
        read("Name,Register,Address,Type\nA,40011,10,INT16\n")
    assert tags("Name,Register,Address,Type\nA,Holding,0,INT16\n")["A"]["area"] == "holding"
    assert list(
        tags("Register,Address (hex),Address (dec),Type,FC\nSpeed,A,10,INT16,3\nX,0,0,INT16,3\n")
    ) == ["Speed", "X"]


def test_hexadecimal_is_told_from_coils():
    """0x0011 is offset 17, but beside 4x0011 it is the eleventh coil."""
    assert tags(ROWS + "A,0x0011,INT16,3\n")["A"]["offset"] == 17
    assert tags(ROWS + "A,0x0011,BOOL,\nB,4x0011,INT16,\n")["A"] == {"address": "00011"}


# --- types, scalings, the rest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("INT16 S16 I16 int INT SHORT 16-bit_signed Signed16", "int16"),
        ("UINT16 U16 WORD Uint ENUM16 Bitfield16 bitmap USHORT", "uint16"),
        ("INT32 S32 DINT long", "int32"),
        ("UINT32 U32 UDINT DWORD ULONG acc32", "uint32"),
        ("INT64 S64 LINT", "int64"),
        ("UINT64 U64 ULINT LWORD", "uint64"),
        ("FLOAT FLOAT32 F32 REAL IEEE754 IEEE-754", "float32"),
        ("DOUBLE FLOAT64 LREAL", "float64"),
    ],
)
def test_words_for_types(words, expected):
    """Of IEC 61131, of C, and of vendors."""
    rows = "".join(
        f"T{index},{index},{word.replace('_', ' ')},3\n" for index, word in enumerate(words.split())
    )
    found = tags(ROWS + rows) if "bitmap" not in words else tags(
        "Name,Address,Type,FC,Words\n" + rows.replace(",3\n", ",3,1\n")
    )  # fmt: skip

    assert {tag["type"] for tag in found.values()} == {expected}


@pytest.mark.parametrize(
    "word", ["", "BCD", "U8", "INT24", "IP address", "DATETIME", "UNSIGNED", "Bitfield", "INT16[10]"]
)
def test_types_that_are_not_known_or_do_not_tell_their_size_are_refused(word):
    """Never taken for a neighbour."""
    found = read(ROWS + f"A,0,{word},3\nB,1,INT16,3\n")

    assert (set(found.entries), found.unusable) == ({"B"}, {"A"})


def test_a_length_completes_a_type_or_contradicts_it():
    """What it counts is told by the heading or by the rows whose type is certain, else by the engineer."""
    head = "Name,Address,Type,FC,{}\n"
    assert tags(head.format("Words") + "A,0,Unsigned,3,2\n")["A"]["type"] == "uint32"
    assert tags(head.format("Size") + "A,0,Signed,3,4\nB,2,UINT16,3,2\n")["A"]["type"] == "int32"
    assert tags(head.format("Size") + "A,0,STRING,3,10\nB,9,UINT16,3,1\n")["A"]["length"] == 20
    assert (
        tags(head.format("Size") + "A,0,STRING,3,10\nB,9,UINT16,3,2\n", lengths="bytes")["A"]["length"] == 10
    )
    assert "does not tell what it counts" in problems(head.format("Size") + "A,0,STRING,3,10\n")[0]
    contradiction = head.format("Size") + "A,0,UINT16,3,1\nB,1,UINT32,3,4\nC,3,STRING,3,8\n"
    assert "`Size` does not tell what it counts" in problems(contradiction)[0]
    assert problems(head.format("Words") + "A,0,UINT16,3,2\n") == [
        "2:14: tag A: `UINT16` has 16 bits, but the list gives it 32: which is right?"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            ("0.1", 0.1),
            ("0,1", 0.1),
            ("1/10", 0.1),
            ("/10", 0.1),
            ("x0.1", 0.1),
            ("\N{MULTIPLICATION SIGN} 0,1", 0.1),
            ("*0.1", 0.1),
        ),
        *(
            ("10^-1", 0.1),
            ("10⁻¹", 0.1),
            ("1e-1", 0.1),
            ("x10^-1", 0.1),
            ("10 = 1 Hz", 0.1),
            ("1 = 0,1 °C", 0.1),
        ),
        *(("0.1 V", 0.1), ("0,1 kWh", 0.1), ("1 LSB = 0.1", 0.1), ("-0.1", -0.1), ("100 = 1 A", 0.01)),
    ],
)
def test_spellings_of_a_scaling(text, expected):
    """Of a column that multiplies."""
    factor = read_factor(text, comma=True)

    assert scale(factor, "multiply") == expected


@pytest.mark.parametrize(
    ("heading", "cells", "expected"),
    [
        ("Resolution", ["10"], [10]),
        ("Divisor", ["10", "1"], [0.1, None]),
        ("Faktor", ["0,1", "10"], [0.1, 10]),  # a number below 1 tells for the column
        ("Scale", ["1/10", "1"], [0.1, None]),
    ],
)
def test_which_way_a_scaling_goes(heading, cells, expected):
    """Is told by its heading, or by another number of the column."""
    rows = "".join(f"T{index};{index};INT16;3;{cell}\n" for index, cell in enumerate(cells))
    found = tags(f"Name;Address;Type;FC;{heading}\n{rows}")

    assert [tag.get("scale") for tag in found.values()] == expected


@pytest.mark.parametrize("cell", ["10", "x10", "1000"])
def test_a_scaling_that_could_go_two_ways_is_refused_once(cell):
    """`Gain 10` divides in one manual and multiplies in the next; the engineer decides."""
    text = f"Name,Address,Type,FC,Gain\nA,0,INT16,3,{cell}\nB,1,INT16,3,{cell}\n"

    assert len(problems(text)) == 1
    assert "times 10" in problems(text)[0]
    assert "divided by it (scaling: divide)" in problems(text)[0]
    assert tags(text, scaling="divide")["B"]["scale"] == 1 / float(cell.strip("x"))


def test_a_scaling_that_is_none():
    """A power of ten without its ten, nothing, a word, a letter for a zero."""
    text = "Name,Address,Type,FC,Scale\nA,0,INT16,3,-1\nB,1,INT16,3,0\nC,2,INT16,3,often\nD,3,INT16,3,0.1\n"
    text += "E,4,INT16,3,1O\n"

    assert [problem.partition(": ")[2] for problem in problems(text)] == [
        "tag A: `-1` could be the power of ten of 0.1: write 0.1",
        "tag B: a scaling of 0 would make every value the same",
        "tag C: `often` is no scaling: write 0.1, 1/10 or 10 = 1 V",
        "tag E: `1O` is no scaling: write 0.1, 1/10 or 10 = 1 V",
    ]


@pytest.mark.parametrize(
    ("text", "comma", "expected"),
    [
        *(("0.1", False, 0.1), ("0,1", True, 0.1), ("1.234,5", True, 1234.5), ("1,234.5", False, 1234.5)),
        *(
            ("1 000", False, 1000),
            ("-5", False, -5),
            ("\N{MINUS SIGN}5", False, -5),
            ("1e-3", False, 0.001),
            ("1,000", True, 1),
        ),
        *(("x", False, None), ("", False, None), ("1.2.3", False, None), ("--1", False, None)),
    ],
)
def test_numbers(text, comma, expected):
    """With comma or point, with thousands."""
    assert number(text, comma=comma) == expected


def test_a_thousand_or_one():
    """`1,000` is read by the other numbers of the list, else by nobody."""
    assert comma_is_decimal(["1,000", "0,5"])
    assert not comma_is_decimal(["1,000", "0.5", "12"])
    with pytest.raises(ValueError, match="is 1000 or 1: write it without a thousands separator"):
        number("1,000", comma=False)
    with pytest.raises(ValueError, match="is 1000 or 1"):
        number("1.000", comma=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0...100", (0, 100)), ("0-100", (0, 100)), ("-50 .. 150", (-50, 150)), ("0 bis 100 °C", (0, 100))),
        *(
            ("[0; 100]", (0, 100)),
            ("-20,0...130,0", (-20, 130)),
            ("0\N{EN DASH}25", (0, 25)),
            ("0 to 9.9", (0, 9.9)),
        ),
        *(("on/off", None), ("0: off, 1: on", None), ("", None)),
    ],
)
def test_ranges(text, expected):
    """In the spellings of manuals; a list of states is none."""
    assert read_range(text, comma="," in text) == expected


def test_a_range_of_raw_values_is_left_out_and_said():
    """Percentages in rules would be of nonsense."""
    listed = read("Name,Address,Type,FC,Scale,Min,Max\nA,0,UINT16,3,0.1,0,65535\n")

    assert listed.entries["A"].tag == {"area": "holding", "offset": 0, "type": "uint16", "scale": 0.1}
    assert [each.severity for _, each in listed.problems] == ["warning"]


@pytest.mark.parametrize(
    ("text", "unit", "name"),
    [
        *(("Wirkleistung L1 [W]", "", "Wirkleistung_L1"), ("Energy (import)", "kWh", "Energy_import")),
        *(
            ("Temperature (°C)", "°C", "Temperature"),
            ("TT-101", "", "TT-101"),
            ("P101.FLOW", "", "P101.FLOW"),
        ),
        *(("U/f {min}", "", "U_f_min"), ("---", "", ""), ("Außentemperatur", "", "Außentemperatur")),
        ("import", "", "import_"),
    ],
)
def test_names(text, unit, name):
    """That rules can use, and that tell import from export."""
    assert tag_name(text, unit) == name


def test_orders_of_bytes():
    """`little endian` is two orders in the field, and refused; the type may say it as well."""
    assert [read_order(word) for word in ("CDAB", "Big-Endian", "word swap", "MSW first", "x")] == [
        "CDAB", "ABCD", "CDAB", "ABCD", None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"is CDAB .* in most manuals and DCBA in others"):
        read_order("Little Endian")
    assert type_word("FLOAT32 (CDAB)").order == type_word("float_cdab").order == "CDAB"


def test_codes_that_mean_no_value():
    """Hexadecimal in both spellings, several at once."""
    assert read_codes("0x8000, FFFFh") == [0x8000, 0xFFFF]
    assert read_codes("-32768") == [-32768]
    assert read_codes("none") is None


# --- the table ---------------------------------------------------------------------------------------------

TABLE = "Name;Address;Type;FC\nÄ;0;INT16;3\nB;1;INT16;3\n"


@pytest.mark.parametrize("encode", [
    lambda text: text.encode(),
    lambda text: codecs.BOM_UTF8 + text.encode(),
    lambda text: text.encode("cp1252"),
    lambda text: text.encode("utf-16"),
    lambda text: text.replace("\n", "\r\n").encode(),
    lambda text: text.replace("\n", "\r").encode(),
    lambda text: text.replace(";", "\t").encode(),
    lambda text: text.replace(";", ",").encode(),
    lambda text: text.replace(";", " | ").encode(),
    lambda text: ("sep=;\r\n" + text).encode(),
    lambda text: text.rstrip("\n").encode(),
    lambda text: "\n".join(";".join(f'"{cell}"' for cell in row.split(";")) for row in text.split()).encode(),
])  # fmt: skip
def test_encodings_delimiters_and_line_ends(encode):
    """Nothing is asked for that the file tells."""
    assert list(read_list(encode(TABLE), "f.csv", "modbus", ListOptions()).entries) == ["Ä", "B"]


def test_a_cell_knows_where_it_begins():
    """After quotes with delimiters, quotes and line ends in them."""
    rows = list(split('a;"b;""c""\nd";e\nf;g', ";"))

    assert [[tuple(cell) for cell in row] for row in rows] == [
        [("a", 1, 1), ('b;"c"\nd', 1, 3), ("e", 2, 4)],
        [("f", 3, 1), ("g", 3, 3)],
    ]


def test_what_is_no_value_is_passed_over():
    """Blanks, remarks, sections, headings of the next page."""
    text = "Name,Address,Type,FC\n# remark,,,\n,,,\nSection 1,,,\nA,0,INT16,3\n\n// x\nName,Address,Type,FC\nB,1,INT16,3\n"

    assert list(tags(text)) == ["A", "B"]


def test_a_workbook_is_named():
    """Excel's own formats are refused with what to do."""
    for magic in (b"PK\x03\x04rest", b"\xd0\xcf\x11\xe0rest"):
        with pytest.raises(ListError, match="a workbook, not a text: open it and save the sheet as CSV"):
            decode(magic)


def test_headings_that_nobody_understands_are_asked_for():
    """And taken as they are named."""
    text = "Was,Wo,Welcher Art,FC\nA,0,INT16,3\n"
    with pytest.raises(ListError, match="no headings found: expected a line that names the columns"):
        read(text)
    found = tags(text, columns={"name": "Was", "address": "Wo", "type": "Welcher Art"})

    assert found == {"A": {"area": "holding", "offset": 0, "type": "int16"}}


def test_headings_in_any_order():
    """The first of two that mean the same is the surer one."""
    table = read_table(
        "Einheit;Beschreibung;Faktor;Bezeichnung;Adr.;Typ;R/W\nV;x;1;A;0;INT16;R\n", "modbus", {}
    )

    assert table.columns == {
        "unit": 0, "description": 1, "scale": 2, "name": 3, "address": 4, "type": 5, "access": 6,
    }  # fmt: skip


def test_lists_of_other_protocols():
    """OPC UA nodes and MQTT topics, told by their headings."""
    nodes = "Symbol,Node ID,Unit,Min,Max\nSTEAM,nsu=urn:plant;s=Steam,bar,0,16\n"
    topics = "Tag;Topic;JSON path;Einheit\nCURRENT;plant/1/telemetry;$.current_a;A\n"

    assert [kind_of(text.encode(), ListOptions()) for text in (nodes, topics, TABLE)] == [
        "opcua",
        "mqtt",
        "modbus",
    ]
    assert read(nodes, "opcua").entries["STEAM"].tag == {
        "node": "nsu=urn:plant;s=Steam", "unit": "bar", "range": [0, 16],
    }  # fmt: skip
    assert read(topics, "mqtt").entries["CURRENT"].tag == {
        "topic": "plant/1/telemetry", "value": "$.current_a", "unit": "A",
    }  # fmt: skip


def test_direction_without_cells():
    """A column of scalings in which nothing stands decides nothing that matters."""
    assert direction("scale", []) == "multiply"
