"""Writing to a real server: once, in its type, and what came of it is told as it is."""

import asyncio
import itertools
import math
import struct

import pytest
from asyncua import ua
from rigs.opcua_quirks import hearing_writes
from rigs.opcua_server import Line
from rigs.opcua_session import configure, watching, writable

from agent.model import Quality
from agent.sources.opcua.source import Timing
from agent.sources.writing import WriteRefused, WriteUncertain

PATIENCE = 30.0  # seconds for what takes milliseconds on an idle machine
_numbers = itertools.count()


@pytest.fixture
def valve(plant):
    """The name of a Double of 1.5 that may be written, for one test."""
    name = f"valve{next(_numbers)}"
    plant.add(name, 1.5)
    plant.let_write(name)
    return name


def content(heard):
    return [(each.Value.Value.VariantType.name, each.Value.Value.Value) for each in heard]


# What is written


@pytest.mark.parametrize("read", ["subscribe", "cyclic"])
async def test_a_value_is_written_once_and_seen(plant, valve, read):
    """Read at once it is there, and it comes with what is read anyway, whichever way that is."""
    async with watching(writable(plant.url, valve, read=read)) as watch:
        await watch.until(lambda: watch.values(valve) == [1.5] * len(watch.values(valve)) != [], PATIENCE)
        writer = await watch.writer()
        with hearing_writes() as heard:
            await writer.write(valve, 62.5)
        now = await writer.read(valve)
        await watch.until(lambda: watch.values(valve)[-1] == 62.5, PATIENCE)

    assert (now.tag, now.value, now.quality, now.baseline) == (valve, 62.5, Quality.GOOD, False)
    assert content(heard) == [("Double", 62.5)]
    [wire] = heard
    assert (wire.AttributeId, wire.IndexRange) == (ua.AttributeIds.Value, None)


class Tap(Line):
    """A line that keeps what goes to the server."""

    sent = b""

    async def _pump(self, reader, writer, *, back):
        if back:
            return await super()._pump(reader, writer, back=back)
        while data := await reader.read(65536):
            self.sent += data
            writer.write(data)
        raise ConnectionResetError


async def test_the_value_goes_without_status_and_stamps(plant, valve):
    """Many servers refuse these (Bad_WriteNotSupported); the first byte tells what there is (OPC 10000-6, 5.2.2.17)."""
    async with Tap(plant.port) as line, watching(writable(line.url, valve)) as watch:
        writer = await watch.writer()
        await writer.write(valve, 62.5)
        sent = line.sent

    attribute, no_range, only_a_value, double = (13).to_bytes(4, "little"), b"\xff" * 4, b"\x01", b"\x0b"
    assert sent.count(attribute + no_range + only_a_value + double + struct.pack("<d", 62.5)) == 1


async def test_a_switch(plant):
    """True and false, and nothing else."""
    plant.add("written-switch", False)
    plant.let_write("written-switch")
    async with watching(writable(plant.url, "written-switch", write={})) as watch:
        writer = await watch.writer()
        await writer.write("written-switch", True)
        assert (await writer.read("written-switch")).value is True
        with pytest.raises(WriteRefused, match="the variable is a Boolean: send true or false"):
            await writer.write("written-switch", 0)
        assert (await writer.read("written-switch")).value is True


async def test_a_browse_path_is_followed_each_time(plant):
    """A program that is loaded into the PLC leads it elsewhere, while the session goes on."""
    plant.add_below("written")
    plant.add_below("written", "setpoint", value=1.0)
    plant.let_write("written/setpoint")
    tags = {"SP": {"browse_path": "Objects/written/setpoint", "write": {"min": 0, "max": 100}}}
    async with watching(configure(plant.url, tags=tags, read="cyclic")) as watch:
        writer = await watch.writer()
        await writer.write("SP", 2)
        assert (await writer.read("SP")).value == 2.0
        plant.call(
            plant.server.delete_nodes([plant.server.get_node(ua.NodeId("written/setpoint", plant.index))])
        )
        with pytest.raises(
            WriteRefused, match="nothing was sent: below Objects/written there is no setpoint"
        ):
            await writer.write("SP", 3)
        assert "there is no setpoint" in (await writer.read("SP")).reason


# What is refused before it is sent


async def test_what_cannot_be_written_is_never_sent(plant):
    """Each says why; the server hears of none."""
    cases = {
        "written-readonly": (
            1.5,
            2,
            "the server lets nobody write this variable: make it writable at the server",
        ),
        "written-others": (
            1.5,
            2,
            "the server does not let the user of this source write this variable: grant that",
        ),
        "written-text": ("a", 2, "the variable is of type String"),
        "written-array": ([1.5], 2, "the variable is an array"),
        "written-number": (1.5, math.nan, "nan is no number"),
        "written-whole": (1, 62.5, "62.5 is no whole number, and the variable is Int64"),
        "written-small": (
            ua.Variant(1, ua.VariantType.SByte),
            128,
            "outside of what the variable, SByte, can hold",
        ),
        "written-not-there": (None, 2, "BadNodeIdUnknown: check the node id in the configuration"),
    }
    for name, (value, _, _) in cases.items():
        if value is not None:
            variant = value.VariantType if isinstance(value, ua.Variant) else None
            plant.add(name, getattr(value, "Value", value), variant)
        if value is not None and name != "written-readonly":
            plant.let_write(name, user=name != "written-others")
    with hearing_writes() as heard:
        async with watching(writable(plant.url, *cases)) as watch:
            writer = await watch.writer()
            for name, (_, value, expected) in cases.items():
                with pytest.raises(WriteRefused) as refused:
                    await writer.write(name, value)
                assert expected in str(refused.value), name

    assert heard == []


async def test_a_tag_without_a_grant_is_not_written(plant, valve):
    """Whoever asks: the adapter looks at the configuration as well."""
    plant.add("written-other", 1.5)
    plant.let_write("written-other")
    config = writable(plant.url, valve)
    tags = {**config.tags, "written-other": configure(plant.url, "written-other").tags["written-other"]}
    with hearing_writes() as heard:
        async with watching(config.model_copy(update={"tags": tags})) as watch:
            writer = await watch.writer()
            for name in ("written-other", "nobody's"):
                with pytest.raises(WriteRefused, match="the tag says no `write`"):
                    await writer.write(name, 2.0)
            assert (await writer.read("written-other")).value == 1.5

    assert heard == []


async def test_a_right_that_is_granted_counts_at_once(plant):
    """Nobody has to restart the agent, or wait."""
    plant.add("written-granted", 1.5)
    async with watching(writable(plant.url, "written-granted")) as watch:
        writer = await watch.writer()
        with pytest.raises(WriteRefused, match="lets nobody write"):
            await writer.write("written-granted", 2.5)
        plant.let_write("written-granted")
        await writer.write("written-granted", 2.5)
        assert (await writer.read("written-granted")).value == 2.5


# What the server says of it


@pytest.mark.parametrize(
    ("name", "outcome", "expected"),
    [
        ("GoodClamped", None, ""),
        ("GoodCompletesAsynchronously", WriteUncertain, "passes it on to the device later"),
        ("UncertainLastUsableValue", WriteUncertain, "it was sent, and may have been written: Uncertain"),
        ("BadTimeout", WriteUncertain, "it was sent, and may have been written: BadTimeout"),
        ("BadCommunicationError", WriteUncertain, "it was sent, and may have been written: BadComm"),
        ("BadDeviceFailure", WriteUncertain, "it was sent, and may have been written: BadDeviceFailure"),
        ("BadUserAccessDenied", WriteRefused, "allow the user of this source to write this variable at the"),
        ("BadNotWritable", WriteRefused, "BadNotWritable: make this variable writable at the server"),
        ("BadTypeMismatch", WriteRefused, "BadTypeMismatch: its type has changed"),
        ("BadOutOfRange", WriteRefused, "the server refuses to write it, BadOutOfRange: the server takes no"),
        ("BadInvalidState", WriteRefused, "the machine is not in a state to take it"),
        ("BadNoCommunication", WriteRefused, "check the server's own connection to the device"),
        ("BadLicenseExpired", WriteRefused, "the server refuses to write it, BadLicenseExpired: "),
    ],
)
async def test_the_answer_for_the_value(plant, valve, name, outcome, expected):
    """A refusal is one where nothing was done; where the server itself does not know, nobody does. Asked once."""
    async with watching(writable(plant.url, valve)) as watch:
        writer = await watch.writer()
        with hearing_writes(answer=getattr(ua.StatusCodes, name)) as heard:
            if outcome is None:
                await writer.write(valve, 2)
            else:
                with pytest.raises(outcome, match=expected):
                    await writer.write(valve, 2)

    assert len(heard) == 1


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("BadServiceUnsupported", WriteRefused),
        ("BadTooManyOperations", WriteRefused),
        ("BadSessionIdInvalid", WriteRefused),
        ("BadInternalError", WriteUncertain),
        ("BadSecureChannelClosed", WriteUncertain),
        ("BadOutOfMemory", WriteUncertain),
    ],
)
async def test_a_fault_of_the_whole_request(plant, valve, name, outcome):
    """Only what says that the server did not begin is a refusal; never is it asked again."""
    async with watching(writable(plant.url, valve)) as watch:
        writer = await watch.writer()
        with hearing_writes(fault=getattr(ua.StatusCodes, name)) as heard, pytest.raises(outcome, match=name):
            await writer.write(valve, 2)

    assert len(heard) == 1


class Garbler(Line):
    """A line on which the count of results in a WriteResponse becomes another one; what follows is as it was."""

    WRITE_RESPONSE = b"\x01\x00\xa4\x02"  # i=676 (OPC 10000-6, A)
    count = 1

    async def _pump(self, reader, writer, *, back):
        if not back:
            return await super()._pump(reader, writer, back=back)
        while data := await reader.read(65536):
            head, kind, rest = data.partition(self.WRITE_RESPONSE)
            if kind:
                # Results, and the diagnostics, of which there are none: both arrays begin with their lengths.
                ones = rest.rindex((1).to_bytes(4, "little"))
                data = (
                    head
                    + kind
                    + rest[:ones]
                    + self.count.to_bytes(4, "little", signed=True)
                    + rest[ones + 4 :]
                )
            writer.write(data)
        raise ConnectionResetError


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 answers to one write"), (2**31 - 1, "cannot decode the server's answer")]
)
async def test_an_answer_that_nobody_understands(plant, valve, count, expected):
    """It was sent, and something came: nobody knows, and it is not sent again."""
    async with Garbler(plant.port) as line, watching(writable(line.url, valve)) as watch:
        line.count = count
        writer = await watch.writer()
        with hearing_writes() as heard, pytest.raises(WriteUncertain, match="it was sent, and may") as told:
            await writer.write(valve, 2)

    assert expected in str(told.value)
    assert len(heard) == 1


# When nothing comes back


async def test_a_slow_server_is_uncertain_and_never_asked_again(plant, valve):
    """The late answer harms nobody: the session goes on, reads what the machine has, and writes the next value."""
    config = writable(plant.url, valve, timeout="1s")
    async with watching(config, Timing()) as watch:  # no keep-alives while this server waits
        writer = await watch.writer()
        with hearing_writes(after=2.5) as heard:
            with pytest.raises(WriteUncertain, match="may have been written: no answer within 1s"):
                await writer.write(valve, 2)
            await watch.until(lambda: watch.values(valve)[-1] == 2.0, PATIENCE)
            while (now := await writer.read(valve)).value is None:  # this server answers one after the other
                assert "no answer within 1s" in now.reason
            assert now.value == 2.0
        assert content(heard) == [("Double", 2.0)]
        await writer.write(valve, 3)
        assert (await writer.read(valve)).value == 3.0


async def test_a_line_that_breaks_in_mid_write(plant, valve):
    """Nobody knows; the door is shut with the session, and the next one opens it and finds what became of it."""
    async with Line(plant.port) as line:
        config = writable(line.url, valve)
        with hearing_writes(after=3.0) as heard:
            async with watching(config) as watch:
                writer = await watch.writer()
                asked = asyncio.create_task(writer.write(valve, 2))
                await watch.until(lambda: heard, PATIENCE)
                line.cut()
                with pytest.raises(
                    WriteUncertain, match="may have been written: the server closed the connection"
                ):
                    await asked
                await watch.error(PATIENCE)
                assert watch.door.writer is None
                with pytest.raises(WriteRefused, match="nothing was sent"):
                    await writer.write(valve, 3)
                assert (await writer.read(valve)).quality is Quality.BAD
            async with watching(config) as watch:
                again = await watch.writer()
                assert again is not writer
                assert (await again.read(valve)).value == 2.0
        assert len(heard) == 1


async def test_a_line_that_goes_silent(plant, valve):
    """Before it is sent, nothing was sent; and the tag is bad, with what to look at."""
    async with Line(plant.port) as line, watching(writable(line.url, valve, timeout="1s")) as watch:
        writer = await watch.writer()
        line.dead = True
        with hearing_writes() as heard:
            with pytest.raises(WriteRefused, match="nothing was sent: no answer within 1s: check power"):
                await writer.write(valve, 2)
            now = await writer.read(valve)

    assert (now.value, now.quality) == (None, Quality.BAD)
    assert now.reason.startswith("no answer within 1s: check power, cable and firewall")
    assert heard == []


async def test_who_gives_up_in_mid_write_harms_nobody(plant, valve):
    """The agent ends, say: the session goes on until it is told."""
    async with watching(writable(plant.url, valve)) as watch:
        writer = await watch.writer()
        with hearing_writes(after=0.3) as heard:
            asked = asyncio.create_task(writer.write(valve, 2))
            await watch.until(lambda: heard, PATIENCE)
            asked.cancel()
            await asyncio.wait([asked])
            assert asked.cancelled()
            await watch.until(lambda: watch.values(valve)[-1] == 2.0, PATIENCE)
        await writer.write(valve, 3)
        assert (await writer.read(valve)).value == 3.0


# The door, and reading


async def test_the_door_is_open_while_the_session_is_connected(plant, valve):
    """And at no other time; without a grant, never."""
    async with watching(writable(plant.url, valve)) as watch:
        assert watch.door.writer is None
        await watch.writer()
        assert watch.up
    assert watch.door.writer is None
    async with watching(configure(plant.url, valve)) as watch:
        await watch.until(lambda: watch.values(valve), PATIENCE)
        assert watch.door.writer is None


async def test_what_is_read_on_demand_is_judged_as_all_values_are(plant, valve):
    """Quality, the codes for no value, elements of arrays, and where there is nothing: bad, with the reason."""
    plant.add("written-levels", [1.5, 2.5])
    config = writable(plant.url, valve)
    tags = {
        valve: config.tags[valve].model_copy(update={"invalid": [-9999.0], "valid_range": (-50.0, 300.0)}),
        "written-second": configure(
            plant.url, tags={"T": {"node": f"ns={plant.index};s=written-levels", "index": 1}}
        ).tags["T"],
        "written-missing": configure(plant.url, "written-missing").tags["written-missing"],
        "written-foreign": configure(plant.url, "nsu=urn:not:there;s=x").tags["nsu=urn:not:there;s=x"],
    }
    async with watching(config.model_copy(update={"tags": tags})) as watch:
        writer = await watch.writer()
        seen = [await writer.read(name) for name in tags]
        for value, status in ((-9999.0, 0), (850.0, 0), (7.5, ua.StatusCodes.UncertainLastUsableValue)):
            plant.set(valve, value, status=status)
            seen.append(await writer.read(valve))
        seen.append(await writer.read("nobody's"))

    assert [(one.value, one.quality.value, one.reason.partition(":")[0]) for one in seen] == [
        (1.5, "good", ""),
        (2.5, "good", ""),
        (None, "bad", "BadNodeIdUnknown"),
        (None, "bad", "the server has no namespace urn"),
        (None, "bad", "the device says that it has no value (its code -9999)"),
        (None, "bad", "the value is outside of its valid_range [-50, 300]"),
        (7.5, "uncertain", "UncertainLastUsableValue"),
        (None, "bad", "the source has no such tag"),
    ]
