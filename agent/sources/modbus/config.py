"""What an engineer writes about a Modbus device; free of pymodbus, so that `check` needs no protocol library.

Rules for whoever changes this file: what can be judged without the device is judged here, with the
remedy in the message. What a tag may say stands in `tag.py`.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from agent.codec.modbus import ByteOrder
from agent.config.fields import Duration, format_duration
from agent.model import MILLISECOND, SECOND, TagSpec
from agent.sources.base import SourceSection
from agent.sources.modbus.facts import facts
from agent.sources.modbus.plan import Limits, Point
from agent.sources.modbus.tag import ModbusTag, Order, UnitId

DEFAULT_PORT: Final = 502  # IANA's, for mbap
_SHORTEST: Final = 10 * MILLISECOND
_STALE_AFTER_POLLS: Final = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a device listens, and whether RTU frames travel there instead of Modbus TCP."""

    host: str
    port: int
    rtu: bool

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str) -> Endpoint:
    """Read `tcp://HOST:PORT` or `rtu+tcp://HOST:PORT`.

    Raises:
        ValueError: not such an address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    plain = host and "@" not in parts.netloc and not (parts.path.strip("/") or parts.query or parts.fragment)
    if not host or not plain or parts.scheme not in {"tcp", "rtu+tcp"}:
        raise ValueError(
            "expected tcp://HOST:PORT, or rtu+tcp://HOST:PORT for a serial gateway that passes RTU frames"
        )
    return Endpoint(host, port or DEFAULT_PORT, parts.scheme == "rtu+tcp")


def _check_url(url: str) -> str:
    parse_url(url)
    return url


def _long_enough(duration: int) -> int:
    if duration < _SHORTEST:
        raise ValueError(f"expected {format_duration(_SHORTEST)} or more, got {format_duration(duration)}")
    return duration


Interval = Annotated[Duration, AfterValidator(_long_enough)]


class ModbusSource(SourceSection):
    """A Modbus device, or several behind one gateway."""

    type: Literal["modbus"]
    url: Annotated[str, AfterValidator(_check_url)]
    """tcp://HOST:PORT, or rtu+tcp://HOST:PORT for a serial gateway that passes RTU frames."""
    unit_id: UnitId = 1
    """The device's unit id (slave address); a tag may name its own."""
    poll_every: Interval = SECOND
    """How often everything is read."""
    timeout: Interval = SECOND
    """How long to wait for an answer, and for a connection."""
    byte_order: Order = ByteOrder.ABCD
    """How the bytes of a number stand: ABCD, CDAB (low word first), BADC or DCBA."""
    max_registers_per_read: Annotated[int, Field(ge=1, le=125)] = 120
    """The most registers in one read; some devices take less than the protocol's 125."""
    max_gap: Annotated[int, Field(ge=0, le=124)] = 8
    """How many unwanted registers between two tags are read along rather than asking twice."""
    pause_between_requests: Duration = 0
    """How long a slow device is left alone after each answer."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a request is repeated before the device counts as silent."""
    tags: Annotated[dict[str, ModbusTag], Field(min_length=1)]
    """What to read: the tag's name, and where it stands."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for point in self.points():
            registers = 1 if point.area.of_bits else point.end - point.offset
            if registers > self.max_registers_per_read:
                raise ValueError(
                    f"tag {point.tag} takes {registers} registers, which must come in one read, "
                    f"but max_registers_per_read is {self.max_registers_per_read}"
                )
            if point.unit == 0 and self.endpoint.rtu:
                raise ValueError(
                    f"tag {point.tag}: unit_id 0 is the broadcast of RTU, which no device answers: "
                    "write the address that is set at the device"
                )
        return self

    @property
    def endpoint(self) -> Endpoint:
        """Where the device listens."""
        return parse_url(self.url)

    @property
    def limits(self) -> Limits:
        """What one request may ask for."""
        return Limits(self.max_registers_per_read, self.max_gap)

    def points(self) -> list[Point]:
        """Every tag with its place."""
        return [tag.point(name, self.unit_id, self.byte_order) for name, tag in self.tags.items()]

    def tag_specs(self, source: str) -> list[TagSpec]:
        """See `SourceSection.tag_specs`; without a word, a value is fresh for three polls."""
        usual = self.stale_after or _STALE_AFTER_POLLS * self.poll_every
        known = {point.tag: facts(point.field) for point in self.points()}
        return [
            TagSpec(
                name,
                source,
                unit=tag.unit,
                range=tag.range,
                stale_after=tag.stale_after or usual,
                every=self.poll_every,
                **known[name]._asdict(),
            )
            for name, tag in self.tags.items()
        ]
