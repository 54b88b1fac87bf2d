"""Certificates of destinations that are about to expire are told, of every kind that has some."""

import asyncio
import datetime as dt

from pydantic import TypeAdapter
from rigs.authority import Authority
from rigs.webhook import MovedClock

from agent.destinations.config import DestinationConfig
from agent.renewals import Renewals

_SECTION = TypeAdapter(DestinationConfig)


async def test_each_destination_names_its_own(tmp_path):
    """A webhook, NATS and MQTT; one without certificates is silent."""
    authority = Authority(tmp_path)
    names = ("cmms", "fleet", "plant")
    files = {name: authority.issue(name, ends_in=dt.timedelta(days=30)) for name in names}
    tls = {name: {"certificate": str(file), "key": str(key)} for name, (file, key) in files.items()}
    sections = {
        "cmms": {"type": "webhook", "url": "https://x/", "signing": "none", "tls": tls["cmms"]},
        "fleet": {"type": "nats", "servers": ["tls://x:4222"], "stream": "PLANT", "subject": "plant.x"}
        | {"tls": tls["fleet"]},
        "plant": {"type": "mqtt", "url": "mqtts://x:8883", "topic": "plant/x", "client_id": "x"}
        | {"tls": tls["plant"]},
        "bare": {"type": "webhook", "url": "https://x/", "signing": "none"},
    }
    configs = {name: _SECTION.validate_python(section) for name, section in sections.items()}
    at_work: dict[str, object] = {}
    renewals = Renewals(MovedClock(ahead=25 * 86_400), lambda: dict(at_work))
    watching = asyncio.create_task(renewals.run())
    await asyncio.sleep(0)  # it has begun, and finds nothing
    at_work.update(configs)
    renewals.look()
    async with asyncio.timeout(10):
        while not renewals.expiring:
            await asyncio.sleep(0.005)
    watching.cancel()

    assert [sentence.partition(" expires")[0] for sentence in renewals.expiring] == [
        f"a certificate of destination {name}" for name in names
    ]
