"""What a plant engineer writes about an MQTT broker that is read, whatever its messages hold.

Rules for whoever changes this file: nothing of paho is imported here (the configuration is read by
commands that connect to nothing); what cannot work is refused here, with the remedy, rather than
when the broker is met.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator

from agent.mqtt.broker import BrokerSection, ClientId
from agent.sources.base import SourceSection


def _quality_of_service(value: object) -> object:
    if value == 2 and not isinstance(value, bool):  # noqa: PLR2004 - the 2 of QoS 2
        raise ValueError(
            "write qos: 1: with QoS 2 a message is confirmed before it is stored, so a crash would lose it; "
            "with QoS 1 it is confirmed after, and tags with time: drop what is repeated"
        )
    return value


class MqttBroker(SourceSection, BrokerSection):
    """An MQTT broker; what its messages hold, and the tags in them, a source adds."""

    type: Literal["mqtt"]
    """What kind of source this is."""
    client_id: ClientId = ""
    """The agent's name at the broker, unique there; the broker keeps messages for it while it is away."""
    keep_session: bool = True
    """The broker keeps QoS 1 messages while the agent is away."""
    qos: Annotated[Literal[0, 1], BeforeValidator(_quality_of_service)] = 1
    """1: a message is confirmed after its readings were stored. 0: what is lost on the way is lost."""

    @property
    def session_kept(self) -> bool:
        """See the base."""
        return self.keep_session

    @model_validator(mode="after")
    def _session_has_a_name(self) -> Self:
        if self.keep_session and not self.client_id:
            raise ValueError(
                "keep_session needs a client_id, unique at the broker: add client_id: edge-relay-line4; "
                "or write keep_session: false, and messages sent while the agent is away are lost"
            )
        return self
