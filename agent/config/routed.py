"""The destinations of routes: whatever `forward` and `publish` hand on goes through the same engine as events.

They stand in no file. Each is opened, retried, paused and asked like any other, under the name RELAY/ROUTE.

Rules for whoever changes this: one line each, so that messages arrive in the order in which they came; what was
checked in the sections of the file is not checked again here.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent.config.fields import Section
from agent.destinations.config import DestinationConfig
from agent.destinations.mqtt.config import MqttDestination
from agent.destinations.webhook.config import WebhookDestination
from agent.inbound.config import RelayConfig
from agent.inbound.routes import ForwardSection, PublishSection, destination_name
from agent.model import EventType
from agent.mqtt.broker import BrokerSection
from agent.sources import SourceConfig

# A message goes where its route says (`send_to`); a pattern that no event fits keeps everything else away.
_NOTHING: Final = (EventType.INBOUND_MESSAGE.value,)
_LINE: Final[Mapping[str, Any]] = {"events": _NOTHING, "concurrency": 1, "signing": "none"}


class ForwardDestination(WebhookDestination):
    """The service of a `forward`."""

    @property
    def carries(self) -> bool:
        """See the base."""
        return True


class PublishDestination(MqttDestination):
    """The topic of a `publish`."""

    qos: int = 1
    """0: handed to the connection, and by that delivered."""

    @property
    def carries(self) -> bool:
        """See the base."""
        return True

    @property
    def acknowledged(self) -> bool:
        """See the base."""
        return self.qos > 0


def routed(
    relays: Mapping[str, RelayConfig], sources: Mapping[str, SourceConfig]
) -> dict[str, DestinationConfig]:
    """Give the destinations of all routes that have one, by name."""
    return dict(_all(relays, sources))


def _all(
    relays: Mapping[str, RelayConfig], sources: Mapping[str, SourceConfig]
) -> Iterator[tuple[str, DestinationConfig]]:
    for relay, config in relays.items():
        for route, section in config.routes.items():
            name = destination_name(relay, route)
            if section.forward is not None:
                yield name, _forward(section.forward)
            elif section.publish is not None:
                broker = sources[section.publish.source]
                if isinstance(broker, BrokerSection):  # the loader refuses any other
                    yield name, _publish(name, section.publish, broker)


def _forward(section: ForwardSection) -> ForwardDestination:
    return ForwardDestination.model_construct(**_LINE, **_fields(section, ForwardSection))


def _publish(name: str, section: PublishSection, broker: BrokerSection) -> PublishDestination:
    way = _fields(broker, BrokerSection)
    if broker.client_id:  # two of one id would throw each other out
        way["client_id"] = f"{broker.client_id}-{name.replace('/', '-')}"
    return PublishDestination.model_construct(
        **_LINE, **way, type="mqtt", topic=section.topic, qos=section.qos, retain=section.retain
    )


def _fields(section: Section, of: type[Section]) -> dict[str, Any]:
    return {name: getattr(section, name) for name in of.model_fields}
