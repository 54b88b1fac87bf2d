"""What a person asks to be done, as it comes over the control socket."""

from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import EdgeRelayError
from agent.model import SECOND

_LONGEST_S: Final = 366 * 86_400
LONGEST_PAUSE: Final = 86_400 * SECOND
"""A pause that somebody forgot must not last: nothing is watched meanwhile. Nanoseconds."""

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

    rules: list[str] = []
    all: bool = False
    reason: str = ""
    for_s: Annotated[float, Field(gt=0, le=_LONGEST_S)] | None = None
    one_shot: bool = False
    by: str = ""


class PauseOrder(BaseModel):
    """For how long nothing is connected to a device, and for whom."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    for_s: Annotated[float, Field(gt=0, le=LONGEST_PAUSE / SECOND)]
    by: str = ""


def read(kind: type[Ordered], body: bytes) -> Ordered:
    """Read an order of a kind.

    Raises:
        MalformedError: it is none.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        lines = (f"{'.'.join(map(str, each['loc'])) or 'the body'}: {each['msg']}" for each in wrong)
        raise MalformedError("; ".join(lines)) from None
