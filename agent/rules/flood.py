"""Alarm floods: more alarms than anybody can read are told in digests, and none is dropped.

    quiet --more_than raised within--> flood (`agent.flood` started) --fewer than until--> quiet (ended)

Rules for whoever changes it: pure; `always` priorities and what no flood can hold (agent.*, tag.changed)
pass; what was held is in a digest, whole, or is let out when the flood ends.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.model import Event
from agent.rules.spec import FloodSpec


class FloodState(NamedTuple):
    """Where the protection stands.

    Attributes:
        raised: instants of the latest raised alarms, oldest first.
        since: since when there is a flood; None: there is none.
        held: what is held back for the next digest.
        digest_due: when that is to be sent.
    """

    raised: tuple[int, ...] = ()
    since: int | None = None
    held: tuple[Event, ...] = ()
    digest_due: int = 0


def pass_on(
    spec: FloodSpec, state: FloodState, events: Sequence[Event], mint: Callable[[int], str]
) -> tuple[FloodState, list[Event]]:
    """Let `events` (in order of time) through, or hold them."""
    raise NotImplementedError


def next_due(spec: FloodSpec, state: FloodState) -> int | None:
    """When a digest is to be sent or the flood ends, by time alone."""
    raise NotImplementedError


def advance(
    spec: FloodSpec, state: FloodState, now: int, mint: Callable[[int], str]
) -> tuple[FloodState, list[Event]]:
    """Let time pass up to `now`."""
    raise NotImplementedError


def encode(state: FloodState) -> bytes:
    """The state as bytes."""
    raise NotImplementedError


def decode(kept: bytes, shift: int) -> FloodState:
    """Read what `encode` wrote, instants moved by `shift`."""
    raise NotImplementedError
