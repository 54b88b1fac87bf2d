"""YAML is read as it is written, with the position of everything, and never runs away."""

import math
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent.config import yaml_text
from agent.config.yaml_text import Position, read_yaml


@pytest.fixture(params=["C parser", "Python parser"])
def parser(request, monkeypatch):
    """Both of PyYAML's parsers: the C one is not on every machine."""
    if request.param == "Python parser":
        monkeypatch.setattr(yaml_text, "_LOADER", yaml.SafeLoader)
    return request.param


def value_of(text):
    document = read_yaml(f"key: {text}\n".encode(), "f.yaml")
    assert document.problems == ()
    return document.data["key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Each line is what YAML 1.1 reads wrongly (references: gateways 1.5).
        ("22:00", "22:00"),
        ("2:10", "2:10"),
        ("12:34:56", "12:34:56"),
        ("on", "on"),
        ("off", "off"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("00010", "00010"),
        ("00019", "00019"),
        ("010", "010"),
        ("-010", "-010"),
        ("0123", "0123"),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2026-12-15", "2026-12-15"),
        ("2026-12-01T06:00", "2026-12-01T06:00"),
        ("=", "="),
        # What YAML 1.2 says.
        ("0x8000", 0x8000),
        ("0o17", 15),
        ("40011", 40011),
        ("+5", 5),
        ("-0", 0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E-3", -0.0015),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("# a comment", None),
        ("'22'", "22"),
        ('"true"', "true"),
        ("!!str 22", "22"),
        ("1%", "1%"),
        ("[1, [2, {a: b}]]", [1, [2, {"a": "b"}]]),
        (
            "{7: door open, 0x10: drive, on: x, true: y, 1e3: z}",
            {7: "door open", 16: "drive", "on": "x", "true": "y", "1e3": "z"},
        ),
    ],
)
def test_a_scalar_is_what_it_looks_like(text, expected, parser):
    """YAML 1.2's core schema; a number with a leading zero keeps it."""
    value = value_of(text)

    assert (value, type(value)) == (expected, type(expected))


def test_not_a_number_is_read(parser):
    """`.nan` is a number in YAML; whoever does not want one refuses it."""
    assert math.isnan(value_of(".nan"))


def test_every_key_and_value_has_its_position(parser):
    """Lines and columns count from 1, in characters, whatever encloses them."""
    places = read_yaml("# c\nrules:\n  Kühler: {high: 5, is: [1, 22]}\n".encode(), "f.yaml").places

    assert places["rules",].key == Position("f.yaml", 2, 1)
    assert places["rules", "Kühler"].key == Position("f.yaml", 3, 3)
    assert places["rules", "Kühler"].value == Position("f.yaml", 3, 11)
    assert places["rules", "Kühler", "high"].key == Position("f.yaml", 3, 12)
    assert places["rules", "Kühler", "high"].value == Position("f.yaml", 3, 18)
    assert places["rules", "Kühler", "is", 1].value == Position("f.yaml", 3, 29)


def test_what_comes_by_an_alias_stands_where_its_anchor_is(parser):
    """A mistake in it is mended there."""
    document = read_yaml(b"a: &usual {high: 5}\nb: *usual\n", "f.yaml")

    assert document.data == {"a": {"high": 5}, "b": {"high": 5}}
    assert document.places["b",].value == Position("f.yaml", 2, 4)
    assert document.places["b", "high"].value == Position("f.yaml", 1, 18)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa: 1\n",
        b"a: 1\r\n",
        b"\xef\xbb\xbfa: 1\r\n\r\n",
        "a: 1\n".encode("utf-16"),
        b"%YAML 1.2\n---\na: 1\n...\n",
    ],
    ids=["byte order mark", "CRLF", "both", "UTF-16", "document marks"],
)
def test_what_windows_and_editors_add_is_no_problem(content):
    """The key is `a`, not a byte order mark and `a`."""
    document = read_yaml(content, "f.yaml")

    assert (document.data, document.problems) == ({"a": 1}, ())


@pytest.mark.parametrize("content", [b"", b"# all commented out\n", b"---\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_empty_map(content):
    """It has no sections, and no problem."""
    document = read_yaml(content, "f.yaml")

    assert (document.data, document.problems, document.complete) == ({}, (), True)


@pytest.mark.parametrize(
    ("content", "line", "text"),
    [
        (
            b"a: 1\nunit: \xb0C\n",
            2,
            "a character in this line is not UTF-8: save the file with the encoding UTF-8",
        ),
        (b"a: 1\n\nb: \x00\n", 3, "a control character (U+0000) in this line: delete it"),
        (b"\xff\xfea", 1, "a character in this line is not UTF-8: save the file with the encoding UTF-8"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(content, line, text):
    """The rest of the file is not guessed at."""
    document = read_yaml(content, "f.yaml")

    assert [(problem.line, problem.text) for problem in document.problems] == [(line, text)]
    assert not document.complete


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (BOMB, "aliases repeat too much: write it out"),
        (b"a: " + b"[" * 100_000, "nested more than 32 deep: check the indentation and the brackets"),
        (b"- " * 100_000, "nested more than 32 deep: check the indentation and the brackets"),
        (b"a: &a [*a]\n", "no `&a` stands before this: a text that begins with `*` needs quotes"),
        (b"a: " + b"9" * 100_000, "this number is larger than 64 bits: put it in quotes if it is text"),
        (b"#" * (16 * 1024 * 1024 + 1), "larger than 16777216 bytes: is it the right file?"),
    ],
    ids=["billion laughs", "brackets", "dashes", "alias in itself", "digits", "size"],
)
def test_no_file_makes_the_reader_run_away(content, text):
    """Depth, aliases, digits and size have limits, and each says so."""
    begin = time.process_time()
    document = read_yaml(content, "f.yaml")

    assert [problem.text for problem in document.problems] == [text]
    assert time.process_time() - begin < 5


def test_a_repeated_key_is_named_and_the_first_one_counts():
    """Both are looked at, so that a mistake in the second is not found a day later."""
    document = read_yaml(b"a: {x: 1}\na: {x: 2, y: 1, y: 2}\n", "f.yaml")

    assert document.data == {"a": {"x": 1}}
    assert [str(problem) for problem in document.problems] == [
        "f.yaml:2:1: error: `a` is given twice, first in line 1: delete one of them",
        "f.yaml:2:17: error: `y` is given twice, first in line 2: delete one of them",
    ]
    assert document.places["a", "x"].value == Position("f.yaml", 1, 8)


@given(
    st.lists(
        st.sampled_from([*"ab:{}[],&*!|>'\"%@`#?-\n\t \r~\\", "\n  ", ": ", "- ", "010", "<<", "é", "\x85"])
    ).map("".join)
)
def test_whatever_stands_in_a_file_is_read_or_refused(text):
    """No text raises, and what was not read has a problem that says where."""
    document = read_yaml(text.encode(), "f.yaml")

    assert document.complete or document.problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in document.problems)


@given(st.binary())
def test_whatever_bytes_a_file_has_are_read_or_refused(content):
    """A picture renamed to rules.yaml is a problem, not a crash."""
    document = read_yaml(content, "f.yaml")

    assert document.complete or document.problems
