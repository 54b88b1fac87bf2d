"""Histories: every spelling that historians write, and what is refused, with its line and its remedy."""

import gzip
import tracemalloc
from itertools import chain

import pytest

from agent.model import MILLISECOND, SECOND, Kind, Quality
from agent.proving.cells import Qualities, Stamps
from agent.proving.history import History
from agent.proving.sheet import HistoryError

KINDS = {"T": Kind.ANY, "U": Kind.NUMBER, "S": Kind.SWITCH, "W": Kind.WHOLE, "X": Kind.TEXT}
EIGHT = 1_795_248_000 * SECOND  # 2026-11-21T08:00:00Z
GOOD, BAD, UNCERTAIN = Quality.GOOD, Quality.BAD, Quality.UNCERTAIN


def read(tmp_path, *texts, zone="UTC"):
    """All samples of the files, as (tag, seconds after eight, value, quality), by tag."""
    paths = [tmp_path / f"{index}.csv" for index in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    history = History(paths, KINDS, zone)
    readings = chain.from_iterable(column.readings() for portion in history.portions() for column in portion)
    samples = [(r.tag, (r.received - EIGHT) / SECOND, r.value, r.quality) for r in readings]
    return history, sorted(samples, key=lambda sample: sample[:2])


def samples_of(tmp_path, *texts, **more):
    return read(tmp_path, *texts, **more)[1]


@pytest.mark.parametrize(
    "text",
    [
        "time,tag,value,quality\n2026-11-21T08:00:01Z,T,1.5,good\n",
        "Timestamp,TagName,Value,Status\n2026-11-21 08:00:01,T,1.5,192\n",
        "value;ts;name\n1,5;2026-11-21T09:00:01+01:00;T\n",
        "\ufeffts\ttag\tval\n1795248001\tT\t1.5\n",
        "time,tag,value\r\n1795248001000,T,1.5\r\n\r\n",
        "sep=;\ntime;T\n21.11.2026 08:00:01;1,5\n",
        'time,T\n2026-11-21T08:00:01.000Z,"1.5"\n',
        "time,T,U\n2026-11-21T08:00:01,1.5,\n",
        '"Series","Time","Value"\nT,2026-11-21T09:00:01+01:00,1.5\n',
        gzip.compress(b"time,T\n2026-11-21T08:00:01Z,1.5\n", mtime=0),
        "time,T\n2026-11-21T08:00:01Z,1.5\n".encode("utf-16"),
    ],
)
def test_every_format_tells_the_same(tmp_path, text):
    """Long and wide, three delimiters, decimal comma, BOM, gzip, UTF-16, five kinds of stamps."""
    assert samples_of(tmp_path, text) == [("T", 1.0, 1.5, GOOD)]


@pytest.mark.parametrize(
    ("tag", "cell", "value"),
    [
        ("T", "5", 5),
        ("T", "5.0", 5.0),
        ("T", "true", True),
        ("T", "AUTO", "AUTO"),
        ("T", "nan", None),
        ("T", "#N/A", None),
        ("T", "bad", None),
        ("T", "inf", None),
        ("U", "5", 5.0),
        ("S", "1", True),
        ("S", "false", False),
        ("W", "5.0", 5),
        ("X", "007", "007"),
    ],
)
def test_a_value_fits_its_tag(tmp_path, tag, cell, value):
    """A code stays a whole number, a switch becomes one, a text is not read as a number; the type counts."""
    ((_, _, found, quality),) = samples_of(tmp_path, f"time,{tag}\n2026-11-21T08:00:01Z,{cell}\n")

    assert (found, type(found), quality) == (value, type(value), BAD if value is None else GOOD)


def test_one_bad_cell_changes_no_other(tmp_path):
    """What is read column by column is what would be read cell by cell."""
    cells = ["1", "2.5", "bad", "4", "AUTO", "6"]
    rows = "".join(f"{1795248000 + at},{cell}\n" for at, cell in enumerate(cells))

    found = [value for _, _, value, _ in samples_of(tmp_path, f"time,T\n{rows}")]

    assert found == [1, 2.5, None, 4, "AUTO", 6]


@pytest.mark.parametrize(
    ("word", "quality"),
    [
        *(("good", GOOD), ("Good, Non-specific", GOOD), ("192", GOOD), ("", GOOD), ("216", GOOD)),
        *(("uncertain", UNCERTAIN), ("64", UNCERTAIN), ("0x40000000", UNCERTAIN)),
        *(("Bad", BAD), ("0", BAD), ("24", BAD), ("2147483648", BAD)),
    ],
)
def test_qualities(word, quality):
    """Words, OPC's two bits, and the status codes of OPC UA."""
    assert Qualities()[word] is quality


def test_bad_quality_is_a_bad_sample_whatever_stands_there(tmp_path):
    """The last value that a historian repeats under bad quality is not taken for a value."""
    text = "time,tag,value,quality\n1795248001,T,1.5,bad\n1795248002,T,1.5,uncertain\n1795248003,T,,good\n"

    assert samples_of(tmp_path, text) == [("T", 1, None, BAD), ("T", 2, 1.5, UNCERTAIN), ("T", 3, None, BAD)]


@pytest.mark.parametrize("cell", ["No Data", "I/O Timeout", "Bad Input", "Pt Created", "#N/A"])
def test_what_a_historian_writes_instead_of_a_value_is_bad(tmp_path, cell):
    """It is no text that a rule would be asked to compare with its limit."""
    assert samples_of(tmp_path, f"time,tag,value\n1795248001,U,{cell}\n") == [("U", 1, None, BAD)]


def test_a_word_is_a_word(tmp_path):
    """A text that no number is hidden in goes to the rule, which says what it thinks of it."""
    assert samples_of(tmp_path, "time,U\n1795248001,AUTO\n") == [("U", 1, "AUTO", GOOD)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tag,value\nT,1\n", ":1: no column is named time"),
        ("time,T\nsoon,1\n", ":2: 'soon' is no time: write 2026-11-21T08:00:00Z"),
        ("time,T\n100,1\n99,1\n", ":3: 99 is before the line above it: sort the file by time"),
        ("time,T,U\n100,1,2\n101,1\n", ":3: 2 cells under a header of 3: is the line cut off"),
        ("time,tag,value,quality\n100,T,1,so-so\n", ":2: quality 'so-so': expected good, uncertain, bad"),
        (b"time,T\n100,\xe9\n", "write it anew as UTF-8"),
        ("time,U\n100,70.1\n101,70.2 °C\n", ":3: '70.2 °C' is no number for U: export the plain numbers"),
        ("time,T,U\n100,1,\n101,1,12 m³/h\n", ":3: '12 m³/h' is no number for U"),
        ('time,tag,value\n100,T,1\n101,U,"70,5"\n', ":3: '70,5' is no number for U"),
        ("time;U\n100;1.234,5\n", ":2: '1.234,5' is no number for U"),
        (gzip.compress(b"time,T\n100,1\n", mtime=0)[:-6], "cannot be read from here on"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(tmp_path, text, words):
    """The file, the line, what is wrong, and what to do."""
    with pytest.raises(HistoryError) as refused:
        read(tmp_path, text)

    assert words in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "0.csv"))


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    """No traceback for a slip of the keyboard."""
    with pytest.raises(HistoryError, match=r"none\.csv: cannot be read \(No such file"):
        History([tmp_path / "none.csv"], KINDS, "UTC")


def test_files_follow_each_other_or_lie_side_by_side(tmp_path):
    """One a day in any order, one a tag: samples come in order of time."""
    day = "time,T\n1795248003,2\n1795248004,4\n", "time,T\n1795248001,1\n1795248003,2\n"
    beside = "time,U\n1795248000,0\n1795248002,2\n"

    history, found = read(tmp_path, *day, beside)

    assert [(tag, at, value) for tag, at, value, _ in found] == [
        *(("T", 1, 1), ("T", 3, 2), ("T", 3, 2), ("T", 4, 4)),
        *(("U", 0, 0.0), ("U", 2, 2.0)),
    ]
    assert history.size == sum(map(len, (*day, beside)))


def test_two_files_that_tell_of_one_tag_at_once_are_refused(tmp_path):
    """Which of them is right nobody knows."""
    with pytest.raises(HistoryError, match="T stands in another of the files for the same time"):
        read(tmp_path, "time,T\n100,1\n102,1\n", "time,T\n101,1\n103,1\n")


def test_unknown_tags_are_counted(tmp_path):
    """Long or wide: how many samples nobody looked at."""
    assert read(tmp_path, "time,T,A\n100,1,2\n101,1,\n102,1,3\n")[0].unknown == {"A": 2}
    assert read(tmp_path, "time,tag,value\n100,T,1\n101,B,2\n")[0].unknown == {"B": 1}


def test_the_hour_that_comes_twice(tmp_path):
    """A clock without a zone goes back in autumn: the second 02:30 is an hour after the first."""
    stamps = Stamps("Europe/Berlin")
    times = []
    for text in ("2026-10-25 02:30:00", "2026-10-25 02:59:00", "2026-10-25 02:30:00", "2026-10-25 03:00:00"):
        times.append(stamps.read(text, times[-1] if times else 0))

    assert [(time - times[0]) // (60 * SECOND) for time in times] == [0, 29, 60, 90]
    assert stamps.naive


def test_counts_of_milliseconds_keep_them():
    """No float comes between the text and the nanosecond."""
    assert Stamps("UTC").read("1795248000123") - EIGHT == 123 * MILLISECOND
    assert Stamps("UTC").read("1795248000.000000001") - EIGHT == 1


def test_intervals_come_from_the_head_of_each_file(tmp_path):
    """The median time between two samples of each tag."""
    rows = "".join(f"{at},1,{1 if at % 5 == 0 else ''}\n" for at in range(1795248000, 1795248900))
    (tmp_path / "a.csv").write_text(f"time,T,U\n{rows}")

    assert History([tmp_path / "a.csv"], KINDS, "UTC").intervals() == {"T": SECOND, "U": 5 * SECOND}


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A file ten times as long needs as much."""
    peaks = []
    for rows in (3_000, 30_000):
        path = tmp_path / f"{rows}.csv"
        path.write_text("time,T,U\n" + "".join(f"{1795248000 + at},{at % 7}.5,{at}\n" for at in range(rows)))
        tracemalloc.start()
        assert sum(len(portion[0].times) for portion in History([path], KINDS, "UTC").portions()) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < 1.2 * peaks[0]
