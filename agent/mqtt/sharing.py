"""What several clients of MQTT may not have in common: a client id at one broker.

A broker knows a client by its id: a second one throws the first out (MQTT 3.1.1, 3.1.4), which comes
back and throws out the second, for ever.

Rules for whoever changes this file: pure.
"""

from collections.abc import Iterator, Mapping

from agent.mqtt.broker import BrokerSection


def same_client_ids(
    sources: Mapping[str, object], destinations: Mapping[str, object]
) -> Iterator[tuple[str, str, str]]:
    """Give those that would throw another out, section and name, and why; those of other kinds have none."""
    first: dict[tuple[str, int, str], tuple[str, str]] = {}
    sections = [("sources", sources), ("destinations", destinations)]
    for section, name, config in ((each, *item) for each, entries in sections for item in entries.items()):
        if isinstance(config, BrokerSection) and config.client_id:
            key = (config.url.host, config.url.port, config.client_id)
            if (other := first.setdefault(key, (section, name))) != (section, name):
                here, there = section.removesuffix("s"), other[0].removesuffix("s")
                both = (
                    f"{there}s {other[1]} and {name}"
                    if here == there
                    else f"{there} {other[1]} and {here} {name}"
                )
                text = (
                    f"{both} would throw each other out: a broker lets in one client of an "
                    f"id at a time: write in {here} {name} another one, client_id: {config.client_id}-2"
                )
                yield section, name, text
