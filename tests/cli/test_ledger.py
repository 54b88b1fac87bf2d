"""`edge-relay ledger` as a person types it: tables, causes, JSON, and a status that a script can trust."""

import gzip
import io
import json
import sys

import pytest

from agent.cli import main


def event(seq, previous, kind="alarm.raised", **data: object):
    fields = {"id": f"evt_{seq}", "site": "dresden", "agent": "line-4", "epoch": "e1", "seq": seq}
    stamp = f"2026-11-21T08:00:{seq or 0:02d}.000Z"
    return json.dumps({"type": kind, "timestamp": stamp, "data": {**fields, "previous": previous, **data}})


def heartbeat(high_water):
    return event(None, None, "agent.heartbeat", high_water=high_water, waiting=0, destination="cmms")


WHOLE = [event(1, None), event(2, 1), event(5, 2), heartbeat(5)]
HOLES = [WHOLE[0], WHOLE[2], heartbeat(9)]


def log(path, lines, end="\n"):
    path.write_text("\n".join(lines) + end, encoding="utf-8")
    return str(path)


def ledger(capsys, *words: str):
    """Exit status, stdout, stderr."""
    status = main(["ledger", *words])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_complete_log_is_said_to_be_complete(tmp_path, capsys):
    """One line an epoch, and a verdict; nothing else."""
    status, out, err = ledger(capsys, log(tmp_path / "a.jsonl", WHOLE))

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "site     agent   epoch  received  again  late  declared  first                       last                        verdict",
        "dresden  line-4  e1     3         0      0     0         1 2026-11-21T08:00:01.000Z  5 2026-11-21T08:00:05.000Z  complete",
        "complete: 3 events received, none is missing",
    ]


def test_holes_are_named_with_their_place_and_time(tmp_path, capsys):
    """The numbers, the events beside them, and what it probably is."""
    status, out, err = ledger(capsys, log(tmp_path / "a.jsonl", HOLES))

    assert (status, err) == (1, "")
    assert "\n2    2026-11-21T08:00:01.000Z  2026-11-21T08:00:05.000Z  not kept here, or given up" in out
    assert (
        "\n6-9  2026-11-21T08:00:05.000Z  ?                         a heartbeat named it, and it never came"
        in out
    )
    assert (
        out.splitlines()[-1]
        == "NOT COMPLETE: 2 events received, 0 declared lost, 2 holes that nobody declared"
    )


def test_what_was_declared_is_told_apart_from_what_was_lost(tmp_path, capsys):
    """A dead letter that another receiver was told of is no hole."""
    beside = event(
        6,
        None,
        "delivery.dead",
        destination="cmms",
        event_seq=2,
        event_previous=1,
        reason="the receiver said 422",
    )
    lines = [WHOLE[0], *WHOLE[2:]]
    other = log(tmp_path / "historian.jsonl", [beside])
    status, out, _ = ledger(capsys, log(tmp_path / "a.jsonl", lines), "--beside", other)

    assert status == 0
    assert "\n2    1       dead letter for cmms: the receiver said 422\n" in out
    assert "complete: 2 events received, 1 more declared lost by the agent, no hole" in out


def test_json_says_all_of_it(tmp_path, capsys):
    """Stable names; instants as stamps; unknown is null."""
    status, out, _ = ledger(capsys, "--json", log(tmp_path / "a.jsonl", [*HOLES, '{"text": "chat"}']))
    told = json.loads(out)
    [stream] = told.pop("streams")

    assert status == 1
    assert told == {
        "verdict": "holes",
        "lines": 4,
        "unnumbered": 1,
        "torn": [],
        "unusable": [],
        "more_unusable": 0,
    }
    assert stream["holes"][1] == {
        "first": 6,
        "last": 9,
        "after": "2026-11-21T08:00:05.000Z",
        "before": None,
        "cause": "a heartbeat named it, and it never came",
        "certain": True,
    }
    assert {
        name: stream[name] for name in ("site", "destination", "received", "first", "last", "complete")
    } == {
        "site": "dresden",
        "destination": "cmms",
        "received": 2,
        "first": 1,
        "last": 5,
        "complete": False,
    }


def test_several_files_packed_or_not_are_one_log(tmp_path, capsys, monkeypatch):
    """In any order, with what overlaps; what is packed is seen from its bytes, not from its name."""
    first = tmp_path / "received.jsonl.1"
    first.write_bytes(gzip.compress("\n".join(WHOLE[1:]).encode()))
    second = log(tmp_path / "received.jsonl", WHOLE[:2])
    status, out, _ = ledger(capsys, str(first), second)
    assert (status, out.splitlines()[-1]) == (0, "complete: 3 events received, none is missing")

    with first.open("rb") as piped:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(piped))
        status, out, _ = ledger(capsys, "-", second)
    assert (status, out.splitlines()[-1]) == (0, "complete: 3 events received, none is missing")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("\n".join([WHOLE[0], "GET / HTTP/1.1", WHOLE[1], ""]).encode(), "a.jsonl:2: not JSON"),
        (f"{WHOLE[0]}\n[]\n".encode(), "a.jsonl:2: not an event: expected a JSON object"),
        (
            gzip.compress("\n".join(WHOLE).encode())[:-12],
            "a.jsonl: cannot be read: Compressed file ended before",
        ),
        (b'{"text": "chat"}\n', "there is no numbered event in it: nothing is proved"),
        (b"", "there is no numbered event in it: nothing is proved"),
        (None, "a.jsonl: cannot be read: No such file or directory"),
    ],
    ids=["another log", "no event", "packed and torn", "a chat", "empty", "missing"],
)
def test_what_cannot_be_used_is_named_with_its_line(content, problem, tmp_path, capsys):
    """Status 2: nobody is told that all is well by a file that was not read."""
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    status, _, err = ledger(capsys, str(path))

    assert status == 2
    assert problem in err


def test_a_line_that_is_still_being_written_is_no_mistake(tmp_path, capsys):
    """The last one without an end is left out, and said to be."""
    status, out, _ = ledger(capsys, log(tmp_path / "a.jsonl", [*WHOLE, event(6, 5)[:30]], end=""))

    assert status == 0
    assert "a.jsonl ends in the middle of a line" in out


def test_many_mistakes_are_counted(tmp_path, capsys):
    """Twenty are shown."""
    status, _, err = ledger(capsys, log(tmp_path / "a.jsonl", [*WHOLE, *["x"] * 25]))

    assert (status, err.count("not JSON")) == (2, 20)
    assert "and 5 more lines that cannot be used" in err


def test_many_holes_are_counted(tmp_path, capsys):
    """Fifty are shown to a person, a thousand to a script; none is forgotten."""
    path = log(tmp_path / "a.jsonl", [event(3 * number, 3 * number - 1) for number in range(1, 1101)])
    _, out, _ = ledger(capsys, path)
    _, told, _ = ledger(capsys, "--json", path)

    assert "1100 holes" in out
    assert "and 1050 more holes (--json lists a thousand)" in out
    assert [(len(each["holes"]), each["more_holes"]) for each in json.loads(told)["streams"]] == [(1000, 100)]


def test_the_log_of_our_own_receiver_is_one(tmp_path, capsys):
    """`edge-relay receiver --log` keeps receipts, a line an arrival."""
    receipts = [
        {
            "id": f"evt_{seq}",
            "type": "alarm.raised",
            "epoch": "e1",
            "seq": seq,
            "previous": previous,
            "rule": "r",
        }
        for seq, previous in ((1, None), (2, 1), (2, 1))
    ]
    status, out, _ = ledger(capsys, log(tmp_path / "a.jsonl", map(json.dumps, receipts)))

    assert (status, out.splitlines()[-1]) == (0, "complete: 2 events received, none is missing")
