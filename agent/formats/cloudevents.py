"""CloudEvents 1.0, structured JSON: the attributes beside the same `data` as in the house's own format.

Structured and not binary, because a signature covers the body alone: attributes in headers would be
unsigned. Rules for whoever changes this: names of attributes are a to z and 0 to 9; an attribute
without a value is left out, for an empty one is not allowed.

`source` is a path of the site and the agent's name, each percent-encoded: every name is allowed in the
configuration, and a reference must stay one. `type` is the event's own type: a receiver's filters are
then the same in every format. `sequence` is a text that sorts as the numbers do; it counts within
`data.epoch`.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import orjson

from agent.delivery.body import Identity, Place, document
from agent.formats.config import FormatSection
from agent.formats.scope import scoped
from agent.model import Event, Json

_ONE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_DIGITS: Final = 20  # of the largest number of 64 bits


class CloudEventsFormat:
    """See `agent.formats.Formatter`."""

    def __init__(self, section: FormatSection, identity: Identity) -> None:
        self.content_type = section.content_type or _ONE
        self.batch_content_type = section.content_type or _BATCH
        self._scope = section.fields
        self._identity = identity
        self._source = f"/{_segment(identity.site)}/{_segment(identity.agent)}"

    def one(self, event: Event, place: Place) -> bytes:
        """See the protocol."""
        body = scoped(document(event, place, self._identity), self._scope)
        attributes: dict[str, Json] = {
            "specversion": "1.0",
            "id": event.id,
            "source": self._source,
            "type": body["type"],
            **({"subject": event.rule} if event.rule else {}),
            "time": body["timestamp"],
            "datacontenttype": "application/json",
            **({} if place.seq is None else {"sequence": f"{place.seq:0{_DIGITS}d}"}),
        }
        return orjson.dumps(attributes | {"data": body["data"]})

    def many(self, bodies: Sequence[bytes], at: int) -> bytes:  # noqa: ARG002 - a batch has no stamp of its own
        """See the protocol."""
        return b"[" + b",".join(bodies) + b"]"

    def headers(self, _: Event) -> None:
        """See the protocol."""


def _segment(name: str) -> str:
    """One segment of a path; `.` and `..` would mean another place than they say."""
    quoted = quote(name, safe="")
    return quoted.replace(".", "%2E") if quoted in {".", ".."} else quoted
