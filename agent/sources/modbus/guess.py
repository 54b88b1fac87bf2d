"""What stands in a few registers: every type and byte order that it could be, and how likely each is.

Pure. Word order is what manuals are silent or wrong about (libmodbus#358, ioBroker.modbus#508); so all
of them are tried, and what a person reads from the display of the machine decides.

Rules for whoever changes this file: what matches the display comes first, the exact before the
scaled; nothing is hidden for good, the improbable is only marked so; the codec of the running agent
decodes, so that what is shown is what the tag will hold.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from agent.codec.modbus import (
    REGISTER_BYTES,
    BitField,
    ByteOrder,
    Linear,
    NumberField,
    NumberType,
    RegisterField,
    TextField,
    register_decoder,
    width,
)
from agent.model import Json, Value
from agent.sources.exploring import Expected, Found
from agent.sources.modbus.address import manual_address
from agent.sources.modbus.places import Meant
from agent.sources.modbus.plan import BITS_IN_REGISTER

_SCALES: Final = (0.1, 0.01, 0.001, 10.0, 0.0625)
_ANALOG_CARD: Final = (0, 27648)
"""Raw ends of the analog cards of Siemens, by far the commonest two-point scaling."""
_LONGEST_TEXT: Final = 32
_SHORTEST_TEXT: Final = 4
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]+")
_SENSIBLE: Final = (1e-3, 1e6)  # of a float that a sensor gives
_BELIEVABLE: Final = (1e-6, 1e9)
_MOST_COUNTED: Final = 10**12  # beyond it, 64 bits are something else read wrongly
_FEW_DIGITS: Final = 6
_ZERO: Final = 6
_HARDLY: Final = 9
_AGAIN: Final = 2


class Guess(NamedTuple):
    """Something that could be meant; the smaller its rank, the likelier."""

    rank: tuple[int, ...]
    found: Found


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a place.

    Attributes:
        expect: what the display shows.
        ranges: engineering ranges of tags there, for the two-point scaling of analog cards.
        order: the source's byte order, which a tag need not repeat.
    """

    expect: Expected | None
    ranges: Sequence[tuple[float, float]]
    order: ByteOrder


def guesses(meant: Meant, content: bytes, question: Question) -> Iterator[Guess]:
    """Everything that the registers from `meant` on, at least one, could hold."""
    seen: set[tuple[int, Value]] = set()
    for field in _fields(len(content) // REGISTER_BYTES):
        value, why = decoded(field, content)
        key = (field.bits, value if value is not None else math.inf)
        guess = _number(meant, field, value, why, content, question)
        if key in seen:  # unsigned or in another order, but the same number: shown on demand
            yield Guess((*guess.rank[:2], _AGAIN), replace(guess.found, doubtful=True))
            continue
        seen.add(key)
        yield guess
        yield from _scaled(meant, field, value, content, question)
    yield from _texts(meant, content, question)
    yield from _bits(meant, content, question)


def guess_bits(meant: Meant, content: bytes, question: Question) -> Iterator[Guess]:
    """What a coil or a discrete input holds."""
    value = bool(content[0] & 1)
    matches = question.expect is not None and question.expect.met_by(value)
    place = manual_address(meant.area, meant.offset)
    found = Found(name_of(meant), place, "bool", value, _offset(meant), _tag(meant), matches=matches)
    yield Guess((not matches, 1, 0), found)


def decoded(field: RegisterField, content: bytes) -> tuple[Value | None, str]:
    """What the field makes of the first registers of `content`."""
    registers = width(field)
    return register_decoder([(0, field)], registers)(content[: registers * REGISTER_BYTES])[0]


def name_of(meant: Meant) -> str:
    """What a tag there could be called: H40011, I30001."""
    return f"{meant.area.value[0].upper()}{manual_address(meant.area, meant.offset)}"


def hexadecimal(content: bytes) -> str:
    """Registers as a manual shows them: `0x41AC 0x0000`."""
    return " ".join(f"0x{content[at : at + 2].hex().upper()}" for at in range(0, len(content), 2))


def likely_float(content: bytes) -> ByteOrder | None:
    """The byte order in which two registers are a float such as sensors give; None: they are hardly one.

    The two orders with swapped bytes are rare, and read many a small integer as a sensible float.
    """
    for order in (ByteOrder.ABCD, ByteOrder.CDAB):
        value, _ = decoded(NumberField(NumberType.FLOAT32, order), content)
        if isinstance(value, float) and _SENSIBLE[0] <= abs(value) < _SENSIBLE[1]:
            return order
    return None


def _fields(registers: int) -> Iterator[NumberField]:
    for kind in NumberType:
        size = width(NumberField(kind))
        orders = list(ByteOrder) if size > 1 else [ByteOrder.ABCD, ByteOrder.BADC]
        yield from (NumberField(kind, order) for order in orders if size <= registers)


def _number(
    meant: Meant, field: NumberField, value: Value | None, why: str, content: bytes, question: Question
) -> Guess:
    likely = _likelihood(field, value)
    matches = value is not None and question.expect is not None and question.expect.met_by(value)
    exact = matches and question.expect is not None and value == question.expect.value
    found = Found(
        name_of(meant),
        _place(meant, field),
        field.type.value,
        value,
        why or _note(meant, field, content),
        matches=matches,
        doubtful=not matches and likely is None,
    )
    rank = (
        (0, 0, not exact)
        if matches
        else (1, _HARDLY if likely is None else likely + field.order.swaps_bytes, 0)
    )
    return Guess(rank, replace(found, tag=_tag(meant) | _typed(field, question)))


def _scaled(
    meant: Meant, field: NumberField, raw: Value | None, content: bytes, question: Question
) -> Iterator[Guess]:
    """The number times what devices usually multiply by, where that is what the display shows."""
    expect = question.expect
    if not isinstance(raw, int | float) or raw == 0 or expect is None or expect.met_by(raw):
        return
    ways: list[tuple[Linear, dict[str, Json]]] = [
        (Linear.scaled(scale, 0.0), {"scale": scale}) for scale in _SCALES
    ]
    if field.type is NumberType.INT16:
        ways += [
            (Linear.through(_ANALOG_CARD, span), {"raw_range": [*_ANALOG_CARD], "range": [*span]})
            for span in question.ranges
        ]
    for number, (linear, keys) in enumerate(ways):
        value = linear(raw)
        if math.isfinite(value) and expect.met_by(value):
            words = ", ".join(f"{key} {word}" for key, word in keys.items())
            found = Found(
                name_of(meant),
                _place(meant, field),
                words,
                value,
                _note(meant, field, content),
                matches=True,
            )
            tag = _tag(meant) | _typed(field, question) | keys
            yield Guess((0, 1 + number, value != expect.value), replace(found, tag=tag))


def _likelihood(field: NumberField, value: Value | None) -> int | None:
    """How likely it is, if nobody knows what the display shows; None: it is hardly meant."""
    if not isinstance(value, int | float):
        return None
    if field.type.startswith("float"):
        return _likelihood_of_float(abs(value))
    if field.bits == BITS_IN_REGISTER:
        return _ZERO if value == 0 else 1 if field.order is ByteOrder.ABCD else 4
    if value == 0 or abs(value) > _MOST_COUNTED:
        return None
    return 3 if abs(value) < _SENSIBLE[1] else 5


def _likelihood_of_float(size: float) -> int | None:
    if size == 0:
        return _ZERO
    if not _BELIEVABLE[0] <= size < _BELIEVABLE[1]:
        return None
    if not _SENSIBLE[0] <= size < _SENSIBLE[1]:
        return 5
    return 0 if len(f"{size:.7g}".replace(".", "").strip("0")) < _FEW_DIGITS else 2


def _texts(meant: Meant, content: bytes, question: Question) -> Iterator[Guess]:
    for order in (ByteOrder.ABCD, ByteOrder.BADC):
        value, _ = decoded(
            TextField(min(len(content), _LONGEST_TEXT), encoding="latin-1", order=order), content
        )
        begin = _PRINTABLE.match(str(value).encode("latin-1"))
        if begin is None:
            continue
        text = begin[0].decode("ascii").rstrip()
        matches = question.expect is not None and question.expect.met_by(text)
        if not matches and len(text) < _SHORTEST_TEXT:
            continue
        found = Found(
            name_of(meant), _place(meant, None, order), "string", text, _offset(meant), matches=matches
        )
        tag = _tag(meant) | {"type": "string", "length": max(len(text), 1)} | _order(order, question)
        yield Guess((0, 0, 0) if matches else (1, 1, 0), replace(found, tag=tag))


def _bits(meant: Meant, content: bytes, question: Question) -> Iterator[Guess]:
    """The word bit by bit; where true or false is expected, each bit that is so."""
    word = int.from_bytes(content[:REGISTER_BYTES])
    on = [number for number in range(BITS_IN_REGISTER) if word >> number & 1]
    what = f"set: {', '.join(map(str, on))}" if on else "none is set"
    place = f"{manual_address(meant.area, meant.offset)} bits"
    yield Guess(
        (1, 6, 0), Found("", place, "bits", f"{word:016b}", f"{_offset(meant)}, {what} (0 is the last)")
    )
    if question.expect is None or not isinstance(question.expect.value, bool):
        return
    for number in range(BITS_IN_REGISTER):
        value, _ = decoded(BitField(number), content)
        if value is question.expect.value:
            found = Found(
                f"{name_of(meant)}.{number}",
                f"{place[:-1]} {number}",
                "bit",
                value,
                _offset(meant),
                matches=True,
            )
            tag = _tag(meant) | {"type": "bit", "bit": number}
            yield Guess((0, 1, number), replace(found, tag=tag))


def _place(meant: Meant, field: NumberField | None, order: ByteOrder | None = None) -> str:
    order = field.order if field is not None else order
    kind = "string" if field is None else field.type.value
    plain = order is None or (not order.swaps_bytes and (field is None or field.bits == BITS_IN_REGISTER))
    return f"{manual_address(meant.area, meant.offset)} {kind}{'' if plain else f' {order}'}"


def _note(meant: Meant, field: NumberField, content: bytes) -> str:
    return f"{_offset(meant)}, {hexadecimal(content[: width(field) * REGISTER_BYTES])}"


def _offset(meant: Meant) -> str:
    return f"offset {meant.offset}"


def _tag(meant: Meant) -> dict[str, Json]:
    return {"address": manual_address(meant.area, meant.offset)}


def _typed(field: NumberField, question: Question) -> dict[str, Json]:
    """Type, and the byte order where it is not the source's; of 16 bits only the swap of bytes shows."""
    if field.bits == BITS_IN_REGISTER:
        return {"type": field.type.value} | _order(field.order, question)
    order: dict[str, Json] = {} if field.order is question.order else {"byte_order": field.order.value}
    return {"type": field.type.value} | order


def _order(order: ByteOrder, question: Question) -> dict[str, Json]:
    return {} if order.swaps_bytes is question.order.swaps_bytes else {"byte_order": order.value}
