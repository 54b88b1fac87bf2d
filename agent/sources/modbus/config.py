"""What an engineer writes about a Modbus device; free of pymodbus, so that `check` needs no protocol library.

Rules for whoever changes this file: what can be judged without the device is judged here, with the
remedy in the message. What a tag may say stands in `tag.py`, what a url may say in `endpoint.py`.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from agent.codec.modbus import ByteOrder
from agent.config.fields import Duration, FilePath, Section
from agent.model import SECOND, TagSpec
from agent.sources.base import SourceSection
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.endpoint import Endpoint, Network, parse_url
from agent.sources.modbus.facts import facts
from agent.sources.modbus.plan import ADDRESSES, Limits, Point
from agent.sources.modbus.tag import Interval, ModbusTag, Order, UnitId
from agent.sources.writing import WriteSection

_STALE_AFTER_POLLS: Final = 3
_NOTHING_TOGETHER: Final = -ADDRESSES  # as a gap: not even two bits of one word
_LARGEST_READ: Final = 125  # registers (1.1b3, section 6.3)


def _check_url(url: str) -> str:
    parse_url(url)
    return url


class ModbusTls(Section):
    """Which certificates prove the device to the agent, and the agent to the device."""

    ca: FilePath
    """PEM file of the authority that signed the device's certificate, or that certificate itself."""
    certificate: FilePath | None = None
    """PEM file of the agent's certificate: Modbus/TCP Security asks every client for one."""
    key: FilePath | None = None
    """PEM file of the key of `certificate`, unencrypted; not needed if it stands in the same file."""
    server_name: str | None = None
    """The name in the device's certificate, if it is not the host of `url`."""

    @model_validator(mode="after")
    def _key_has_certificate(self) -> Self:
        if self.key and not self.certificate:
            raise ValueError("a key needs its certificate: add certificate: FILE")
        return self


class ModbusSource(SourceSection):
    """A Modbus device, or several behind one gateway; sources with the same url share one connection."""

    type: Literal["modbus"]
    url: Annotated[str, AfterValidator(_check_url)]
    """tcp://HOST:PORT; tls://HOST:PORT; rtu+tcp://HOST:PORT for a serial gateway that passes RTU frames;
    rtu:///dev/ttyUSB0?baudrate=19200&parity=E&stopbits=1 for a serial port."""
    tls: ModbusTls | None = None
    """Certificates for tls://."""
    unit_id: UnitId = 1
    """The device's unit id (slave address); a tag may name its own."""
    poll_every: Interval = SECOND
    """How often everything is read; a tag may name its own."""
    timeout: Interval = SECOND
    """How long to wait for an answer, and for a connection."""
    byte_order: Order = ByteOrder.ABCD
    """How the bytes of a number stand: ABCD, CDAB (low word first), BADC or DCBA."""
    max_registers_per_read: Annotated[int, Field(ge=1, le=_LARGEST_READ)] = 120
    """The most registers in one read; some devices take less than the protocol's 125."""
    max_gap: Annotated[int, Field(ge=0, lt=_LARGEST_READ)] = 8
    """How many unwanted registers between two tags are read along rather than asking twice."""
    one_request_per_tag: bool = False
    """Read no two tags together: for devices that answer only what their manual lists, one by one."""
    pause_between_requests: Duration = 0
    """How long a slow device is left alone after each answer."""
    pause_after_connect: Duration = 0
    """How long a slow device is left alone after a connection was made."""
    close_after_poll: bool = False
    """Hang up after each poll: for devices with a single connection that others need as well."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a request is repeated before the device counts as silent; what writes never is."""
    write_with: Literal["single", "multiple"] = "single"
    """How one coil or one register is written: `single` (functions 5 and 6), or `multiple` (15 and 16) for
    devices that know only those."""
    tags: Annotated[dict[str, ModbusTag], Field(min_length=1)]
    """What to read: the tag's name, and where it stands."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_tls()
        self._check_writes()
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
            if point.unit == 0 and point.tag in self.writes():
                raise ValueError(
                    f"tag {point.tag}: `write`: unit_id 0 is for whoever is there, and a write is for one device: "
                    "write the address that is set at the device, or 255 for the one that has the IP address"
                )
        return self

    def _check_writes(self) -> None:
        """One that is written may not be written under another name, where other bounds hold, or none."""
        grants = self.writes()
        points = [point for point in self.points() if point.tag in grants]
        points.sort(key=lambda point: (point.unit, point.area, point.offset))
        for one, other in pairwise(points):
            if (one.unit, one.area) == (other.unit, other.area) and other.offset < one.end:
                place = f"{one.area.value} {manual_address(one.area, other.offset)} (offset {other.offset})"
                raise ValueError(
                    f"tags {one.tag} and {other.tag} are both written to {place}, so the limits of one would not hold "
                    "for the other: leave `write` at one of them"
                )

    def _check_tls(self) -> None:
        secured = isinstance(self.endpoint, Network) and self.endpoint.tls
        if secured and self.tls is None:
            raise ValueError("tls:// needs the authority of the device's certificate: add tls: {ca: FILE}")
        if self.tls and not secured:
            raise ValueError("`tls` has no effect there: write url: tls://HOST:802")

    @property
    def endpoint(self) -> Endpoint:
        """Where the device listens."""
        return parse_url(self.url)

    @property
    def limits(self) -> Limits:
        """What one request may ask for."""
        gap = _NOTHING_TOGETHER if self.one_request_per_tag else self.max_gap
        return Limits(self.max_registers_per_read, gap)

    def points(self) -> list[Point]:
        """Every tag with its place."""
        return [tag.point(name, self.unit_id, self.byte_order) for name, tag in self.tags.items()]

    def period(self, tag: str) -> int:
        """How often a tag is read, nanoseconds."""
        return self.tags[tag].poll_every or self.poll_every

    def writes(self) -> Mapping[str, WriteSection]:
        """See `SourceSection.writes`."""
        return {name: tag.write for name, tag in self.tags.items() if tag.write is not None}

    def tag_specs(self, source: str) -> list[TagSpec]:
        """See `SourceSection.tag_specs`; without a word, a value is fresh for three of its own polls."""
        known = {point.tag: facts(point.field) for point in self.points()}
        return [
            TagSpec(
                name,
                source,
                unit=tag.unit,
                range=tag.range,
                stale_after=tag.stale_after or self.stale_after or _STALE_AFTER_POLLS * self.period(name),
                every=self.period(name),
                **known[name]._asdict(),
            )
            for name, tag in self.tags.items()
        ]
