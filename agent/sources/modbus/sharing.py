"""Sources that name the same HOST:PORT or serial port share one line: what they must agree on.

Pure. A gateway mostly has one source for each device behind it. The first of them opens the line, the
last one closes it (`line.py`), so what the line itself is like may be said in one way only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from agent.config.fields import format_duration
from agent.sources.modbus.config import ModbusSource
from agent.sources.modbus.endpoint import Network

LineKey: TypeAlias = tuple[str, int]


def line_key(config: ModbusSource) -> LineKey:
    """What makes two lines the same one: host and port, or the serial port."""
    match config.endpoint:
        case Network() as network:
            return network.host.lower(), network.port
        case serial:
            return serial.device, 0


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One source says of a line what another does not.

    Attributes:
        source: the one that comes later in the file.
        key: which of its keys.
        text: what stands there and elsewhere, and the remedy.
    """

    source: str
    key: str
    text: str


def contradictions(sources: Mapping[str, object]) -> Iterator[Contradiction]:
    """What cannot be true together of sources that share a line; sources of other kinds have none."""
    first: dict[LineKey, tuple[str, ModbusSource]] = {}
    for name, config in sources.items():
        if not isinstance(config, ModbusSource):
            continue
        other_name, other = first.setdefault(line_key(config), (name, config))
        if (key := disagreement(config, other)) is not None:
            text = (
                f"source {other_name} reads {config.endpoint} too, over the same connection, and says "
                f"{_said(other, key)}: write the same in both"
            )
            yield Contradiction(name, key, text)


def disagreement(one: ModbusSource, other: ModbusSource) -> str | None:
    """The first key in which two sources on one line say different things of it."""
    if one.endpoint != other.endpoint:
        return "url"
    keys = ("tls", "pause_after_connect", "close_after_poll")
    return next((key for key in keys if getattr(one, key) != getattr(other, key)), None)


def _said(config: ModbusSource, key: str) -> str:
    match key:
        case "url":
            return f"url: {config.url}"
        case "pause_after_connect":
            return f"pause_after_connect: {format_duration(config.pause_after_connect)}"
        case "close_after_poll":
            return f"close_after_poll: {'true' if config.close_after_poll else 'false'}"
        case _:
            return "something else of its certificates"
