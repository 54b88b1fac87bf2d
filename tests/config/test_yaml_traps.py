"""Every trap of YAML that a plant's configuration meets is refused, or read as it is written.

YAML 1.1 and PyYAML read `22:00` as 1320, `on` as true, `010` as 8, and let a repeated key silently
replace the first (references: gateways 1.5, rules 3.4). One line a trap: what is written in a rule,
and what comes of it; `refused` is the error's place and words.
"""

from pathlib import Path

import pytest

from agent.config.load import load
from agent.errors import ConfigError
from agent.model import SECOND

PLANT = """\
agent: {site: dresden, name: line-4}
sources:
  plant:
    type: simulated
    tags:
      TT1: {signal: sine, min: -200, max: 2000, range: [0, 200]}
      on: {signal: steps, values: [true, false]}
      2:10: {signal: sine, max: 200}
      1e3: {signal: sine, max: 200}
      MODE: {signal: steps, values: ["NO", "on", "010", "2026-12-15", "1e3", "12:34:56", "AUTO"]}
"""


def loaded(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(Path("f.yaml"), {})


@pytest.fixture
def rule(tmp_path, monkeypatch):
    """The first rule of the section `rules:` with this text in it."""
    return lambda text: loaded(tmp_path, monkeypatch, f"{PLANT}rules:\n{text}\n").rules[0]


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """What is said of the section `rules:` with this text in it; its first line is line 1."""

    def problems(text):
        with pytest.raises(ConfigError) as error:
            loaded(tmp_path, monkeypatch, f"{PLANT}rules:\n{text}\n")
        above = PLANT.count("\n") + 1
        return [
            f"{problem.line - above}:{problem.column}: {problem.text}" for problem in error.value.problems
        ]

    return problems


@pytest.mark.parametrize(
    ("trap", "written", "value"),
    [
        ("a word that YAML 1.1 reads as false", "NO", "NO"),
        ("a word that YAML 1.1 reads as true", "on", "on"),
        ("a leading zero, which YAML 1.1 reads as octal", "010", "010"),
        ("a date, which PyYAML reads as a date", "2026-12-15", "2026-12-15"),
        ("base 60", "12:34:56", "12:34:56"),
        ("a number in quotes", '"1e3"', "1e3"),
    ],
)
def test_a_text_stays_the_text_that_it_looks_like(rule, trap, written, value):
    """Compared with what the PLC sends, character by character."""
    spec = rule(f"  R1: {{tag: MODE, is: {written}}}")

    assert spec.conditions[0].values == (value,)


@pytest.mark.parametrize(
    ("trap", "written", "value"),
    [
        ("an exponent without a point, which YAML 1.1 reads as text", "1e3", 1000.0),
        ("hexadecimal, as manuals print it", "0x50", 80.0),
        ("octal as YAML 1.2 writes it", "0o17", 15.0),
        ("a sign", "-40", -40.0),
        ("a point at the end", "5.", 5.0),
    ],
)
def test_a_number_is_the_number_that_it_looks_like(rule, trap, written, value):
    """The limit is that number."""
    spec = rule(f"  R1: {{tag: TT1, high: {written}, deadband: 1}}")

    assert spec.conditions[0].at == value


@pytest.mark.parametrize(
    ("trap", "text", "expected"),
    [
        ("a leading zero as a number", "  R1: {tag: TT1, high: 010}",
         ['1:24: rule R1, high: expected a number or the name of a tag, got the text "010": drop the leading zero']),
        ("digits in groups", "  R1: {tag: TT1, high: 1_000}",
         ['1:24: rule R1, high: expected a number or the name of a tag, got the text "1_000"']),
        ("a decimal comma", "  R1: {tag: TT1, high: '5,5'}",
         ['1:24: rule R1, high: expected a number or the name of a tag, got the text "5,5": write 5.5']),
        ("a decimal comma in braces", "  R1: {tag: TT1, high: 5,5}",
         ["1:26: rule R1: a value is missing (`#` begins a comment: a text with it needs quotes)",
          "1:26: rule R1: unknown key `5`: write a decimal number with a point, not a comma"]),
        ("no number", "  R1: {tag: TT1, high: .nan}",
         ["1:24: rule R1, high: expected a finite number or text, got the number nan"]),
        ("yes for true", "  R1: {tag: TT1, high: 5, latch: yes}",
         ['1:34: rule R1, latch: expected true or false, got the text "yes": write true']),
        ("a number in quotes for a count", '  R1: {tag: TT1, high: 5, count: {times: "3", in: 1m}}',
         ['1:42: rule R1, count.times: expected a whole number, got the text "3"']),
        ("a duration that base 60 would make a number", "  R1: {tag: TT1, high: 5, on_delay: 1:30}",
         ["1:37: rule R1, on_delay: expected a duration such as 500ms, 10s, 5m or 1h30m"]),
        ("a duration without a unit", "  R1: {tag: TT1, high: 5, on_delay: 5}",
         ["1:37: rule R1, on_delay: a duration needs a unit: write 5s, 5m or 5ms"]),
        ("a rule id twice", "  R1: {tag: TT1, high: 5}\n  R1: {tag: TT1, high: 50}",
         ["2:3: `R1` is given twice, first in line 12: delete one of them"]),
        ("a key twice", "  R1: {tag: TT1, high: 5, high: 50}",
         ["1:27: `high` is given twice, first in line 12: delete one of them"]),
        ("a merge key", "  base: &base {tag: TT1, high: 5}\n  R1: {<<: *base, high: 6}",
         ["2:8: `<<` is not part of YAML 1.2: write the keys out, or use `defaults:`"]),
        ("a value behind #", "  R1: {tag: MODE, is: #NO\n    }",
         ["1:19: rule R1, is: a value is missing (`#` begins a comment: a text with it needs quotes)"]),
        ("a percent sign first", "  R1: {tag: TT1, high: 5, message: %done}",
         ["1:36: a text that begins with `%` needs quotes"]),
        ("braces without quotes", "  R1: {for_each: [TT1], tag: {each}, high: 5}",
         ["1:25: rule R1, tag: expected text, got a map: a text that begins with `{` needs quotes"]),
        ("a colon in a text", "  R1: {tag: TT1, high: 5}\n  R2:\n    tag: TT1\n    high: 5\n    message: alarm: hot",
         ["5:19: a second `: ` here: check the indentation, or put the text in quotes"]),
        ("no space after the colon", "  R1: {tag: TT1, high:5}",
         ["1:18: rule R1: unknown key `high:5`: a space belongs after `:`, write it"]),
        ("a tab", "\tR1: {tag: TT1, high: 5}", ["1:1: a tab cannot indent: use spaces"]),
        ("a python object", "  R1: {tag: TT1, high: !!python/object:os.system 5}",
         ["1:24: a text that begins with `!` needs quotes"]),
        ("a second document", "  R1: {tag: TT1, high: 5}\n---\nrules: {}",
         ["3:1: a second document: `---` may only stand at the top; use a file for each"]),
        ("a rule id that is a number", "  101: {tag: TT1, high: 5}",
         ['1:3: rules: a name that is a number needs quotes: "101"']),
        ("a name of a tag that is a number", "  R1: {tag: 1e3, high: 5}",
         ["1:13: rule R1, tag: expected text, got the number 1000.0: put it in quotes"]),
        ("true for the day of the week", "  R1: {tag: TT1, high: 5, active_hours: {days: on, from: 06:00, to: 22:00}}",
         ["1:48: rule R1, active_hours.days: expected days such as mon-fri, sat or [mon, wed, fri]"]),
    ],
)  # fmt: skip
def test_what_could_mean_something_else_is_refused_with_its_place(refused, trap, text, expected):
    """Nothing is guessed; the remedy is in the message."""
    assert refused(text) == expected


@pytest.mark.parametrize("written", ["22:00", '"22:00"', "'22:00'"])
def test_a_time_of_day_needs_no_quotes(rule, written):
    """YAML 1.1 reads 22:00 as 1320."""
    spec = rule(f"  R1: {{tag: TT1, high: 5, deadband: 1, active_hours: {{from: 06:00, to: {written}}}}}")

    assert (spec.gate.hours.begin, spec.gate.hours.end) == (6 * 60, 22 * 60)


@pytest.mark.parametrize("tag", ["on", "2:10"])
def test_a_name_that_looks_like_something_else_is_a_name(rule, tag):
    """A browse name such as 2:10 is no 130; a tag may be called `on`."""
    condition = "is: true" if tag == "on" else "high: 5, deadband: 1"

    assert rule(f"  R1: {{tag: {tag}, {condition}}}").subject == tag


def test_a_key_that_looks_like_true_is_a_key(rule):
    """`on:` is no `true:`; here as the name of a fact."""
    assert rule("  R1: {tag: TT1, high: 5, deadband: 1, fields: {on: on}}").wording.fields == {"on": "on"}


def test_a_rule_id_that_looks_like_true_is_a_rule_id(rule):
    """`off:` is no `false:`."""
    assert rule("  off: {tag: TT1, high: 5, deadband: 1}").name == "off"


def test_codes_keep_their_numbers_and_their_words(rule):
    """`7` and `0x10` are numbers as the PLC has them; `NO` is a word, `true` of a switch its state."""
    assert rule("  R1: {tag: TT1, is: 7, codes: {7: a, 0x10: b, NO: c}}").wording.codes == {
        7: "a", 16: "b", "NO": "c",
    }  # fmt: skip
    assert rule("  R1: {tag: on, is: true, codes: {true: a, false: b}}").wording.codes == {
        True: "a",
        False: "b",
    }


def test_an_alias_repeats_what_its_anchor_holds(rule):
    """Anchors are YAML 1.2; only the merge key is not."""
    spec = rule(
        "  R1: {tag: TT1, high: &limit {at: 5, on_delay: 3s, deadband: 1}}\n  R2: {tag: TT1, high: *limit}"
    )

    assert (spec.conditions[0].at, spec.conditions[0].say.on_delay) == (5.0, 3 * SECOND)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-16"),
    ],
    ids=["byte order mark", "CRLF", "UTF-16"],
)
def test_what_windows_adds_changes_nothing(tmp_path, monkeypatch, change):
    """Beginning, line ends and encoding of Notepad."""
    text = PLANT + "rules:\n  R1: {tag: TT1, high: 5, deadband: 1}\n"

    assert loaded(tmp_path, monkeypatch, change(text)).rules == loaded(tmp_path, monkeypatch, text).rules


def test_an_empty_key_is_a_mistake(refused):
    """A limit that was forgotten is no `no limit`."""
    assert refused("  R1: {tag: TT1, high: 5, low: }") == [
        "1:27: rule R1, low: a value is missing (`#` begins a comment: a text with it needs quotes)"
    ]
