"""What is told when a consumer cannot be used: cause and remedy, the latter to be typed.

Rules for whoever changes this file: pure functions; none holds a password, a token or a key.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from agent.inbound.nats.config import NatsRelay
from agent.model import SECOND, Json
from agent.nats.connection import Connection

NO_SUCH_CONSUMER: Final = 10014
NO_SUCH_STREAM: Final = 10059
_NO_JETSTREAM: Final = frozenset({10039, 10076})
_NOBODY: Final = 503
_SHOWN: Final = 10  # streams


def at_server(connection: Connection | None, why: str) -> str:
    """Name the server, unless the reason does."""
    if connection is None or str(connection.server) in why:
        return f"NATS: {why}"
    return f"NATS {connection.server}: {why}"


def silence(config: NatsRelay) -> str:
    """Nothing came in time: no connection, no answer, no heartbeat."""
    return (
        f"nothing heard from {', '.join(map(str, config.servers))} within {config.timeout / SECOND:g} s: the "
        "server or the link to it is dead, or the cluster has no leader: check both"
    )


def stopped(config: NatsRelay, status: int, reason: str) -> str:
    """Why a pull brings nothing more, and the next one neither."""
    said = f"the consumer {config.consumer} of the stream {config.stream} hands out nothing ({status} {reason}".rstrip()
    match reason.lower():
        case "consumer deleted":
            remedy = (
                "somebody has deleted it: it is made anew, and what was taken before comes again and is not "
                "acted on twice"
            )
        case "exceeded maxwaiting":
            remedy = "too many ask for its messages: see that each agent has a `consumer` of its own"
        case _ if status == _NOBODY:
            remedy = "it was deleted, or its cluster has no leader just now"
        case _:
            remedy = f"see `nats consumer info {config.stream} {config.consumer}`, and the server's log"
    return f"{said}): {remedy}"


def to_type(config: NatsRelay) -> str:
    """The line with which a person makes the consumer."""
    which = f" --filter '{config.subject}'" if config.subject else ""
    return (
        f"nats consumer add {config.stream} {config.consumer} --pull --deliver=all --ack=explicit --wait=10s "
        f"--max-deliver=-1{which} --defaults"
    )


def permissions(config: NatsRelay) -> str:
    """What a user of a relay must be allowed at least."""
    name = f"{config.stream}.{config.consumer}"
    return (
        f"its user needs to publish to $JS.API.CONSUMER.INFO.{name}, $JS.API.CONSUMER.MSG.NEXT.{name} "
        f"and $JS.ACK.{name}.>, and to subscribe to {config.inbox_prefix}.>"
    )


def not_allowed_to_make(config: NatsRelay, subject: str, words: str) -> str:
    """There is no consumer, and this user may not make one; `words`: what the server says."""
    return (
        f"the stream {config.stream} has no consumer {config.consumer}, and this user may not make it ({words}): "
        f"allow it to publish to {subject}, or type `{to_type(config)}`"
    )


def no_stream(config: NatsRelay, names: Sequence[str] | None) -> str:
    """There is no such stream; `names`: those that there are, None: nobody says."""
    wrong = f"there is no stream {config.stream}"
    if names is None:
        return f"{wrong} in the account of this user: correct `stream`"
    if not names:
        return (
            f"{wrong}, the account of this user has none: make it with `nats stream add`, or correct `stream`"
        )
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"{wrong}; the account of this user has {shown}: correct `stream`"


def refused(config: NatsRelay, error: Mapping[str, Json]) -> str:
    """JetStream refuses the question."""
    number, why = error.get("err_code"), error.get("description", "no reason given")
    remedy = (
        "enable JetStream for the account of this user"
        if number in _NO_JETSTREAM
        else "see the server's log and `nats stream info`"
    )
    return f"JetStream refuses the consumer {config.consumer} of the stream {config.stream} ({why}): {remedy}"


def unfit(config: NatsRelay, settings: Mapping[str, Json]) -> str:
    """Why a consumer that somebody made is not used; empty: it is."""
    name = f"{config.stream} {config.consumer}"
    edit, anew = (
        f"type `nats consumer edit {name}",
        "name another `consumer`, or delete it and let it be made anew",
    )
    most = settings.get("max_deliver")
    subjects = _subjects(settings)
    if settings.get("deliver_subject"):
        wrong = f"pushes its messages, whether they are taken or not: {anew}"
    elif (policy := settings.get("ack_policy")) != "explicit":
        wrong = f"has the ack policy {policy}, by which messages are lost: {anew}"
    elif settings.get("headers_only"):
        wrong = f"hands out headers without bodies: {edit} --no-headers-only`"
    elif isinstance(most, int) and most > 0:
        wrong = f"gives a message up after {most} attempts: {edit} --max-deliver=-1`"
    elif config.subject and subjects != [config.subject]:
        told = ", ".join(subjects) or "all subjects"
        wrong = (
            f"takes {told}, not {config.subject}: correct `subject`, or {edit} --filter='{config.subject}'`"
        )
    else:
        return ""
    return f"the consumer {config.consumer} of the stream {config.stream} {wrong}"


def _subjects(settings: Mapping[str, Json]) -> list[str]:
    many = settings.get("filter_subjects")
    one = settings.get("filter_subject")
    return [str(each) for each in many] if isinstance(many, list) and many else [str(one)] if one else []
