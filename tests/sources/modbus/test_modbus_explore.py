"""What the commands of the commissioning day find in a Modbus device, against a server that holds any registers."""

import itertools
import random
import struct
from contextlib import asynccontextmanager

import pytest
from rigs.modbus_server import ModbusServer
from rigs.modbus_session import holding, source

from agent.clock import SystemClock
from agent.codec.modbus import ByteOrder, NumberField, NumberType, TextField
from agent.errors import SourceError
from agent.model import Quality
from agent.sources.exploring import Expected, MistypedError, Scope
from agent.sources.modbus.explore import browse, look, probe
from agent.sources.modbus.places import meanings, spans
from agent.sources.modbus.plan import Area

PATIENT = "5s"  # a machine under load answers late, and nobody waits for it otherwise
FUNCTION = {1: Area.COIL, 2: Area.DISCRETE, 3: Area.HOLDING, 4: Area.INPUT}
SAMPLES = {
    NumberType.INT16: ("h", -12345),
    NumberType.UINT16: ("H", 54321),
    NumberType.INT32: ("i", -123456789),
    NumberType.UINT32: ("I", 3123456789),
    NumberType.INT64: ("q", -9876543210),
    NumberType.UINT64: ("Q", 2**63 + 987654321),
    NumberType.FLOAT32: ("f", 21.5),
    NumberType.FLOAT64: ("d", -273.15),
}


class Device(ModbusServer):
    """Registers as they are set, by area and offset; an area that has none is not there at all."""

    def __init__(self, **areas) -> None:
        super().__init__(behave=self.answer)
        self.areas = {Area(name): registers for name, registers in areas.items()}

    async def answer(self, exchange):
        registers = self.areas.get(FUNCTION[exchange.function])
        wanted = range(exchange.start, exchange.start + exchange.count)
        if registers is None:
            pdu = exchange.exception(1)
        elif exchange.count > self.most:
            pdu = exchange.exception(3)
        elif any(offset not in registers for offset in wanted):
            pdu = exchange.exception(2)
        elif exchange.function > 2:
            data = b"".join(struct.pack(">H", registers[offset]) for offset in wanted)
            pdu = bytes([exchange.function, len(data)]) + data
        else:
            bits = sum(bool(registers[offset]) << place for place, offset in enumerate(wanted))
            data = bits.to_bytes((exchange.count + 7) // 8, "little")
            pdu = bytes([exchange.function, len(data)]) + data
        await exchange.send(exchange.frame(pdu))

    def asked(self):
        """What every request asked for: function, start, count."""
        return [(each.function, each.start, each.count) for each in self.requests]


def on_the_wire(value, code, order):
    """The registers of a value, by the letters of the byte order and nothing of the codec."""
    big = struct.pack(f">{code}", value)
    size = len(big)
    if order is ByteOrder.DCBA:
        turned = big[::-1]
    elif order is ByteOrder.CDAB:
        turned = b"".join(big[at : at + 2] for at in range(size - 2, -1, -2))
    elif order is ByteOrder.BADC:
        turned = b"".join(big[at : at + 2][::-1] for at in range(0, size, 2))
    else:
        turned = big
    return list(struct.unpack(f">{size // 2}H", turned))


def noise(dice, count):
    """Registers in which nothing is to be found."""
    return {offset: dice.randrange(0x0100, 0xFFFF) for offset in range(count)}


@asynccontextmanager
async def device(**areas):
    async with Device(**areas) as server:
        yield server, source(server, holding(0), timeout=PATIENT)


async def all_of(found):
    return [each async for each in found]


async def best(config, place, expect):
    """The first way that matches."""
    found = [each async for each in probe("plc", config, SystemClock(), place, expect) if each.matches]
    return found[0] if found else None


# --- probe ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NumberType)
async def test_probe_finds_type_order_and_base_of_every_combination(kind):
    """Whatever a device stores, and however its manual counts, what the display shows leads to it.

    thingsboard-gateway#614, #1453, libmodbus#358, #611, ioBroker.modbus#508: nobody agrees on what word
    and byte order are called, so nobody needs to know.
    """
    code, value = SAMPLES[kind]
    shown = Expected(value, 0.05 if isinstance(value, float) else 0.5)  # as exact as what a person types
    dice = random.Random(kind)
    wrong = []
    async with device(holding={}, input={}) as (server, config):
        for area, order, (place, offset) in itertools.product(
            (Area.HOLDING, Area.INPUT), ByteOrder, (("10", 10), ("10", 9), ("{}0011", 10), ("{}0011", 11))
        ):
            server.areas = {Area.HOLDING: noise(dice, 40), Area.INPUT: noise(dice, 40)}
            server.areas[area] |= dict(enumerate(on_the_wire(value, code, order), offset))
            found = await best(config, place.format(area.digit), shown)
            point = None
            if found is not None:
                (point,) = source(server, {"T": dict(found.tag)}).points()
            field = NumberField(kind, order)
            meant = point is not None and (point.area, point.offset, point.field.type) == (area, offset, kind)
            alike = order.swaps_bytes is point.field.order.swaps_bytes if meant else False
            if not meant or (point.field.order is not order and not (field.bits == 16 and alike)):
                wrong.append((area, order, place, offset, found))

    assert not wrong


@pytest.mark.parametrize("order", [ByteOrder.ABCD, ByteOrder.BADC])
async def test_probe_finds_a_text(order):
    """A text is found in both ways in which its bytes can stand."""
    text = b"BATCH-0815"
    turned = text if order is ByteOrder.ABCD else b"".join(text[at : at + 2][::-1] for at in range(0, 10, 2))
    words = struct.unpack(">5H", turned)
    async with device(holding=dict(enumerate((*words, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7), 99))) as (
        _,
        config,
    ):
        found = await best(config, "40100", Expected("BATCH-0815"))

    assert (found.tag["type"], found.tag["length"]) == ("string", 10)
    assert found.tag.get("byte_order", "ABCD") == order


@pytest.mark.parametrize(
    ("registers", "expect", "keys"),
    [
        ([215], Expected(21.5, 0.05), {"type": "int16", "scale": 0.1}),
        ([2150], Expected(21.5, 0.05), {"type": "int16", "scale": 0.01}),
        ([21503], Expected(21.5, 0.05), {"type": "int16", "scale": 0.001}),
        ([344], Expected(21.5, 0.0), {"type": "int16", "scale": 0.0625}),
        ([3], Expected(30), {"type": "int16", "scale": 10.0}),
        ([13824], Expected(50, 0.5), {"type": "int16", "raw_range": [0, 27648], "range": [0.0, 100.0]}),
        ([0, 21500], Expected(21.5, 0.05), {"type": "int32", "scale": 0.001}),
    ],
)
async def test_probe_finds_what_was_scaled(registers, expect, keys):
    """Nothing in the registers is what the display shows, but it is after one of the usual scalings."""
    async with device(holding=dict(enumerate([*registers, *[0xABCD] * 20], 10))) as (server, _):
        tags = {"LEVEL": {"address": "40011", "type": "int16", "range": [0, 100]}}
        found = await best(source(server, tags, timeout=PATIENT), "40011", expect)

    assert found.tag == {"address": "40011", **keys}


async def test_what_is_shown_exactly_comes_before_what_is_scaled_to_it():
    """21.5 as a float beats 215 tenths, though 215 stands where manuals usually mean."""
    async with device(holding=dict(enumerate([215, 0, 0x41AC, *[7] * 30], 10))) as (_, config):
        both = await best(config, "40011", Expected(21.5, 0.05))
        scaled = await best(config, "10", Expected(21.5, 0.05))

    assert both.tag == {"address": "40012", "type": "float32", "byte_order": "CDAB"}
    assert scaled.tag == {"address": "40011", "type": "int16", "scale": 0.1}


async def test_probe_hides_what_makes_no_sense():
    """Denormal, endless and impossible floats are doubtful; what a sensor could mean comes first."""
    async with device(holding=dict(enumerate([0x41AC, 0x0000, *[0] * 20]))) as (_, config):
        found = [
            each for each in await all_of(probe("plc", config, SystemClock(), "40001", None)) if each.name
        ]

    assert (found[0].place, found[0].value) == ("40001 float32 ABCD", 21.5)
    floats = [each for each in found if each.type == "float32" and each.value not in (None, 0.0, 21.5)]
    assert floats
    assert all(each.doubtful for each in floats if abs(each.value) < 1e-6)


async def test_every_type_and_order_of_both_bases_is_among_what_is_found():
    """Nothing is left out, be it improbable or the same number once more: it is only marked so."""
    dice = random.Random(7)
    async with device(holding=noise(dice, 40)) as (_, config):
        found = await all_of(probe("plc", config, SystemClock(), "40011", None))
    numbers = [each.place for each in found if each.type in set(NumberType)]

    assert len(numbers) == len(set(numbers)) == 2 * (2 * 2 + 6 * 4)


async def test_probe_tries_all_areas_that_answer_and_says_why_others_do_not():
    """A bare number could stand anywhere; an area that the device lacks is a remark, not an error."""
    async with device(holding={9: 5, 10: 6}, coil={10: 1, 9: 0}) as (server, config):
        found = await all_of(probe("plc", config, SystemClock(), "10", Expected(True)))
    remarks = {each.place: each.note for each in found if not each.type}

    assert next(each.place for each in found if each.matches) == "00011"
    assert "cannot read the area `input` at all" in remarks["input 30011"]
    assert {function for function, _, _ in server.asked()} == {1, 2, 3, 4}


async def test_probe_reads_numbers_of_which_the_device_refuses_the_half():
    """Where a longer read is refused, a shorter one is tried; no read is longer than the configuration allows."""
    async with device(holding={10: 0x41AC, 11: 0}) as (server, config):
        short = config.model_copy(update={"max_registers_per_read": 4})
        found = await best(short, "40011", Expected(21.5))

    assert found.tag == {"address": "40011", "type": "float32"}
    assert max(count for _, _, count in server.asked()) == 4


async def test_a_device_that_is_silent_where_it_has_nothing_is_not_dead():
    """It does not refuse an illegal address, it says nothing: the place that is asked for decides."""
    async with device(holding={11: 0x41AC, 12: 0}) as (server, _):

        async def mute(exchange):
            wanted = range(exchange.start, exchange.start + exchange.count)
            if exchange.function == 3 and all(offset in server.areas[Area.HOLDING] for offset in wanted):
                await server.answer(exchange)

        server.behave = mute
        config = source(server, holding(0), timeout="300ms", retries=0)
        found = await best(config, "40011", Expected(21.5))

    assert found.tag == {"address": "40012", "type": "float32"}


@pytest.mark.parametrize("bits", [{3: True}, {0: True, 15: True}])
async def test_probe_shows_bits_of_a_word(bits):
    """True is looked for bit by bit."""
    word = sum(1 << bit for bit in bits)
    async with device(holding={10: word, 11: 0}) as (_, config):
        found = await all_of(probe("plc", config, SystemClock(), "holding:10", Expected(True)))

    assert [each.tag["bit"] for each in found if each.matches and each.type == "bit"] == sorted(bits)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("40011", (Area.HOLDING, 10), (Area.HOLDING, 11)),
        ("400011", (Area.HOLDING, 10), (Area.HOLDING, 11)),
        ("30001", (Area.INPUT, 0), (Area.INPUT, 1)),
        ("holding:10", (Area.HOLDING, 10), (Area.HOLDING, 9)),
        ("input 0x0A", (Area.INPUT, 10), (Area.INPUT, 9)),
        ("coils:7", (Area.COIL, 7), (Area.COIL, 6)),
    ],
)
def test_an_address_is_read_in_both_ways(text, first, second):
    """The likelier first: five digits are counted from 1, others from 0."""
    assert [(each.area, each.offset) for each in meanings(text)] == [first, second]


@pytest.mark.parametrize(
    "text", ["", "abc", "holding", "holding:", "70000", "-1", "40000", "1.5", "99999999"]
)
def test_what_is_no_address_is_refused_with_the_forms(text):
    """Nothing is guessed of a text that is no address."""
    with pytest.raises(MistypedError):
        meanings(text)


# --- browse ---------------------------------------------------------------------------------------------


async def test_browse_finds_which_addresses_exist():
    """Blocks that are refused are halved; every address that exists is a row, every gap a remark."""
    registers = dict.fromkeys([3, 17, 18, 40, 99], 7)
    async with device(holding=registers) as (server, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("40001-40100")))

    assert [each.place for each in found if each.name] == [
        *("40004 uint16", "40018 uint16", "40019 uint16", "40041 uint16", "40100 uint16")
    ]
    assert next(each.place for each in found if not each.name) == "holding 40001-40003"
    assert len(server.requests) <= 200


async def test_browse_learns_how_much_a_device_gives_at_once():
    """One refusal of a block that is there but too long, and no longer one is asked for again."""
    async with device(holding=dict.fromkeys(range(1000), 1)) as (server, config):
        server.most = 32
        found = await all_of(browse("plc", config, SystemClock(), Scope("holding")))

    assert sum(bool(each.name) for each in found) == 1000
    counts = [count for _, _, count in server.asked()]
    assert sum(count > 32 for count in counts) <= 4
    assert len(counts) < 50


async def test_a_hole_is_no_reason_to_read_less_at_once():
    """One address that is missing costs a bisection, and blocks stay as long as they were."""
    async with device(holding=dict.fromkeys({*range(1000)} - {50}, 1)) as (server, config):
        await all_of(browse("plc", config, SystemClock(), Scope("holding")))

    assert sum(count == 120 for _, _, count in server.asked()) == 8


async def test_browse_of_an_empty_device_is_gentle():
    """Without a range, what does not exist costs a few hundred requests for 2,000 addresses, not thousands."""
    async with device(holding={100: 5}, input={}) as (server, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope()))

    assert [each.place for each in found if each.name] == []
    assert len(server.requests) < 900
    assert [each.place for each in found] == ["holding 40001-41000", "input 30001-31000"]
    assert all("one in 8 was tried" in each.note for each in found)


async def test_where_something_is_its_neighbours_are_looked_at():
    """Of 8 that are refused together the first is tried; if it is there, each of the others is, too."""
    async with device(holding={0: 5, 1: 6, 3: 7}) as (_, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("holding")))

    assert [(each.place, each.value) for each in found] == [
        *(("40001 uint16", 5), ("40002 uint16", 6), ("holding 40003", None), ("40004 uint16", 7)),
        ("holding 40005-41000", None),
    ]


async def test_browse_knows_an_area_that_is_not_there():
    """One request, one remark, which does not say that more was tried."""
    async with device(holding={0: 1}) as (server, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("input")))

    assert len(found) == 1
    assert "cannot read the area `input` at all" in found[0].note
    assert "one in 8" not in found[0].note
    assert len(server.requests) == 2


async def test_browse_shows_floats_where_they_are_likely():
    """Two registers that make a sensible number are one row, in the order of bytes that does."""
    words = [*on_the_wire(21.5, "f", ByteOrder.ABCD), *on_the_wire(-3.25, "f", ByteOrder.CDAB), 215]
    async with device(holding=dict(enumerate(words))) as (_, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("40001-40005")))

    assert [(each.place, each.value) for each in found] == [
        ("40001 float32 ABCD", 21.5),
        ("40003 float32 CDAB", -3.25),
        ("40005 uint16", 215),
    ]


@pytest.mark.parametrize("area", ["holding", "coil"])
async def test_many_zeros_are_one_remark_unless_their_range_is_named(area):
    """A thousand empty registers are no news; of a range that somebody names, each is a row."""
    async with device(**{area: dict.fromkeys(range(1000), 0)}) as (_, config):
        rows = [
            each.name for each in await all_of(browse("plc", config, SystemClock(), Scope(area + ":0-19")))
        ]
        all_zero = await all_of(
            browse("plc", config, SystemClock(), Scope("" if area == "holding" else "coil:0-999"))
        )

    assert all(rows)
    assert len(rows) == 20
    if area == "holding":
        assert [(each.name, each.note) for each in all_zero if "40001" in each.place] == [("", "1000 hold 0")]


async def test_browse_says_which_units_answer():
    """A dead unit costs one timeout and is told; the others are not held up by it."""
    async with ModbusServer(dead={2}) as server:
        config = source(server, holding(0), timeout="500ms")
        found = await all_of(browse("plc", config, SystemClock(), Scope(unit_ids=(1, 2, 3))))
        ranged = await all_of(browse("plc", config, SystemClock(), Scope("40001-40002", unit_ids=(1, 3))))

    assert [(each.place, each.note.startswith("answers")) for each in found] == [
        ("unit 1", True),
        ("unit 2", False),
        ("unit 3", True),
    ]
    assert [each.name for each in ranged if each.name] == ["H40001", "H40002", "U3.H40001", "U3.H40002"]
    assert ranged[-1].tag["unit_id"] == 3


@pytest.mark.parametrize("command", ["browse", "probe"])
async def test_a_silent_unit_is_an_error_that_says_how_to_find_others(command):
    """Nobody is left with an empty table."""
    async with ModbusServer(dead={1}) as server:
        config = source(server, holding(0), timeout="50ms", retries=0)
        found = (
            browse("plc", config, SystemClock(), Scope())
            if command == "browse"
            else probe("plc", config, SystemClock(), "10", None)
        )
        with pytest.raises(
            SourceError,
            match=r"browse plc --unit-ids 1-10` finds who answers; behind a serial gateway try rtu\+tcp://",
        ):
            await all_of(found)


async def test_the_limit_ends_a_browse():
    """No more rows than wanted, and the connection is closed."""
    async with device(holding=dict.fromkeys(range(1000), 1)) as (server, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("holding", limit=7)))

    assert len(found) == 7
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "text", ["x", "40001-", "40100-40001", "40001-30001", "holding:5-2", "holding:0-65536"]
)
def test_what_is_no_range_is_refused(text):
    """A slip is not a scan of something else."""
    with pytest.raises(MistypedError):
        spans(text)


@pytest.mark.parametrize("zeros", [2, 4, 10, 30])
@pytest.mark.parametrize(
    ("order", "value"), [(ByteOrder.CDAB, 21.5), (ByteOrder.ABCD, 21.5), (ByteOrder.ABCD, 20.1)]
)
async def test_browse_takes_no_float_for_its_neighbour(order, value, zeros):
    """0x0000 0x41AC 0x6666 0x4366 is 21.5 and 230.4 with the low word first, not zero and 21.55.

    libmodbus#358, ioBroker.modbus#508: a number that is nearly right is the worst of all.
    """
    words = [*[0] * zeros, *on_the_wire(value, "f", order), *on_the_wire(230.4, "f", order)]
    async with device(holding=dict(enumerate(words))) as (_, config):
        found = await all_of(browse("plc", config, SystemClock(), Scope("holding")))
    floats = [(each.place, round(float(each.value), 4)) for each in found if each.type == "float32"]

    assert floats == [
        (f"4{zeros + 1:04} float32 {order}", value),
        (f"4{zeros + 3:04} float32 {order}", 230.4),
    ]


async def test_browse_marks_what_is_read_already():
    """What a tag of the configuration reads is not offered as new, be it the second register of it."""
    async with device(holding=dict(enumerate([7, 8, 0xFFFF, 0xFFFF]))) as (server, _):
        config = source(
            server, {"A": {"address": "40001", "type": "int16"}, "B": {"address": "40003", "type": "int32"}}
        )
        found = await all_of(browse("plc", config, SystemClock(), Scope("40001-40004")))

    assert [each.read_as for each in found] == ["A", "", "B", "B"]


# --- look -----------------------------------------------------------------------------------------------


async def test_one_refused_address_is_bad_alone():
    """telegraf#14671, #13630: the rest of its block is read; the raw registers stand beside each value."""
    tags = holding(0, 1, 2, 3)
    async with ModbusServer(illegal={(1, 2)}) as server:
        looks = {
            each.reading.tag: each
            async for each in look(source(server, tags, timeout=PATIENT), SystemClock(), tags)
        }

    assert [looks[tag].reading.value for tag in tags] == [0, 1, None, 3]
    assert looks["H3"].raw == "0x0003"
    assert looks["H3"].place == "40004 uint16"
    assert looks["H3"].latency > 0
    assert "has no holding 40003" in looks["H2"].reading.reason


async def test_a_dead_unit_is_asked_once_and_others_are_read():
    """telegraf#11782: its tags are bad for its silence, those of other units are good."""
    tags = holding(0) | {
        f"D{n}": {"area": "holding", "offset": n * 50, "type": "int16", "unit_id": 9} for n in range(5)
    }
    async with ModbusServer(dead={9}) as server:
        config = source(server, tags, timeout="500ms", retries=0)
        looks = [each async for each in look(config, SystemClock(), tags)]

    assert sum(each.reading.quality is Quality.GOOD for each in looks) == 1
    assert sum(exchange.unit == 9 for exchange in server.requests) == 1
    assert all("unit 9" in each.reading.reason for each in looks if each.reading.tag != "H0")


async def test_nothing_but_reading_is_ever_asked():
    """Function codes 1 to 4, from all three of them."""
    tags = holding(0)
    async with device(holding=dict.fromkeys(range(50), 1), coil={0: 1}) as (server, config):
        await all_of(look(config, SystemClock(), tags))
        await all_of(probe("plc", config, SystemClock(), "0", Expected(1)))
        await all_of(browse("plc", config, SystemClock(), Scope()))

    assert {function for function, _, _ in server.asked()} <= {1, 2, 3, 4}


def test_texts_are_of_the_codec():
    """The rig's registers of a text are what the codec reads (a check of this file itself)."""
    assert TextField(4).value(b"AB\0C") == ("AB", "")
