"""An MQTT publisher at a steady pace, in the measurement's own loop: bytes on a socket, QoS 1."""

import asyncio
import contextlib
import itertools

from parts.field import LIMIT
from rigs import mqtt_packets as mqtt

TOPICS = 100
_PACE = 0.01  # seconds between two bursts
_HIGHEST_MID = 0xFFFF


class Publisher:
    """Publishes `rate` messages a second, round the topics; the first `flipping` cross the limit each time.

    Attributes:
        published: messages so far.
        crossings: messages so far that crossed the limit.
    """

    def __init__(self, port, rate, flipping):
        self.published = 0
        self.crossings = 0
        self._port = port
        self._rate = rate
        self._flipping = flipping

    async def run(self):
        """Publish until cancelled; what the broker answers is read and thrown away."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(mqtt.packet(0x10, mqtt.text("MQTT") + b"\x04\x02\x00\x00" + mqtt.text("plant")))
        await mqtt.read(reader)
        answers = asyncio.create_task(self._read_on(reader), name="publisher answers")
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for burst in itertools.count(1):
                while self.published < burst * self._rate * _PACE:
                    writer.write(self._next())
                await writer.drain()
                await asyncio.sleep(max(0.0, began + burst * _PACE - loop.time()))
        finally:
            answers.cancel()
            await asyncio.wait([answers])
            writer.write(mqtt.packet(0xE0, b""))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.close()

    def _next(self):
        turn, topic = divmod(self.published, TOPICS)
        value = turn % 100 + (LIMIT + 1 if topic < self._flipping and turn % 2 else 0)
        self.crossings += topic < self._flipping and turn > 0
        mid = self.published % _HIGHEST_MID + 1
        self.published += 1
        return mqtt.publish(f"bench/T{topic}", b'{"value": %d}' % value, mid)

    async def _read_on(self, reader):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await mqtt.read(reader)
