"""What the README shows of deliveries: letters that a chat room refused, a log with a hole, a request that was rewritten.

Nothing is sent: the store is one that an agent has left, the log and the request are files.
"""

import json
import re
import time

from rigs.authority import Authority
from rigs.nats_operator import Operator
from rigs.readme_week import PLANT, RULES
from rigs.stores import HandClock, event, opened

from agent.delivery.keys import decode_secret, encode_signing_key, signing_key
from agent.delivery.signing import sign_standard
from agent.model import SECOND
from agent.paths import STORE
from agent.store.records import Addressed, Attempt, MarkCharged, MarkDead, MarkDelivered, Step

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_REFUSED = "given up after 4 attempts of its own; the last: the receiver answered 400"
_EPOCH = "c1ab2f60d17e4a53"
_ARRIVED = {4: ("04:43:00.511", None), 7: ("04:51:00.000", 6), 8: ("05:02:17.300", 7), 9: ("05:02:44.100", 8)}


class TwoHoursAgo(HandClock):
    """When the events were made."""

    def wall(self):
        return time.time_ns() - 7200 * SECOND


def write_files(folder, text):
    """Write what a configuration refers to by `${file:...}`, each what its key takes; and certificates."""
    Authority(folder, "plant-ca")
    Authority(folder, "cloud-ca").issue("agent")
    fitting = {
        "cloud.key": encode_signing_key(signing_key(bytes(32))),
        "nats.creds": Operator().credentials,
        "slack.url": "https://hooks.slack.com/services/T0/B0/X",
    }
    for name in ["cmms.key", *re.findall(r"\$\{file:([\w.-]+)\}", text)]:
        other = name * 4 if name.endswith(".token") else SECRET  # no two are equal
        (folder / name).write_text(fitting.get(name, other))
        (folder / name).chmod(0o600)


async def write_evening(folder, *destinations):
    """Write a plant with these sections of the README, its store, and a receiver's log and last request."""
    plant = folder / "plant"
    plant.mkdir()
    (plant / "plant.yaml").write_text(
        PLANT.replace("agent: {", "agent: {data_dir: data, ") + RULES["new"], encoding="utf-8"
    )
    for number, text in enumerate(destinations):
        (plant / f"destinations-{number}.yaml").write_text(text, encoding="utf-8")
    write_files(plant, "".join(destinations))
    await _leave_a_store(plant / "data")
    lines = [_arrived(seq, stamp, previous) for seq, (stamp, previous) in _ARRIVED.items()]
    (folder / "received.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_request(folder, lines[0])


async def _leave_a_store(folder):
    """Of four alarms the chat room took the first and the third."""
    folder.mkdir()
    async with opened(folder / STORE, "cmms", "slack", clock=TwoHoursAgo()) as store:
        for seq, rule in enumerate((*["R1-temperature"] * 3, "P101-low-flow"), 1):
            alarm = event(seq, rule=rule, subject=rule, data={"rule": rule, "instance": rule})
            await store.commit(Step([Addressed(alarm, ("cmms", "slack"))]))
            store.mark(MarkDelivered("cmms", seq, seq))
            if seq % 2:
                store.mark(MarkDelivered("slack", seq, seq))
                continue
            attempts = [Attempt(number, 400, 0.1, "invalid_attachments") for number in range(1, 5)]
            for attempt in attempts[:3]:
                store.mark(MarkCharged("slack", seq, attempt, seq))
            store.mark(MarkDead("slack", seq, seq, _REFUSED, attempts[3]))


def _arrived(seq, stamp, previous):
    data = {
        "id": f"evt_{seq}",
        "site": "dresden",
        "agent": "line-4",
        "epoch": _EPOCH,
        "seq": seq,
        "previous": previous,
    }
    body = {"type": "alarm.raised", "timestamp": f"2026-11-21T{stamp}Z", "data": data}
    return json.dumps(body, separators=(",", ":"))


def _write_request(folder, body):
    """The headers as they came, and the body as a framework printed it."""
    now = int(time.time())
    signature = sign_standard([decode_secret(SECRET)], "evt_4", now, body.encode())
    headers = {"webhook-id": "evt_4", "webhook-timestamp": now, "webhook-signature": signature}
    (folder / "headers.txt").write_text("".join(f"{name}: {text}\n" for name, text in headers.items()))
    (folder / "body.json").write_text(json.dumps(json.loads(body)))
