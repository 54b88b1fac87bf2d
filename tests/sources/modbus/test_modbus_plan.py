"""Which blocks a poll reads, and when it polls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.codec.modbus import BitField, NumberField, NumberType
from agent.model import SECOND
from agent.sources.modbus.grid import Grid
from agent.sources.modbus.plan import Area, Limits, Point, plan
from agent.sources.modbus.reads import Reads, Retry

USUAL = Limits(registers=120, gap=8)


def word(offset, unit=1, area=Area.HOLDING, kind=NumberType.UINT16):
    return Point(f"{area}{unit}.{offset}", unit, area, offset, NumberField(kind))


def coil(offset):
    return Point(f"C{offset}", 1, Area.COIL, offset)


def spans(blocks):
    return [(block.unit, block.area.function, block.start, block.count) for block in blocks]


@pytest.mark.parametrize(
    ("points", "blocks"),
    [
        ([word(10), word(11), word(12)], [(1, 3, 10, 3)]),
        ([word(12), word(10)], [(1, 3, 10, 3)]),
        ([word(0), word(9)], [(1, 3, 0, 10)]),
        ([word(0), word(10)], [(1, 3, 0, 1), (1, 3, 10, 1)]),
        ([word(0, kind=NumberType.FLOAT64), word(12)], [(1, 3, 0, 13)]),
        ([word(0), word(1, area=Area.INPUT)], [(1, 3, 0, 1), (1, 4, 1, 1)]),
        ([word(0), word(1, unit=2)], [(1, 3, 0, 1), (2, 3, 1, 1)]),
        ([word(offset) for offset in range(121)], [(1, 3, 0, 120), (1, 3, 120, 1)]),
        (
            [word(offset, kind=NumberType.INT32) for offset in range(1, 122, 2)],
            [(1, 3, 1, 120), (1, 3, 121, 2)],
        ),
        ([coil(0), coil(128), coil(300)], [(1, 1, 0, 129), (1, 1, 300, 1)]),
        ([coil(offset) for offset in range(0, 2000, 100)], [(1, 1, 0, 1901)]),
    ],
)
def test_what_lies_near_is_read_together(points, blocks):
    """By unit, area and gap, up to the limit; bits count as the bytes that they are."""
    assert spans(plan(points, USUAL)) == blocks


def test_a_halved_block_reads_the_same_tags():
    """Each half starts and ends at its own tags, not in the gap between them."""
    (block,) = plan([word(0), word(1), word(8), word(9, kind=NumberType.FLOAT32)], USUAL)

    left, right = block.halves()

    assert spans([left, right]) == [(1, 3, 0, 2), (1, 3, 8, 3)]
    assert [*left.points, *right.points] == [*block.points]


def test_a_block_decodes_its_own_points():
    """The values come in the order of the block's points."""
    bit = Point("BIT", 1, Area.HOLDING, 2, BitField(1))
    (block,) = plan([bit, word(0), word(1)], USUAL)

    values = dict(zip((point.tag for point in block.points), block.decode(b"\0\7\0\5\0\2"), strict=True))

    assert values == {"holding1.0": (7, ""), "holding1.1": (5, ""), "BIT": (True, "")}


@given(
    st.lists(
        st.builds(
            word,
            st.integers(0, 400),
            st.integers(1, 3),
            st.sampled_from([Area.HOLDING, Area.INPUT]),
            st.sampled_from([*NumberType]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.integers(4, 125),
    st.integers(0, 20),
)
def test_every_point_is_read_once_and_no_limit_is_passed(points, registers, gap):
    """Whatever is asked for: nothing is left out, read twice, torn, or too long."""
    blocks = plan(points, Limits(registers, gap))

    assert sorted(map(id, points)) == sorted(id(point) for block in blocks for point in block.points)
    for block in blocks:
        assert block.count <= registers
        assert all(
            block.start <= point.offset and point.end <= block.start + block.count for point in block.points
        )


def test_nothing_but_reading_has_a_function_code():
    """All that this source can ever ask a device: the four that read (1.1b3, section 6)."""
    assert sorted(area.function for area in Area) == [1, 2, 3, 4]


@pytest.mark.parametrize(("period", "phase"), [(SECOND, 0), (SECOND, SECOND // 3), (7, 5)])
def test_the_grid_never_drifts(period, phase):
    """The next point is later than now, by at most a period, and always on the grid."""
    grid = Grid(period, phase)
    for instant in range(0, 40 * period, max(period // 3, 1)):
        point = grid.after(instant)

        assert instant < point <= instant + period
        assert (point - phase) % period == 0


def test_missed_polls_are_counted_not_caught_up():
    """Due at 10, ended at 35 of a grid of 10: 20 and 30 were missed, the next is 40."""
    grid = Grid(10, 0)

    assert (grid.points(10, 35), grid.after(35)) == (2, 40)
    assert (grid.points(10, 14), grid.after(14)) == (0, 20)
    assert (grid.points(10, 20), grid.after(20)) == (1, 30)


def test_sources_are_spread_over_the_period():
    """A hundred sources that poll every second begin in more than half of its hundred slots."""
    phases = [Grid.of(f"plc-line{number}", SECOND).phase for number in range(100)]

    assert len({phase * 100 // SECOND for phase in phases}) > 50
    assert all(0 <= phase < SECOND for phase in phases)
    assert phases[7] == Grid.of("plc-line7", SECOND).phase


def test_what_was_refused_is_tested_again_within_minutes():
    """A minute later, then ever more rarely, at the latest every ten minutes: not nightly, not never."""
    retry, waits = Retry(*Reads.RETEST), []
    for _ in range(6):
        now = retry.due
        retry.failed(now)
        waits.append((retry.due - now) // SECOND)

    assert waits == [60, 120, 240, 480, 600, 600]
