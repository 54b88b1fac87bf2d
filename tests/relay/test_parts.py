"""The parts of the relay that are pure: the bucket of a channel, what is shown to it, what a body is in an answer."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.model import SECOND
from agent.relay.channel import Channel, Rate, bearer, may_ask, may_post, password
from agent.relay.config import ChannelSection, RateSection
from agent.relay.giving import parsed
from agent.store.mailbox_box import Box
from agent.store.mailbox_rows import Level


def test_as_many_as_it_holds_come_at_once_and_then_one_after_the_other():
    """Ten a second: ten at once, the eleventh a tenth later."""
    rate = Rate(RateSection(messages=10, per="1s"))
    now = 5 * SECOND

    assert [rate.wait(now) for _ in range(11)] == [0] * 10 + [SECOND // 10]
    assert rate.wait(now + SECOND // 10 - 1) == 1
    assert rate.wait(now + SECOND // 10) == 0
    assert rate.wait(now + 100 * SECOND) == 0


@given(some.integers(1, 50), some.integers(1, 10 * SECOND), some.lists(some.integers(0, SECOND), max_size=80))
def test_never_more_than_the_rate_and_the_wait_is_exact(messages, per, steps):
    """Over any stretch: at most the bucket and what flowed in; who waits as told is taken."""
    rate, now, taken = Rate(RateSection(messages=messages, per=f"{per // 1_000_000 + 1}ms")), SECOND, []
    per = (per // 1_000_000 + 1) * 1_000_000
    for step in steps:
        now += step
        if wait := rate.wait(now):
            now += wait
            assert rate.wait(now) == 0
        taken.append(now)
    for index, begin in enumerate(taken):
        within = sum(begin <= each < begin + per for each in taken[index:])
        assert within <= 2 * messages


@pytest.mark.parametrize(
    ("header", "token", "secret"),
    [
        ("Bearer abc", "abc", ""),
        ("bearer  abc ", "abc", ""),
        ("Basic " + base64.b64encode(b"u:p:q").decode(), "", "p:q"),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), "", ""),
        ("Basic ?", "", ""),
        ("Basic \udcff\udcfe", "", ""),
        ("Basic ä", "", ""),
        ("Digest x", "", ""),
        ("", "", ""),
    ],
)
def test_what_a_header_shows(header, token, secret):
    """A bearer token, or the password of basic auth; nonsense shows nothing."""
    assert (bearer(header), password(header)) == (token, secret)


def test_while_a_token_is_changed_both_are_good():
    """Each on its own side."""
    box = Box(1, "a", [(0, "0")], 1, Level(0, 0, 0, 0, 1, 0, 0))
    tokens = {kind: f"{kind}-0123456789" for kind in ("post-new", "post-old", "poll-new", "poll-old")}
    section = ChannelSection(
        post_token=tokens["post-new"],
        previous_post_tokens=[tokens["post-old"]],
        poll_token=tokens["poll-new"],
        previous_poll_tokens=[tokens["poll-old"]],
    )
    channel = Channel(box, section)

    assert {kind for kind, token in tokens.items() if may_post(channel, token)} == {"post-new", "post-old"}
    assert {kind for kind, token in tokens.items() if may_ask(channel, token)} == {"poll-new", "poll-old"}
    assert not may_post(channel, "")


@given(some.text())
def test_nobody_is_let_into_a_channel_that_is_none(shown):
    """Whatever is shown, surrogates included."""
    assert not may_post(None, shown)
    assert not may_ask(None, shown + "\udcff")


@pytest.mark.parametrize(
    ("body", "kind", "payload"),
    [
        (b'{"type": "a.b", "n": 1e400}', "", None),
        (
            b'{"type": "a.b",  "n": 123456789012345678901}',
            "a.b",
            b'{"type": "a.b",  "n": 123456789012345678901}',
        ),
        (b'{"type": 5}', "", b'{"type": 5}'),
        (b"[1]", "", b"[1]"),
        (b'"\\ud800"', "", None),
        (b"1],[2", "", None),
        (b"\xff", "", None),
        (b"", "", None),
        (b"[" * 60 + b"]" * 60, "", b"[" * 60 + b"]" * 60),
        (b"[" * 61 + b"]" * 61, "", None),
        (b"[" * 5000 + b"]" * 5000, "", None),
        (b"[" + b"[]," * 99 + b"[]]", "", b"[" + b"[]," * 99 + b"[]]"),
    ],
)
def test_what_a_body_is_in_an_answer(body, kind, payload):
    """As it is written, if any parser can read it in there; else the raw bytes alone."""
    found = parsed(body)

    assert (found[0], found[1] and orjson.dumps(found[1])) == (kind, payload)
