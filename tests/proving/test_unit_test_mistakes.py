"""Mistakes in a file of unit tests: all of them in one run, each with its place and its remedy."""

import pytest

from agent.config.load import load
from agent.config.secrets import NOT_NEEDED
from agent.errors import ConfigError
from agent.proving.load_tests import load_tests

PLANT = """\
agent: {site: dresden, name: line-4}
sources:
  trial:
    type: simulated
    tags:
      R1.TT101: {signal: sine, min: 0, max: 200}
      P101.RUN: {signal: steps, values: [true, false]}
rules:
  R1-temperature: {tag: R1.TT101, high: 170, high_high: 185, response: Open the valve}
  P101-stopped: {tag: P101.RUN, is: false, stale_after: 4s}
"""


def problems_of(tmp_path, text, under_test=None):
    (tmp_path / "plant.yaml").write_text(PLANT)
    (tmp_path / "tests.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_tests(tmp_path / "tests.yaml", under_test, lambda path: load(path, NOT_NEEDED))
    return [f"{each.line}:{each.column}: {each.text}" for each in refused.value.problems]


def test_at(text):
    """One test with good signals, and `text` in it, from line 6 on."""
    return f"""\
rules: plant.yaml
tests:
  - name: one
    signals:
      R1.TT101: "150 x10, 175 x10"
{text}
"""


test_at.__test__ = False

EXPECT = "    expect: []\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("    expcet: []", "6:5: unknown key `expcet`: did you mean `expect`?"),
        ("", "3:5: `expect` is missing: add it"),
        ("    expect: [{at: 3s, rasied: R1-temperature}]", "6:14: what is told? did you mean `raised`?"),
        (
            "    expect: [{raised: R1-temprature}]",
            "6:23: unknown rule `R1-temprature`: did you mean `R1-temperature`?",
        ),
        (
            "    expect: [{raised: R1-temperature hihg}]",
            "6:23: R1-temperature has no condition `hihg`: did you mean `high`?",
        ),
        (
            "    expect: [{raised: R1-temperature, returned: R1-temperature}]",
            "6:14: two events: give each its own entry",
        ),
        (
            "    expect: [{at: 5, raised: R1-temperature}]",
            "6:19: expected an instant or a window, such as 10s or 10s..12s",
        ),
        ("    expect: [{at: 9s..8s, raised: R1-temperature}]", "6:19: the window ends before it begins"),
        (
            "    expect: [{at: 19s..21s, raised: R1-temperature}]",
            "6:19: the signals end at 20s, so nothing is proved after that: make them longer (a sample is 1s)",
        ),
        (
            "    expect: [{at: 9s, raised: R1-temperature}, {at: 8s, returned: R1-temperature}]",
            "6:53: it is expected before the one above it: order them by time",
        ),
        (
            "    expect: [{raised: P101-stopped}]",
            (
                "6:23: P101-stopped watches P101.RUN, and the test gives no signal for it: "
                "add one (`gap` if nothing comes)"
            ),
        ),
        (
            '    expect: [{raised: R1-temperature}]\n    only: ["P101*"]',
            "6:23: R1-temperature is not among the rules of `only`: add it",
        ),
        (
            f"{EXPECT}    only: [R1-temprature]",
            "7:12: no rule is like `R1-temprature`: did you mean `R1-temperature`?",
        ),
        ("    expect: [{flood: begun}]", "6:22: expected one of started, digest, ended"),
        (
            f"      R1.TT10: 5\n{EXPECT}",
            "6:7: unknown tag `R1.TT10`: did you mean `R1.TT101`?",
        ),
        (
            f"      P101.RUN: AUTO x20\n{EXPECT}",
            "6:17: P101.RUN: unknown word `AUTO`: a text needs single quotes",
        ),
        (
            f'      P101.RUN: "true x15"\n{EXPECT}',
            (
                "6:17: P101.RUN ends at 15s, the test at 20s: make it 5 samples longer, "
                "or let its last word stand without xN (`gap`, if nothing comes any more)"
            ),
        ),
        (f"{EXPECT}    sources: {{tria: up x5}}", "7:15: unknown source `tria`: did you mean `trial`?"),
        (
            f"{EXPECT}    sources: {{trial: on}}",
            "7:22: trial: unknown word `on`: expected up x60 or down x30",
        ),
        (f"{EXPECT}    every: 5", "7:12: a duration needs a unit: write 5s, 5m or 5ms"),
        (f"{EXPECT}    start: 21.11.2026", "7:12: expected a date and a time such as 2026-12-01T06:00"),
        (
            f"      P101.RUN: true\n{EXPECT}    every: 5s",
            "8:12: P101-stopped takes a value for stale after 4s: between two samples nothing would be known",
        ),
        (f"{EXPECT}    restart: [{{at: 15s, down: 10s}}]", "7:15: it is back at 25s: the signals end at 20s"),
        (
            f"{EXPECT}    restart: [{{at: 5s, down: 5s}}, {{at: 7s}}]",
            "7:40: a restart must come after the one before it is over",
        ),
        (f"{EXPECT}    do: [{{at: 5s, by: anna}}]", "7:10: expected one of acknowledge, shelve"),
        (
            f"{EXPECT}    do: [{{at: 5s, reset: R1-temprature}}]",
            "7:26: unknown rule `R1-temprature`: did you mean `R1-temperature`?",
        ),
        (
            f"{EXPECT}    do: [{{at: 5s, shelve: R1-temperature, reason: x}}]",
            "7:10: a shelf always has an end: add `for: 1h`",
        ),
        (
            f"{EXPECT}    do: [{{at: 5s, shelve: R1-temperature, for: 1h}}]",
            "7:10: shelve needs a reason: add `reason: TEXT`",
        ),
        (f"{EXPECT}    do: [{{at: 5s, reset: R1-temperature, for: 1h}}]", "7:47: `for` is a shelf's"),
        (
            f"{EXPECT}    restart: [{{at: 5s, down: 5s}}]\n    do: [{{at: 7s, reset: R1-temperature}}]",
            "8:15: the agent is away at this time: nobody takes it",
        ),
        (f"{EXPECT}    do: [{{at: 21s, reset: R1-temperature}}]", "7:15: the signals end at 20s"),
        (f"{EXPECT}    name: two", "7:5: `name` is given twice, first in line 3: delete one of them"),
    ],
)
def test_the_mistake_is_named_with_its_place_and_its_remedy(tmp_path, text, problem):
    """It is the only one that is named."""
    (found,) = problems_of(tmp_path, test_at(text))

    assert found.startswith(problem)


def test_all_mistakes_come_out_in_one_run(tmp_path):
    """In the order of the file, whatever test they stand in."""
    found = problems_of(
        tmp_path,
        "rules: plant.yaml\n"
        "tests:\n"
        "  - {name: a, signals: {R1.TT: 5}, expect: []}\n"
        "  - {name: b, signals: {R1.TT101: 5 x}, expect: [{raised: R1}]}\n",
    )

    assert [each.partition(" ")[0] for each in found] == ["3:25:", "4:35:", "4:59:"]


def test_a_test_must_have_an_end(tmp_path):
    """Signals that never change do not say for how long they do not."""
    found = problems_of(
        tmp_path, "rules: plant.yaml\ntests:\n  - {name: a, signals: {R1.TT101: 5}, expect: []}\n"
    )

    assert found == ["3:15: how long does the test last? Give one of its signals a length: 165 x60"]


def test_a_file_must_say_which_rules(tmp_path):
    """Unless the command line does."""
    text = 'tests:\n  - {name: a, signals: {R1.TT101: "5 x5"}, expect: []}\n'

    assert problems_of(tmp_path, text) == [
        "1:1: which rules? Write `rules: PATH` at the top of the file, or use -c PATH"
    ]
    plant = tmp_path / "plant.yaml"
    assert load_tests(tmp_path / "tests.yaml", plant, lambda path: load(path, NOT_NEEDED)).tests


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rules: plant.yaml\n", "1:1: `tests` is missing: add it"),
        ("rules: plant.yaml\ntests: []\n", "2:1: expected 1 or more entries"),
        ("tests: [\n", "2:1: "),
        (
            "rules: nowhere.yaml\ntests: [{name: a, expect: [], signals: {A: 5 x5}}]\n",
            "0:0: no such file or folder",
        ),
    ],
)
def test_a_file_without_tests_is_none(tmp_path, text, problem):
    """Nothing that proves nothing passes."""
    (found,) = problems_of(tmp_path, text)

    assert found.startswith(problem)
