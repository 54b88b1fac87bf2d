"""One attempt to publish an event to an MQTT broker, and the session that the attempts share.

Rules for whoever changes this: an event is delivered when the broker has acknowledged it (PUBACK), and
by nothing else; everything ends within the section's timeout; a session on which an acknowledgement did
not come in time is ended, so that nothing of it can arrive later unseen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.clock import Clock
from agent.delivery.body import Identity
from agent.delivery.said import Lost, Said, TurnedAway
from agent.destinations.base import Message
from agent.destinations.mqtt.config import MqttDestination
from agent.destinations.mqtt.session import Session
from agent.errors import SourceError
from agent.model import SECOND, Answer, NoAnswer
from agent.mqtt.connect import connect
from agent.signing.signer import signer


@asynccontextmanager
async def open_mqtt(
    name: str, config: MqttDestination, clock: Clock, identity: Identity
) -> AsyncIterator["MqttClient"]:
    """Open the client of one destination; it connects with the first message."""
    client = MqttClient(name, config, clock, identity)
    try:
        yield client
    finally:
        await client.close()


class MqttClient:
    """See `agent.destinations.base.Destination`."""

    def __init__(self, name: str, config: MqttDestination, clock: Clock, identity: Identity) -> None:
        self.clock_offset = 0
        self.utc_offset: int | None = None
        self._name = name
        self._config = config
        self._clock = clock
        self._identity = identity
        self._sign = signer(config.signing)
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._unheard: set[str] = set()

    async def close(self) -> None:
        """End the session."""
        task, session, self._task, self._session = self._task, self._session, None, None
        await _ended(session, task)

    def headers(self, message: Message) -> dict[str, str]:
        """See the protocol: the user properties, which MQTT 3.1.1 does not have."""
        if self._config.protocol != "5":
            return {}
        if message.headers is not None:
            return {name: text for name, text in message.headers.items() if name != "content-type"}
        told = {"webhook-id": message.id}
        if self._config.signing != "none":
            timestamp = self._clock.wall() // SECOND
            told["webhook-timestamp"] = str(timestamp)
            told |= self._sign(message.id, timestamp, message.body)
        return told

    async def deliver(self, message: Message) -> Answer | NoAnswer:
        """See the protocol."""
        began = self._clock.monotonic()
        session: Session | None = None
        said: Said | None = None
        why = ""
        try:
            async with asyncio.timeout(self._config.timeout / SECOND):
                opened = await self._opened()
                told = self.headers(message)
                session = opened
                said = await session.publish(
                    self._config.address(message.events, self._identity),
                    message.body,
                    message.content_type,
                    told,
                )
        except (Lost, SourceError) as error:
            why = str(error)
        except TurnedAway as turned_away:
            said = turned_away.said
        except TimeoutError:
            why = await self._give_up(session)
        latency = (self._clock.monotonic() - began) / SECOND
        if said is None:
            return NoAnswer(why, latency, unsent=session is None)
        return Answer(said.status, {}, latency, said.words, said.words)

    async def _give_up(self, session: Session | None) -> str:
        """Nothing came in time; say so, and end the session for all who wait on it."""
        if session is not None and session is self._session:
            await self.close()
        return (
            f"no answer within {self._config.timeout / SECOND:g} s: MQTT broker {self._config.url} "
            "or the link to it is dead, or it is no MQTT broker's port"
        )

    async def _opened(self) -> Session:
        """Give the session, opened if there is none.

        Raises:
            SourceError, Lost, TurnedAway: there can be none.
        """
        async with self._connecting:
            if self._session is not None and not self._session.over:
                return self._session
            await self.close()
            session = Session(self._name, self._config, await connect(self._config), self._unheard)
            task = asyncio.create_task(session.run(), name=f"destination {self._name} session")
            self._session, self._task = session, task  # owned before anything can go wrong
            try:
                await session.welcomed()
            except BaseException:
                session.close()
                raise
            return session


async def _ended(session: Session | None, task: "asyncio.Task[None] | None") -> None:
    if session is not None and task is not None:
        session.close()
        task.cancel()
        await asyncio.wait([task])
