"""What came back for a request, and what it says to the engineer.

Pure. Every answer is checked before a byte of it is decoded: unit, function code, length. A device
that answers short, for another unit or with another function was accepted by pymodbus 3.16.1 without
an error, and gave a neighbour's value under this tag's name.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from agent.sources.modbus.address import manual_address
from agent.sources.modbus.plan import Area, Block

EXCEPTION: Final = 0x80  # set in the function code of an exception response (1.1b3, section 7)
_SHORTEST: Final = 2  # function code, and byte count or exception code


class Refusal(IntEnum):
    """The exception codes that mean something to us (1.1b3, section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    BUSY = 6
    PARITY = 8
    NO_PATH = 10
    NO_TARGET = 11


NOT_THERE: Final = frozenset({Refusal.ILLEGAL_ADDRESS, Refusal.ILLEGAL_VALUE})
"""The block has an address that the device does not have, or is longer than it likes."""

LATER: Final = frozenset({Refusal.ACKNOWLEDGE, Refusal.BUSY})
"""The same request may be answered in a moment."""

UNREACHABLE: Final = frozenset({Refusal.NO_PATH, Refusal.NO_TARGET})
"""The gateway answers for a unit that does not."""


@dataclass(frozen=True, slots=True)
class Data:
    """The block's bytes, as many as were asked for; `received` is monotonic nanoseconds."""

    content: bytes
    received: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The device answered with an exception code."""

    code: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """Something answered, but not to this request."""

    reason: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing that could be the answer came within the timeout."""

    reason: str


Outcome: TypeAlias = Data | Refused | Wrong | Silent


@dataclass(frozen=True, slots=True)
class Frame:
    """A sound frame (checksum right, complete), before anything is known of its content.

    Attributes:
        unit: who says that it answers.
        pdu: function code and data.
        received: monotonic nanoseconds.
    """

    unit: int
    pdu: bytes
    received: int


class Question(Protocol):
    """What goes out in one request, and which answer it takes; a `Block`, which reads, or what writes."""

    @property
    def unit(self) -> int:
        """Who is asked."""
        ...

    @property
    def area(self) -> Area:
        """About which table, ..."""
        ...

    @property
    def start(self) -> int:
        """... and which first address of it."""
        ...

    @property
    def function(self) -> int:
        """The function code."""
        ...

    @property
    def pdu(self) -> bytes:
        """The request itself: function code and data."""
        ...

    @property
    def answer_size(self) -> int:
        """How many bytes its answer has: function code and data."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether the right answer is the very bytes of the request (functions 5 and 6)."""
        ...

    @property
    def wish(self) -> str:
        """What the device was: asked for, told to write."""
        ...

    def fault(self, pdu: bytes) -> str:
        """Say what is wrong with an answer of this unit and function, of two bytes or more; empty: nothing."""
        ...

    def leave(self) -> None:
        """Take note that it is sent now; the last moment at which it can be kept back, by an exception."""
        ...


def judge(question: Question, frame: Frame) -> Data | Refused | Wrong:
    """What the frame is to the request."""
    # Unit 0 is "whoever is there" on Modbus TCP, and may answer under its own number (implementation
    # guide 1.0b, section 4.4.2.1). The transaction id has matched by then.
    if question.unit not in {0, frame.unit}:
        return Wrong(
            f"unit {question.unit} was asked and unit {frame.unit} answered: "
            f"write unit_id: {frame.unit} if that is the device you mean"
        )
    if len(frame.pdu) < _SHORTEST:
        return Wrong("the answer is cut off")
    function = question.function
    if frame.pdu[0] == function | EXCEPTION:
        return Refused(frame.pdu[1])
    if frame.pdu[0] != function:
        return Wrong(f"function {function} was asked and function {frame.pdu[0]} answered; {_SUSPECT}")
    if fault := question.fault(frame.pdu):
        return Wrong(f"{fault}; {_SUSPECT}")
    return Data(frame.pdu[_SHORTEST:], frame.received)


_SUSPECT: Final = (
    "its value is not used; a gateway that mixes up answers needs a longer timeout or pause_between_requests"
)


def explain(block: Block, code: int) -> str:
    """What an exception code means for a block, and what to look at."""
    what = f"{block.area.value} {manual_address(block.area, block.start)} (offset {block.start})"
    match code:
        case Refusal.ILLEGAL_FUNCTION:
            text = f"unit {block.unit} cannot read the area `{block.area.value}` at all: is the area right?"
        case Refusal.ILLEGAL_ADDRESS:
            text = f"unit {block.unit} has no {what}: check the address, and whether the manual counts from 0"
        case Refusal.ILLEGAL_VALUE:
            text = f"unit {block.unit} refuses to read {block.count} from {what}: check address and type"
        case Refusal.DEVICE_FAILURE:
            text = f"unit {block.unit} reports a failure of its own on {what}: look at the device"
        case Refusal.ACKNOWLEDGE | Refusal.BUSY:
            text = f"unit {block.unit} is busy: raise poll_every or pause_between_requests"
        case Refusal.PARITY:
            text = f"unit {block.unit} found its memory damaged at {what}: look at the device"
        case Refusal.NO_PATH:
            text = f"the gateway knows no way to unit {block.unit}: check unit_id and the gateway's routing"
        case Refusal.NO_TARGET:
            text = f"unit {block.unit} does not answer the gateway: check its power, its wiring, and unit_id"
        case _:
            text = f"unit {block.unit} refuses to read {what}: look the code up in its manual"
    return f"{text} (exception {code})"
