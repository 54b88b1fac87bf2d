"""Every kind of inbound relay, in the same words, so that one suite runs over all of them.

Whoever adds a kind adds a class here with these methods, and a row in `KINDS`. What a kind cannot do
stands in `cannot`, with the reason; the suite reads it there and leaves nothing out silently.
"""

from typing import ClassVar, Self

from pydantic import TypeAdapter
from rigs.nats_relay import CONSUMER, STREAM, NatsRelay
from rigs.poll_relay import TOKEN, PollRelay
from rigs.sse_channel import SseChannel

from agent.inbound.config import RelayConfig
from agent.model import SECOND

ABILITIES = {"raw", "keeps", "token", "learns"}
"""It hands over the sender's bytes; it keeps what was posted while nobody listened; it asks who is there;
it learns what was taken while the session lasts."""
CANARY = "canary-4711"
_SECTION = TypeAdapter(RelayConfig)


class Kind:
    """A relay; `async with kind:` switches it on, `folder` is a temporary one of its own.

    Attributes:
        type: what the configuration calls it.
        cannot: abilities (`ABILITIES`) that this kind lacks, each with the reason.
        silence: seconds within which it must be noticed that the relay has gone silent.
        port: where it listens.
    """

    type = ""
    cannot: ClassVar[dict[str, str]] = {}
    silence = 0.0
    port = 0

    def __init__(self, folder) -> None:
        self.folder = folder

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    def config(self, **more: object):
        """What the configuration says of it; see `section`."""
        return _SECTION.validate_python(self.section(**more))

    async def start(self):
        """Switch it on; again, at the same place and with what it keeps."""
        raise NotImplementedError

    async def stop(self):
        """Switch it off; off already, nothing happens."""
        raise NotImplementedError

    def section(self, host="127.0.0.1", port=None, token=None):
        """The section, with the shortest timeouts that it may have; None: the right port, the right token."""
        raise NotImplementedError

    async def put(self, body, headers=None):
        """A sender posts; returns when the relay has taken it."""
        raise NotImplementedError

    async def acknowledged(self):
        """How many messages the relay believes to be taken."""
        raise NotImplementedError

    async def freeze(self):
        """From now on it says nothing, and hangs up on nobody."""
        raise NotImplementedError

    async def idle(self):
        """Whether nobody is connected any more, as far as it knows."""
        return True


class Poll(Kind):
    """A polling endpoint that holds questions, as `edge-relay relay` does."""

    type = "poll"
    silence = 8.0  # a question that is held for 1 s, and the timeout of 1 s
    holds = 1

    async def __aenter__(self):
        self._relay = PollRelay(holds=self.holds)
        return await super().__aenter__()

    @property
    def port(self):
        return self._relay.port

    async def start(self):
        await self._relay.start()

    async def stop(self):
        await self._relay.stop()

    def section(self, host="127.0.0.1", port=None, token=None):
        url = f"http://{host}:{port or self.port}/out/plant-7?key={CANARY}"
        access = {"url": url, "token": token or TOKEN, "insecure_token": True}
        return {"type": "poll", "verify": "none", "timeout": "1s", "every": "1s"} | access

    async def put(self, body, headers=None):
        self._relay.put(body, headers)

    async def acknowledged(self):
        return self._relay.taken

    async def freeze(self):
        self._relay.silent = True

    async def idle(self):
        return self._relay.open == 0


class PollPlain(Poll):
    """A polling endpoint that answers at once, as Svix does."""

    holds = 0


class Nats(Kind):
    """A durable pull consumer of a stream."""

    type = "nats"
    silence = 8.0  # the timeout of 1 s

    def __init__(self, folder):
        super().__init__(folder)
        self._relay = NatsRelay(folder, f"authorization {{ token: {TOKEN} }}", {"token": TOKEN})

    @property
    def port(self):
        return self._relay.port

    async def __aenter__(self):
        await self._relay.__aenter__()
        await self._relay.consumer()  # before an agent does, whose patience is longer than a test's
        return self

    async def start(self):
        self._relay.server.start()

    async def stop(self):
        self._relay.server.kill()

    def section(self, host="127.0.0.1", port=None, token=None):
        servers = [f"nats://{host}:{port or self.port}"]
        place = {"type": "nats", "servers": servers, "stream": STREAM, "consumer": CONSUMER}
        access = {"token": token or TOKEN, "insecure_password": True}
        return place | access | {"verify": "none", "timeout": "1s"}

    async def put(self, body, headers=None):
        await self._relay.put(body, headers=headers)

    async def acknowledged(self):
        return await self._relay.acknowledged()

    async def freeze(self):
        self._relay.server.freeze()


class SseRedis(Kind):
    """A channel of a gosmee that keeps its messages in Redis."""

    type = "sse"
    silence = 8.0  # that of 2 s, and the timeout of 1 s
    cannot: ClassVar = {"learns": "the id of what was taken is told when the next connection is opened"}
    flavour = "redis"

    async def __aenter__(self):
        self._channel = SseChannel(self.flavour, token=TOKEN)
        return await super().__aenter__()

    @property
    def port(self):
        return self._channel.port

    async def start(self):
        await self._channel.start()

    async def stop(self):
        await self._channel.stop()

    def config(self, **more: object):
        # The shortest that a file may say is five seconds, for which no test needs to wait.
        return super().config(**more).model_copy(update={"silence": 2 * SECOND})

    def section(self, host="127.0.0.1", port=None, token=None):
        url = f"http://{host}:{port or self.port}/events/plant-7-channel?key={CANARY}"
        access = {"url": url, "token": token or TOKEN, "insecure_token": True}
        return {"type": "sse", "verify": "none", "timeout": "1s"} | access

    async def put(self, body, headers=None):
        self._channel.put(body, headers)

    async def acknowledged(self):
        return self._channel.taken

    async def freeze(self):
        self._channel.frozen = True

    async def idle(self):
        return self._channel.open == 0


class SseGosmee(SseRedis):
    """A channel of gosmee as it is installed."""

    cannot: ClassVar = {**SseRedis.cannot, "keeps": "what nobody listens to is gone"}
    flavour = "gosmee"


class SseSmee(SseGosmee):
    """A channel of smee.io."""

    cannot: ClassVar = {**SseGosmee.cannot, "raw": "it hands over what it has parsed"}
    flavour = "smee"


KINDS = {
    "nats": Nats,
    "poll, held": Poll,
    "poll": PollPlain,
    "sse, gosmee with Redis": SseRedis,
    "sse, gosmee": SseGosmee,
    "sse, smee": SseSmee,
}


def able(*abilities: str) -> list[str]:
    """The kinds that can do all this."""
    return [name for name, kind in KINDS.items() if not set(abilities) & set(kind.cannot)]
