"""One channel at work: who may post and ask, how fast, and what the plant still has to take.

Rules for whoever changes this: tokens are compared in the same time whatever they are, and a channel that
does not exist is as good as one whose token is wrong, so that nobody learns what there is.
"""

import base64
import hmac
import logging
import secrets
from hashlib import sha256
from typing import Final

from agent.config.secrets import Secret
from agent.model import SECOND
from agent.relay.config import ChannelSection, RateSection
from agent.store.mailbox_box import Box

_log = logging.getLogger(__name__)

_NOBODY: Final = Secret(secrets.token_urlsafe(32))


class Rate:
    """A bucket of `messages` tokens that fills within `per`; instants are monotonic nanoseconds."""

    def __init__(self, rate: RateSection) -> None:
        self._most = rate.messages * rate.per  # in nanoseconds of filling, a message costs `per`
        self._cost = rate.per
        self._speed = rate.messages
        self._left = self._most
        self._at = 0

    def wait(self, now: int) -> int:
        """Take one; 0: it is taken; else the nanoseconds after which there is one."""
        self._left = min(self._most, self._left + (now - self._at) * self._speed)
        self._at = now
        if self._left >= self._cost:
            self._left -= self._cost
            return 0
        return -((self._left - self._cost) // self._speed)


class Channel:
    """See the module.

    Attributes:
        name: in addresses.
        config: its section.
        box: what it keeps.
        rate: how fast it takes.
        held: how many questions are under way.
        reading: bytes of messages that are being read.
        full: it takes nothing more for want of room, as of the last message.
    """

    def __init__(self, box: Box, config: ChannelSection) -> None:
        self.name: Final = box.name
        self.config: Final = config
        self.box: Final = box
        self.rate: Final = Rate(config.rate)
        self.held = 0
        self.reading = 0
        self.full = False

    def note(self, *, full: bool) -> None:
        """The last message was not taken for want of room, or it was; what changes is told."""
        if full and not self.full:
            _log.warning(
                "channel %s takes nothing more, %d messages wait: see that its plant asks for them, or raise `max_size`",
                self.name,
                self.box.level.waiting,
            )
        elif self.full and not full:
            _log.warning("channel %s takes messages again", self.name)
        self.full = full


def may_post(channel: Channel | None, shown: str) -> bool:
    """Whether who shows this token may post."""
    if channel is None:
        return _is_one_of(shown, _NOBODY)
    token = channel.config.post_token
    return token == "none" or _is_one_of(shown, token, *channel.config.previous_post_tokens)  # noqa: S105 - the word of the configuration


def may_ask(channel: Channel | None, shown: str) -> bool:
    """Whether who shows this token may ask."""
    if channel is None:
        return _is_one_of(shown, _NOBODY)
    return _is_one_of(shown, channel.config.poll_token, *channel.config.previous_poll_tokens)


def _is_one_of(shown: str, *tokens: Secret) -> bool:
    # All are compared, so that the time does not say which it was.
    found = [hmac.compare_digest(_digest(shown), _digest(token.reveal())) for token in tokens]
    return any(found)


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()


def bearer(authorization: str) -> str:
    """The token of `Authorization: Bearer TOKEN`; empty: it is none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def password(authorization: str) -> str:
    """The password of `Authorization: Basic ...` (RFC 7617); empty: it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:  # not ASCII, no base64, no UTF-8: each is a kind of it
        return ""


def seconds(nanoseconds: int) -> int:
    """Whole seconds, one at least, as Retry-After has them."""
    return max(-(-nanoseconds // SECOND), 1)
