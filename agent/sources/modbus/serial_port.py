"""A serial port as an asyncio transport, on the system's own calls.

The port is ours alone: a second program on it would take every other byte. It is set to raw bytes
with the line's settings, and read and written without waiting; a port that vanishes (an adapter was
pulled out) ends the protocol like a socket that was closed.

Rules for whoever changes this file: nothing here knows Modbus; nothing blocks, closing included
(output that a vanished device does not take is thrown away first).
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import termios
from typing import Final

from agent.errors import SourceError
from agent.sources.modbus.endpoint import SerialPort

_CHUNK: Final = 4096
_OWNER: Final = (
    "group dialout (`usermod -aG dialout edge-relay`) and, under systemd, DeviceAllow={0} rw "
    "(the drop-in systemd/serial-ports.conf)"
)
_ABSENT: Final = (
    "there is no such port: is the adapter plugged in? `ls -l /dev/serial/by-id` lists those that are; "
    "under systemd ports are hidden without the drop-in systemd/serial-ports.conf"
)
_REMEDIES: Final = {
    errno.ENOENT: _ABSENT,
    errno.ENXIO: "nothing is connected to this port: is the adapter plugged in?",
    errno.ENODEV: "nothing is connected to this port: is the adapter plugged in?",
    errno.EIO: "nothing is connected to this port: is the adapter plugged in?",
    errno.EACCES: f"no permission: the agent's user needs {_OWNER}",
    errno.EPERM: f"no permission: the agent's user needs {_OWNER}",
    errno.EBUSY: "another program uses it: `fuser -v {0}` names it",
    errno.EAGAIN: "another program uses it: `fuser -v {0}` names it",
    errno.ENOTTY: "this is no serial port: look at url",
    errno.EISDIR: "this is no serial port: look at url",
    errno.EINVAL: "the port cannot be set so: look at baudrate, parity and stopbits in url",
}


class SerialTransport(asyncio.Transport):
    """An open port that feeds a protocol until `abort`, or until it vanishes."""

    def __init__(self, descriptor: int, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._loop.add_reader(descriptor, self._read)
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a request; a port that does not take so few bytes at once is lost."""
        if self._closed:
            return
        try:
            taken = os.write(self._descriptor, data)
        except OSError as error:
            self._end(error)
        else:
            if taken < len(data):
                self._end(OSError(errno.EIO, "it takes no bytes"))

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def abort(self) -> None:
        """Close at once."""
        self._end(None)

    def close(self) -> None:
        """Close at once."""
        self._end(None)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._end(OSError(errno.EIO, os.strerror(errno.EIO)))

    def _end(self, error: OSError | None) -> None:
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(termios.error):  # it has vanished
            termios.tcflush(self._descriptor, termios.TCIOFLUSH)  # else closing waits for what cannot be sent
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._loop.call_soon(self._protocol.connection_lost, error)


def open_port(port: SerialPort) -> int:
    """Open a port for ourselves alone, with its settings; its descriptor.

    Raises:
        SourceError: it cannot be had.
    """
    try:
        descriptor = os.open(port.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # The lock keeps out who asks for one, superuser or not; the other keeps out everybody else.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _set_raw(descriptor, port)
            fcntl.ioctl(descriptor, termios.TIOCEXCL)
            termios.tcflush(descriptor, termios.TCIOFLUSH)
        except BaseException:
            os.close(descriptor)
            raise
    except termios.error as error:
        raise SourceError(why_not_open(port, OSError(*error.args))) from None
    except OSError as error:
        raise SourceError(why_not_open(port, error)) from None
    return descriptor


def why_not_open(port: SerialPort, error: OSError) -> str:
    """Say what stands in the way, and the remedy."""
    remedy = _REMEDIES.get(error.errno or 0, "look at the adapter and its driver")
    return f"{port}: cannot open the serial port ({error.strerror or error}): {remedy.format(port)}"


def _set_raw(descriptor: int, port: SerialPort) -> None:
    """Eight bits, no echo, no translation, no flow control, no modem lines."""
    speed = getattr(termios, f"B{port.baudrate}")
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    control |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[port.parity]
    control |= termios.CSTOPB if port.stopbits == 2 else 0  # noqa: PLR2004 - one or two
    check = termios.INPCK if port.parity != "N" else 0
    characters = termios.tcgetattr(descriptor)[6]
    # One byte makes it readable; 0 would make a read of nothing look like a port that has vanished.
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSANOW, [check, 0, control, 0, speed, speed, characters])
