"""The misbehaving Modbus server on a serial line: a pty pair, whose other end is a port by a name.

Every behaviour of `modbus_server` plays here as well. A reset pulls the adapter out; it is plugged in
again at once under the same name, unless `stop` pulled it.
"""

import asyncio
import contextlib
import os
import tty
from dataclasses import dataclass
from pathlib import Path

from rigs.modbus_server import ModbusServer


class _Plug:
    """One end of a pty, for who answers on it: reader, writer and transport at once."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.name = os.ttyname(self._slave)
        self.reader = asyncio.StreamReader()
        self.transport = self
        self._loop = asyncio.get_running_loop()
        self._out = False
        self._loop.add_reader(self._master, self._read)

    def _read(self):
        with contextlib.suppress(OSError):
            self.reader.feed_data(os.read(self._master, 4096))

    def write(self, data):
        if self._out:
            raise ConnectionResetError("pulled out")
        with contextlib.suppress(BlockingIOError):  # nobody reads: the line forgets it
            os.write(self._master, data)

    async def drain(self):
        await asyncio.sleep(0)

    def is_closing(self):
        return self._out

    def abort(self):
        if not self._out:
            self._out = True
            self._loop.remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self.reader.feed_eof()

    close = abort


@dataclass
class SerialModbusServer(ModbusServer):
    """`async with SerialModbusServer(name=tmp_path / "ttyUSB0") as server:`; see `ModbusServer`."""

    name: Path = Path("ttyUSB0")
    settings: str = "?baudrate=115200&parity=N"
    _line: asyncio.Task | None = None

    def __post_init__(self) -> None:
        self.rtu = True
        self.transparent = True

    @property
    def url(self):
        return f"rtu://{self.name}{self.settings}"

    async def start(self):
        plug = self._plug()
        self._line = asyncio.create_task(self._serve_plugs(plug), name="serial line")

    async def stop(self):
        self._line.cancel()
        await asyncio.gather(self._line, return_exceptions=True)
        self.drop_connections()
        self.name.unlink(missing_ok=True)

    def _plug(self):
        plug = _Plug()
        self.name.unlink(missing_ok=True)
        self.name.symlink_to(plug.name)
        return plug

    async def _serve_plugs(self, plug):
        while True:
            await self._serve(plug.reader, plug)
            if asyncio.current_task().cancelling():  # `_serve` takes it for its end
                return
            plug = self._plug()
