"""What a stream says, as the table of answers has it, and in words that a person can act on.

Rules for whoever changes this file: pure functions; every text names the cause and the remedy; none
holds a password, a token or a key. What says nothing against the event (no leader, a full stream) is
503, so that a lone event is not given up for it.
"""

from typing import Final

import orjson

from agent.delivery.said import OK, Said
from agent.destinations.nats.config import NatsDestination
from agent.model import SECOND, Json

WHO_TAKES_IT: Final = "$JS.API.STREAM.NAMES"
"""Where JetStream says which streams take a subject."""

_NO_JETSTREAM: Final = frozenset({10039, 10076})
_NO_LEADER: Final = frozenset({10008, 10009, 10118})
_OTHER_STREAM: Final = 10060
_TOO_LARGE: Final = 10054
_SEALED: Final = 10109
_FULL: Final = frozenset({10023, 10028, 10047, 10077})


def acknowledged(payload: bytes, subject: str) -> Said:
    """Read what came back for an event: a stream's acknowledgement, its refusal, or neither."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        answer = None
    match answer:
        case {"error": {"code": int(code), "err_code": int(number), **rest}}:
            return _refused(code, number, str(rest.get("description", "no reason given")))
        case {"stream": str(), "seq": int()}:
            return OK  # a duplicate too: the stream has it
        case _:
            return Said(
                404,
                f"something that is no stream answers on the subject {subject}: "
                "let a stream take it, or correct `subject`",
            )


def _refused(code: int, number: int, description: str) -> Said:
    status, remedy = code if 400 <= code < 600 else 500, "see the server's log"  # noqa: PLR2004 - HTTP's statuses
    if number == _OTHER_STREAM:
        status, remedy = 404, "correct `stream`, or the subjects of the streams"
    elif number == _TOO_LARGE:
        status, remedy = 413, "raise its max_msg_size"
    elif number in _FULL:
        status, remedy = 503, "raise its limits, or let it discard the oldest"
    elif number in _NO_JETSTREAM:
        status, remedy = 404, "enable JetStream for the account of this user"
    elif number in _NO_LEADER:
        status, remedy = 503, "the cluster has no leader for it just now"
    elif number == _SEALED:
        status, remedy = 403, "name another stream's subject"
    return Said(status, f"the stream refuses the event ({description}): {remedy}")


def nobody_listens(subject: str, streams: bytes | None) -> Said:
    """Say why nothing took a subject; `streams` is what JetStream answers to who would.

    None: it does not answer; empty: this user may not ask, so that it may be either.
    """
    if streams is None:
        return Said(
            503,
            f"no stream takes the subject {subject}, and JetStream does not answer: see that it is enabled "
            "for the account of this user, and that its cluster has a leader",
        )
    if not streams:
        return Said(
            503,
            f"no stream takes the subject {subject}, or its leader is away: see that one takes it, "
            f"and allow this user to publish to {WHO_TAKES_IT}, so that it can be told",
        )
    found = _streams(streams)
    if isinstance(found, str):
        return Said(
            404, f"no stream takes the subject {subject} ({found}): enable JetStream for this account"
        )
    if found:
        return Said(503, f"stream {found[0]} takes {subject}, but has no leader just now")
    return Said(404, f"no stream takes the subject {subject}: add it to one, or correct `subject`")


def _streams(answer: bytes) -> list[str] | str:
    """Read the answer of `STREAM.NAMES`: names, or why there are none."""
    try:
        told: Json = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return []
    match told:
        case {"error": {"description": str(why)}}:
            return why
        case {"streams": list(names)}:
            return [str(name) for name in names]
        case _:
            return []


def too_large(size: int, most: int) -> Said:
    """An event larger than the server takes; it would end the connection."""
    return Said(413, f"the event has {size} bytes, the server takes {most}: raise its max_payload")


def silence(config: NatsDestination, subject: str, *, alive: bool) -> str:
    """Nothing came in time; `alive`: the server itself answers."""
    waited = f"no answer within {config.timeout / SECOND:g} s"
    if alive:
        return f"{waited}: the server is there, but no stream acknowledges {subject}: see that one takes it"
    return f"{waited}: the server or the link to it is dead"
