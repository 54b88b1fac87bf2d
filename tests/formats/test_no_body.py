"""An event of which the format makes no body: it keeps nothing else up, and says why it is dead."""

import asyncio
import json
import logging

import pytest
from rigs.dispatching import Outbox, Receiver, delivery, dispatching

pytestmark = pytest.mark.virtual_time

TEMPLATE = """{
  "data": {"seq": {{ seq }}, "subject": "{{ data.subject | default('') }}"},
  "share": {{ 100 / value }}
}"""


async def test_the_dead_letter_says_what_the_template_cannot_do(caplog):
    """After the event's own schedule, in words with the line; the events beside it go at once."""
    caplog.set_level(logging.DEBUG)
    waiting = [
        delivery(1, "a", data={"value": 0}),
        delivery(2, "b", data={"value": 5}),
        delivery(3, "b", data={"value": 4}),
    ]
    keys = {"format": "template", "template": TEMPLATE, "url": "https://example.com/", "signing": "none"}
    async with dispatching(Receiver(), Outbox(*waiting), **keys) as rig:
        await asyncio.sleep(60)
        soon = list(rig.outbox.delivered)
        await asyncio.sleep(4 * 3600)

    assert soon == [2, 3]
    assert rig.outbox.dead.keys() == {1}
    assert rig.outbox.dead[1].endswith(
        "the last: the template, line 3: it divides by zero: put {% if %} around it"
    )
    assert [event.data["reason"] for event in rig.told if event.type == "delivery.dead"] == list(
        rig.outbox.dead.values()
    )
    assert "Traceback" not in caplog.text


async def test_what_is_sent_is_of_the_templates_type():
    """The message carries the body and its type as the format made them."""
    receiver = Receiver()
    seen = []
    deliver = receiver.deliver

    async def noting(message):
        seen.append((message.content_type, json.loads(message.body)["share"]))
        return await deliver(message)

    receiver.deliver = noting
    keys = {"format": "template", "template": TEMPLATE, "url": "https://example.com/", "signing": "none"}
    async with dispatching(receiver, Outbox(delivery(2, data={"value": 5})), **keys):
        await asyncio.sleep(1)

    assert seen == [("application/json", 20.0)]
