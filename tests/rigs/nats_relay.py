"""A stream of a real nats-server as a relay: a sender publishes, a durable consumer hands out.

What the server believes is asked with the official client, which shares no code with the agent's own.
"""

import json

import nats.errors
from nats.js.errors import NotFoundError
from pydantic import TypeAdapter
from rigs.agent_process import quiet_port
from rigs.nats_server import NatsServer

from agent.inbound.config import RelayConfig
from agent.model import SECOND

STREAM, CONSUMER, SUBJECT = "ORDERS", "line4", "orders.new"
ACK_WAIT = 2.0
"""Seconds after which what was not acknowledged comes again: shorter than an agent's own, for the tests' sake."""
_SECTION = TypeAdapter(RelayConfig)


def section(port: int, **keys: object):
    """Make a section for a server on loopback."""
    basis = {
        "type": "nats",
        "servers": [f"nats://127.0.0.1:{port}"],
        "verify": "none",
        "stream": STREAM,
        "consumer": CONSUMER,
        "timeout": "5s",
    }
    return _SECTION.validate_python(basis | keys)


class NatsRelay:
    """A server with the stream; a context manager that leaves nothing running.

    Attributes:
        server: the server; killed and started again at will.
        login: what the official client shows.
    """

    def __init__(self, folder, extra: str = "", login=None) -> None:
        self.server = NatsServer(folder, quiet_port(), extra)
        self.login = login or {}

    @property
    def port(self) -> int:
        return self.server.port

    async def __aenter__(self):
        self.server.start()
        await self.make()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.kill()

    async def make(self) -> None:
        """Make the stream."""
        await self.server.stream(STREAM, ("orders.>",), login=self.login)

    def official(self):
        return self.server.official(**self.login)

    async def consumer(self, **settings: object) -> None:
        """Somebody makes the consumer; `settings` as the server has them, of which the client knows not all."""
        basis = {"durable_name": CONSUMER, "deliver_policy": "all", "ack_policy": "explicit"}
        config = basis | {"replay_policy": "instant", "ack_wait": int(ACK_WAIT * SECOND)} | settings
        question = json.dumps({"stream_name": STREAM, "config": config}).encode()
        async with self.official() as jetstream:
            subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{CONSUMER}"
            answer = json.loads((await jetstream._nc.request(subject, question)).data)
        assert "error" not in answer, answer

    async def put(self, *bodies: bytes, subject: str = SUBJECT, headers=None) -> None:
        """A sender publishes; returns when the stream has all of it."""
        async with self.official() as jetstream:
            for body in bodies:
                await jetstream.publish(subject, body, headers=headers)

    async def info(self):
        """What the server knows of the consumer; None: there is none, or no server."""
        try:
            async with self.official() as jetstream:
                return await jetstream.consumer_info(STREAM, CONSUMER)
        except (NotFoundError, nats.errors.NoServersError):
            return None

    async def acknowledged(self) -> int:
        """How many messages it believes to be taken, from the first on."""
        info = await self.info()
        return 0 if info is None else info.ack_floor.stream_seq

    async def begun(self, count: int) -> None:
        """Publish so many, numbered, as fast as the server takes them."""
        async with self.official() as jetstream:
            for number in range(count):
                await jetstream._nc.publish(SUBJECT, b"%d" % number)
            await jetstream._nc.flush()
