"""The receiver believes nothing, keeps each event once, and can be taken away and brought back."""

import base64
import contextlib
import json
import time
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks.webhooks import Webhook

from agent.demo import DemoError
from agent.demo.ledger import receipt_of
from agent.demo.lines import Tone, arrival_line, tone_of, way_line
from agent.demo.plant import HOST, free_port
from agent.demo.receiver import Arrival, Misbehaviour, Receiver, key_of, read_log, verify
from agent.model import MILLISECOND, SECOND

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
NOW = 1_795_000_000
EVENT = {
    "type": "alarm.raised",
    "timestamp": datetime.fromtimestamp(NOW, UTC).isoformat().replace("+00:00", "Z"),
    "data": {
        "epoch": "e", "seq": 12, "previous": 11, "rule": "R1-temperature", "occurrence": "occ", "tag": "R1.TT101",
        "value": 171.2, "unit": "°C", "level": "high", "limit": 170,
    },
}  # fmt: skip


class FixedClock:
    """14 ms after NOW."""

    def monotonic(self):
        return 0

    def wall(self):
        return NOW * SECOND + 14 * MILLISECOND


def signed(event=EVENT, webhook_id="evt_1", secret=SECRET, at=NOW):
    """A request as an independent library signs it."""
    body = json.dumps(event)
    signature = Webhook(secret).sign(webhook_id, datetime.fromtimestamp(at, UTC), body)
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(at), "webhook-signature": signature}
    return headers, body.encode()


@contextlib.asynccontextmanager
async def receiving(**options: object):
    arrivals = []
    receiver = Receiver(SECRET, FixedClock(), arrivals.append, **options)
    port = free_port()
    await receiver.start(HOST, port)
    try:
        async with aiohttp.ClientSession(f"http://{HOST}:{port}") as session:
            yield session, arrivals, receiver, port
    finally:
        await receiver.stop()


async def post(session, headers, body):
    async with session.post("/any/path", headers=headers, data=body) as response:
        return response.status, await response.text()


GOOD_HEADERS, GOOD_BODY = signed()


@pytest.mark.parametrize(
    ("change", "body", "now", "expected"),
    [
        ({}, GOOD_BODY, NOW, ""),
        ({}, GOOD_BODY, NOW + 300, ""),
        ({}, GOOD_BODY, NOW - 300, ""),
        ({}, GOOD_BODY, NOW + 301, "webhook-timestamp is 301 s in the past: look at both clocks"),
        ({}, GOOD_BODY, NOW - 301, "webhook-timestamp is 301 s in the future: look at both clocks"),
        ({"webhook-id": ""}, GOOD_BODY, NOW, "the header webhook-id is missing"),
        ({"webhook-timestamp": ""}, GOOD_BODY, NOW, "the header webhook-timestamp is missing"),
        ({"webhook-signature": ""}, GOOD_BODY, NOW, "the header webhook-signature is missing"),
        (
            {"webhook-timestamp": "soon"},
            GOOD_BODY,
            NOW,
            "webhook-timestamp is not a whole number of seconds: 'soon'",
        ),
        (
            {"webhook-timestamp": "9" * 5000},
            GOOD_BODY,
            NOW,
            "webhook-timestamp is not a whole number of seconds: '" + "9" * 40 + "'",
        ),
        ({"webhook-signature": "v1a,abc"}, GOOD_BODY, NOW, "webhook-signature carries no v1 signature"),
        (
            {"webhook-id": "evt_2"},
            GOOD_BODY,
            NOW,
            "webhook-signature does not match: another secret, or the body or the id was changed on the way",
        ),
        (
            {},
            GOOD_BODY + b" ",
            NOW,
            "webhook-signature does not match: another secret, or the body or the id was changed on the way",
        ),
        (
            {"webhook-signature": "v1,\udce9"},
            GOOD_BODY,
            NOW,
            "webhook-signature does not match: another secret, or the body or the id was changed on the way",
        ),
        ({"webhook-signature": f"v1,AAAA {GOOD_HEADERS['webhook-signature']}"}, GOOD_BODY, NOW, ""),
    ],
)
def test_verify_says_which_part_is_wrong(change, body, now, expected):
    """One sentence for each way to be wrong, none for a good request, also when the secret is being changed."""
    assert verify(key_of(SECRET), GOOD_HEADERS | change, body, now) == expected


def test_verify_holds_the_published_vector():
    """The example of the Standard Webhooks specification verifies."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    assert (
        verify(
            key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), headers, b'{"test": 2432232314}', 1_614_265_330
        )
        == ""
    )


def test_an_unpadded_secret_is_the_same_key():
    """Some services leave the padding out."""
    assert key_of(SECRET.rstrip("=")) == key_of(SECRET) == bytes(range(32))


@pytest.mark.parametrize(
    "secret", ["", "abc", "whsec_", "whsec_%%%", "whsec_wronglength", SECRET[6:], "whsk_" + SECRET[6:]]
)
def test_what_is_no_secret_is_refused_without_repeating_it(secret):
    """The message says how to make one, and does not show what was given."""
    with pytest.raises(DemoError, match="edge-relay keygen") as caught:
        key_of(secret)

    assert secret == "" or secret.removeprefix("whsec_") == "" or secret not in str(caught.value)


async def test_a_good_event_is_answered_204_and_kept(tmp_path):
    """204, a receipt, a line in the log, and a line for people."""
    log = tmp_path / "received.jsonl"
    async with receiving(log=log) as (session, arrivals, receiver, _):
        assert await post(session, *signed()) == (204, "")

    assert receiver.receipts["evt_1"].seq == 12
    assert read_log(log) == receiver.receipts
    assert json.loads(log.read_text())["previous"] == 11
    assert (
        "alarm.raised  R1-temperature  R1.TT101 = 171.2 °C  (high 170)  seq 12  signature ok"
        in arrival_line(arrivals[0])
    )
    assert tone_of(arrivals[0]) is Tone.ALARM
    assert (
        way_line(arrivals[0], {"R1.TT101": "Modbus 40011"})
        == "Modbus 40011 = 171.2 °C -> high 170 -> POST 14 ms after -> seq 12 -> signature ok"
    )


async def test_a_bad_signature_is_answered_401_with_the_reason_and_not_kept():
    """The sender reads which part is wrong."""
    async with receiving() as (session, arrivals, receiver, _):
        status, text = await post(session, *signed(secret=OTHER))

    assert status == 401
    assert text.startswith("webhook-signature does not match")
    assert receiver.receipts == {}
    assert arrival_line(arrivals[0]).endswith("changed on the way")
    assert tone_of(arrivals[0]) is Tone.PROBLEM


async def test_the_same_id_again_is_counted_not_kept_twice(tmp_path):
    """Also after the receiver was started anew: the log remembers."""
    log = tmp_path / "received.jsonl"
    async with receiving(log=log) as (session, _, receiver, _):
        for _ in range(2):
            assert await post(session, *signed()) == (204, "")

        assert receiver.receipts["evt_1"].duplicates == 1
    async with receiving(log=log) as (session, arrivals, receiver, _):
        await post(session, *signed())

    assert receiver.receipts["evt_1"].duplicates == 2
    assert list(read_log(log)) == ["evt_1"]
    assert arrival_line(arrivals[0]).endswith("again (duplicate 2)")


async def test_it_goes_away_and_comes_back_on_the_same_port():
    """Gone means refused, not slow; what it had is still known."""
    async with receiving() as (session, _, receiver, port):
        await post(session, *signed())
        await receiver.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(session, *signed(webhook_id="evt_2"))
        await receiver.start(HOST, port)

        assert await post(session, *signed(webhook_id="evt_2")) == (204, "")
        assert set(receiver.receipts) == {"evt_1", "evt_2"}


async def test_it_fails_on_purpose():
    """The status asked for, after the delay asked for; nothing is kept."""
    async with receiving(misbehaviour=Misbehaviour(503, 50 * MILLISECOND)) as (
        session,
        arrivals,
        receiver,
        _,
    ):
        began = time.monotonic()

        assert await post(session, *signed()) == (503, "")
        assert time.monotonic() - began >= 0.05

    assert receiver.receipts == {}
    assert arrival_line(arrivals[0]).endswith("answered 503 on purpose")


async def test_a_body_of_any_kind_is_taken_if_it_is_signed():
    """A template may send text; there is just less to show."""
    async with receiving() as (session, arrivals, receiver, _):
        assert await post(session, *signed(event="boiler,site=x value=3")) == (204, "")

    assert receiver.receipts["evt_1"].seq is None
    assert arrival_line(arrivals[0]).endswith("(not a standard event)  signature ok")


async def test_a_taken_port_is_named():
    """With the remedy."""
    async with receiving() as (_, _, _, port):
        with pytest.raises(DemoError, match=f"cannot listen on 127.0.0.1:{port} .*another --port"):
            await Receiver(SECRET, FixedClock(), print).start(HOST, port)


@pytest.mark.parametrize("line", ["not json", '{"id": "evt_1"}', "[]"])
def test_a_damaged_log_is_named_with_its_line(tmp_path, line):
    """It is not silently begun anew: what it knew is what makes duplicates known."""
    log = tmp_path / "received.jsonl"
    log.write_text(f"{line}\n")

    with pytest.raises(DemoError, match=r"received\.jsonl:1 is not a line"):
        read_log(log)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "alarm.returned", "data": {"tag": "T", "value": 166.0, "unit": "°C", "level": "normal", "limit": 170}}, "Modbus 1 = 166 °C -> returned -> signature ok"),
        ({"type": "alarm.escalated", "data": {"tag": "T", "value": 188, "level": "high_high", "limit": 185}}, "Modbus 1 = 188 -> escalated high_high 185 -> signature ok"),
        ({"type": "alarm.raised", "data": {"tag": "T", "value": False, "rule": "stopped"}}, "Modbus 1 = false -> stopped raised -> signature ok"),
        ({"type": "tag.changed", "data": {"tag": "T", "value": None}}, "Modbus 1 = unknown -> changed -> signature ok"),
        ({"type": "agent.started", "timestamp": "nonsense"}, "agent -> started -> signature ok"),
        ({"type": "alarm.raised", "data": {"rule": "plc.communication"}}, "plc.communication -> raised -> signature ok"),
    ],
)  # fmt: skip
def test_each_event_has_a_way(event, expected):
    """Events with fewer fields than an alarm still make a line."""
    arrival = Arrival(NOW * SECOND, 204, "", receipt_of("evt_1", event), event)

    assert way_line(arrival, {"T": "Modbus 1"}) == expected
