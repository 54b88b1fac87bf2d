"""A message of a stream, as the agent takes it.

Rules for whoever changes this: pure; whatever a stranger has published, nothing here raises.
"""

from typing import Final, NamedTuple

from agent.codec.nats import Arrived as Frame
from agent.inbound.base import LARGEST_BODY
from agent.incoming.message import Arrived

_ACK: Final = "$JS.ACK."
_OLD_FORM: Final = 9  # words: $JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.CONSUMER-SEQUENCE.TIME.PENDING
_DOMAIN: Final = 2  # words before the stream that the new form has more: domain and account


class Place(NamedTuple):
    """Where a message stands; as texts, for they are only told."""

    stream: str
    sequence: str


def is_message(frame: Frame) -> bool:
    """Whether it is a message of the stream, and not a word of the server about a pull."""
    return frame.reply.startswith(_ACK)


def place(frame: Frame) -> Place:
    """Read it from the subject on which the message is acknowledged (ADR-15 of NATS)."""
    words = frame.reply.split(".")
    first = 2 if len(words) <= _OLD_FORM else 2 + _DOMAIN
    return Place(*words[first : first + 4 : 3]) if len(words) >= _OLD_FORM else Place("", "")


def message(frame: Frame) -> Arrived:
    """The bytes as they were published, under what the publisher calls it, or its place in the stream."""
    headers = frame.headers()
    relay_id = headers.get("nats-msg-id") or ":".join(place(frame))
    if why := _too_large(frame):
        return Arrived(b"", headers, relay_id=relay_id, unusable=why)
    return Arrived(frame.payload, headers, relay_id=relay_id, type=headers.get("ce-type", ""))


def _too_large(frame: Frame) -> str:
    """Why it is given up; empty: it is not."""
    size = frame.missing or len(frame.payload)
    if size <= LARGEST_BODY:
        return ""
    stream, sequence = place(frame)
    return (
        f"message {sequence} of the stream {stream} has {size:,} bytes, at most {LARGEST_BODY:,} are taken: "
        f"it is given up; `nats stream get {stream} {sequence}` shows it"
    )
