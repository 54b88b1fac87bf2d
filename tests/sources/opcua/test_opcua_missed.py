"""Messages that never arrive, or that nobody can decode: noticed, and made up for."""

import contextlib
from unittest.mock import patch

import pytest
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from rigs.opcua_session import configure, watching

from agent.metrics import VALUES_LOST
from agent.sources.opcua.subscription import Continuity

EMPTY = ua.ExtensionObject(TypeId=ua.FourByteNodeId(ua.ObjectIds.Range_Encoding_DefaultBinary))
"""A structure of the standard without a body: asyncua's decoder gives up the whole message."""


def lost():
    return VALUES_LOST.labels("boiler")._value.get()


@contextlib.contextmanager
def losing_messages():
    """What the server takes out of its queues is numbered, and never sent; yields what was lost."""
    pop, gone = InternalSubscription._pop_publish_result, []

    def popping(subscription):
        result = pop(subscription)
        if result.NotificationMessage.NotificationData:
            gone.append(result.NotificationMessage.NotificationData)
            result.NotificationMessage.NotificationData = []
            result.NotificationMessage.SequenceNumber += 1
        return result

    with patch.object(InternalSubscription, "_pop_publish_result", popping):
        yield gone


async def test_a_message_that_is_lost_is_noticed_and_made_up_for(plant):
    """The numbers have a gap: the value that there is comes as a baseline, for nobody knows what was between."""
    plant.add("missed", 0)
    before = lost()
    async with watching(configure(plant.url, "missed")) as watch:
        await watch.until(lambda: watch.values("missed") == [0])
        with losing_messages() as gone:
            plant.set("missed", 1)
            await watch.until(lambda: gone)
        await watch.until(lambda: watch.values("missed") == [0, 1])

    assert watch.readings("missed")[1].baseline
    assert lost() == before + 1


@pytest.mark.parametrize("read", ["subscribe", "cyclic"])
async def test_a_value_that_cannot_be_decoded_is_bad_alone(plant, read):
    """It costs the message in which it comes; the others are asked for without it (telegraf#8871, #9550).

    Once it can be decoded, that is told.
    """
    names = [f"{read}-{name}" for name in ("a", "b", "c")]
    for name in names:
        plant.add(name, 7)
    plant.add(spoilt := f"{read}-spoilt", ua.Range(0, 16))
    plant.set(spoilt, EMPTY)
    async with watching(configure(plant.url, names[0], spoilt, *names[1:], read=read)) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in (*names, spoilt)))
        assert [watch.values(name)[0] for name in names] == [7, 7, 7]
        assert "BadDecodingError: this agent cannot decode" in watch.readings(spoilt)[0].reason
        plant.set(names[0], 8)
        await watch.until(lambda: watch.values(names[0])[-1] == 8)
        plant.set(spoilt, ua.Range(0, 16))
        await watch.until(lambda: "a structure (Range)" in watch.readings(spoilt)[-1].reason)


async def test_a_value_that_the_server_cannot_encode_is_bad_alone(plant):
    """It refuses the whole of the Read for it (telegraf#8871, #9550); the others are asked for without it."""
    for name in ("d", "e", "f"):
        plant.add(name, 7)
    plant.set("e", "a text", ua.VariantType.Int64)
    async with watching(configure(plant.url, "d", "e", "f", read="cyclic")) as watch:
        await watch.until(lambda: all(watch.readings(name) for name in "def"))
        plant.set("d", 8)
        await watch.until(lambda: watch.values("d")[-1] == 8)

    assert "BadInternalError" in watch.readings("e")[0].reason
    assert watch.values("f")[0] == 7


@pytest.mark.parametrize(
    ("messages", "broken"),
    [
        ([(1, True), (2, True), (3, False), (3, True)], False),
        ([(1, True), (3, True)], True),
        ([(1, True), (3, False)], True),
        ([(1, True), (1, False), (2, True)], False),  # the keep-alive repeats the last number
        ([(0, False), (1, True)], False),
        ([(2**32 - 1, True), (1, True)], False),
    ],
)
def test_numbers(messages, broken):
    """A keep-alive bears the number of the next message; after the last number comes 1."""
    continuity = Continuity()
    for number, has_values in messages:
        data = [ua.DataChangeNotification()] if has_values else []
        continuity.see(ua.NotificationMessage(SequenceNumber=number, NotificationData=data))

    assert continuity.broken == broken
