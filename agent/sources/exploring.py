"""What the commands of the commissioning day ask of an adapter: look once, search, try out.

An adapter has these three in `explore.py` of its folder, each an async generator
(`look(config, clock, tags)`, `browse(config, clock, scope)`, `probe(config, clock, place, expect)`; the
source's name goes before where a remedy needs it), so
that a person sees what is found while the rest is still sought. They open a connection of their own and close it,
whatever ends them; they raise `SourceError` with the cause and the remedy, and `MistypedError` before
anything is asked; they never write. What
one tag, register or node refuses is a bad reading of that one alone.

Rules for whoever changes this: the running agent uses none of it; what is printed, and how, the
commands decide.
"""

import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field

from agent.errors import EdgeRelayError
from agent.model import SECOND, Json, Reading, Value


class MistypedError(EdgeRelayError):
    """What was typed is no source, tag, address, node or topic; the message says how one is written."""


@dataclass(frozen=True, slots=True)
class Look:
    """One tag, read once.

    Attributes:
        reading: what the running agent would have emitted.
        place: where it stands, in the words of the device's manual: `40011 int16`, a node id, a topic.
        raw: what was on the wire, before scaling: `0x00D7`, `Double 21.5`, the payload; empty: nothing came.
        latency: nanoseconds from the question to the answer; None: nobody was asked (MQTT waits).
    """

    reading: Reading
    place: str
    raw: str = ""
    latency: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Something that could become a tag.

    Attributes:
        name: what the tag could be called; empty: a remark (`place`, `note`), nothing that could be one.
        place: where it stands, as in `Look`; what a table shows.
        type: what it is, in the words of the protocol.
        value: what it holds now; None: not readable.
        note: why it is not readable, or what a person should know of it.
        tag: what to write under the tag's name in the configuration; the keys are those of its section.
        matches: it is what was expected (`probe --expect`).
        doubtful: hardly what is meant (bytes that make no sensible number): shown on demand alone.
        read_as: the tag of the configuration that reads it already; empty: none.
    """

    name: str
    place: str
    type: str
    value: Value | None = None
    note: str = ""
    tag: Mapping[str, Json] = field(default_factory=dict)
    matches: bool = False
    doubtful: bool = False
    read_as: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the display at the machine shows.

    Attributes:
        value: the number, text or switch.
        tolerance: how far from it a number may be: displays round, and the plant moves on.
    """

    value: Value
    tolerance: float = 0.0

    def met_by(self, value: Value) -> bool:
        """Whether a value could be what is shown; true is 1, and blanks around a text are none."""
        if isinstance(value, str) or isinstance(self.value, str):
            return str(value).strip() == str(self.value).strip()
        slack = self.tolerance + 1e-9 * abs(self.value)  # 0.1 + 0.05 is a hair more than 0.15
        return math.isfinite(value) and abs(value - self.value) <= slack


@dataclass(frozen=True, slots=True)
class Scope:
    """How far `browse` goes.

    Attributes:
        start: where: an OPC UA node or browse path, a topic filter, a Modbus range `40001-40100`; empty: all.
        depth: levels below the start (OPC UA); None: all.
        limit: no more than so many are found.
        listen: how long to wait for messages (MQTT), nanoseconds.
        unit_ids: the units to scan (Modbus); empty: the source's own.
    """

    start: str = ""
    depth: int | None = None
    limit: int = 10_000
    listen: int = 10 * SECOND
    unit_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explorer:
    """What can be asked of one source; made by `agent.sources.explorer`.

    Attributes:
        look: read these tags once each, in the order in which they come.
        browse: walk over what could be read.
        probe: read one place in every way that it could be meant, the likely ones first; the second
            argument is what the display at the machine shows, None if nobody looked.
    """

    look: Callable[[Collection[str]], AsyncIterator[Look]]
    browse: Callable[[Scope], AsyncIterator[Found]]
    probe: Callable[[str, Expected | None], AsyncIterator[Found]]
