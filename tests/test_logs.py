"""The log: what a line looks like to people, journald and collectors, and what is held back of one that comes again."""

import asyncio
import gc
import json
import logging
import os
import re
import sys
import threading
import time
import warnings
from datetime import datetime

import pytest

from agent.logs import last_lines, logging_to
from agent.logs.lines import Line, json_line, line_of, text_line, without_address_secrets
from agent.logs.restraint import PERIOD, Restraint
from agent.logs.stderr import AT_MOST
from agent.model import SECOND

MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
WALL = 1_795_000_000_123_000_000  # 2026-11-18T11:06:40.123Z
_log = logging.getLogger("agent.test")


@pytest.fixture
def pipe():
    """Stderr as a pipe: its two ends."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def read(reader):
    return os.read(reader, 1_000_000).decode().splitlines()


def record(text, *arguments, level=logging.WARNING, line=1):
    return logging.LogRecord("agent.test", level, "test.py", line, text, arguments, None)


def taken(restraint, now, text, *arguments, **more):
    one = record(text, *arguments, **more)
    return [line.message for line in restraint.take(line_of(one, brief=True), one, now)]


def due(restraint, now, **more):
    return [line.message for line in restraint.due(now, WALL, **more)]


# --- a line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "prefix"), [("critical", 3), ("error", 3), ("warning", 4), ("info", 6), ("debug", 7)]
)
def test_journald_gets_the_priority_on_every_line_and_no_stamp(pipe, monkeypatch, level, prefix):
    """JOURNAL_STREAM names the device and inode of stderr: sd-daemon(3)'s prefixes, for each line of a message."""
    reader, writer = pipe
    is_now = os.fstat(writer)
    monkeypatch.setenv("JOURNAL_STREAM", f"{is_now.st_dev}:{is_now.st_ino}")

    with logging_to(writer, debug=True):
        getattr(_log, level)("refused:\none\n<0>two")

    assert read(reader) == [
        f"<{prefix}>{level.upper()} agent.test: refused:",
        f"<{prefix}>  one",
        f"<{prefix}>  <0>two",
    ]


@pytest.mark.parametrize("stream", ["", "8:1", "nonsense", "8:{inode}", "{device}:1"])
def test_who_is_not_journald_gets_the_stamp(pipe, monkeypatch, stream):
    """A stderr that is not the one that JOURNAL_STREAM names (a pipe to less, a file) is one for people."""
    reader, writer = pipe
    is_now = os.fstat(writer)
    monkeypatch.setenv("JOURNAL_STREAM", stream.format(device=is_now.st_dev, inode=is_now.st_ino))

    with logging_to(writer):
        _log.warning("source %s is down", "press")

    (line,) = read(reader)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING agent.test: source press is down", line
    )


@pytest.mark.parametrize(
    ("message", "about"),
    [
        ("source press is down: timed out", {"source": "press"}),
        ("destination cmms/line.4: failing", {"destination": "cmms/line.4"}),
        ("relay plant-7 answers", {"relay": "plant-7"}),
        ("stopping", {}),
    ],
)
def test_json_says_what_it_is_about(message, about):
    """One object: ts, level, logger, message, and the source, destination or relay that the message names."""
    told = json.loads(json_line(Line(logging.ERROR, "agent.x", message, WALL), journald=False))

    head = {"ts": "2026-11-18T11:06:40.123Z", "level": "error", "logger": "agent.x", "message": message}
    assert told == head | about
    assert datetime.fromisoformat(told["ts"]).tzinfo is not None


@pytest.mark.parametrize(
    "text", ["two\nlines\r\n", "\udc80\ud800 of a damaged name", "\x1b[2J \u2028 \x85 \x00", "日本"]
)
def test_whatever_came_is_one_line_of_json_and_valid_utf_8(text):
    """No raw newline, nothing that cannot be encoded; what can be comes back as it was."""
    line = json_line(Line(logging.INFO, "agent.x", text, WALL, "Traceback\n  x"), journald=False)

    assert len(line.encode().split(b"\n")) == 1
    told = json.loads(line)
    assert told["exception"] == "Traceback\n  x"
    assert told["message"] == text.encode("utf-8", "backslashreplace").decode()


def test_a_device_can_neither_forge_a_line_nor_steer_a_terminal():
    """What it sent begins no line of its own, and its control characters are shown as their escapes."""
    forged = "x\n2026-11-22 00:00:00,000 ERROR agent.app: all is lost\x1b[2J\r"

    first, second = text_line(Line(logging.INFO, "agent.x", forged, WALL), journald=False).split("\n")

    assert first.endswith("agent.x: x")
    assert second == r"  2026-11-22 00:00:00,000 ERROR agent.app: all is lost\x1b[2J\r"


def test_a_slip_in_a_call_still_says_what_it_wanted():
    """Too few arguments are no exception in whoever logs."""
    assert "source %s: %d" in line_of(record("source %s: %d", "a"), brief=True).message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:pw@host/x?key=1 no", "at https://***@host/x?*** no"),
        ("why? nothing", "why? nothing"),
        ("https://host/a/b", "https://host/a/b"),
    ],
)
def test_the_text_of_a_foreign_exception_shows_no_login_and_no_query(text, shown):
    """Of addresses the rest stays."""
    assert without_address_secrets(text) == shown


# --- what is let fall --------------------------------------------------------------------------------------


async def fails():
    raise ValueError("at opc.tcp://me:hunter2@10.0.0.5/x")


async def let_fall():
    """A task that fails, and of which nobody asks how it ended."""
    task = asyncio.get_running_loop().create_task(fails(), name="poll press")
    await asyncio.wait([task])
    del task
    gc.collect()


@pytest.mark.parametrize("debug", [False, True])
def test_an_exception_that_nobody_fetched_is_one_line(pipe, debug):
    """With the task, the type and the reason, without the secrets of an address; --debug has the traceback."""
    reader, writer = pipe
    with logging_to(writer, debug=debug):
        asyncio.run(let_fall())

    lines = [line for line in read(reader) if "selector" not in line]
    assert any("Traceback" in line for line in lines) is debug
    if not debug:
        assert len(lines) == 1
        assert "never retrieved (task poll press): ValueError: at opc.tcp://***@10.0.0.5/x (" in lines[0]


class Broken:
    def __del__(self):
        raise KeyError("gone")


def test_warnings_and_what_cannot_be_raised_are_one_line_each(pipe):
    """A warning of Python, an exception in __del__, the end of a thread: never a traceback in somebody's face."""
    reader, writer = pipe
    with logging_to(writer), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", UserWarning, stacklevel=1)
        Broken()
        thread = threading.Thread(target=lambda: 1 / 0, name="recorder")
        thread.start()
        thread.join()

    warned, unraisable, died = read(reader)
    assert "UserWarning: old" in warned
    assert "Broken.__del__: KeyError: 'gone'" in unraisable
    assert "the thread recorder has ended: ZeroDivisionError: division by zero" in died
    assert sys.unraisablehook.__module__ != "agent.logs"


# --- what is held back -------------------------------------------------------------------------------------


def test_the_same_line_is_told_three_times_and_then_counted():
    """A flapping source: three times at once, then once in ten minutes, with how often and how long ago."""
    restraint = Restraint()

    told = [taken(restraint, n * SECOND, "source %s is down: %s", "press", "gone") for n in range(20)]

    assert [len(lines) for lines in told] == [1, 1, 1] + [0] * 17
    assert due(restraint, PERIOD - 1) == []
    assert due(restraint, PERIOD) == [
        "source press is down: gone (repeated 17 times in 10 min, the last 10 min ago)"
    ]
    assert taken(restraint, PERIOD + SECOND, "source %s is down: %s", "press", "gone") == []
    assert due(restraint, 2 * PERIOD)[0].startswith(
        "source press is down: gone (repeated once more in 10 min"
    )
    assert due(restraint, 3 * PERIOD) == []
    assert len(taken(restraint, 3 * PERIOD, "source %s is down: %s", "press", "gone")) == 1


def test_numbers_do_not_make_another_line_and_names_do():
    """`after 32 s` is `after 7 s`; tag T1 is not tag T2, nor is an error a warning, nor another call the same one."""
    restraint = Restraint()
    for n in range(3):
        assert taken(restraint, 0, "back after %.0f s", float(n))
        assert taken(restraint, 0, "%s is bad", "T1", line=2)
    assert not taken(restraint, 0, "back after %.0f s", 9.0)
    assert taken(restraint, 0, "%s is bad", "T2", line=2)
    assert taken(restraint, 0, "%s is bad", "T1", line=2, level=logging.ERROR)
    assert taken(restraint, 0, "%s is bad", "T1", line=3)


def test_the_log_ends_with_what_is_so_now():
    """Of many lines of one call the three latest are told each, in their order, and the others are summed up."""
    restraint = Restraint()
    for n in range(4):
        for tag in ("A", "B", "C", "D", "E"):
            taken(restraint, n * SECOND + ord(tag), "%s is bad", tag)

    told = due(restraint, PERIOD + SECOND)
    assert [line.split(" (")[0] for line in told] == ["B is bad", "C is bad", "D is bad", "E is bad"]
    assert "and 1 others like it, 2 lines in 10 min" in told[0]


def test_tags_that_flap_in_ever_new_combinations_stay_below_a_megabyte_a_day():
    """A new line every five seconds of each of four calls, for a day: every line is new, few are told."""
    restraint, size, now = Restraint(), 0, 0
    while now < DAY:
        now += 5 * SECOND
        for call in range(4):
            text = f"source line: {now} cannot be read: unit 1 has no holding 40001: check the address"
            size += sum(map(len, taken(restraint, now, text, line=call)))
        if now % MINUTE == 0:
            size += sum(map(len, due(restraint, now)))

    assert 0 < size < 1_000_000


def test_too_much_of_everything_is_left_out_with_a_count_and_errors_are_the_last():
    """A thousand calls at once: two hundred places are left for errors, and what is left out is said within a minute."""
    restraint = Restraint()
    told = sum(len(taken(restraint, 0, "%s", "x", line=n)) for n in range(1_500))
    errors = sum(
        len(taken(restraint, 0, "%s", "x", line=n, level=logging.ERROR)) for n in range(2_000, 2_300)
    )

    assert (told, errors) == (800, 200)
    assert due(restraint, MINUTE) == [
        "800 lines were left out of the log in 60 s, 100 of them errors: there were too many"
    ]


def test_at_the_end_every_count_is_told(pipe):
    """What is held back when the agent stops is not lost; with --debug nothing is held back."""
    for debug, lines in ((False, 4), (True, 5)):
        reader, writer = pipe
        with logging_to(writer, debug=debug):
            for _ in range(5):
                _log.warning("source %s is down", "press")
        told = read(reader)
        assert len(told) == lines
        assert ("repeated 2 times" in told[-1]) is not debug


# --- stderr --------------------------------------------------------------------------------------------------


def test_a_full_pipe_holds_nobody_up_and_what_is_dropped_is_counted(pipe):
    """Nobody reads stderr: whoever logs goes on, the last lines are kept; once it is read, the gap is named."""
    reader, writer = pipe
    padding, many = "x" * 100, 3 * AT_MOST
    with logging_to(writer, debug=True):
        began = time.thread_time()
        for n in range(many):
            _log.info("%d %s", n, padding)
        assert time.thread_time() - began < 10  # of work; waiting would last for ever
        assert f"{many - 1} {padding}" in last_lines()[-1]
        assert len(last_lines()) == 1_000
        content = b""
        while b"were dropped" not in content:
            content += os.read(reader, 1_000_000)

    lines = content.decode().splitlines()
    (gap,) = [line for line in lines if "were dropped" in line]
    dropped = int(re.search(r"(\d+) lines were dropped", gap)[1])
    assert dropped + len(lines) - 1 == many
    assert f" 0 {padding}" in lines[0]


def test_an_end_that_nobody_reads_does_not_hold_up_the_exit(pipe):
    """The last lines are tried for two seconds, then the process may end."""
    _, writer = pipe
    done = threading.Event()

    def log():
        with logging_to(writer, debug=True):
            for _ in range(3_000):
                _log.info("x" * 100)
        done.set()

    threading.Thread(target=log, daemon=True).start()
    assert done.wait(30)


def test_a_reader_that_has_gone_is_no_error():
    """`2>&1 | head`: the log is kept for whoever asks, and that is all."""
    reader, writer = os.pipe()
    os.close(reader)
    with logging_to(writer):
        for n in range(3):
            _log.info("line %d", n)
        assert len(last_lines()) == 3
    os.close(writer)


def test_lines_of_many_threads_stay_whole(pipe):
    """Each line of eight threads arrives once and in one piece, those of one thread in their order."""
    reader, writer = pipe

    def log(name):
        for n in range(200):
            _log.info("%s:%d:%s", name, n, "y" * 50)

    with logging_to(writer, form="json", debug=True):
        threads = [threading.Thread(target=log, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        drained = b""
        while drained.count(b"\n") < 1_600:
            drained += os.read(reader, 1_000_000)
        for thread in threads:
            thread.join()

    messages = [json.loads(line)["message"] for line in drained.decode().splitlines()]
    for n in range(8):
        mine = [int(message.split(":")[1]) for message in messages if message.startswith(f"t{n}:")]
        assert mine == list(range(200))
