"""The relay's file: every mistake at once, each at its place, none with a token in it."""

import pytest

from agent.errors import ConfigError
from agent.relay.load import load_relay

TOKENS = 'post_token: "post-token-0123456789", poll_token: "poll-token-0123456789"'


def problems(folder, text, severity="error"):
    file = folder / "relay.yaml"
    file.write_text(text)
    try:
        found = load_relay(file, {}).warnings
    except ConfigError as error:
        found = error.problems
    return [str(each).partition("relay.yaml:")[2] for each in found if each.severity == severity]


@pytest.mark.parametrize(
    ("relay", "channel", "stands", "text"),
    [
        ("listen: 0.0.0.0:8471", TOKENS, "0.0.0.0:8471", "tokens would travel in clear: add `tls:"),
        ("listen: '[::]:8471'", TOKENS, "'[::]", "tokens would travel in clear"),
        ("listen: here:8471", TOKENS, "here", "expected an IP address before the port"),
        ("listen: 127.0.0.1:99999", TOKENS, "127.0.0.1:99999", "expected an IP address and a port"),
        ("monitor: 0.0.0.0:1", TOKENS, "0.0.0.0:1", "health and metrics ask for no token"),
        ("monitor: 127.0.0.1:8471", TOKENS, "127.0.0.1:8471", "is `listen` already"),
        ("max_siz: 1GB", TOKENS, "max_siz: ", "did you mean `max_size`?"),
        ("max_size: 1MB", TOKENS, "1MB", "10MB or more"),
        ("tls: {certificate: a.pem}", TOKENS, "tls: ", "`key` is missing"),
        ("", "post_token: none", "a: {", "`poll_token` is missing"),
        ("", 'post_token: none, poll_token: "short"', '"short"', "can be guessed"),
        ("", 'post_token: none, poll_token: "has a blank in the middle"', '"has', "without blanks"),
        ("", 'post_token: none, poll_token: "none"', '"none"', "can be guessed"),
        (
            "",
            'post_token: "${file:no}", poll_token: "poll-token-0123456789"',
            '"${',
            "cannot read the secret file",
        ),
        ("", f"{TOKENS}, max_body: 6MB", "6MB", "5MB or less"),
        ("", f"{TOKENS}, max_body: 5MB, max_size: 1MB", "5MB", "more than `max_size`"),
        ("", f"{TOKENS}, rate: {{messages: 0}}", "0}", "1 or more"),
        ("", f"{TOKENS}, keep: 0s", "0s", "more than"),
        ("", f"{TOKENS}, previous_post_tokens: [short]", "short", "can be guessed"),
        ("", f'{TOKENS}, previous_post_tokens: ["poll-token-0123456789"]', '"poll', "make another"),
        ("", f'{TOKENS}, previous_poll_tokens: ["post-token-0123456789"]', '"post', "leave it out"),
        (
            "",
            'post_token: none, poll_token: "poll-token-0123456789", previous_post_tokens: ["old-token-0123456789"]',
            "previous_post_tokens",
            "lets anyone post",
        ),
        (
            "",
            'post_token: "poll-token-0123456789", poll_token: "poll-token-0123456789"',
            '"poll',
            "make another",
        ),
    ],
)
def test_each_mistake_is_found_where_it_stands(tmp_path, relay, channel, stands, text):
    """One problem, with its line and column, in words."""
    written = f"relay: {{{relay}}}\nchannels:\n  a: {{{channel}}}\n"
    found = problems(tmp_path, written)

    assert len(found) == 1, found
    assert text in found[0]
    line, column = map(int, found[0].split(":")[:2])
    assert written.splitlines()[line - 1][column - 1 :].startswith(stands)
    assert "0123456789" not in found[0]


@pytest.mark.parametrize("name", ["a b", "a/b", "a.b", "x" * 65, "ä"])
def test_a_channel_has_a_name_that_stands_in_an_address(tmp_path, name):
    """Letters, digits, `_` and `-`, 64 at the most."""
    [found] = problems(tmp_path, f"channels:\n  {name}: {{{TOKENS}}}\n")

    assert "cannot be a name" in found


def test_all_mistakes_are_told_at_once(tmp_path):
    """One hides no other; an empty file has no channel."""
    text = "relay: {listen: x, max_size: 3}\nchannels:\n  a: {post_token: none}\n  b b: {}\nother: 1\n"

    assert len(problems(tmp_path, text)) >= 6
    assert "no channel" in problems(tmp_path, "relay: {listen: 127.0.0.1:1}\n")[0]


@pytest.mark.parametrize(
    "relay",
    ["behind_proxy: true, listen: 0.0.0.0:8471", "tls: {certificate: a, key: b}, listen: '[::]:8471'", ""],
)
def test_what_is_right_loads(tmp_path, relay):
    """With TLS, behind a proxy, or on loopback; tokens in plain text are warned of."""
    text = f"relay: {{{relay}}}\nchannels:\n  a: {{{TOKENS}}}\n"

    assert problems(tmp_path, text) == []
    assert len(problems(tmp_path, text, "warning")) == 2
