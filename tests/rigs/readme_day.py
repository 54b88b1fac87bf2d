"""The plant of the README's first day: a press, two drives behind one gateway, a boiler that shows its certificate.

Its addresses are those of the README for whoever reads, and ports of this machine for whoever connects.
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from rigs.modbus_server import ModbusServer, honest

VENDORS_LIST = Path(__file__).parents[1] / "config" / "lists" / "frequency_converter.csv"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRESS = {10: 1652, 11: 311, 12: 0xCCCD, 13: 0x40AC}  # 165.2 °C; 5.4 bar, the low word first
DRIVES = {
    1: {101: 1482, 106: 494, 107: 1230, 110: 643, 111: 5412, 511: 464, 611: 0b0101},
    2: {111: 5409, 511: 413, 611: 0b1001},
}


class Device(ModbusServer):
    """Registers of several units, by offset; those that are not named hold 0, from `end` on there are none."""

    def __init__(self, units, end):
        nowhere = {(unit, offset) for unit in units for offset in range(end, 1000)}
        super().__init__(behave=self._answer, illegal=nowhere)
        self._units, self._asked = units, {}

    async def _answer(self, exchange):
        self._asked = self._units[exchange.unit]
        await honest(exchange)

    def word(self, offset):
        return self._asked.get(offset, 0)


@dataclass(frozen=True)
class Plant:
    """Where the README's addresses are on this machine."""

    places: dict

    def real(self, text):
        """The text with addresses that can be connected to."""
        for shown, place in self.places.items():
            text = text.replace(shown, place)
        return text

    def shown(self, text):
        """The text as the README has it."""
        for shown, place in self.places.items():
            text = text.replace(place, shown)
        return text


@contextlib.asynccontextmanager
async def first_day(folder, text, server):
    """Run the devices; `folder/plant` has the configuration `text` with real addresses, `folder/drawn/plant` as it is.

    `server` is the OPC UA server; it gets the boiler's variables.
    """
    server.add_below("Boiler")
    server.add_below("Boiler", "Steam", value=12.4)
    server.add_below("Boiler", "Feed", value=8.25)
    async with Device({1: PRESS}, end=100) as press, Device(DRIVES, end=1000) as drives:
        ports = {"192.168.10.20": press.port, "192.168.10.30": server.port, "192.168.10.40": drives.port}
        plant = Plant({shown: f"127.0.0.1:{port}" for shown, port in ports.items()})
        for place, written in ((folder, plant.real(text)), (folder / "drawn", text)):
            (place / "plant").mkdir(parents=True)
            (place / "plant" / "line4.yaml").write_text(written)
            shutil.copy(VENDORS_LIST, place / "plant" / "dx580.csv")
            (place / "plant" / "cmms.key").write_text(SECRET)
            (place / "plant" / "cmms.key").chmod(0o600)
        yield plant
