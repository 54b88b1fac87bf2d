"""Writing to a server that shares no code with our client: every type to its bounds, rights, and silence."""

import asyncio
import itertools
import math
import sys

import pytest
from rigs.node_opcua import PASSWORD, USER, NodeOpcua
from rigs.opcua_session import watching, writable

from agent.model import Quality
from agent.sources.writing import WriteRefused, WriteUncertain

PATIENCE = 30.0  # seconds for what takes milliseconds on an idle machine
INSECURE = {"mode": "none", "insecure_password": True}
_numbers = itertools.count()

# (data type, type of its value, what is written in turn, and what it cannot hold)
TYPES = [
    ("SByte", "SByte", [-128, 127], 128),
    ("Byte", "Byte", [255, 0], -1),
    ("Int16", "Int16", [-32768, 32767], -32769),
    ("UInt16", "UInt16", [65535, 0], 65536),
    ("Int32", "Int32", [-2147483648, 2147483647], 2147483648),
    ("UInt32", "UInt32", [4294967295, 0], 4294967296),
    # To the last digit, which no floating-point number has.
    ("Int64", "Int64", [-(2**63), 2**63 - 1, -(2**53) - 1], 2**63),
    ("UInt64", "UInt64", [2**64 - 1, 0, 2**53 + 1], 2**64),
    ("Float", "Float", [0.5, -3.4028234663852886e38], 1e39),
    ("Double", "Double", [0.1, -1.7976931348623157e308], math.inf),
    ("Boolean", "Boolean", [True, False], 1),
    # Abstract, or derived: the type of the value that is there.
    ("Number", "Int16", [-5, 5], 32768),
    ("UInteger", "UInt32", [4294967295], -1),
    ("Duration", "Double", [1.25], math.nan),
    ("BoilerState", "Int32", [1], 0.5),
    ("BaseDataType", "Float", [0.25], 1e39),
]


def fresh(stem: str) -> str:
    """A name that no other test has."""
    return f"{stem}{next(_numbers)}"


@pytest.mark.parametrize(("kind", "type_", "values", "beyond"), TYPES, ids=[each[0] for each in TYPES])
async def test_every_type_to_its_bounds(stranger, kind, type_, values, beyond):
    """What the server hears has exactly its own type, and is read back to the last digit; what is beyond is not sent."""
    name = fresh(kind)
    start = {"Boolean": True, "Int64": "1", "UInt64": "1"}.get(type_, 1)
    stranger.add(name, start, type_, kind=kind, after=0)
    any_number = {"min": -sys.float_info.max, "max": sys.float_info.max}
    async with watching(writable(stranger.url, name, write=any_number)) as watch:
        writer = await watch.writer()
        for value in values:
            await writer.write(name, value)
            now = await writer.read(name)
            assert (now.value, type(now.value), now.quality) == (value, type(value), Quality.GOOD)
        with pytest.raises(WriteRefused):
            await writer.write(name, beyond)

    assert [heard for heard, _ in stranger.taken(name)] == [type_] * len(values)


# Rights, and what the server refuses


async def test_who_may_write(stranger):
    """A variable for reading is never written, and one that wants a user is not without; the server is not even asked."""
    readonly, owned = fresh("readonly"), fresh("owned")
    stranger.add(readonly, 1.5, writable="nobody")
    stranger.add(owned, 1.5, writable="user")
    before = stranger.requests.get("Write", 0)
    async with watching(writable(stranger.url, readonly, owned)) as watch:
        writer = await watch.writer()
        with pytest.raises(WriteRefused, match="the server lets nobody write this variable"):
            await writer.write(readonly, 2)
        with pytest.raises(WriteRefused, match="does not let the user of this source write this variable"):
            await writer.write(owned, 2)
        assert stranger.requests.get("Write", 0) == before
    config = writable(stranger.url, owned, security=INSECURE, user=USER, password=PASSWORD)
    async with watching(config) as watch:
        writer = await watch.writer()
        await writer.write(owned, 2)
        assert (await writer.read(owned)).value == 2.0


@pytest.mark.parametrize(
    ("answer", "outcome", "expected"),
    [
        ("BadOutOfRange", WriteRefused, "the server refuses to write it, BadOutOfRange"),
        ("BadInvalidState", WriteRefused, "BadInvalidState: the machine is not in a state to take it"),
        ("BadCommunicationError", WriteUncertain, "may have been written: BadCommunicationError"),
        ("GoodCompletesAsynchronously", WriteUncertain, "passes it on to the device later"),
    ],
)
async def test_what_the_program_behind_the_server_says(stranger, answer, outcome, expected):
    """It is asked once, and its word is told."""
    name = fresh("refusing")
    stranger.add(name, 1.5, after=0, answer=answer)
    async with watching(writable(stranger.url, name)) as watch:
        writer = await watch.writer()
        with pytest.raises(outcome, match=expected):
            await writer.write(name, 2)
        assert (await writer.read(name)).value == 1.5

    assert stranger.taken(name) == [("Double", "2")]


# When nothing comes back


async def test_a_slow_program_is_waited_for(stranger):
    """As long as `timeout` says; meanwhile what is watched comes as ever, and nothing else is asked.

    An S7-1500 counts what is in flight over all calls together (EPICS opcua#201).
    """
    name, other = fresh("slow"), fresh("other")
    stranger.add(name, 1.5, after=300)
    stranger.add(other, 1)
    async with watching(writable(stranger.url, name, other)) as watch:
        writer = await watch.writer()
        asked = asyncio.create_task(writer.write(name, 2))
        await watch.until(lambda: stranger.taken(name), PATIENCE)
        more = [asyncio.create_task(writer.read(other)), asyncio.create_task(writer.write(other, 8))]
        stranger.set(other, 7)
        await watch.until(lambda: 7.0 in watch.values(other), PATIENCE)
        await asyncio.wait({asked, *more}, return_when=asyncio.FIRST_COMPLETED)
        assert asked.done()
        await asyncio.gather(asked, *more)
        assert [(await writer.read(tag)).value for tag in (name, other)] == [2.0, 8.0]


async def test_a_program_that_hangs(stranger):
    """Uncertain after `timeout`, asked once; the session goes on, reads and writes."""
    name, other = fresh("hanging"), fresh("other")
    stranger.add(name, 1.5, after=None)
    stranger.add(other, 1.5)
    before = stranger.requests.get("Write", 0)
    async with watching(writable(stranger.url, name, other, timeout="1s")) as watch:
        writer = await watch.writer()
        with pytest.raises(WriteUncertain, match="may have been written: no answer within 1s"):
            await writer.write(name, 2)
        await watch.until(lambda: watch.values(name)[-1:] == [2.0], PATIENCE)
        assert (await writer.read(name)).value == 2.0
        await writer.write(other, 3)
        await watch.until(lambda: watch.values(other)[-1:] == [3.0], PATIENCE)

    assert stranger.taken(name) == [("Double", "2")]
    assert stranger.requests["Write"] == before + 2


async def test_a_server_that_ends_in_mid_write_and_comes_back(stranger):
    """Uncertain, and never sent again; the next session finds what there is, and writes what is asked then."""
    name = fresh("ending")
    stranger.add(name, 1.5, after=None)
    config = writable(stranger.url, name)
    async with watching(config) as watch:
        writer = await watch.writer()
        asked = asyncio.create_task(writer.write(name, 2))
        await watch.until(lambda: stranger.taken(name), PATIENCE)
        await asyncio.to_thread(stranger.restart)
        with pytest.raises(WriteUncertain, match="may have been written: "):
            await asked
        await watch.error(PATIENCE)
        assert watch.door.writer is None
    stranger.add(name, 1.5, after=0)
    async with watching(config) as watch:
        writer = await watch.writer()
        assert (await writer.read(name)).value == 1.5
        assert stranger.taken(name) == []
        await writer.write(name, 3)
        assert (await writer.read(name)).value == 3.0
    assert stranger.taken(name) == [("Double", "3")]


async def test_a_server_that_is_killed_in_mid_write(tmp_path):
    """Its process is gone, and with it whoever could tell what became of the value."""
    with NodeOpcua(tmp_path) as doomed:
        doomed.add("valve", 1.5, after=None)
        async with watching(writable(doomed.url, "valve")) as watch:
            writer = await watch.writer()
            asked = asyncio.create_task(writer.write("valve", 2))
            await watch.until(lambda: doomed.taken("valve"), PATIENCE)
            doomed.kill()
            with pytest.raises(
                WriteUncertain, match="may have been written: the server closed the connection"
            ):
                await asked
            await watch.error(PATIENCE)
            assert watch.door.writer is None


async def test_over_a_connection_that_is_signed_and_encrypted(stranger, trusted):
    """And over the keys that come after the first ones: the server gives each two seconds."""
    name = fresh("secured")
    stranger.add(name, 1.5, after=0)
    config = writable(stranger.url, name, security=trusted, user=USER, password=PASSWORD)
    async with watching(config) as watch:
        writer = await watch.writer()
        await writer.write(name, 2)
        before = stranger.requests["OpenSecureChannel"]
        await watch.until(lambda: stranger.requests["OpenSecureChannel"] > before, PATIENCE)
        await writer.write(name, 3)
        await watch.until(lambda: watch.values(name)[-1:] == [3.0], PATIENCE)

    assert stranger.taken(name) == [("Double", "2"), ("Double", "3")]
