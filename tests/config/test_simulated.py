"""The source without a plant: exact, repeatable signals at an exact pace."""

import asyncio

import pytest
from rigs.virtual_time import VirtualClock

from agent.errors import StoreUnavailable
from agent.model import SECOND, Kind, Link, Quality, Reading
from agent.sources import session
from agent.sources.simulated import SimulatedSource, sample
from agent.sources.writing import Door


def source(tag):
    return SimulatedSource.model_validate({"type": "simulated", "every": "1s", "tags": {"T": tag}})


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ({"signal": "sine", "min": 10, "max": 20, "period": "4s"}, [15.0, 20.0, 15.0, 10.0, 15.0]),
        ({"signal": "ramp", "min": 0, "max": 100, "period": "4s"}, [0.0, 25.0, 50.0, 75.0, 0.0]),
        ({"signal": "square", "min": 1, "max": 2, "period": "4s"}, [1.0, 1.0, 2.0, 2.0, 1.0]),
        (
            {"signal": "steps", "values": [165, "open", True], "period": "3s"},
            [165, "open", True, 165, "open"],
        ),
        ({"signal": "constant", "values": [7]}, [7, 7, 7, 7, 7]),
    ],
)
def test_a_signal_is_what_its_name_says(tag, expected):
    """A function of the count of samples, so that a test can say what will be read."""
    config = source(tag)

    assert [sample("T", config.tags["T"], config, count) for count in range(5)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("tag", "kind", "reach"),
    [
        ({"signal": "sine", "min": 10, "max": 20}, Kind.NUMBER, (10, 20)),
        ({"signal": "constant", "values": [7]}, Kind.WHOLE, (7, 7)),
        ({"signal": "steps", "values": [7, 2.5]}, Kind.NUMBER, (2.5, 7)),
        ({"signal": "steps", "values": [True, False]}, Kind.SWITCH, None),
        ({"signal": "steps", "values": ["open", "shut"]}, Kind.TEXT, None),
        ({"signal": "steps", "values": [165, "open", True]}, Kind.ANY, None),
    ],
)
def test_what_a_signal_can_show_is_known(tag, kind, reach):
    """A rule that waits for another value would wait for ever."""
    (spec,) = source(tag).tag_specs("plant")

    assert (spec.kind, spec.reach, spec.step, spec.every) == (kind, reach, None, SECOND)


def test_chance_repeats_itself():
    """The same seed, the same values; another seed or tag, others; all within the limits."""
    config = source({"signal": "random", "min": 5, "max": 6})
    other = config.model_copy(update={"seed": 1})
    series = [
        [sample(name, of.tags["T"], of, count) for count in range(50)]
        for name, of in (("T", config), ("T", config), ("U", config), ("T", other))
    ]

    assert series[0] == series[1]
    assert series[0] != series[2]
    assert series[0] != series[3]
    assert all(5 <= value <= 6 for value in series[0])
    assert len(set(series[0])) == 50


async def seen_within(seconds, config, emit=None):
    """What a session emits within some seconds of virtual time."""
    batches = []

    async def collect(batch):
        batches.append(list(batch))
        if emit is not None:
            await emit(len(batches))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await session(config, Door())("plant", collect, VirtualClock())
    return batches


@pytest.mark.virtual_time
async def test_a_session_proves_its_link_and_reads_at_its_pace():
    """The first values are a baseline; stamps are those of the samples."""
    batches = await seen_within(2.5, source({"signal": "ramp", "max": 60, "period": "60s"}))

    assert batches == [
        [Link("plant", up=True, at=0), Reading("T", 0.0, Quality.GOOD, 0, baseline=True)],
        [Reading("T", 1.0, Quality.GOOD, 1 * SECOND)],
        [Reading("T", 2.0, Quality.GOOD, 2 * SECOND)],
    ]


@pytest.mark.virtual_time
async def test_a_stall_is_skipped_and_never_caught_up():
    """No burst and no drift: the next sample falls on the raster."""

    async def stall(count):
        if count == 2:
            await asyncio.sleep(3.2)

    batches = await seen_within(6.5, source({"signal": "ramp", "max": 60, "period": "60s"}), stall)

    assert [(of[-1].received / SECOND, of[-1].value) for of in batches] == [(0, 0), (1, 1), (5, 5), (6, 6)]


@pytest.mark.virtual_time
async def test_a_store_without_room_ends_no_session():
    """The next sample is the next attempt; until one is taken it is the baseline, after the link."""

    async def full(count):
        if count < 3:
            raise StoreUnavailable

    batches = await seen_within(3.5, source({"signal": "constant", "values": [1]}), full)

    assert [(len(of), of[-1].baseline) for of in batches] == [(2, True), (2, True), (2, True), (1, False)]
