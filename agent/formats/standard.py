"""The house's own format: `{"type", "timestamp", "data"}`, as Standard Webhooks asks for it."""

from collections.abc import Sequence
from typing import Final

import orjson

from agent.delivery.body import Identity, Place, document
from agent.formats.config import FormatSection
from agent.formats.scope import scoped
from agent.model import Event
from agent.stamps import utc_text

_JSON: Final = "application/json"


class StandardFormat:
    """See `agent.formats.Formatter`."""

    def __init__(self, section: FormatSection, identity: Identity) -> None:
        self.content_type = self.batch_content_type = section.content_type or _JSON
        self._scope = section.fields
        self._identity = identity

    def one(self, event: Event, place: Place) -> bytes:
        """See the protocol."""
        return orjson.dumps(scoped(document(event, place, self._identity), self._scope))

    def many(self, bodies: Sequence[bytes], at: int) -> bytes:
        """See the protocol: members are as they would be sent alone (design: delivery, `batch`)."""
        head = f'{{"type":"batch","timestamp":"{utc_text(at)}","data":{{"events":['
        return head.encode() + b",".join(bodies) + b"]}}"

    def headers(self, _: Event) -> None:
        """See the protocol."""
