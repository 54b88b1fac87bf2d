"""Where a device is reached: HOST:PORT of a network, or a serial port of this machine.

Pure. Rules for whoever changes this file: what a url leaves open has the standard's default (Modbus
over Serial Line 1.02, section 2.5.1: 19200 baud, even parity); a setting that cannot be meant is
refused with the word that is.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlsplit

from agent.model import SECOND

DEFAULT_PORT: Final = 502  # IANA's, for mbap
TLS_PORT: Final = 802  # IANA's, for mbap-s
BAUD_RATES: Final = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
_SILENCE_CHARACTERS: Final = 3.5  # between two frames (Serial Line 1.02, section 2.5.1.1)
_SHORTEST_SILENCE: Final = 1_750_000  # ns; above 19200 baud it is fixed (there)
_FORM: Final = (
    "expected tcp://HOST:PORT, tls://HOST:PORT for Modbus/TCP Security, rtu+tcp://HOST:PORT for a serial "
    "gateway that passes RTU frames, or rtu:///dev/ttyUSB0?baudrate=19200&parity=E for a serial port"
)
_PARITIES: Final = {"n": "N", "none": "N", "e": "E", "even": "E", "o": "O", "odd": "O"}
_KNOWN: Final = ("baudrate", "parity", "stopbits", "bytesize")


@dataclass(frozen=True, slots=True)
class Network:
    """A TCP port.

    Attributes:
        rtu: RTU frames travel there instead of Modbus TCP.
        tls: Modbus/TCP Security.
    """

    host: str
    port: int
    rtu: bool = False
    tls: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def if_lost(self) -> str:
        """What the connection's loss means."""
        return (
            "closed the connection{}: see whether it restarted, or gave its only connection to another client"
        )

    @property
    def if_garbled(self) -> str:
        """What may be wrong where no sound frame comes."""
        other = "tcp" if self.rtu else "rtu+tcp"
        return f"does it speak {other}://, or is the line disturbed?"

    @property
    def silence(self) -> int:
        """Nanoseconds after an RTU frame in which nothing else may come."""
        return _SHORTEST_SILENCE if self.rtu else 0

    def on_air(self, _: int) -> int:
        """Nanoseconds that so many bytes travel: nothing to speak of."""
        return 0


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port of this machine, with RTU frames on it.

    Attributes:
        parity: N, E or O.
    """

    device: str
    baudrate: int = 19200
    parity: str = "E"
    stopbits: int = 1

    def __str__(self) -> str:
        return self.device

    @property
    def rtu(self) -> bool:
        """Serial lines speak nothing else here."""
        return True

    @property
    def if_lost(self) -> str:
        """What the port's loss means."""
        return "is gone{}: was the adapter pulled out?"

    @property
    def if_garbled(self) -> str:
        """What may be wrong where no sound frame comes."""
        return (
            f"are baudrate={self.baudrate}, parity={self.parity} and stopbits={self.stopbits} those of the "
            "device, its two wires the right way round, the line terminated?"
        )

    @property
    def silence(self) -> int:
        """Nanoseconds after a frame in which nothing else may come, by which frames are told apart."""
        return max(round(self._character * _SILENCE_CHARACTERS), _SHORTEST_SILENCE)

    def on_air(self, count: int) -> int:
        """Nanoseconds that so many bytes travel."""
        return round(count * self._character)

    @property
    def _character(self) -> float:
        bits = 1 + 8 + (self.parity != "N") + self.stopbits
        return bits * SECOND / self.baudrate


Endpoint: TypeAlias = Network | SerialPort


def parse_url(url: str) -> Endpoint:
    """Read the `url` of a source.

    Raises:
        ValueError: not such an address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme == "rtu":
        return _serial(parts)
    plain = host and "@" not in parts.netloc and not (parts.path.strip("/") or parts.query or parts.fragment)
    if not host or not plain or port == 0 or parts.scheme not in {"tcp", "rtu+tcp", "tls"}:
        raise ValueError(_FORM)
    tls = parts.scheme == "tls"
    usual = TLS_PORT if tls else DEFAULT_PORT
    return Network(host, usual if port is None else port, rtu=parts.scheme == "rtu+tcp", tls=tls)


def _serial(parts: SplitResult) -> SerialPort:
    if parts.netloc:
        raise ValueError(
            f"expected the path of the port behind three slashes, such as rtu:///dev/ttyUSB0; {parts.netloc} "
            "stands where a host would: for a gateway in the network write rtu+tcp://HOST:PORT"
        )
    if len(parts.path) < 2 or parts.fragment:  # noqa: PLR2004 - a slash and a name
        raise ValueError("expected the path of the port, such as rtu:///dev/ttyUSB0?baudrate=19200&parity=E")
    settings: dict[str, str] = {}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key not in _KNOWN:
            raise ValueError(f"unknown setting `{key}` of a serial port: expected one of {', '.join(_KNOWN)}")
        if key in settings:
            raise ValueError(f"`{key}` is set twice")
        settings[key] = text
    if settings.get("bytesize", "8") != "8":
        raise ValueError(
            f"bytesize={settings['bytesize']}: RTU frames have characters of 8 bits (7 are those of Modbus ASCII)"
        )
    parity = settings.get("parity", "E")
    if parity.lower() not in _PARITIES:
        raise ValueError(f"parity={parity}: expected N (none), E (even) or O (odd)")
    return SerialPort(
        parts.path,
        _one_of("baudrate", settings.get("baudrate", "19200"), BAUD_RATES),
        _PARITIES[parity.lower()],
        _one_of("stopbits", settings.get("stopbits", "1"), (1, 2)),
    )


def _one_of(key: str, text: str, known: tuple[int, ...]) -> int:
    if not text.isdecimal() or int(text) not in known:
        raise ValueError(f"{key}={text}: expected one of {', '.join(map(str, known))}")
    return int(text)
