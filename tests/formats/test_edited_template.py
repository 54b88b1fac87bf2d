"""A template that is edited while events wait: they go as it is written now."""

import asyncio
import json

import pytest
from rigs.dispatching import LOST, Outbox, Receiver, delivery, dispatching

pytestmark = pytest.mark.virtual_time

KEYS = {"format": "template", "url": "https://example.com/", "signing": "none"}


class Reader(Receiver):
    """Keeps the texts that it was sent."""

    def __init__(self, behave):
        super().__init__(behave)
        self.texts = []

    async def deliver(self, message):
        self.texts.append((message.id, json.loads(message.body)["text"]))
        return await super().deliver(message)


def written(text):
    return f'{{"data": {{"seq": {{{{ seq }}}}, "subject": "a"}}, "text": "{text} {{{{ value }}}}"}}'


async def test_what_waits_is_sent_by_the_edited_template():
    """Under the same id: a body is made for each attempt, of the event as it is stored."""
    outbox = Outbox(delivery(1, data={"value": 7}))
    first, second = Reader(lambda _: LOST), Reader(lambda _: 204)
    async with dispatching(first, outbox, template=written("old"), **KEYS):
        await asyncio.sleep(60)
    async with dispatching(second, outbox, template=written("new"), **KEYS) as rig:
        await asyncio.sleep(60)

    assert set(first.texts) == {("evt_1", "old 7")}
    assert second.texts == [("evt_1", "new 7")]
    assert rig.outbox.delivered == [1]
