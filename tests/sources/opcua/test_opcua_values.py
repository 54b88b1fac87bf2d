"""What a server sends, as readings."""

import datetime as dt
import math
from enum import IntEnum
from uuid import UUID

import pytest
from asyncua import ua
from asyncua.ua.status_codes import code_to_name_doc
from hypothesis import given
from hypothesis import strategies as st

from agent.model import Quality, Reading
from agent.sources.opcua.values import has_overflowed, is_node_gone, to_reading


class Mode(IntEnum):
    RUNNING = 3


def read(value, status=0, stamp=None, variant=None):
    data = ua.DataValue(ua.Variant(value, variant), ua.StatusCode(status), SourceTimestamp=stamp)
    return to_reading("t", data, 7, baseline=False)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (True, True),
        (0, 0),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (21.5, 21.5),
        (0.0, 0.0),
        ("", ""),
        ("open", "open"),
        (Mode.RUNNING, 3),
        (dt.datetime(2026, 11, 21, 7, 30, tzinfo=dt.UTC), "2026-11-21T07:30:00Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ua.LocalizedText("läuft", "de"), "läuft"),
    ],
)
def test_good_value(sent, expected):
    """A single value is a value, zero and false included (thingsboard-gateway#238)."""
    reading = to_reading("t", ua.DataValue(ua.Variant(sent)), 7, baseline=True)

    assert Reading("t", expected, Quality.GOOD, 7, baseline=True) == reading
    assert type(expected) is type(reading.value)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, "no value (null)"),
        (math.nan, "the server sent nan, which is no number"),
        (math.inf, "the server sent inf"),
        (-math.inf, "the server sent -inf"),
        ([1, 2], "an array, which is not supported"),
        (b"\x01", "a byte string, which is not supported"),
        (ua.Argument(), "a structure (Argument), which is not supported"),
        ("St\udcf6rung", "a text that is not UTF-8"),  # what asyncua makes of Latin-1; nothing could store it
        (ua.LocalizedText("St\udcf6rung"), "a text that is not UTF-8"),
    ],
)
def test_unusable_value(sent, expected):
    """What is no single finite value is bad, says why, and gives no value."""
    reading = read(sent)

    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert expected in reading.reason


def test_uncertain_stays_uncertain_with_its_value():
    """By asyncua's `read_values` UncertainLastUsableValue came back as a good 42.0."""
    reading = read(42.0, ua.StatusCodes.UncertainLastUsableValue)

    assert (reading.value, reading.quality) == (42.0, Quality.UNCERTAIN)
    assert reading.reason == "UncertainLastUsableValue: the server repeats the last value it had"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ua.StatusCodes.BadSensorFailure, "BadSensorFailure: look at the sensor"),
        (ua.StatusCodes.BadNoCommunication, "BadNoCommunication: check the server's own connection"),
        (ua.StatusCodes.BadSensorFailure | 0x480, "BadSensorFailure: look at the sensor"),
        (ua.StatusCodes.BadNoData, "BadNoData: No data exists for the requested time range"),
        (0x8FFF0000, "status 0x8FFF0000: the server's manual says what it means"),
        (0xC0000000, "status 0xC0000000"),
    ],
)
def test_bad_status_has_no_value_but_a_reason(status, expected):
    """A bad status is never published with the value beside it (telegraf#10849); 11 is bad as well."""
    reading = read(42.0, status)

    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert reading.reason.startswith(expected)


def test_a_status_left_out_is_good():
    """The encoding leaves out what is zero."""
    data = ua.DataValue(ua.Variant(1), None)

    assert Quality.GOOD is to_reading("t", data, 7, baseline=False).quality


def test_every_status_has_words():
    """No status of the standard is without a reason, and none of them invents a quality."""
    for code, (name, _) in code_to_name_doc.items():
        reading = read(1, code)

        assert {"G": "good", "U": "uncertain", "B": "bad"}[name[0]] == reading.quality
        assert reading.reason.startswith(f"{name}: ") or reading.quality == "good"


def test_the_overflow_bit_is_seen_though_the_status_is_good():
    """0x480 counts as good; on its own, the bit means something else."""
    assert has_overflowed(ua.DataValue(ua.Variant(1), ua.StatusCode(0x480)))
    assert Quality.GOOD is read(1, 0x480).quality
    assert not has_overflowed(ua.DataValue(ua.Variant(1), ua.StatusCode(0x80)))
    assert not has_overflowed(ua.DataValue(ua.Variant(1), None))


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (dt.datetime(2026, 11, 21, 7, 30, 0, 123456, tzinfo=dt.UTC), 1795246200123456000),
        (dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=2))), 1795246200000000000),
        (dt.datetime(1601, 1, 1, tzinfo=dt.UTC), None),
        (dt.datetime(2026, 11, 21, 7, 30), None),  # noqa: DTZ001 - of no zone (thingsboard-gateway#702)
        (dt.datetime(2026, 11, 21), None),  # noqa: DTZ001 - a stamp without a zone says nothing
        (None, None),
    ],
)
def test_source_time(stamp, expected):
    """The device's stamp is UTC nanoseconds, exact to the microsecond; none, or the year 1601, is none.

    thingsboard-gateway#702: a stamp without its zone was hours off.
    """
    assert expected == read(1, stamp=stamp).source_time


def test_is_node_gone():
    """Only an unknown node is worth asking for again."""
    assert is_node_gone(ua.DataValue(None, ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)))
    assert not is_node_gone(ua.DataValue(None, ua.StatusCode(ua.StatusCodes.BadSensorFailure)))
    assert not is_node_gone(ua.DataValue(ua.Variant(1)))


@given(
    status=st.integers(0, 2**32 - 1),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.text(),
        st.binary(),
        st.datetimes(timezones=st.just(dt.UTC)),
        st.lists(st.integers(0, 9)),
    ),
)
def test_whatever_is_sent_is_a_reading(status, value):
    """Any status with any value gives a reading that holds its promises."""
    data = ua.DataValue(None, ua.StatusCode(status))
    object.__setattr__(data.Value, "Value", value)
    reading = to_reading("t", data, 7, baseline=False)

    assert (reading.value is None) == (reading.quality is Quality.BAD)
    assert (reading.reason == "") == (reading.quality is Quality.GOOD)
    assert not isinstance(reading.value, float) or math.isfinite(reading.value)
