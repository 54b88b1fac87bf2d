"""How an event is written for a receiver: the table of formats.

A format turns events into the bytes of a body, and knows nothing of ways, signatures or retries. The
same delivery gives the same bytes on every attempt, whenever that is: a format reads no clock.

Rules for whoever adds one: a module with a `Formatter`, one word in `config.py`, one branch here; a
library that only one format needs is imported when it is configured.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from agent.delivery.body import Identity, Place
from agent.formats.carried import CarriedFormat
from agent.formats.cloudevents import CloudEventsFormat
from agent.formats.config import FormatSection
from agent.formats.covering import covered, shown
from agent.formats.errors import FormatError
from agent.formats.standard import StandardFormat
from agent.model import Event

__all__ = ["FormatError", "Formatter", "covered", "open_format", "shown"]


class Formatter(Protocol):
    """Writes the bodies of one destination.

    Attributes:
        content_type: of a body with one event.
        batch_content_type: of a body with several.
    """

    content_type: str
    batch_content_type: str

    def one(self, event: Event, place: Place) -> bytes:
        """The body of one event.

        Raises:
            FormatError: it has none.
        """
        ...

    def many(self, bodies: Sequence[bytes], at: int) -> bytes:
        """The body of several events, of what `one` made of each; `at` is when, UTC nanoseconds."""
        ...

    def headers(self, event: Event) -> Mapping[str, str] | None:
        """What goes out beside the body in the place of our own id, stamp, signature and content type; None: those."""
        ...


def open_format(section: FormatSection, identity: Identity) -> Formatter:
    """The formatter that a section asks for; what could be wrong with it was found when it was loaded."""
    if section.carries:
        return CarriedFormat()
    match section.format:
        case "standard":
            return StandardFormat(section, identity)
        case "cloudevents":
            return CloudEventsFormat(section, identity)
        case "template":
            from agent.formats.template import TemplateFormat  # noqa: PLC0415 - imported when configured

            return TemplateFormat(section, identity)
        case _:
            assert_never(section.format)
