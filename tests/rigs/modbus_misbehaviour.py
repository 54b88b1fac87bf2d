"""What devices and gateways do to an answer; each is a behaviour of `ModbusServer`.

A wrong answer is that to another request (from offset 7), so that it shows as a wrong value if anybody takes it.
"""

import asyncio

from rigs.modbus_server import honest

TIMEOUT = 0.1  # seconds, of the source under test; `late` answers come when half of it has passed again


async def late(exchange):
    answer = exchange.frame(exchange.pdu())
    await asyncio.sleep(1.5 * TIMEOUT)
    await exchange.send(answer)


async def short(exchange):
    await exchange.send(exchange.frame(bytes([exchange.function, 0])))


async def long(exchange):
    await exchange.send(exchange.frame(exchange.pdu(count=exchange.count + 1)))


async def wrong_function(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7, function=4)))


async def wrong_unit(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7), unit=exchange.unit + 1))


async def wrong_transaction(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7), transaction=exchange.transaction - 1))


async def transaction_0(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7), transaction=0))


async def silent(exchange):
    pass


async def reset_midway(exchange):
    await exchange.send(exchange.frame(exchange.pdu())[:5])
    await asyncio.sleep(0.01)
    exchange.reset()


async def reset(exchange):
    exchange.reset()


async def half_an_answer(exchange):
    await exchange.send(exchange.frame(exchange.pdu())[:-1])


async def garbage(exchange):
    await exchange.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def damaged(exchange):
    answer = bytearray(exchange.frame(exchange.pdu(start=7)))
    answer[-1] ^= 0xFF
    answer[2] ^= 0x40  # protocol id of Modbus TCP, byte count of RTU
    await exchange.send(bytes(answer))


async def unknown_function(exchange):
    await exchange.send(exchange.frame(bytes([0x2B, 0x0E, 1, 1, 0, 0])))


async def empty(exchange):
    await exchange.send(exchange.frame(b""))


async def busy(exchange):
    await exchange.send(exchange.frame(exchange.exception(6)))


async def failing(exchange):
    await exchange.send(exchange.frame(exchange.exception(4)))


async def two_answers(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7)) + exchange.frame(exchange.pdu()))


ON_ALL = [
    late,
    short,
    long,
    wrong_function,
    wrong_unit,
    silent,
    reset_midway,
    reset,
    half_an_answer,
    garbage,
    damaged,
    unknown_function,
    empty,
    busy,
    failing,
]


async def trickle(exchange):
    for byte in exchange.frame(exchange.pdu()):
        await exchange.send(bytes([byte]))
        await asyncio.sleep(0.001)


async def glued(exchange):
    late_one = exchange.frame(exchange.pdu(start=7), transaction=exchange.transaction - 1)
    await exchange.send(late_one + exchange.frame(exchange.pdu()))


ON_TCP = [*ON_ALL, wrong_transaction, transaction_0, glued, trickle]
ON_RTU = [*ON_ALL, two_answers, trickle]


# --- of what is written: the device takes it, and answers as it likes ---------------------------------------


async def wrong_value(exchange):
    confirmed = exchange.pdu()
    await exchange.send(exchange.frame(confirmed[:-1] + bytes([confirmed[-1] ^ 1])))


async def wrong_place(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7)))


async def taken_and_silent(exchange):
    exchange.take()


async def taken_and_reset(exchange):
    exchange.take()
    exchange.reset()


async def answer_of_a_read(exchange):
    await exchange.send(exchange.frame(exchange.pdu(start=7, function=3, count=1)))


ON_WRITES = [
    late,
    short,
    wrong_function,
    wrong_unit,
    silent,
    reset_midway,
    reset,
    half_an_answer,
    garbage,
    damaged,
    unknown_function,
    empty,
    wrong_value,
    wrong_place,
    taken_and_silent,
    taken_and_reset,
    answer_of_a_read,
]


def only_writes(behave):
    """The same for what writes, while what is read is answered as it should be."""

    async def either(exchange):
        await (behave if exchange.writes else honest)(exchange)

    either.__name__ = behave.__name__
    return either


async def heard(exchange):
    """An RS485 adapter that hears itself hands back our own request before the answer."""
    await exchange.send(exchange.raw)
    await honest(exchange)


async def heard_in_pieces(exchange):
    """The same, a byte at a time."""
    for byte in exchange.raw + exchange.frame(exchange.pdu()):
        await exchange.send(bytes([byte]))
        await asyncio.sleep(0.001)


async def heard_alone(exchange):
    """The same, with a device that takes what is written and says nothing."""
    await exchange.send(exchange.raw)
    if exchange.writes:
        exchange.take()
    else:
        await honest(exchange)
