"""Loading the relay's configuration: all of it, or all that is wrong with it, each with its line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from agent.config.checking import Checking
from agent.config.listening import is_loopback
from agent.config.secrets import Secret
from agent.config.walk import texts_in
from agent.errors import ConfigError, Problem
from agent.relay.config import (
    CHANNEL,
    ChannelSection,
    RelayConfiguration,
    RelayFile,
    RelaySection,
)

_RELAY: Final = TypeAdapter(RelaySection)
_CHANNEL: Final = TypeAdapter(ChannelSection)


def load_relay(path: Path, environment: Mapping[str, str] = os.environ) -> RelayConfiguration:
    """Load the file; secrets are looked up on the way.

    Raises:
        ConfigError: with every error, and the warnings, in the order of the file.
    """
    if not path.is_file():
        text = "no such file: `edge-relay relay --channel NAME FILE` writes one and serves"
        raise ConfigError([Problem(str(path), 0, 0, text)])
    checking = Checking(path, environment)
    checking.check_sections(RelayFile.model_fields)
    relay = checking.section("relay", _RELAY)
    channels = checking.entries("channels", _CHANNEL)
    for name in checking.named("channels"):
        if not CHANNEL.fullmatch(name):
            checking.check_name(("channels", name), CHANNEL, "1 to 64 letters, digits, `_` and `-`")
    if not checking.named("channels") and checking.document.complete:
        checking.report((), "no channel: add one under `channels:`")
    if relay is not None:
        _check_listening(relay, checking)
    for name, channel in channels.items():
        _check_channel(name, channel, checking)
    problems = sorted(checking.problems, key=lambda problem: (problem.file, problem.line, problem.column))
    if relay is None or any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems)
    return RelayConfiguration(relay, channels, tuple(problems))


def _check_listening(relay: RelaySection, checking: Checking) -> None:
    """Tokens must not travel in clear."""
    if relay.tls is None and not relay.behind_proxy and not is_loopback(relay.listen):
        checking.report(
            ("relay", "listen"),
            f"{relay.listen} can be reached from other machines, and tokens would travel in clear: add "
            "`tls: {certificate: FILE, key: FILE}`, or `behind_proxy: true` if a proxy before it speaks TLS, "
            f"or listen on 127.0.0.1:{relay.listen.port}",
        )
    if relay.listen == relay.monitor:
        checking.report(("relay", "monitor"), f"{relay.monitor} is `listen` already: take another port")


def _check_channel(name: str, channel: ChannelSection, checking: Checking) -> None:
    path = ("channels", name)
    posting = (channel.post_token, *channel.previous_post_tokens)
    if channel.poll_token in posting:
        text = "senders have it as well, and who posts could read and acknowledge: make another"
        checking.report((*path, "poll_token"), text)
    for number, previous in enumerate(channel.previous_poll_tokens):
        if previous in posting:
            text = "senders have it as well, and who posts could read and acknowledge: leave it out"
            checking.report((*path, "previous_poll_tokens", number), text)
    if channel.post_token == "none" and channel.previous_post_tokens:  # noqa: S105 - the word of the configuration
        text = "`post_token: none` lets anyone post: leave them out, or give `post_token`"
        checking.report((*path, "previous_post_tokens"), text)
    if channel.max_body > channel.max_size:
        checking.report((*path, "max_body"), "more than `max_size`: no such message could be kept")
    for place, token in texts_in(channel, path):
        if isinstance(token, Secret) and token.exposed:
            remedy = "put it into a file that the relay alone may read, and write ${file:PATH} here"
            checking.report(place, f"a secret {token.exposed}: {remedy}", "warning")
