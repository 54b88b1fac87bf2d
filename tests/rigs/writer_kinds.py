"""Every kind of source that writes, beside its device, in the same words; whoever adds one adds a row.

Tags of every kind: T is a number within [0, 1000], SWITCH is true or false, BLOCKED may be written by our
configuration and is refused by the device, READ is without `write`.
"""

from typing import ClassVar

from asyncua import ua
from rigs.modbus_server import ModbusServer
from rigs.source_kinds import Modbus, OpcUa


class WritingModbus(Modbus):
    """Two registers, a coil, and a register that the device has for reading only.

    Attributes:
        bound: seconds within which a write to a silent device has ended.
        module: what writes; imported where a tag says `write` and nowhere else.
    """

    bound: ClassVar = 5.0
    module: ClassVar = "agent.sources.modbus.writer"

    def __init__(self, request) -> None:
        self._server = ModbusServer(behave=self._answer)

    async def _answer(self, exchange):
        for_reading_only = (exchange.function, exchange.start) == (6, 3)
        await exchange.send(exchange.frame(exchange.exception(2) if for_reading_only else exchange.pdu()))

    def section(self, *, grants=True, **address: object):
        number = {"area": "holding", "type": "int16", "scale": 0.1}
        bounds = {"write": {"min": 0, "max": 1000}} if grants else {}
        tags = {
            "T": number | {"offset": 0} | bounds,
            "SWITCH": {"area": "coil", "offset": 1} | ({"write": {}} if grants else {}),
            "BLOCKED": number | {"offset": 3} | bounds,
            "READ": number | {"offset": 4},
        }
        return super().section(**address) | {"tags": tags}

    def held(self):
        """What stands in the device where something was written: T, SWITCH and BLOCKED."""
        written = self._server.written
        return {
            tag: written[place]
            for tag, place in {"T": (1, 3, 0), "SWITCH": (1, 1, 1), "BLOCKED": (1, 3, 3)}.items()
            if place in written
        }

    def sent(self):
        """How many requests to write have reached the device."""
        return len(self._server.writes)


class WritingOpcUa(OpcUa):
    """Variables of the server that serves the whole run.

    Attributes:
        bound, module: as above.
    """

    bound: ClassVar = 5.0
    module: ClassVar = "agent.sources.opcua.writing"

    def __init__(self, request) -> None:
        super().__init__(request)
        self._names = {tag: f"{self._name}-{tag}" for tag in ("T", "SWITCH", "BLOCKED", "READ")}
        for tag, name in self._names.items():
            kind = ua.VariantType.Boolean if tag == "SWITCH" else ua.VariantType.Float
            self._plant.add(name, 0, kind)
            if tag != "BLOCKED":
                self._plant.let_write(name)

    def section(self, *, grants=True, **address: object):
        writes = {"T": {"min": 0, "max": 1000}, "SWITCH": {}, "BLOCKED": {"min": 0, "max": 1000}}
        tags = {
            tag: {"node": f"ns={self._plant.index};s={name}"}
            | ({"write": writes[tag]} if grants and tag in writes else {})
            for tag, name in self._names.items()
        }
        # Cyclic, for the suite waits for what a source offers, and a quiet subscription offers every 5 s.
        return super().section(**address) | {"tags": tags, "read": "cyclic"}

    def held(self):
        """What stands in the server: T, SWITCH and BLOCKED."""
        space = self._plant.server.iserver.aspace
        nodes = {tag: ua.NodeId(self._names[tag], self._plant.index) for tag in ("T", "SWITCH", "BLOCKED")}
        return {
            tag: space.read_attribute_value(node, ua.AttributeIds.Value).Value.Value
            for tag, node in nodes.items()
        }

    def sent(self):
        """How many requests to write have reached the server."""
        return self._calls["write"]


WRITERS = {"modbus": WritingModbus, "opcua": WritingOpcUa}
