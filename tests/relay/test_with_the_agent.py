"""The relay and the agent's own session with it: what is posted here is handed over there, raw and acknowledged."""

import asyncio
import base64
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter
from rigs.relay_process import POLL, RelayProcess, until
from standardwebhooks.webhooks import Webhook

from agent.clock import SystemClock
from agent.config.secrets import SecretPlaces
from agent.inbound.poll.config import PollRelay
from agent.inbound.poll.session import run

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Plant:
    """Takes over, as the agent does, and remembers where it stood."""

    def __init__(self, relay: RelayProcess) -> None:
        self.messages, self.cursor = [], None
        section = {
            "type": "poll",
            "url": f"http://127.0.0.1:{relay.port}/out/a",
            "token": POLL,
            "verify": {"secret": SECRET},
            "routes": {},
        }
        self._config = TypeAdapter(PollRelay).validate_python(section, context=SecretPlaces())

    async def accept(self, messages, cursor=None):
        self.messages += messages
        self.cursor = cursor or self.cursor

    async def session(self):
        await run("cloud", self._config, self.accept, SystemClock(), self.cursor)

    async def takes(self, count):
        """Run a session until so many have come."""
        task = asyncio.create_task(self.session())
        async with asyncio.timeout(60):
            while len(self.messages) < count and not task.done():
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert len(self.messages) == count, task


@pytest.fixture
def relay(tmp_path):
    with RelayProcess(tmp_path, "a: rate: {messages: 100000}") as process:
        yield process.start()


async def test_a_pair_hands_over_everything_once_and_what_was_signed_verifies(relay):
    """Before the plant asks, while it waits, after it was away: in order, none twice, each as it was signed."""
    plant, hook = Plant(relay), Webhook(SECRET)
    sent = []

    async def post(*numbers):
        for number in numbers:
            body = f'{{"type": "order.created",  "n": {number}}}'
            moment = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()), UTC)
            headers = {
                "webhook-id": f"id_{number}",
                "webhook-timestamp": str(int(moment.timestamp())),
                "webhook-signature": hook.sign(f"id_{number}", moment, body),
            }
            answer = await asyncio.to_thread(relay.post, body.encode(), **headers)
            assert answer.status == 202
            sent.append(body.encode())

    await post(*range(120))
    await plant.takes(120)
    waiting = asyncio.create_task(plant.takes(121))
    held = lambda: relay.metric("held_polls", channel="a") == 1  # noqa: E731 - asked again and again
    await asyncio.to_thread(until, held, relay.text)
    await post(120)
    await waiting
    await post(*range(121, 130))
    await plant.takes(130)

    assert [message.body for message in plant.messages] == sent
    assert all(message.raw for message in plant.messages)
    for message in plant.messages:
        hook.verify(message.body, dict(message.headers))
