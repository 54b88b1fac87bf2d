"""What devices and gateways do to an answer; each is a behaviour of `ModbusServer`.

A wrong answer is that to another request (from offset 7), so that it shows as a wrong value if anybody takes it.
"""

import asyncio

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
