"""Orders that move many deliveries: counted, asked for, and carried out in parts; and what a letter looks like."""

import argparse
import io
import json

import pytest

from agent.cli.letters_shown import printable, show_letter, show_letters
from agent.cli.moving import carry_out


class Agent:
    """Answers for so many parts, two deliveries in each, and remembers what it was told to do."""

    def __init__(self, parts=2, each=2) -> None:
        self.parts = parts
        self.each = each
        self.orders = []

    def _answer(self, place):
        number = place["after"] + 1
        return {"upto": 99, "next": None if number == self.parts else number}

    async def count(self, place):
        day = f"2026-11-{10 + place['after']}T12:00:00.000Z"
        found = {"count": self.each, "first": day, "last": day, "damaged": 0, "removed": 1}
        return {"counts": {"cmms": found}, **self._answer(place)}

    async def move(self, place):
        self.orders.append(place)
        return {"moved": self.each, "next": self._answer(place)["next"]}


def options(**given: bool):
    return argparse.Namespace(**{"dry_run": False, "yes": False, "json": False, **given})


async def carried_out(agent, **given: bool):
    return await carry_out(options(**given), "letters would be moved", "moved", (agent.count, agent.move))


async def test_with_yes_it_is_done_in_parts_up_to_what_was_counted(capsys):
    """Each goes on where the one before ended; what came since the count is not moved."""
    agent = Agent()
    assert await carried_out(agent, yes=True) == 0

    assert [(place["after"], place["upto"]) for place in agent.orders] == [(0, 99), (1, 99)]
    output = capsys.readouterr().out
    assert output.startswith("cmms: 4 events, of 2026-11-10 ")
    assert "cmms: 2 for a destination that is gone, not sent\n" in output
    assert output.endswith("4 moved\n")


async def test_a_dry_run_does_nothing(capsys):
    """Also with --yes."""
    agent = Agent()
    assert await carried_out(agent, yes=True, dry_run=True) == 0

    assert agent.orders == []
    assert capsys.readouterr().out.endswith("4 letters would be moved\n")


async def test_where_nobody_can_be_asked_nothing_is_done(capsys, monkeypatch):
    """A script that forgot --yes ends with status 2 and the remedy."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    agent = Agent()
    assert await carried_out(agent) == 2

    assert agent.orders == []
    assert "4 letters would be moved; --yes does it without asking" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "done"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False)])
async def test_a_person_is_asked(capsys, monkeypatch, answer, done):
    """Only a yes does it."""
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    agent = Agent()

    assert await carried_out(agent) == (0 if done else 1)
    assert bool(agent.orders) is done


async def test_a_single_one_is_moved_without_a_question(capsys):
    """Whoever names one letter means it; nothing at all needs no question either."""
    agent = Agent(parts=1, each=1)
    assert await carried_out(agent) == 0
    assert len(agent.orders) == 1
    agent = Agent(parts=1, each=0)
    assert await carried_out(agent) == 0
    assert agent.orders == []


async def test_scripts_get_one_document(capsys):
    """With what was counted, and what was done."""
    await carried_out(Agent(), json=True, yes=True)

    told = json.loads(capsys.readouterr().out)
    assert told["moved"] == 4
    assert told["counts"]["cmms"] == {
        "count": 4,
        "damaged": 0,
        "removed": 2,
        "first": "2026-11-10T12:00:00.000Z",
        "last": "2026-11-11T12:00:00.000Z",
    }


LETTER = {
    "seq": 7,
    "id": "evt_7",
    "type": "alarm.raised",
    "timestamp": "2026-11-21T08:00:00.000Z",
    "data": {"rule": "word", "instance": "word/overload"},
    "destination": "cmms",
    "charged": 3,
    "settled": "2026-11-21T09:00:00.000Z",
    "reason": "it said \x1b[31mno",
    "attempts": [
        {
            "at": "2026-11-21T08:00:01.000Z",
            "status": 400,
            "latency_s": 0.25,
            "text": "no\x1b]0;x\x07 " + "y" * 500,
        },
        {"at": "2026-11-21T08:01:01.000Z", "status": None, "latency_s": 15, "text": "timed out"},
    ],
    "body": '{"type": "alarm.raised", "text": "a\\u001b[2Jb", "unit": "°C"}',
}


def test_a_letter_is_shown_and_commands_no_terminal(capsys):
    """The answers of a stranger are written out; what is long is cut and says so."""
    show_letter(LETTER)

    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert "\x07" not in output
    assert "it said \\x1b[31mno" in output
    assert "answered 400 after 0.250 s" in output
    assert "all in --json" in output
    assert "no answer after 15.000 s\n    timed out" in output
    assert '"unit": "°C"' in output
    assert "edge-relay deadletters resend --destination cmms --seq 7" in output


def test_a_damaged_letter_offers_nothing_that_cannot_be_done(capsys):
    """Only its number is known."""
    damaged = {key: LETTER[key] for key in ("seq", "destination", "charged", "reason")}
    show_letter({**damaged, "damaged": True, "attempts": []})
    output = capsys.readouterr().out
    assert "damaged on disk" in output
    assert "resend" not in output

    show_letters([{**damaged, "damaged": True}])
    assert "damaged on disk" in capsys.readouterr().out


def test_the_list_names_the_instance_and_the_age(capsys, monkeypatch):
    """The whole reason stands last, however long it is."""
    show_letters([{**LETTER, "reason": "x" * 300}])

    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["seq", "age", "destination", "type", "rule", "attempts", "reason"]
    assert "word/overload" in row
    assert row.endswith("x" * 300)
    assert printable("a\tb\n°") == "a\\tb\\n°"
