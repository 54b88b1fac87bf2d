"""Sparkplug B payloads: what their bytes say, against vectors of another implementation.

The vectors were made once by `sparkplug-payload` 1.0.3 (npm; Eclipse Tahu, by Cirrus Link, who wrote the
specification), from the values that stand beside them.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec.payload import Unreadable
from agent.codec.sparkplug import (
    MOST_METRICS,
    REBIRTH,
    DataType,
    Metric,
    decode,
    quality_of,
    rebirth_request,
    value_of,
)
from agent.codec.sparkplug_schema import METRIC, PAYLOAD
from agent.model import Quality

STAMP = 1_486_144_502_122
EVERY_TYPE = """
08eaf2f5a8a02b12130a02693818eaf2f5a8a02b200150fbffffff0f120d0a03693136200250d4fdffff0f120d0a0369333220035090ddfb
ff0f12120a03693634200458ffffffffffffffefff0112090a027538200550ff01120b0a03753136200650ffff03120d0a03753332200758
ffffffff0f12120a03753634200858ffffffffffffffffff01120a0a01662009650000c03f120e0a0164200a693333333333b3354012070a
0162200b700112150a0173200c7a0e46c3bc6c6c7374616e6420c2b04312080a0174200e7a0178120d0a026174200d58eaf2f5a8a02b122c
0a026964200f7a2466383164346661652d376465632d313164302d613736352d30306130633931653662663612100a036e616e200a690000
00000000f87f1807
"""
NO_SINGLE_VALUES = """
08eaf2f5a8a02b120f0a0562797465732011820103010203120e0a0466696c65201282010301020312320a0373657420108a012808021202
6331120263321809180b220b0a051d0000c03f0a022801220b0a051d000020400a022800122b0a0374706c20139201210a013112090a0372
706d200350051a080a0170100c42017622054d6f746f7228001808
"""
ALIASES = """
08eaf2f5a8a02b1214101118eaf2f5a8a02b200a690000000000000a40121c10ffffffffffffffffff0118eaf2f5a8a02b2003280150ffff
ffff0f18ff01
"""
PROPERTIES = """
08eaf2f5a8a02b12370a016118eaf2f5a8a02b200a4a200a07656e67556e69740a075175616c6974791205080c4201431205080318f40369
000000000000f03f12410a016318eaf2f5a8a02b200a4a2a0a075175616c6974790a037365741205080318c001121308144a0f0a07517561
6c69747912040803180069000000000000f03f12150a016518eaf2f5a8a02b20033801420518044201781801
"""

COMPRESSED = """
12160a09616c676f726974686d200c7a074445464c415445221253504256312e305f434f4d505245535345442a1a789ce378f5e9eb8a05da
42ec5c8c890acc018c120c004752055e
"""


def metrics(vector):
    return decode(bytes.fromhex(vector)).metrics


def metric(datatype, field="", raw=b"", **facts):
    plain = {"name": "m", "alias": None, "stamp": None, "historical": False, "null": False, "quality": None}
    return Metric(**plain | facts, datatype=datatype, field=field, raw=raw)


def test_another_implementation_s_values_are_read_as_they_were():
    """Every single type, negative numbers, 64 bits to the last one; what is no number is said to be none."""
    expected = {
        "i8": -5, "i16": -300, "i32": -70_000, "i64": -9_007_199_254_740_993,
        "u8": 255, "u16": 65_535, "u32": 4_294_967_295, "u64": 18_446_744_073_709_551_615,
        "f": 1.5, "d": 21.7, "b": True, "s": "Füllstand °C", "t": "x",
        "at": "2017-02-03T17:55:02.122Z", "id": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "nan": Unreadable("nan is not a finite number"),
    }  # fmt: skip

    payload = decode(bytes.fromhex(EVERY_TYPE))

    assert {one.name: value_of(one, one.datatype) for one in payload.metrics} == expected
    assert (payload.seq, payload.stamp, payload.metrics[0].stamp) == (7, STAMP, STAMP)


def test_what_is_no_single_value_is_named():
    """Bytes, files, data sets, templates: bad, with what it is."""
    reasons = {one.name: value_of(one, one.datatype).why for one in metrics(NO_SINGLE_VALUES)}

    assert reasons == {
        "bytes": "it is a byte string, which is not supported: name a metric with a single value",
        "file": "it is a file, which is not supported: name a metric with a single value",
        "set": "it is a data set, which is not supported: name a metric with a single value",
        "tpl": "it is a template, which is not supported: name a metric with a single value",
    }


def test_aliases_stand_for_names():
    """Data has no names, but numbers of up to 64 bits; and says what is of the past."""
    one, other = metrics(ALIASES)

    assert (one.name, one.alias, one.historical, value_of(one, 10)) == (None, 17, False, 3.25)
    assert (other.alias, other.historical, value_of(other, 3)) == (2**64 - 1, True, -1)
    assert decode(bytes.fromhex(ALIASES)).seq == 255


def test_the_property_quality_is_found_among_others():
    """500 beside an engineering unit; 192 beside a nested set that has a `Quality` of its own; null."""
    stale, good, null = metrics(PROPERTIES)

    assert (stale.quality, good.quality, null.quality) == (500, 192, None)
    assert "no value (null)" in value_of(null, 3).why


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (DataType.Int8, "int_value", 255, -1),  # as the Python library of Eclipse Tahu writes -1
        (DataType.Int8, "int_value", 2**32 - 1, -1),  # as its Java library does
        (DataType.Int8, "int_value", 127, 127),
        (DataType.Int8, "int_value", 300, None),
        (DataType.Int16, "long_value", 2**64 - 2, -2),
        (DataType.Int32, "long_value", 2**32 - 2, -2),
        (DataType.Int32, "long_value", 2**33, None),
        (DataType.Int64, "int_value", 7, 7),
        (DataType.Int64, "int_value", 2**32 - 1, None),  # -1 or 4294967295? Nobody can tell.
        (DataType.Int64, "long_value", 2**63, -(2**63)),
        (DataType.UInt8, "int_value", 256, None),
        (DataType.UInt32, "int_value", 2**32 - 1, 2**32 - 1),
        (DataType.UInt32, "long_value", 2**32, None),
        (DataType.Float, "double_value", 0.1, 0.1),
        (DataType.Double, "float_value", 0.5, 0.5),
        (DataType.Double, "double_value", float("inf"), None),
        (DataType.Double, "int_value", 3, None),
        (DataType.Boolean, "int_value", 1, None),
        (DataType.Int32, "boolean_value", True, None),
        (DataType.String, "string_value", b"\xff\xfe", None),
        (DataType.String, "string_value", b"x" * 5_000, None),
        (DataType.String, "bytes_value", b"x", None),
        (DataType.DateTime, "long_value", 0, "1970-01-01T00:00:00.000Z"),
        (DataType.DateTime, "long_value", 2**63, None),
        (0, "int_value", 1, None),
        (24, "bytes_value", b"\0" * 8, None),
        (99, "int_value", 1, None),
        (None, "int_value", 1, None),
        (DataType.Int32, "", b"", None),
    ],
)
def test_a_value_is_what_its_type_makes_of_it(datatype, field, raw, value):
    """Where libraries differ, all are understood; where it could be two things, it is none (None)."""
    found = value_of(metric(datatype, field, raw), datatype)

    assert found == value if value is not None else isinstance(found, Unreadable)
    assert type(found) is type(value) or value is None


@given(st.sampled_from([1, 2, 3, 4]), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 32, 64]))
def test_whole_numbers_come_back_however_many_bits_their_complement_has(datatype, number, bits):
    """-1 as 255, as 4294967295 or as 2^64 - 1: never another number."""
    width = 8 << (datatype - 1)
    number = (number + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))
    bits = max(bits, width)
    field = "int_value" if bits <= 32 else "long_value"

    assert value_of(metric(datatype, field, number % (1 << bits)), datatype) == number


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        (None, Quality.GOOD), (192, Quality.GOOD), (216, Quality.GOOD),
        (64, Quality.UNCERTAIN), (127, Quality.UNCERTAIN),
        (0, Quality.BAD), (63, Quality.BAD), (128, Quality.BAD), (500, Quality.BAD), (256, Quality.BAD),
        (2**32 - 1, Quality.BAD),
    ],
)  # fmt: skip
def test_quality_codes(code, quality):
    """Sparkplug's three, and OPC's ranges; what is none of them is not believed, and every doubt has its reason."""
    found, reason = quality_of(code)

    assert found == quality
    assert bool(reason) == (quality is not Quality.GOOD)


def test_a_quality_that_is_no_number_is_not_believed():
    """A property `Quality` of text: whoever wrote it meant something."""
    text = bytes.fromhex("0a075175616c6974791205080c420162")  # keys: Quality; values: type 12, "b"
    one = METRIC(name=b"m", datatype=3, int_value=1).SerializeToString() + b"\x4a" + bytes([len(text)]) + text

    assert decode(PAYLOAD(metrics=[one]).SerializeToString()).metrics[0].quality == 0


def test_a_compressed_payload_is_named():
    """Eclipse Tahu's libraries can do it; it looks like a message without values."""
    assert decode(bytes.fromhex(COMPRESSED)).why.startswith(
        "the payload is compressed, which is not supported"
    )


@given(st.binary(max_size=200))
def test_nothing_that_a_stranger_publishes_raises(payload):
    """telegraf#13476: a payload that failed to parse stalled the consumer for good."""
    decoded = decode(payload)

    for one in () if isinstance(decoded, Unreadable) else decoded.metrics:
        assert value_of(one, one.datatype) is not None


@given(st.data())
def test_nothing_that_is_nearly_right_raises(data):
    """Flipped bytes of real payloads."""
    payload = bytearray.fromhex(
        data.draw(st.sampled_from([EVERY_TYPE, NO_SINGLE_VALUES, ALIASES, PROPERTIES]))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))

    decoded = decode(bytes(payload))

    assert isinstance(decoded, Unreadable) or [value_of(one, one.datatype) for one in decoded.metrics]


def test_a_payload_of_too_many_metrics_is_refused_unread():
    """Two bytes each: half a million of them would cost a hundred times their weight."""
    decoded = decode(b"\x12\x00" * (MOST_METRICS + 1))

    assert decoded == Unreadable("the payload has 100,001 metrics, more than 100,000")


def test_a_rebirth_request_says_what_the_specification_says():
    """A stamp, no sequence number, one metric by name, true; as `sparkplug-payload` encodes it."""
    theirs = "08eaf2f5a8a02b12210a144e6f646520436f6e74726f6c2f5265626972746818eaf2f5a8a02b200b7001"

    assert rebirth_request(STAMP).hex() == theirs
    payload = decode(rebirth_request(STAMP))
    assert [(one.name, value_of(one, one.datatype)) for one in payload.metrics] == [(REBIRTH, True)]
    assert payload.seq is None
