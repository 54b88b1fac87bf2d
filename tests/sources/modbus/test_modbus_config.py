"""What an engineer may write, and what he is told when it cannot be meant."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from agent.codec.modbus import BitField, ByteOrder, Linear, NumberField, NumberType, StringBytes, TextField
from agent.model import SECOND, Kind
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.endpoint import Network, SerialPort, parse_url
from agent.sources.modbus.plan import Area, Point

FORM = (
    "expected tcp://HOST:PORT, tls://HOST:PORT for Modbus/TCP Security, rtu+tcp://HOST:PORT for a serial gateway "
    "that passes RTU frames, or rtu:///dev/ttyUSB0?baudrate=19200&parity=E for a serial port"
)


def load(tag=None, **keys: object):
    tags = {"T": tag if tag is not None else {"address": "10001"}}
    return ModbusSource.model_validate(
        {"type": "modbus", "url": "tcp://192.168.10.20:502", "tags": tags, **keys}
    )


def error(tag=None, **keys: object):
    with pytest.raises(ValidationError) as caught:
        load(tag, **keys)
    (only,) = caught.value.errors()
    return ".".join(map(str, only["loc"])), only["msg"].removeprefix("Value error, ")


def test_the_sample_of_the_manual():
    """Each line of the documented sample means what it says."""
    config = ModbusSource.model_validate(
        {
            "type": "modbus",
            "url": "tcp://192.168.10.20:502",
            "tags": {
                "R1.TT101": {
                    "address": "40011",
                    "type": "int16",
                    "scale": 0.1,
                    "unit": "°C",
                    "range": [0, 250],
                },
                "R1.PT102": {
                    "area": "holding",
                    "offset": 12,
                    "type": "float32",
                    "byte_order": "CDAB",
                    "unit": "bar",
                    "invalid": [0x7FC00000],
                },
                "MCC3.WORD": {"address": "30021", "type": "uint16", "unit_id": 7},
                "P101.RUN_FB": {"address": "10001"},
                "VALVE.OPEN": {"address": "40030", "type": "bit", "bit": 3},
                "BATCH.ID": {"address": "40100", "type": "string", "length": 16},
                "LEVEL": {"address": "30001", "type": "int16", "raw_range": [0, 27648], "range": [0, 100]},
            },
        }
    )

    assert config.points() == [
        Point("R1.TT101", 1, Area.HOLDING, 10, NumberField(NumberType.INT16, linear=Linear(1, 0, 10))),
        Point(
            "R1.PT102",
            1,
            Area.HOLDING,
            12,
            NumberField(NumberType.FLOAT32, ByteOrder.CDAB, invalid=frozenset({0x7FC00000})),
        ),
        Point("MCC3.WORD", 7, Area.INPUT, 20, NumberField(NumberType.UINT16)),
        Point("P101.RUN_FB", 1, Area.DISCRETE, 0),
        Point("VALVE.OPEN", 1, Area.HOLDING, 29, BitField(3)),
        Point("BATCH.ID", 1, Area.HOLDING, 99, TextField(16)),
        Point("LEVEL", 1, Area.INPUT, 0, NumberField(NumberType.INT16, linear=Linear(25, 0, 6912))),
    ]


@pytest.mark.parametrize(
    ("address", "area", "offset"),
    [
        ("00001", Area.COIL, 0),
        ("19999", Area.DISCRETE, 9998),
        ("30001", Area.INPUT, 0),
        ("40011", Area.HOLDING, 10),
        ("400011", Area.HOLDING, 10),
        ("465536", Area.HOLDING, 65535),
    ],
)
def test_addresses_are_those_of_the_manual(address, area, offset):
    """Five or six digits, counted from 1; the wire counts from 0."""
    tag = {"address": address} if area.of_bits else {"address": address, "type": "uint16"}
    (point,) = load(tag).points()

    assert (point.area, point.offset) == (area, offset)


@pytest.mark.parametrize(
    ("address", "area", "bit"), [("40011.3", Area.HOLDING, 3), ("300011.15", Area.INPUT, 15)]
)
@pytest.mark.parametrize("keys", [{}, {"type": "bit"}, {"type": "BOOL"}])
def test_a_bit_may_stand_in_the_address(address, area, bit, keys):
    """`40011.3` is `address: "40011"` with `type: bit` and `bit: 3`."""
    (point,) = load({"address": address, **keys}).points()

    assert (point.area, point.offset, point.field) == (area, 10, BitField(bit))


def test_a_text_may_have_one_character_a_register():
    """Then it takes as many registers as it has characters."""
    (point,) = load({"address": "40001", "type": "string", "length": 7, "string_bytes": "high"}).points()

    assert (point.field, point.end) == (TextField(7, string_bytes=StringBytes.HIGH), 7)


@pytest.mark.parametrize(
    ("iec", "ours"),
    [
        ("INT", "int16"),
        ("Word", "uint16"),
        ("dint", "int32"),
        ("DWORD", "uint32"),
        ("LINT", "int64"),
        ("LWORD", "uint64"),
        ("REAL", "float32"),
        ("LREAL", "float64"),
        ("Float32", "float32"),
    ],
)
def test_types_may_be_written_as_in_the_plc_program(iec, ours):
    """IEC 61131 names, in any case."""
    assert load({"address": "40001", "type": iec}).tags["T"].type == ours


@pytest.mark.parametrize(
    ("tag", "where", "text"),
    [
        (
            {"address": 11, "type": "int16"},
            "tags.T.address",
            (
                'a bare 11 can be read in two ways: address: "40011" (counted from 1, as manuals print holding '
                "registers) or area: holding, offset: 11 (counted from 0, as on the wire; in a manual 40012)"
            ),
        ),
        (
            {"address": 40011, "type": "int16"},
            "tags.T.address",
            (
                'a bare 40011 can be read in two ways: address: "40011" (counted from 1, as manuals print holding '
                "registers) or area: holding, offset: 40011 (counted from 0, as on the wire; in a manual 440012)"
            ),
        ),
        (
            {"address": 0, "type": "int16"},
            "tags.T.address",
            "a bare 0 is counted from 0: write area: holding, offset: 0 (in a manual 40001)",
        ),
        (
            {"address": "40000", "type": "int16"},
            "tags.T.address",
            "40000 does not exist: the first of its area is 40001, which is offset: 0",
        ),
        (
            {"address": "465537", "type": "int16"},
            "tags.T.address",
            "465537 does not exist: the last of its area is 465536",
        ),
        (
            {"address": "465536", "type": "float32"},
            "tags.T",
            "it would end behind the last address of its area: 465536 and 2 registers make 1 too many",
        ),
        (
            {"address": "40011"},
            "tags.T",
            (
                "`type` is missing, and registers do not tell it: the device's manual says int16, uint16, int32, "
                "uint32, float32, ... , bit or string"
            ),
        ),
        (
            {"area": "holding", "type": "int16"},
            "tags.T",
            'expected `address: "40011"`, or `area: holding` together with `offset: 10`',
        ),
        (
            {"address": "40011", "offset": -40, "type": "int16"},
            "tags.T.offset",
            "Input should be greater than or equal to 0",
        ),
        (
            {"address": "40011", "offset": 40, "type": "int16"},
            "tags.T",
            "`offset` is an address and goes with `area`; a number to be added is `add`",
        ),
        (
            {"address": "40011", "area": "holding", "offset": 10, "type": "int16"},
            "tags.T",
            "expected either `address`, or `area` and `offset`, not both",
        ),
        (
            {"address": "40011", "type": "bool"},
            "tags.T",
            "a register has 16 bits: write `type: bit` and which one, `bit: 0`",
        ),
        (
            {"address": "40011", "type": "bit"},
            "tags.T",
            "`bit` is missing: add which one, 0 (the least significant) to 15",
        ),
        (
            {"address": "40011", "type": "string"},
            "tags.T",
            "`length` is missing: add how many characters the text has at most",
        ),
        (
            {"address": "10001", "type": "int16"},
            "tags.T",
            "a discrete is one bit: leave out `type: int16`, or is the area another?",
        ),
        (
            {"address": "00001", "scale": 2.0},
            "tags.T",
            "a coil is one bit: `scale` has no meaning there, delete it",
        ),
        (
            {"address": "40001", "type": "int16", "length": 4},
            "tags.T",
            "type int16 is a number: `length` has no meaning there, delete it",
        ),
        (
            {"address": "40001", "type": "int16", "raw_range": [0, 100]},
            "tags.T",
            "`raw_range` needs `range`: what its two ends mean",
        ),
        (
            {"address": "40001", "type": "int16", "raw_range": [0, 9], "range": [0, 1], "add": 2.0},
            "tags.T",
            "`raw_range` with `range` is a scaling already: leave out `scale` and `add`",
        ),
        (
            {"address": "40001", "type": "int16", "scale": 0.0},
            "tags.T",
            "`scale: 0` would make every value the same",
        ),
        (
            {"address": "40001", "type": "int16", "scale": 1e200},
            "tags.T",
            "the scaling is beyond any measurement: look at its powers of ten",
        ),
        (
            {"address": "40001", "type": "int16", "invalid": [0x18000]},
            "tags.T",
            "`invalid`: 98304 is no code of 16 bits",
        ),
        (
            {"address": 40011.3},
            "tags.T.address",
            (
                'expected 5 or 6 digits in quotes as the manual prints them, such as "40011" (0.... coils, 1.... '
                "discrete inputs, 3.... input registers, 4.... holding registers), or area: holding with offset: "
                '10 counted from 0; a bit of a register needs quotes as well: "40011.3"'
            ),
        ),
        (
            {"address": "40011.16"},
            "tags.T.address",
            "40011.16: a register has the bits 0 (the least significant) to 15",
        ),
        (
            {"address": "40011.3", "bit": 3},
            "tags.T",
            "`address: 40011.3` is one bit: `bit` has no meaning there, delete it",
        ),
        (
            {"address": "40011.3", "type": "int16"},
            "tags.T",
            "`address: 40011.3` is one bit: leave out `type: int16` or the `.3`",
        ),
        (
            {"address": "40001", "type": "int16", "string_bytes": "low"},
            "tags.T",
            "type int16 is a number: `string_bytes` has no meaning there, delete it",
        ),
        (
            {"address": "40001", "type": "int16", "poll_every": "1ms"},
            "tags.T.poll_every",
            "expected 10ms or more, got 1ms",
        ),
        (
            {"address": "40001", "type": "uint16", "invalid": [-1]},
            "tags.T",
            "`invalid`: -1 is no code of 16 bits",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(tag, where, text):
    """One mistake, one message, at the tag."""
    assert error(tag) == (where, text)


@pytest.mark.parametrize(
    ("keys", "where", "text"),
    [
        (
            {"url": "192.168.10.20:502"},
            "url",
            FORM,
        ),
        (
            {"url": "tcp://user:hidden@plc"},
            "url",
            FORM,
        ),
        (
            {"url": "tcp://plc:99999"},
            "url",
            FORM,
        ),
        ({"url": "tcp://plc:0"}, "url", FORM),
        ({"url": "tcp://plc?baudrate=9600"}, "url", FORM),
        (
            {"url": "rtu://COM3?baudrate=9600"},
            "url",
            (
                "expected the path of the port behind three slashes, such as rtu:///dev/ttyUSB0; COM3 stands where a "
                "host would: for a gateway in the network write rtu+tcp://HOST:PORT"
            ),
        ),
        (
            {"url": "rtu://"},
            "url",
            "expected the path of the port, such as rtu:///dev/ttyUSB0?baudrate=19200&parity=E",
        ),
        (
            {"url": "rtu:///dev/ttyUSB0?baud=9600"},
            "url",
            "unknown setting `baud` of a serial port: expected one of baudrate, parity, stopbits, bytesize",
        ),
        ({"url": "rtu:///dev/ttyUSB0?parity=N&parity=E"}, "url", "`parity` is set twice"),
        (
            {"url": "rtu:///dev/ttyUSB0?parity=NO"},
            "url",
            "parity=NO: expected N (none), E (even) or O (odd)",
        ),
        (
            {"url": "rtu:///dev/ttyUSB0?baudrate=9601"},
            "url",
            (
                "baudrate=9601: expected one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, "
                "921600"
            ),
        ),
        ({"url": "rtu:///dev/ttyUSB0?stopbits=1.5"}, "url", "stopbits=1.5: expected one of 1, 2"),
        (
            {"url": "rtu:///dev/ttyUSB0?bytesize=7"},
            "url",
            "bytesize=7: RTU frames have characters of 8 bits (7 are those of Modbus ASCII)",
        ),
        (
            {"url": "rtu:///dev/ttyUSB0", "unit_id": 0},
            "",
            (
                "tag T: unit_id 0 is the broadcast of RTU, which no device answers: write the address that is set "
                "at the device"
            ),
        ),
        (
            {"url": "tls://plc"},
            "",
            "tls:// needs the authority of the device's certificate: add tls: {ca: FILE}",
        ),
        ({"tls": {"ca": "ca.pem"}}, "", "`tls` has no effect there: write url: tls://HOST:802"),
        (
            {"url": "tls://plc", "tls": {"ca": "ca.pem", "key": "relay.key"}},
            "tls",
            "a key needs its certificate: add certificate: FILE",
        ),
        ({"poll_every": "0s"}, "poll_every", "expected 10ms or more, got 0s"),
        ({"unit_id": 256}, "unit_id", "Input should be less than or equal to 255"),
        (
            {"max_registers_per_read": 126},
            "max_registers_per_read",
            "Input should be less than or equal to 125",
        ),
        ({"tags": {}}, "tags", "Dictionary should have at least 1 item after validation, not 0"),
        (
            {"url": "rtu+tcp://plc", "unit_id": 0},
            "",
            (
                "tag T: unit_id 0 is the broadcast of RTU, which no device answers: write the address that is set "
                "at the device"
            ),
        ),
    ],
)
def test_what_no_device_can_do_is_refused(keys, where, text):
    """The source's own keys."""
    assert error(**keys) == (where, text)


NUMBER = {"write": {"min": 0, "max": 100}}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"address": "40001", "type": "uint32"}, {"address": "40002", "type": "uint16"}, "holding"),
        ({"address": "40002", "type": "uint16"}, {"address": "40002", "type": "int16"}, "holding"),
        ({"address": "40002", "type": "uint16"}, {"address": "40003", "type": "uint16"}, ""),
        ({"address": "40001", "type": "uint16"}, {"address": "40001", "type": "uint16", "unit_id": 2}, ""),
        ({"address": "00001"}, {"address": "00001"}, "coil"),
        ({"address": "00001"}, {"address": "40001", "type": "uint16"}, ""),
    ],
)
def test_what_is_written_is_written_under_one_name(one, other, shared):
    """Another would lead past its bounds, its steps and its `when`; under how many names it is read is free."""

    def granted(tag):
        return tag | (NUMBER if "type" in tag else {"write": {}})

    load(tags={"A": granted(one), "B": other})
    twice = {"A": granted(one), "B": granted(other)}
    if not shared:
        load(tags=twice)
        return
    with pytest.raises(ValueError, match=f"tags A and B are both written to {shared}"):
        load(tags=twice)


def test_a_value_that_no_read_can_carry_is_refused():
    """Two reads of one value could be two halves of two values."""
    tag = {"address": "40001", "type": "float64"}

    assert error(tag, max_registers_per_read=2) == (
        "",
        "tag T takes 4 registers, which must come in one read, but max_registers_per_read is 2",
    )


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("tcp://192.168.10.20", Network("192.168.10.20", 502)),
        ("rtu+tcp://gateway.plant:4001", Network("gateway.plant", 4001, rtu=True)),
        ("tcp://[fd00::7]:1502/", Network("fd00::7", 1502)),
        ("tls://plc.plant", Network("plc.plant", 802, tls=True)),
        ("rtu:///dev/ttyUSB0", SerialPort("/dev/ttyUSB0", 19200, "E", 1)),
        (
            "rtu:///dev/serial/by-id/usb-FTDI?baudrate=9600&parity=none&stopbits=2&bytesize=8",
            SerialPort("/dev/serial/by-id/usb-FTDI", 9600, "N", 2),
        ),
    ],
)
def test_urls(url, endpoint):
    """Port 502 is the usual one, 802 with TLS; brackets hold an IPv6 address; 19200 8E1 is the standard's."""
    assert parse_url(url) == endpoint


def test_freshness_is_resolved_from_the_nearest_word():
    """The tag's, else the source's, else three polls."""
    tags = {
        "A": {"address": "10001", "stale_after": "7s"},
        "B": {"address": "10002", "unit": "x"},
    }

    default = load(tags=tags, poll_every="2s").tag_specs("plc")
    source = load(tags=tags, stale_after="60s").tag_specs("plc")

    assert [(spec.stale_after, spec.every) for spec in default] == [
        (7 * SECOND, 2 * SECOND),
        (6 * SECOND, 2 * SECOND),
    ]
    assert [spec.stale_after for spec in source] == [7 * SECOND, 60 * SECOND]


@pytest.mark.parametrize(
    ("keys", "kind", "step", "reach"),
    [
        ({"type": "int16"}, Kind.WHOLE, 1, (-32768, 32767)),
        ({"type": "uint16"}, Kind.WHOLE, 1, (0, 65535)),
        ({"type": "int16", "scale": 0.1}, Kind.NUMBER, 0.1, (-3276.8, 3276.7)),
        ({"type": "int16", "scale": -0.1, "add": 5}, Kind.NUMBER, 0.1, (-3271.7, 3281.8)),
        ({"type": "uint32", "scale": 0.001}, Kind.NUMBER, 0.001, (0, 4294967.295)),
        ({"type": "int64"}, Kind.WHOLE, 1, (-(2**63), 2**63 - 1)),
        (
            {"type": "uint16", "raw_range": [0, 20000], "range": [0, 100]},
            Kind.NUMBER,
            0.005,
            (0, 327.675),
        ),
        ({"type": "int16", "invalid": [0x8000, 0x7FFF, 0x7FFE]}, Kind.WHOLE, 1, (-32767, 32765)),
        ({"type": "int16", "scale": 0.1, "valid_range": [-50, 300]}, Kind.NUMBER, 0.1, (-50, 300)),
        ({"type": "uint16", "valid_range": [-50, -1]}, Kind.WHOLE, 1, None),
        ({"type": "float32", "scale": 0.1}, Kind.NUMBER, None, None),
        ({"type": "float64", "valid_range": [0, 10]}, Kind.NUMBER, None, (0, 10)),
        ({"type": "bit", "bit": 3}, Kind.SWITCH, None, None),
        ({"type": "string", "length": 8}, Kind.TEXT, None, None),
        ({"address": "00001"}, Kind.SWITCH, None, None),
    ],
)
def test_what_a_register_can_show_is_known_before_it_is_read(keys, kind, step, reach):
    """By its type and scaling; what is not certain is unknown."""
    (spec,) = load({"address": "40001"} | keys).tag_specs("plc")

    assert (spec.kind, spec.step, spec.reach) == (kind, step, reach)


def test_negative_codes_are_the_same_bits():
    """-32768 and 0x8000 are one code of an int16."""
    (point,) = load({"address": "40001", "type": "int16", "invalid": [-32768, 0x7FFF]}).points()

    assert point.field.invalid == {0x8000, 0x7FFF}


def test_checking_a_configuration_needs_no_protocol_library():
    """`check` on a machine reads the file without importing pymodbus."""
    script = (
        "import sys, agent.sources.modbus.config; print(sorted(m for m in sys.modules if 'pymodbus' in m))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
