"""`edge-relay test`: what is printed, and what a script sees."""

import json

import pytest

from agent.cli import main

PLANT = """\
agent: {site: dresden, name: line-4}
sources:
  trial: {type: simulated, tags: {R1.TT101: {signal: sine, min: 0, max: 200}}}
rules:
  R1-temperature: {tag: R1.TT101, high: 170}
"""
TESTS = """\
rules: plant.yaml
tests:
  - name: a hot reactor
    signals: {R1.TT101: "150 x10, 175 x10"}
    expect: [{at: 10s, raised: R1-temperature high}]
  - name: a cold reactor
    signals: {R1.TT101: "150 x20"}
    expect: [{at: 10s, raised: R1-temperature high}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A plant and its tests, of which one fails."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plant.yaml").write_text(PLANT)
    (tmp_path / "tests.yaml").write_text(TESTS)
    return tmp_path


def said(capsys, *words):
    status = main(["test", *words])
    return status, *capsys.readouterr()


@pytest.mark.usefixtures("folder")
def test_a_failed_test_shows_expected_beside_got(capsys):
    """One line a test, the timeline of the one that failed, and the count; the status says it too."""
    assert said(capsys, "tests.yaml") == (
        1,
        (
            "ok    tests.yaml:3  a hot reactor\n"
            "FAIL  tests.yaml:6  a cold reactor\n"
            "        expected                        got\n"
            "      ! 10s raised R1-temperature high  -    it did not come\n"
            "      10s raised R1-temperature high: it did not come\n"
            "2 tests, 1 failed\n"
        ),
        "",
    )


@pytest.mark.usefixtures("folder")
def test_tests_are_picked_by_name(capsys):
    """Upper and lower case make no difference; picking none is a slip."""
    assert said(capsys, "tests.yaml", "-k", "HOT") == (
        0,
        "ok    tests.yaml:3  a hot reactor\n1 test, none failed\n",
        "",
    )
    assert said(capsys, "tests.yaml", "-k", "warm") == (
        2,
        "",
        "edge-relay: no test has 'warm' in its name\n",
    )


@pytest.mark.usefixtures("folder")
def test_coverage_does_not_touch_the_status(capsys):
    """It is a table under the tests."""
    status, out, _ = said(capsys, "tests.yaml", "-k", "hot", "--coverage", "--crash-everywhere")

    assert status == 0
    assert "R1-temperature  1/2    50 %  high never returned\n" in out


@pytest.mark.usefixtures("folder")
def test_scripts_get_one_document(capsys):
    """With every row of the timeline, and what is wrong with it."""
    status, out, _ = said(capsys, "tests.yaml", "--json", "--coverage")
    answer = json.loads(out)

    assert (status, answer["passed"], answer["failed"]) == (1, 1, 1)
    assert answer["coverage"] == [
        {"rule": "R1-temperature", "shown": 1, "of": 2, "missing": ["high never returned"]}
    ]
    assert answer["tests"][0] == {
        "file": "tests.yaml",
        "line": 3,
        "name": "a hot reactor",
        "passed": True,
        "problem": "",
        "timeline": [
            {
                "expected": "10s raised R1-temperature high",
                "got": "10s raised R1-temperature high",
                "at_s": 10.0,
                "message": "R1-temperature: R1.TT101 is 175, high limit 170",
                "why": "",
            }
        ],
    }


def test_mistakes_are_usage(folder, capsys):
    """Those of every file, of tests and of rules; nothing is run."""
    (folder / "other.yaml").write_text("rules: plant.yaml\n")
    (folder / "plant.yaml").write_text(PLANT.replace("high", "hihg"))

    status, out, err = said(capsys, "tests.yaml", "other.yaml", "nowhere.yaml")

    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "plant.yaml:5:35: error: rule R1-temperature: unknown key `hihg`: did you mean `high`?",
        "other.yaml:1:1: error: `tests` is missing: add it",
        "nowhere.yaml:0:0: error: cannot be read (No such file or directory): check the path",
    ]


def test_another_configuration_can_be_put_to_the_test(folder, capsys):
    """`-c` takes the place of what the file names."""
    (folder / "changed.yaml").write_text(PLANT.replace("170", "140"))

    status, out, _ = said(capsys, "tests.yaml", "-c", "changed.yaml")

    assert (status, out.splitlines()[-1]) == (1, "2 tests, 2 failed")


def test_a_long_timeline_is_shown_around_its_first_difference(folder, capsys):
    """A chattering alarm must not push the reason off the screen."""
    (folder / "tests.yaml").write_text(
        "rules: plant.yaml\n"
        "tests:\n"
        "  - name: many\n"
        f'    signals: {{R1.TT101: "{", ".join(["150 x1, 175 x1"] * 60)}"}}\n'
        "    expect: []\n"
        "  - name: no alarm to acknowledge\n"
        '    signals: {R1.TT101: "150 x20"}\n'
        "    do: [{at: 5s, acknowledge: R1-temperature}]\n"
        "    expect: []\n"
    )

    lines = said(capsys, "tests.yaml")[1].splitlines()

    assert lines[42:44] == [
        "      ... 40 of 119 rows; --json has all",
        "      1s raised R1-temperature high: nothing was expected here",
    ]
    assert lines[-2].startswith("      5s acknowledge R1-temperature is refused: ")
