"""InfluxDB's line protocol, read back by a strict parser of our own: what is written stays what it is."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.bodies import NUMBERS, TEXTS, points

from agent.formats import FormatError
from agent.formats.template import line_protocol

NAMES = TEXTS.filter(lambda text: re.sub(r"[\r\n]", "", text).rstrip("\\"))


def as_kept(text):
    """What of a name line protocol can hold."""
    return re.sub(r"[\r\n]+", " ", text).rstrip("\\")


@given(NAMES, NAMES, NAMES, NUMBERS | st.booleans() | TEXTS)
def test_what_is_written_can_be_read(measurement, key, tag, value):
    """Commas, blanks, equal signs, quotes and backslashes in any place of any name and text."""
    written = f"{line_protocol.name(measurement)},{line_protocol.tag(key)}={line_protocol.tag(tag)} "
    written += f"{line_protocol.tag(key)}={line_protocol.value(value)} 17"
    [(name, tags, fields, time)] = points(written)
    hidden = "\\" if as_kept(measurement).startswith("#") else ""  # else it would be a comment

    assert name == hidden + as_kept(measurement)
    assert (tags, time) == ({as_kept(key): as_kept(tag)}, 17)
    [read] = fields.values()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    assert read == (
        re.sub(r"[\r\n]+", " ", value) if isinstance(value, str) else float(value) if number else value
    )
    assert isinstance(value, bool | str) == isinstance(read, bool | str)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, [1], {}])
def test_an_unknown_value_has_no_word(value):
    """It is refused, with what to write instead; a 0 would be a lie."""
    with pytest.raises(FormatError, match="known"):
        line_protocol.value(value)


@pytest.mark.parametrize("text", ["", "\\", "\\\\"])
def test_an_empty_name_is_refused(text):
    """The server would refuse the whole request."""
    for write in (line_protocol.name, line_protocol.tag):
        with pytest.raises(FormatError, match="empty"):
            write(text)


@pytest.mark.parametrize(
    "line",
    ["m x", "m x= 1", "m,a x=1 1", "#m x=1 1", 'm x="a 1', "m x=1i 1", "m x=1 1 ", "m,=a x=1 1", "m x=1\\ 1"],
)
def test_the_parser_is_strict(line):
    """One that takes everything would prove nothing."""
    with pytest.raises(AssertionError):
        points(line)
