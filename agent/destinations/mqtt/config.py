"""An MQTT destination as it is written in the configuration.

Rules for whoever changes this: nothing of paho is imported here; what can be wrong with a key is found
here, when the file is loaded, and not at the first alarm.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from agent.config.fields import Duration
from agent.delivery.body import Identity
from agent.destinations.base import DestinationSection
from agent.destinations.placeholders import Template
from agent.model import SECOND, Event
from agent.mqtt.broker import BrokerSection
from agent.signing.config import Signing

DELICATE: Final = "+#"
SEPARATOR: Final = "/"
_ALL: Final = "plant/{site}/{agent}/{type}"


def _check_topic(topic: str) -> str:
    Template(topic, SEPARATOR, DELICATE)
    return topic


def _protocol(value: object) -> object:
    return str(value) if type(value) is int else value  # an unquoted 5 is a number in YAML


class MqttDestination(DestinationSection, BrokerSection):
    """An MQTT broker: each event is published at QoS 1, and delivered when the broker has acknowledged it."""

    type: Literal["mqtt"]
    """What kind of destination this is."""
    topic: Annotated[str, AfterValidator(_check_topic)] = _ALL
    """What events are published to; {site}, {agent}, {type}, {rule}, {tag} and {priority} stand for the event's."""
    protocol: Annotated[Literal["3.1.1", "5"], BeforeValidator(_protocol)] = "5"
    """MQTT version. A broker that speaks 3.1.1 has no way to refuse an event: what its access control
    forbids, it acknowledges and throws away."""
    retain: bool = False
    """The broker keeps the last event of each topic for whoever subscribes later."""
    signing: Signing = "none"
    """User properties that prove to subscribers that an event is ours (MQTT 5): {secret: ...}."""
    timeout: Annotated[Duration, Field(ge=1 * SECOND, le=300 * SECOND)] = 15 * SECOND
    """How long one attempt may take in all."""

    @model_validator(mode="after")
    def _signature_has_a_place(self) -> Self:
        if self.signing != "none" and self.protocol != "5":
            raise ValueError('a signature travels in user properties, which MQTT 5 has: write protocol: "5"')
        return self

    def address(self, events: Sequence[Event], identity: Identity) -> str:
        """The topic that a message is published to."""
        return self._filled.fill(events, identity)

    @property
    def acknowledged(self) -> bool:
        """Whether the broker says that it has what is published: QoS 1, else 0."""
        return True

    @cached_property
    def _filled(self) -> Template:
        return Template(self.topic, SEPARATOR, DELICATE)
