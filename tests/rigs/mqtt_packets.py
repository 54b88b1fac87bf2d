"""MQTT 3.1.1 as bytes, for what no real broker or client does on demand.

A publisher that sends thousands of messages in one breath, and a broker that answers as a test
tells it to: not at all, with a refusal, with garbage.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
ACCEPTED = b"\x20\x02\x00\x00"


def packet(first: int, body: bytes) -> bytes:
    """A packet: its first byte, the length in groups of seven bits, the rest (section 2.2)."""
    length, rest = bytearray(), len(body)
    while True:
        rest, low = divmod(rest, 128)
        length.append(low | (0x80 if rest else 0))
        if not rest:
            return bytes([first]) + length + body


def text(value: str | bytes) -> bytes:
    """A string with its length before it (section 1.5.3)."""
    encoded = value.encode() if isinstance(value, str) else value
    return len(encoded).to_bytes(2, "big") + encoded


def publish(topic: str | bytes, payload: bytes, mid: int = 0) -> bytes:
    """A PUBLISH with QoS 1, or with QoS 0 if there is no `mid`."""
    return (
        packet(0x32, text(topic) + mid.to_bytes(2, "big") + payload)
        if mid
        else packet(0x30, text(topic) + payload)
    )


def suback(subscribe: bytes, *codes: int) -> bytes:
    """The answer to a SUBSCRIBE: one code a topic, 0x80 refuses."""
    return packet(0x90, subscribe[:2] + bytes(codes))


async def read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One packet: its type and its body."""
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return first >> 4, await reader.readexactly(length)


async def burst(port: int, topic: str, payloads: Sequence[bytes], qos: int = 1) -> None:
    """Publish all at once, and return when the broker has confirmed the last (QoS 1)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text("")))
    await read(reader)
    writer.write(b"".join(publish(topic, one, qos and at % 65_535 + 1) for at, one in enumerate(payloads)))
    for _ in payloads if qos else ():
        await read(reader)
    writer.write(b"\xe0\x00")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def fake_broker(serve: Serve, ssl: object = None) -> AsyncIterator[int]:
    """Serve every connection so; give the port."""
    serving: set[asyncio.Task] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await serve(reader, writer)
            writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            if not writer.is_closing():
                writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
