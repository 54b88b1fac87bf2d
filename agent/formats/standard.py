"""The house's own format: `{"type", "timestamp", "data"}`, as Standard Webhooks asks for it."""

from collections.abc import Sequence
from typing import Final

from agent.delivery.body import Identity, Place, render
from agent.model import Event
from agent.stamps import utc_text

_JSON: Final = "application/json"


class StandardFormat:
    """See `agent.formats.Formatter`."""

    content_type = _JSON
    batch_content_type = _JSON

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def one(self, event: Event, place: Place) -> bytes:
        """See the protocol."""
        return render(event, place, self._identity)

    def many(self, bodies: Sequence[bytes], at: int) -> bytes:
        """See the protocol: members are as they would be sent alone (design: delivery, `batch`)."""
        head = f'{{"type":"batch","timestamp":"{utc_text(at)}","data":{{"events":['
        return head.encode() + b",".join(bodies) + b"]}}"
