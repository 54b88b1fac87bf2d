"""A NATS destination as it is written in the configuration.

Rules for whoever changes this: what can be wrong with a key is found here, when the file is loaded,
and not at the first alarm.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from agent.delivery.body import Identity
from agent.destinations.base import DestinationSection
from agent.destinations.placeholders import Template
from agent.model import Event
from agent.nats.servers import NatsSection, StreamName
from agent.signing.config import Signing

DELICATE: Final = "*>"
SEPARATOR: Final = "."
_ALL: Final = "plant.{site}.{agent}.{type}"


def _check_subject(subject: str) -> str:
    Template(subject, SEPARATOR, DELICATE)
    return subject


class NatsDestination(NatsSection, DestinationSection):
    """NATS JetStream: each event is published to a stream under its id, and delivered when that has it."""

    type: Literal["nats"]
    """What kind of destination this is."""
    subject: Annotated[str, AfterValidator(_check_subject)] = _ALL
    """What events are published to; {site}, {agent}, {type}, {rule}, {tag} and {priority} stand for the event's."""
    stream: StreamName | None = None
    """The stream that must take them; where another one takes the subject, nothing is published."""
    signing: Signing = "none"
    """Headers that prove to consumers that an event is ours, beyond the account that published it: {secret: ...}."""

    def address(self, events: Sequence[Event], identity: Identity) -> str:
        """The subject that a message is published to."""
        return self._filled.fill(events, identity)

    @cached_property
    def _filled(self) -> Template:
        return Template(self.subject, SEPARATOR, DELICATE)
