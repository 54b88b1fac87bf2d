"""Messages that came in, on their way to a service of the plant: the sender's bytes and headers, and nothing of ours.

So the service can verify the sender itself. Of ours is one header beside, the same on every attempt: whoever
keeps it sees each message once, also of a sender who gives his messages no id.

Rules for whoever changes this: a header that cannot stand in a request is left out, for relays hand over what
strangers wrote.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Final

from agent.delivery.body import Place
from agent.formats.errors import FormatError
from agent.model import Event

OUR_ID: Final = "edge-relay-message"
"""The header that names a message, whatever its sender calls it."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110, 5.6.2


class CarriedFormat:
    """See `agent.formats.Formatter`."""

    content_type = batch_content_type = "application/json"  # of a sender who does not say

    def one(self, event: Event, _: Place) -> bytes:
        """See the protocol."""
        body = event.data.get("body")
        if not isinstance(body, str):
            raise FormatError("this is no message that came in")
        return base64.b64decode(body)

    def many(self, bodies: Sequence[bytes], _: int) -> bytes:
        """See the protocol; messages are never put together."""
        return b"\n".join(bodies)

    def headers(self, event: Event) -> Mapping[str, str]:
        """See the protocol."""
        theirs = event.data.get("headers")
        named = theirs.items() if isinstance(theirs, dict) else ()
        passed = {
            name.lower(): text
            for name, text in named
            if isinstance(text, str) and text.isprintable() and _NAME.fullmatch(name.lower())
        }
        return {**passed, OUR_ID: event.id}
