"""The ring of recent samples: what is kept comes back exactly, it stays bounded, and damage costs only itself."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.agent_process import ROOT
from rigs.stores import BOOT, refusing_disk

from agent.errors import EdgeRelayError, StoreUnavailable
from agent.model import SECOND, Action, Alive, Command, Link, Quality, Reading, WallClock, bad
from agent.store.chunks import ALIVE, CLOCK, COMMAND, LINK, TAG, command_of, read_chunk
from agent.store.samples import Chunk, SampleFile, read_samples
from agent.store.tape import Tape

T, U = (TAG, "T"), (TAG, 'odd,"name"]')
OFFSET = 1_795_000_000 * SECOND
VALUES = st.sampled_from([1, 1.0, True, "x\ny", 170.25, 2**70, -0.0])


def read(*chunks, wanted=(T,)):
    """The holds of tracks, from chunks in order."""
    tracks = {}
    for chunk in chunks:
        if chunk is not None:
            read_chunk(chunk, wanted, tracks)
    return tracks


def good(at, value, tag="T", **more):
    return Reading(tag, value, Quality.GOOD, at, **more)


@st.composite
def readings(draw):
    """Samples of one tag: steps in time, values that often stay, some bad, some with a device's stamp."""
    at, stamp, found = 0, 10**18, []
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.sampled_from([1, 10, 10, 10, 25, 40]))
        stamp += draw(st.sampled_from([0, 5, 7]))
        value = draw(VALUES) if draw(st.integers(0, 3)) == 0 or not found else found[-1].value
        quality = draw(st.sampled_from([Quality.GOOD] * 4 + [Quality.BAD, Quality.UNCERTAIN]))
        found.append(
            Reading(
                "T",
                None if quality is Quality.BAD else value,
                quality,
                at,
                "" if quality is Quality.GOOD else "why",
                draw(st.sampled_from([None, stamp])),
                baseline=draw(st.integers(0, 9)) == 0,
            )
        )
    return found


def test_a_kind_of_the_same_value_is_another_value():
    """1, 1.0 and true are three values: a rule for a state tells them apart."""
    tape = Tape({T: None})
    for at, value in enumerate((1, 1.0, True)):
        tape.see(good(at, value))

    assert [(hold.value, type(hold.value)) for hold in read(tape.cut(9))[T]] == [
        (1, int),
        (1.0, float),
        (True, bool),
    ]


@given(readings(), st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=40))
def test_every_sample_is_in_a_hold_of_its_own_value(samples, cuts):
    """However the samples are cut into chunks: changes are exact, and no absence that a rule notices is bridged."""
    patience = 30
    tape, chunks = Tape({T: patience}), []
    for number, sample in enumerate(samples):
        tape.see(sample)
        cut, settle, whole = cuts[number] if number < len(cuts) else (False, False, False)
        if cut:
            chunks.append(tape.cut(sample.received, settle=settle, whole=whole))
    chunks.append(tape.cut(samples[-1].received, settle=True))
    holds = read(*chunks)[T]

    instants = {sample.received for sample in samples}
    assert all({hold.first, hold.last} <= instants for hold in holds)
    assert [hold.open for hold in holds] == [False] * (len(holds) - 1) + [True]
    for sample in samples:
        hold = next(hold for hold in holds if hold.first <= sample.received <= hold.last)
        assert (hold.value, type(hold.value), hold.quality, hold.reason) == (
            sample.value,
            type(sample.value),
            sample.quality,
            sample.reason,
        )
        if sample.received == hold.first and not sample.baseline:
            assert hold.stamp == sample.source_time
    for before, after in pairwise(samples):
        together = any(hold.first <= before.received and after.received <= hold.last for hold in holds)
        assert not (together and after.received - before.received > patience)
    assert all(before.last <= after.first for before, after in pairwise(holds))


def test_history_stays_history():
    """A late value is late in its own chunk, and where a whole chunk begins it anew."""
    tape = Tape({T: None, U: None})
    tape.see(good(1, 20.5, source_time=10**18, late=True))
    first = tape.cut(1)
    tape.see(good(2, 1, U[1]))
    whole = tape.cut(2, whole=True)
    assert [hold.late for hold in read(first)[T]] == [True]
    assert [(hold.first, hold.late) for hold in read(whole)[T]] == [(1, True)]


def test_marks_of_an_older_file_are_read():
    """Where a baseline was `true`: a chunk as it was written before values could be late."""
    lines = [
        [5, 1],
        ["tag", "T", [0, 1], [1, 2], [], [[0, "good", "", True], [1, "uncertain", "w", False]], []],
    ]
    chunk = zlib.compress(b"\n".join(json.dumps(line, separators=(",", ":")).encode() for line in lines))
    assert [(hold.baseline, hold.late) for hold in read(chunk)[T]] == [(True, False), (False, False)]


def test_a_constant_value_is_written_once():
    """A day of a value that stays, minute by minute: one chunk, and no other until it changes."""
    tape = Tape({T: 3 * SECOND})
    chunks = []
    for minute in range(24 * 60):
        for second in range(60):
            tape.see(good((minute * 60 + second) * SECOND, 20.5))
        chunks.append(tape.cut((minute * 60 + 59) * SECOND, whole=minute % 60 == 0))
    tape.see(good(86_400 * SECOND, 21.5))
    chunks.append(tape.cut(86_400 * SECOND))

    assert [minute for minute, chunk in enumerate(chunks) if chunk] == [0, 1440]
    held, last = read(*chunks)[T]
    assert (held.first, held.last, held.times, held.open) == (0, 86_399 * SECOND, 86_400, False)
    assert (last.value, last.open) == (21.5, True)


def test_silence_ends_a_hold():
    """What was not seen for longer than its patience is not held any more, although nothing else came."""
    tape = Tape({T: 3 * SECOND})
    tape.see(good(0, 20))
    first, second = tape.cut(2 * SECOND), tape.cut(9 * SECOND)

    assert [(hold.last, hold.open) for hold in read(first)[T]] == [(0, True)]
    assert [(hold.last, hold.open) for hold in read(first, second)[T]] == [(0, False)]
    assert tape.cut(90 * SECOND) is None


def test_reading_can_start_at_a_whole_chunk():
    """What was held all the time is known from there on, without what came before."""
    tape = Tape({T: None, U: None})
    tape.see(good(0, 20))
    tape.see(bad('odd,"name"]', 0, "cable"))
    tape.cut(1)
    tape.see(good(5, 20))
    tape.see(Link("plc", up=True, at=6))
    whole = tape.cut(10, whole=True)

    found = read(whole, wanted=(T, U))
    assert [(hold.value, hold.first) for hold in found[T]] == [(20, 5)]
    assert [(hold.value, hold.quality, hold.reason) for hold in found[U]] == [(None, Quality.BAD, "cable")]
    assert (LINK, "plc") not in found, "nobody asked"


def test_everything_else_that_rules_see_is_kept():
    """Links, keep-alives, the wall clock and the operator's hand."""
    tape = Tape({})
    shelf = Command("R", Action.SHELVE, 4, "Ann", "seal", until=99, one_shot=True)
    for seen in (Link("plc", up=False, at=1, reason="refused"), Alive("plc", 2), Alive("plc", 3), shelf):
        tape.see(seen)
    tape.see(WallClock(5, None))
    tape.see(good(6, 1))
    wanted = ((LINK, "plc"), (ALIVE, "plc"), (COMMAND, "R"), (CLOCK, ""), T)
    found = read(tape.cut(9, settle=True), wanted=wanted)

    assert [(hold.value, hold.reason) for hold in found[LINK, "plc"]] == [(False, "refused")]
    assert [(hold.first, hold.last, hold.times) for hold in found[ALIVE, "plc"]] == [(2, 3, 2)]
    assert [command_of("R", hold) for hold in found[COMMAND, "R"]] == [shelf]
    assert [hold.value for hold in found[CLOCK, ""]] == [None]
    assert T not in found, "no rule looks at it"
    tape.see(shelf)
    whole = read(tape.cut(20, whole=True), wanted=wanted)
    assert {command_of("R", hold) for hold in whole[COMMAND, "R"]} == {shelf}
    assert [hold.value for hold in whole[LINK, "plc"]] == [False]


# --- the file ---------------------------------------------------------------------------------------


def chunk_of(minute, size=100, **more):
    """A chunk with a value that is new in this minute, and ballast that does not compress."""
    tape = Tape({T: None})
    tape.see(good(minute * 60 * SECOND, f"{minute} {os.urandom(size // 2).hex()}"))
    begin, until = minute * 60 * SECOND, (minute + 1) * 60 * SECOND
    return Chunk(begin, until, OFFSET, tape.cut(until, settle=True), **more)


def opened(path, started=0, away_since=None):
    file, aside = SampleFile.open(path, BOOT, started, away_since)
    assert aside is None
    return file


def minutes(path, begin=0, end=10**6):
    """Of which minutes samples are found."""
    found = read_samples(path, [T], begin * 60 * SECOND + OFFSET, end * 60 * SECOND + OFFSET)
    return [[int(hold.value.split()[0]) for hold in recorded.tracks.get(T, ())] for recorded in found]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "samples.db"


def test_what_is_written_is_read_beside_the_writer_and_without_it(path):
    """A session each; from the last whole chunk before what is asked for."""
    file = opened(path)
    for minute in range(6):
        file.write(chunk_of(minute, whole=minute in (0, 3)))
    beside = minutes(path), minutes(path, 4, 5)
    file.close()
    again = opened(path, started=6 * 60 * SECOND, away_since=400 * SECOND)
    again.write(chunk_of(7))
    again.close()

    assert beside == ([[0, 1, 2, 3, 4, 5]], [[3, 4]])
    assert minutes(path) == [[0, 1, 2, 3, 4, 5], [7]]
    first, second = read_samples(path, [T], OFFSET, OFFSET + 3600 * SECOND)
    assert (first.begin, first.until, first.offset, first.boot) == (0, 360 * SECOND, OFFSET, BOOT)
    assert (second.started, second.away_since) == (360 * SECOND, 400 * SECOND)


def test_it_stays_within_its_age_and_its_bytes(path):
    """The oldest goes first, and the file itself shrinks."""
    file = opened(path)
    for minute in range(100):
        file.write(chunk_of(minute, size=20_000))
    file.prune(50 * 60 * SECOND + OFFSET, 10**9)
    assert minutes(path) == [list(range(49, 100))]
    file.prune(0, 500_000)
    kept = minutes(path)[0]
    file.close()

    assert kept == list(range(kept[0], 100))
    assert 30 < len(kept) <= 45
    assert path.stat().st_size <= 520_000


@pytest.mark.parametrize("spoil", ["no database", "another version", "torn page"])
def test_a_damaged_file_is_moved_aside(path, spoil):
    """It is evidence, not truth: a new one is begun, and the old one is there to be looked at."""
    file = opened(path)
    for minute in range(20):
        file.write(chunk_of(minute, 5000))
    file.close()
    match spoil:
        case "no database":
            path.write_bytes(b"nonsense" * 1000)
        case "another version":
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA user_version = 9")
            connection.close()
        case _:
            content = path.read_bytes()
            path.write_bytes(content[:100] + b"\xff" * 3000 + content[3100:])
    before = path.read_bytes()
    with pytest.raises(EdgeRelayError, match=r"samples\.db"):
        minutes(path)
    file, aside = SampleFile.open(path, BOOT, 0, None)
    file.write(chunk_of(3))
    file.close()

    assert aside.read_bytes() == before
    assert minutes(path) == [[3]]


def test_a_flipped_bit_costs_one_chunk(path):
    """The rest is read, and what is missing is known to be missing."""
    file = opened(path)
    for minute in range(3):
        file.write(chunk_of(minute))
    file.close()
    with sqlite3.connect(path) as connection:
        connection.execute(
            "UPDATE chunk SET content = CAST(substr(content, 1, 40) || x'00' || substr(content, 42) AS BLOB) WHERE id = 2"
        )
    connection.close()
    [recorded] = read_samples(path, [T], OFFSET, OFFSET + 3600 * SECOND)

    assert recorded.lost == [(60 * SECOND, 120 * SECOND)]
    assert [(hold.value.split()[0], hold.open) for hold in recorded.tracks[T]] == [("0", False), ("2", True)]


def test_the_end_of_what_is_lost_ends_nothing_else(path):
    """A value began in the chunk that is damaged: when that ends, the one before is not prolonged."""
    tape, file = Tape({T: None}), opened(path)
    for minute, value in enumerate(("A", "B", "C")):
        for second in (0, 30):
            tape.see(good((60 * minute + second) * SECOND, value))
        begin, until = 60 * minute * SECOND, 60 * (minute + 1) * SECOND
        content = tape.cut(until) if value != "B" else tape.cut(until)[:-9]
        file.write(Chunk(begin, until, OFFSET, content))
    file.close()
    [recorded] = read_samples(path, [T], OFFSET, OFFSET + 3600 * SECOND)

    held, last = recorded.tracks[T]
    assert (held.value, held.last, held.open) == ("A", 60 * SECOND, False)
    assert (last.value, last.first) == ("C", 120 * SECOND)


def test_a_disk_that_refuses_is_told_to_the_caller(path):
    """The error comes out; once the disk takes it, it is written."""
    file = opened(path)
    file.write(chunk_of(0))
    with refusing_disk(), pytest.raises(StoreUnavailable, match=r"samples\.db"):
        file.write(chunk_of(1))
    file.write(chunk_of(2))
    file.close()

    assert minutes(path) == [[0, 2]]


def test_a_kill_leaves_a_file_that_opens(path):
    """SIGKILL in the midst of writing: all that was written is there, for a reader at once and for the next agent."""
    script = f"""
        import sys
        sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}, {str(ROOT / "tests/store")!r}]
        from pathlib import Path
        from test_samples import chunk_of, opened
        file = opened(Path({str(path)!r}))
        for minute in range(10**6):
            file.write(chunk_of(minute, 3000))
            print(minute, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as child:
        told = 0
        while told < 50:
            told = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert minutes(path)[0][: told + 1] == list(range(told + 1))
    file = opened(path, started=1)
    file.close()
    assert minutes(path)[0][: told + 1] == list(range(told + 1))


def test_no_file_is_a_sentence(path):
    """Nobody ever recorded anything: the key that does it is named."""
    with pytest.raises(EdgeRelayError, match=r"no samples are kept: there is no .*samples\.db"):
        minutes(path)
