"""`edge-relay backtest` as a person and as CI see it."""

import json

import pytest

from agent.cli import main

PLANT = """\
agent: {{site: dresden, name: line-4}}
sources:
  ua: {{type: opcua, url: "opc.tcp://127.0.0.1:4840", security: none, tags: {{T: {{node: "nsu=u;s=T", unit: °C}}}}}}
destinations:
  cmms: {{url: "https://cmms.example/", signing: {{secret: "${{env:NOT_SET_ANYWHERE}}"}}}}
rules:
  hot: {{tag: T, high: {high}}}
"""


@pytest.fixture
def plant(tmp_path, monkeypatch):
    """Two configurations and a history in which the value is beyond 170 twice, once for 300 samples."""
    monkeypatch.chdir(tmp_path)
    for name, high in (("new", 170), ("old", 180)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "all.yaml").write_text(PLANT.format(high=high))
    values = [165] * 300 + [175] * 300 + [165] * 300 + [175] * 2 + [165] * 100
    (tmp_path / "h.csv").write_text(
        "time,T\n" + "".join(f"{1795248000 + n},{v}\n" for n, v in enumerate(values))
    )
    return tmp_path


def said(capsys, *words):
    status = main(["backtest", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_table_fits_and_stands_beside_the_published_figures(plant, capsys):
    """100 columns; the figures of the rule, of all, and those of the guides; no secret is asked for."""
    status, out, err = said(capsys, "h.csv", "-c", "new")

    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 100
    assert next(line for line in out.splitlines() if line.startswith("hot")).split()[:2] == ["hot", "2"]
    assert "ISA-18.2/EEMUA 191 as published" in out
    assert "about 150" in out
    assert "1,002 samples of 1 tag, 2026-11-21T08:00:00Z to" in out


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        (("--max-per-day", "1000"), 0, ""),
        (("--max-per-day", "100"), 1, "alarms a day, and --max-per-day allows 100"),
        (("--against", "old", "--max-new", "2"), 0, ""),
        (
            ("--against", "old", "--max-new", "1"),
            1,
            "hot has 2 alarms more than before, and --max-new allows 1",
        ),
        (("--max-new", "1"), 2, "name it with --against"),
        (("--rule", "x*"), 2, "no rule over tags has a name like 'x*'"),
    ],
)
def test_the_exit_status_is_for_ci(plant, capsys, options, status, reason):
    """1 with the reason when there are too many, 2 when it could not be played."""
    found, _, err = said(capsys, "h.csv", "-c", "new", *options)

    assert found == status
    assert reason in err
    assert (err == "") == (reason == "")


def test_the_difference_is_said_as_people_say_it(plant, capsys):
    """`+N alarms/week on RULE`."""
    _, out, _ = said(capsys, "h.csv", "-c", "new", "--against", "old")

    assert "against old: 0 alarms then, 2 now" in out
    assert "alarms/week on hot: 0 -> 2" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("none.csv", "-c", "new"), "none.csv: cannot be read (No such file or directory): check the path"),
        (("h.csv", "-c", "none"), "no such file or folder"),
        (
            ("h.csv", "-c", "new", "--events", "none/e"),
            "none/e: cannot be written: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_played_is_a_sentence(plant, capsys, words, reason):
    """Exit status 2, no traceback."""
    status, out, err = said(capsys, *words)

    assert (status, out) == (2, "")
    assert reason in err
    assert len(err.splitlines()) == 1


def test_json_for_scripts(plant, capsys):
    """One document; durations say that they are seconds."""
    _, out, _ = said(capsys, "h.csv", "-c", "new", "--against", "old", "--json")
    document = json.loads(out)

    assert document["candidate"]["rules"]["hot"]["alarms"] == 2
    assert document["against"]["total"]["alarms"] == 0
    assert document["candidate"]["total"]["fleeting"] == 1
    assert document["tags"]["T"]["interval_s"] == 1
    assert document["differences"][0]["rule"] == "hot"


def test_too_little_data_is_told_to_scripts_alone(plant, capsys):
    """Two excursions are too few for delays: null in the document, no line for people."""
    _, out, _ = said(capsys, "h.csv", "-c", "new", "--json")
    advice = json.loads(out)["candidate"]["rules"]["hot"]["suggestions"]
    _, table, _ = said(capsys, "h.csv", "-c", "new")

    assert [(each["key"], each["suggested"]) for each in advice if each["insufficient"]] == [
        ("on_delay", None)
    ]
    assert "too few" not in table
    assert "suggestions" not in table


def test_events_and_report_are_written(plant, capsys):
    """Each event one line as it would be sent; the report is one page of its own."""
    status, _, _ = said(capsys, "h.csv", "-c", "new", "--events", "e.jsonl", "--report", "r.html")

    lines = [json.loads(line) for line in (plant / "e.jsonl").read_text().splitlines()]
    assert status == 0
    assert [line["type"] for line in lines] == ["alarm.raised", "alarm.returned"] * 2
    assert (plant / "r.html").read_text().lower().startswith("<!doctype html>")


def test_help_has_examples(capsys):
    """The formats and an example for CI."""
    with pytest.raises(SystemExit) as left:
        main(["backtest", "--help"])

    out = capsys.readouterr().out
    assert left.value.code == 0
    assert "--against old --max-new 5" in out
    assert "time,tag,value,quality" in out
