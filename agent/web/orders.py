"""What a person asks to be done, as it comes over the control socket or the page's port."""

from typing import Annotated, Final, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import EdgeRelayError
from agent.model import SECOND

_LONGEST_S: Final = 366 * 86_400
_LONGEST_REASON: Final = 500
_LONGEST_NAME: Final = 500
_MOST_RULES: Final = 10_000
_LAST_MS: Final = 9_000_000_000_000
_NUMBERS: Final = 1 << 63
LONGEST_PAUSE: Final = 86_400 * SECOND
"""A pause that somebody forgot must not last: nothing is watched meanwhile. Nanoseconds."""


def _in_one_line(text: str) -> str:
    """What others read on a terminal, too: it can neither steer that one nor begin a line of its own."""
    line = " ".join(text.split())
    return line if line.isprintable() else "".join(each if each.isprintable() else "?" for each in line)


Name: TypeAlias = Annotated[str, Field(max_length=_LONGEST_NAME)]
By: TypeAlias = Annotated[Name, AfterValidator(_in_one_line)]
Reason: TypeAlias = Annotated[str, Field(max_length=_LONGEST_REASON), AfterValidator(_in_one_line)]

Ordered = TypeVar("Ordered", bound=BaseModel)


class MalformedError(EdgeRelayError):
    """What was asked cannot be understood; the message says which part."""


class ImpossibleError(EdgeRelayError):
    """What was asked cannot be done now; the message says why, a line for each rule."""


class Order(BaseModel):
    """One order for some rules.

    Attributes:
        rules: ids or instances; an id stands for all of its instances.
        all: all for which it can be done, instead of `rules`; only to acknowledge.
        reason: why; for a shelf and for out of service it is needed.
        for_s: for how long it is shelved, seconds.
        one_shot: a shelf ends with the next return as well.
        by: who it is that asks, where the login name does not tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rules: Annotated[list[Name], Field(max_length=_MOST_RULES)] = []
    all: bool = False
    reason: Reason = ""
    for_s: Annotated[float, Field(gt=0, le=_LONGEST_S)] | None = None
    one_shot: bool = False
    by: By = ""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.all and self.rules:
            raise ValueError("all stands in place of the rules: give one")
        return self


class PauseOrder(BaseModel):
    """For how long nothing is connected to a device, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    for_s: Annotated[float, Field(gt=0, le=LONGEST_PAUSE / SECOND)]
    by: By = ""


class HoldOrder(BaseModel):
    """A destination is sent nothing for a while, or until a person resumes it; what is for it waits.

    Attributes:
        for_s: for how long, seconds; None: it has no end. Nothing is lost by it, so it may be long.
        reason: why, for whoever wonders tomorrow.
        by: who it is that asks, where the login name does not tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    for_s: Annotated[float, Field(gt=0, le=_LONGEST_S)] | None = None
    reason: Reason = ""
    by: By = ""


class ReplayOrder(BaseModel):
    """What was delivered, or what a new destination has missed, is sent again.

    Attributes:
        since_ms: events that happened at or after this, milliseconds UTC.
        until_ms: events that happened before this.
        destination: as it was sent to this one; None: to each as it was.
        to: to this one, what it would have been sent had it been there; not beside `destination`.
        rule: of this rule; `*` and `?` as in subscriptions.
        type: types that begin so, `alarm.`, or fit a pattern, `alarm.*`.
        dry_run: count it only.
        after, upto, limit: a part of a long order: beyond the first number and up to the second, so many
            events looked at; None: all of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    since_ms: Annotated[int, Field(ge=0, le=_LAST_MS)]
    until_ms: Annotated[int, Field(ge=0, le=_LAST_MS)] | None = None
    destination: Name | None = None
    to: Name | None = None
    rule: Name | None = None
    type: Name | None = None
    dry_run: bool = False
    after: Annotated[int, Field(ge=0, lt=_NUMBERS)] = 0
    upto: Annotated[int, Field(ge=0, lt=_NUMBERS)] | None = None
    limit: Annotated[int, Field(gt=0, lt=_NUMBERS)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.destination is not None and self.to is not None:
            raise ValueError("destination sends again what it was sent, to what it was never sent: give one")
        if self.until_ms is not None and self.until_ms <= self.since_ms:
            raise ValueError("until is not after since: nothing lies between them, give a later one")
        return self


def read(kind: type[Ordered], body: bytes) -> Ordered:
    """Read an order of a kind.

    Raises:
        MalformedError: it is none.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        raise MalformedError("; ".join(_line(each["loc"], each["msg"]) for each in wrong)) from None


def _line(place: tuple[int | str, ...], message: str) -> str:
    own = message.removeprefix("Value error, ")  # of a sentence of ours, which says itself what it is about
    if own != message and not place:
        return own
    return f"{'.'.join(map(str, place)) or 'the body'}: {own}"
