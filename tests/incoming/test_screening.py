"""Whether a message is taken: every way in which it can be wrong, and nothing but a value for any bytes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.relay_terms import FORWARD, STANDARD, WRITE, relay
from rigs.signed import OTHER, PUBLIC_KEY, SECRET, headers, headers_ed25519, signed, signed_hex, utc

from agent.incoming.message import Arrived
from agent.incoming.screening import Code, Now, Rejected, Taken, screen
from agent.stamps import Standing

PUBLISH = {"publish": {"source": "broker", "topic": "t", "payload": "/data/nothing"}}
AT = utc("2026-11-21T08:00:00Z")
NOW = Now(AT, Standing.TRUSTED)
DAY = 86_400


def asks(**more):
    return {"type": "setpoint.set", "timestamp": "2026-11-21T08:00:00Z", "data": {"value": 5}, **more}


def with_a_header(size):
    message = signed(asks(), at=AT)
    return replace(message, headers={**message.headers, "x": "y" * size})


CASES = {
    "it is right": (signed(asks(), at=AT), {}, None),
    "without a time in its body": (signed({"type": "x"}, at=AT - 59), {}, None),
    "a bad signature": (signed(asks(), at=AT, key=OTHER), {}, Code.SIGNATURE),
    "no signature": (Arrived(b"{}"), {}, Code.SIGNATURE),
    "as many headers as may be": (with_a_header(31_500), {}, None),
    "headers without end": (with_a_header(32_000), {}, Code.UNUSABLE),
    "another body": (replace(signed(asks(), at=AT), body=b'{"type":"setpoint.set"}'), {}, Code.SIGNATURE),
    "no raw bytes": (signed(asks(), at=AT, raw=False), {}, Code.NOT_RAW),
    "too old by its signature": (signed({"type": "x"}, at=AT - 61), {}, Code.TOO_OLD),
    "too old by its body": (signed(asks(timestamp="2026-11-21T07:58:59Z"), at=AT), {}, Code.TOO_OLD),
    "young by its body, sent again": (signed(asks(), at=AT - 100), {}, None),
    "from the future": (signed({"type": "x"}, at=AT + 301), {}, Code.TOO_NEW),
    "a clock that is a bit fast": (signed({"type": "x"}, at=AT + 300), {}, None),
    "from the future by its body": (signed(asks(timestamp="2026-11-21T08:05:01Z"), at=AT), {}, Code.TOO_NEW),
    "a body's time without a zone is none": (
        signed(asks(timestamp="2026-11-21T07:00:00"), at=AT),
        {},
        None,
    ),
    "an unproved clock": (
        signed(asks(), at=AT),
        {"now": replace(NOW, standing=Standing.UNPROVEN)},
        Code.CLOCK,
    ),
    "a wrong clock": (signed(asks(), at=AT), {"now": replace(NOW, standing=Standing.WRONG)}, Code.CLOCK),
    "as old as what is forgotten": (signed(asks(), at=AT), {"now": replace(NOW, horizon=AT)}, Code.TOO_OLD),
    "newer than what is forgotten": (signed(asks(), at=AT), {"now": replace(NOW, horizon=AT - 1)}, None),
    "no route for its type": (
        signed(asks(type="other"), at=AT),
        {"routes": {"a": {"type": "setpoint.*", **WRITE}}},
        Code.NO_ROUTE,
    ),
    "no type at all": (signed(b"[1]", at=AT), {"routes": {"a": {"type": "*", **WRITE}}}, Code.NO_ROUTE),
    "no JSON, for a route of any type": (signed(b"\xff", at=AT), {"routes": {"a": FORWARD}}, None),
    "forward: any age up to 30 days": (
        signed(asks(timestamp=""), at=AT - 30 * DAY),
        {"routes": {"a": FORWARD}},
        None,
    ),
    "forward: older than it is remembered": (
        signed(asks(timestamp=""), at=AT - 30 * DAY - 1),
        {"routes": {"a": FORWARD}},
        Code.TOO_OLD,
    ),
    "forward: forgotten or not": (
        signed(asks(), at=AT),
        {"routes": {"a": FORWARD}, "now": replace(NOW, horizon=AT + 9)},
        None,
    ),
    "forward: allowed to be older than it is remembered": (
        signed(asks(timestamp=""), at=AT - 31 * DAY),
        {"routes": {"a": {"max_age": "60d", **FORWARD}}},
        Code.TOO_OLD,
    ),
    "what its relay calls it, where that is not signed": (
        signed({}, at=AT, type="setpoint.set"),
        {"routes": {"a": {"type": "setpoint.*", **WRITE}}},
        Code.NO_ROUTE,
    ),
    "what its relay calls it, where nothing is signed": (
        Arrived(b"{}", type="order"),
        {"verify": "none", "routes": {"a": {"type": "order", **FORWARD}}},
        None,
    ),
    "none that can be used": (
        replace(signed(asks(), at=AT), unusable="it is larger than this agent takes"),
        {},
        Code.UNUSABLE,
    ),
    "what the relay has lost": (
        Arrived(b"", unusable="7 messages came and went", lost=True),
        {"verify": "none", "routes": {"a": FORWARD}},
        Code.LOST,
    ),
    "nothing stands where a part of it is to be handed on": (
        signed(asks(), at=AT),
        {"routes": {"a": PUBLISH}},
        Code.ASKED,
    ),
    "forward: with an age of its own": (
        signed(asks(timestamp=""), at=AT - 11),
        {"routes": {"a": {"max_age": "10s", **FORWARD}}},
        Code.TOO_OLD,
    ),
    "forward: whatever the clock": (
        signed(asks(), at=AT),
        {"routes": {"a": FORWARD}, "now": Now(0, Standing.WRONG)},
        None,
    ),
    "forward: newer than a clock that is not proved": (
        signed(asks(), at=AT),
        {"routes": {"a": FORWARD}, "now": Now(AT - DAY, Standing.UNPROVEN)},
        None,
    ),
    "forward: newer than a clock that is proved": (
        signed(asks(), at=AT),
        {"routes": {"a": FORWARD}, "now": Now(AT - DAY, Standing.TRUSTED)},
        Code.TOO_NEW,
    ),
    "forward: too old, by a clock that is not proved": (
        signed(asks(), at=AT),
        {
            "routes": {"a": {"max_age": "1h", **FORWARD}},
            "now": Now(AT + DAY, Standing.UNPROVEN),
        },
        Code.TOO_OLD,
    ),
    "a time with small letters (RFC 3339, 5.6)": (
        signed(asks(timestamp="2026-11-21t07:58:59z"), at=AT),
        {},
        Code.TOO_OLD,
    ),
    "forward: a clock that is wrong says nothing of its age": (
        signed(asks(), at=AT),
        {"routes": {"a": FORWARD}, "now": Now(AT + 99 * DAY, Standing.WRONG)},
        None,
    ),
    "hex: it is right": (
        signed_hex(asks(), "hush"),
        {
            "verify": {
                "scheme": "hex",
                "secret": "hush",
                "header": "X-Hub-Signature-256",
                "prefix": "sha256=",
            },
            "routes": {"a": FORWARD},
        },
        None,
    ),
    "hex: no time, and an age is asked for": (
        signed_hex({}, "hush"),
        {
            "verify": {
                "scheme": "hex",
                "secret": "hush",
                "header": "X-Hub-Signature-256",
                "prefix": "sha256=",
            },
            "routes": {"a": {"max_age": "10s", **FORWARD}},
        },
        Code.NO_TIME,
    ),
    "none: whatever it is": (Arrived(b"x", raw=False), {"verify": "none", "routes": {"a": FORWARD}}, None),
}


@pytest.mark.parametrize(("arrived", "given_terms", "code"), CASES.values(), ids=CASES)
def test_a_message_is_taken_or_refused_for_its_reason(arrived, given_terms, code):
    """A refusal names its part of the message, in a sentence, and holds no more of it than a line."""
    more = {"now": NOW, "verify": STANDARD, "routes": {"set": WRITE}} | given_terms
    verdict = screen(arrived, relay(more["verify"], **more["routes"]), more["now"])
    if code is None:
        assert isinstance(verdict, Taken), verdict
    else:
        assert isinstance(verdict, Rejected)
        assert verdict.code is code
        assert 10 < len(verdict.why) < 300


ROUTES = {
    "seven": {"type": "setpoint.*", "fields": {"/data/line": 7}, **WRITE},
    "on": {"type": ["switch", "setpoint.set"], "fields": {"/data/on": True}, **WRITE},
    "word": {"fields": {"/data/mode": "auto", "/site": "s"}, **WRITE},
    "rest": {"type": "setpoint.*", **WRITE},
}


@pytest.mark.parametrize(
    ("document", "route"),
    [
        ({"type": "setpoint.set", "data": {"line": 7, "on": True}}, "seven"),
        ({"type": "setpoint.set", "data": {"line": 7.0}}, "seven"),
        ({"type": "setpoint.set", "data": {"line": "7", "on": True}}, "on"),
        ({"type": "setpoint.set", "data": {"line": True, "on": 1}}, "rest"),
        ({"type": "switch", "data": {"on": True}}, "on"),
        ({"type": "x", "data": {"mode": "auto"}, "site": "s"}, "word"),
        ({"data": {"mode": "auto"}, "site": "s"}, "word"),
        ({"type": ["setpoint.set"]}, None),
        ({"type": "setpoint.set\n"}, "rest"),
        ([], None),
    ],
)
def test_the_first_route_that_fits_takes_it(document, route):
    """By type and by what stands where; 7 is 7.0, and true is not 1."""
    verdict = screen(signed(document, at=AT), relay(**ROUTES), NOW)
    assert (verdict.route.name if verdict.route else None) == route


def test_who_it_is_from_and_what_it_is_called():
    """The signed id and time, the type of the signed body, and which key: never a part of a key."""
    body = b'{"type": "a", "timestamp": "2026-11-21T08:00:09+01:00"}'
    keys = relay({"secret": OTHER, "previous_secrets": [SECRET]}, a=FORWARD)
    found = screen(Arrived(body, headers(body, "msg_9", AT)), keys, NOW).origin
    assert (found.identity, found.type, found.stamp) == ("msg_9", "a", AT - 3600 + 9)
    assert found.sender == keys.senders[1] != keys.senders[0]
    assert found.sender.startswith("standard:")
    assert SECRET[6:14] not in found.sender

    public = relay({"scheme": "ed25519", "key": PUBLIC_KEY}, a=FORWARD)
    made = screen(Arrived(body, headers_ed25519(body, "msg_9", AT)), public, NOW).origin
    assert made.sender.startswith("ed25519:")
    assert made.key == found.key


def test_what_is_signed_makes_the_key_and_nothing_else():
    """Known again with another stamp, in another body's dress, by another relay; not by what a relay says."""
    other_relay = replace(relay(a=FORWARD), relay="second")
    first = screen(signed(asks(), at=AT, relay_id="1"), relay(a=FORWARD), NOW).origin
    assert first.key == screen(signed(asks(), at=AT + 5, relay_id="2"), other_relay, NOW).origin.key
    assert first.key != screen(signed(asks(), "msg_2", at=AT, relay_id="1"), relay(a=FORWARD), NOW).origin.key
    assert screen(signed(asks(), at=AT, key=OTHER), relay(), NOW).origin.key == b""

    nobody = relay("none", a=FORWARD)
    by_relay = [screen(Arrived(b"{}", relay_id=name), nobody, NOW).origin.key for name in ("1", "2", "1", "")]
    assert by_relay[0] == by_relay[2]
    assert len(set(by_relay)) == 3
    elsewhere = replace(nobody, relay="second")
    by_another = [screen(Arrived(b"{}", relay_id=name), elsewhere, NOW).origin.key for name in ("1", "")]
    assert not {*by_another} & {*by_relay}
    hexed = relay({"scheme": "hex", "secret": "hush", "header": "x-hub-signature-256", "prefix": "sha256="})
    one, two = (replace(signed_hex({}, "hush"), relay_id=name) for name in "12")
    assert screen(one, hexed, NOW).origin.key == screen(two, hexed, NOW).origin.key


WEIRD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "timestamp", "data", "value", ""]), inner, max_size=4)
    ),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "svix-id", "x-signature"])
    | st.text(max_size=5),
    st.text(max_size=40) | st.sampled_from(["v1,AAAA", "v1a,AAAA", "0", "-1", "9" * 40]),
    max_size=4,
)


@given(st.binary(max_size=60), HEADERS, st.booleans(), st.text(max_size=9), st.text(max_size=9))
def test_whatever_strangers_send_is_refused(body, names, raw, relay_id, kind):
    """Nobody without the key gets anything but a refusal, in one line."""
    verdict = screen(Arrived(body, names, raw, relay_id, kind), relay(), NOW)
    assert isinstance(verdict, Rejected)
    assert verdict.code in (Code.SIGNATURE, Code.NOT_RAW)
    assert verdict.origin.key == b""
    assert verdict.why.isprintable()
    assert verdict.origin.identity.isprintable()


@given(WEIRD, st.integers(-(10**12), 10**12))
def test_whatever_a_sender_signs_gives_a_verdict(document, off):
    """A sender may be mad: nothing is raised, and what is taken is of an age that was asked for."""
    import json  # noqa: PLC0415 - writes NaN and surrogates, which orjson does not

    body = json.dumps(document).encode(errors="surrogatepass")
    at = max(0, AT + off)
    verdict = screen(
        Arrived(body, headers(body, "m", at)), relay(a={"fields": {"/data": 1}, **WRITE}, b=WRITE), NOW
    )
    if isinstance(verdict, Taken):
        assert AT - 60 <= verdict.origin.stamp <= AT + 300
    assert verdict.origin.type.isprintable()
