"""A consumer of a JetStream stream, as the configuration writes it; free of heavy imports.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from agent.config.fields import Duration
from agent.inbound.base import RelaySection
from agent.model import SECOND
from agent.nats.servers import NatsSection, StreamName

_PART: Final = r"[^\s.*>\x00-\x1f\x7f]+"
_FILTER: Final = re.compile(rf"(?:{_PART}|\*)(?:\.(?:{_PART}|\*))*(?:\.>)?|>")
_NAME: Final = re.compile(r"[^\s.*>/\\\x00-\x1f\x7f]{1,255}")


def _check_consumer(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("expected the name of a consumer, such as line4: no blank, no point, no wildcard")
    return name


def _check_filter(subject: str) -> str:
    if not _FILTER.fullmatch(subject):
        raise ValueError("expected a subject such as plant7.orders or plant7.>: no blank, no empty part")
    return subject


class NatsRelay(NatsSection, RelaySection):
    """A durable pull consumer of NATS JetStream: for fleets."""

    type: Literal["nats"]
    """What kind of relay this is."""
    stream: StreamName
    """The stream that holds the messages."""
    consumer: Annotated[str, AfterValidator(_check_consumer)]
    """The name of the durable consumer; each agent has its own. It is made when there is none."""
    subject: Annotated[str, AfterValidator(_check_filter)] | None = None
    """Which subjects of the stream it takes, `*` for a part, `>` for all that follow; none: all."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=60 * SECOND)] = 15 * SECOND
    """How long the servers may take to connect and to answer, and how long they may be silent."""
