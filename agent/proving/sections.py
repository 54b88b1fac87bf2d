"""Unit tests of rules as they are written.

Rules for whoever changes it: here is what may be written, key by key; what refers to rules and tags is
checked by `agent.proving.load_tests`, against the configuration under test.
"""

from datetime import datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, JsonValue

from agent.config.fields import Duration, Section
from agent.config.times import parse_moment
from agent.model import SECOND, Action, EventType

EVENT_WORDS: Final = {
    **{kind.value.removeprefix("alarm."): kind for kind in EventType if kind.value.startswith("alarm.")},
    "tag.changed": EventType.TAG_CHANGED,
    "occurred": EventType.EVENT_OCCURRED,
    "unknown": EventType.RULE_UNKNOWN,
    "trial": EventType.RULE_TRIAL,
    "flood": EventType.AGENT_FLOOD,
}
"""What an expectation may expect, by its key."""


class RestartSection(Section):
    """The agent is killed, and started again."""

    at: Duration
    """When it is killed."""
    down: Duration = 0
    """How long it is away; what would be sampled meanwhile is not seen."""


class HandSection(Section):
    """What an operator does."""

    at: Duration
    """When."""
    acknowledge: str | None = None
    """The rule whose alarm is acknowledged."""
    shelve: str | None = None
    """The rule that is shelved: it needs `for` and `reason`."""
    unshelve: str | None = None
    """The rule that is taken off the shelf."""
    reset: str | None = None
    """The rule whose latch is reset."""
    out_of_service: str | None = None
    """The rule that is taken out of service: it needs a `reason`."""
    in_service: str | None = None
    """The rule that is put back into service."""
    by: Annotated[str, Field(min_length=1)] = "operator"
    """Who does it."""
    reason: str = ""
    """Why."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """How long a shelf lasts."""
    one_shot: bool = False
    """A shelf that ends with the next return as well."""

    def actions(self) -> dict[Action, str]:
        """What is done, and to which rule."""
        return {action: rule for action in Action if (rule := getattr(self, action.value)) is not None}


class TestSection(Section):
    """One test: signals, and everything that is to be told because of them."""

    name: Annotated[str, Field(min_length=1)]
    """What is proved, as a sentence."""
    start: Annotated[datetime | None, BeforeValidator(parse_moment)] = None
    """The time of day at 0 s, 2026-11-21T08:00:00Z; without an offset in the agent's zone."""
    every: Annotated[Duration, Field(gt=0)] = SECOND
    """The time between two samples."""
    only: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """The rules that it is about, by pattern (R1-*); an empty list: all that watch a signal."""
    signals: dict[str, bool | int | float | str] = Field(default={})
    """What the tags read: "165 x60, ramp 165..175 x20, bad x30"; one that stands alone never changes."""
    sources: dict[str, str] = Field(default={})
    """The connections that are not up all the time: "up x60, down x30, up"."""
    restart: Annotated[tuple[RestartSection, ...], Field(strict=False)] = ()
    """When the agent is killed, and for how long it is away."""
    do: Annotated[tuple[HandSection, ...], Field(strict=False)] = ()
    """What operators do."""
    expect: Annotated[tuple[dict[str, JsonValue], ...], Field(strict=False)]
    """Everything that is told, in order; an empty list: nothing is."""


class TestFile(Section):
    """A file of unit tests."""

    rules: str | None = None
    """The configuration under test, a file or a folder, relative to this file."""
    tests: Annotated[tuple[TestSection, ...], Field(strict=False, min_length=1)]
    """The tests."""
