"""A default route that appears is noticed, and nothing else is."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from agent.default_route import default_routes, watch_default_route

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
MODEM = "wwan0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
DOWN = "eth1\t00000000\t0101A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"
PLANT = "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
HALF = "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
ZERO = "0" * 32
SIX = f"{ZERO} 00 {ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n"
NOWHERE = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200 lo\n"


def tables(folder, four="", six=None):
    (folder / "route").write_text(HEAD + four)
    if six is not None:
        (folder / "ipv6_route").write_text(six)


@pytest.mark.parametrize(
    ("four", "six", "expected"),
    [
        ("", None, set()),
        (PLANT, "", set()),
        (PLANT + MODEM, "", {"wwan0 0101A8C0"}),
        (DOWN, "", set()),
        (HALF, "", set()),
        ("", SIX + NOWHERE, {"eth0 fe800000000000000000000000000001"}),
    ],
    ids=["nothing", "the plant's network", "modem", "down", "half of the world", "IPv6"],
)
def test_a_default_route_is_the_way_to_everywhere_and_up(tmp_path, four, six, expected):
    """As the kernel writes its tables (proc(5))."""
    tables(tmp_path, four, six)
    assert default_routes(tmp_path) == expected


def test_a_machine_that_tells_nothing_has_none(tmp_path):
    """No /proc, no routes, no error."""
    assert default_routes(tmp_path / "nowhere") == frozenset()


@asynccontextmanager
async def watching(folder, waited_for=lambda: True):
    told = []
    task = asyncio.create_task(watch_default_route(waited_for, lambda: told.append(1), folder))
    await asyncio.sleep(3)
    yield told
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.virtual_time
async def test_a_route_that_appears_is_told_once(tmp_path):
    """One that was there, stays or goes is no news; the one that comes is."""
    tables(tmp_path, MODEM)
    async with watching(tmp_path) as told:
        await asyncio.sleep(60)
        tables(tmp_path, PLANT)
        await asyncio.sleep(60)
        assert told == []
        tables(tmp_path, PLANT + MODEM)
        await asyncio.sleep(2.5)
        assert told == [1]
        await asyncio.sleep(60)

    assert told == [1]


@pytest.mark.virtual_time
async def test_while_nobody_waits_nothing_is_told(tmp_path):
    """What changed before somebody began to wait is no reason to hurry."""
    waiting = []
    tables(tmp_path, PLANT)
    async with watching(tmp_path, lambda: bool(waiting)) as told:
        tables(tmp_path, MODEM)
        await asyncio.sleep(10)
        waiting.append(1)
        await asyncio.sleep(10)

    assert told == []
