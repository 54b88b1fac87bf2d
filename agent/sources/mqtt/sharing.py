"""What several MQTT sources may not have in common: a client id at one broker.

A broker knows a client by its id: a second one throws the first out (MQTT 3.1.1, 3.1.4), which comes
back and throws out the second, for ever.

Rules for whoever changes this file: pure.
"""

from collections.abc import Iterator, Mapping

from agent.sources.mqtt.broker import MqttBroker


def same_client_ids(sources: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Give the sources that would throw another out, and why; sources of other kinds have none."""
    first: dict[tuple[str, int, str], str] = {}
    for name, config in sources.items():
        if isinstance(config, MqttBroker) and config.client_id:
            key = (config.url.host, config.url.port, config.client_id)
            if (other := first.setdefault(key, name)) != name:
                text = (
                    f"sources {other} and {name} would throw each other out: a broker lets in one client of an "
                    f"id at a time: write in source {name} another one, client_id: {config.client_id}-2"
                )
                yield name, text
