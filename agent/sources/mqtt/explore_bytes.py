"""What packed bytes could mean: every number type, byte order and place that a tag could name.

Pure. No manual agrees with another on byte orders, so all are tried, and what the display at the machine
shows decides (design: sources, "Commissioning").

Rules for whoever changes this file: the reader of the running agent reads, so that what is shown is
what the tag will hold; nothing is hidden for good, the improbable is only marked so.
"""

from collections.abc import Iterator
from typing import Final

from agent.codec.modbus import ByteOrder, NumberField, NumberType
from agent.codec.payload import Unreadable, binary_reader
from agent.model import Json
from agent.sources.exploring import Expected, Found
from agent.sources.mqtt.decode import Message

_MOST_BYTES: Final = 64  # of a payload: beyond it, the first are tried
_SENSIBLE: Final = (1e-3, 1e6)  # of what a sensor gives
_SHORTEST: Final = 2  # bytes, which stand in one of two orders
_ORDERS_OF_16_BITS: Final = (ByteOrder.ABCD, ByteOrder.BADC)


def packed(message: Message, expect: Expected | None) -> list[Found]:
    """Give all readings of a payload, yet without a tag's name: what matches first, then what is likely."""
    return sorted(_readings(message, expect), key=lambda found: (not found.matches, found.doubtful))


def _readings(message: Message, expect: Expected | None) -> Iterator[Found]:
    for at in range(min(len(message.payload), _MOST_BYTES)):
        seen: set[tuple[int, object]] = set()
        for type_ in NumberType:
            for order in ByteOrder:
                field = NumberField(type_, order)
                size = field.bits // 8
                if size == _SHORTEST and order not in _ORDERS_OF_16_BITS:
                    continue
                value = binary_reader(field, at)(message.payload)
                if isinstance(value, Unreadable | str) or (field.bits, value) in seen:
                    continue  # unsigned or in another order, but the same: said once
                seen.add((field.bits, value))
                tag: dict[str, Json] = {"topic": message.topic, "payload": "binary", "type": type_.value}
                tag |= ({"at": at} if at else {}) | (
                    {"byte_order": order.value} if order.value != "ABCD" else {}
                )
                matches = expect is not None and expect.met_by(value)
                low, high = _SENSIBLE
                usual = at % size == 0 and (value == 0 or low <= abs(value) <= high)
                words = [message.topic, f"byte {at}", type_.value, order.value]
                yield Found("", " ".join(words), type_.value, value, "", tag, matches, not (matches or usual))
