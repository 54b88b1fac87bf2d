"""A message and what its route makes of it, for whoever does it."""

from dataclasses import dataclass

from agent.acting.journal import Declined
from agent.codec.json_path import Missing, find
from agent.incoming.message import Route, Term, Wrong, text_of, word
from agent.incoming.screening import Code, Now, Origin, Rejected, too_far
from agent.model import SECOND, Json
from agent.outcomes import Outcome
from agent.store.messages import Received


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done.

    Attributes:
        received, document: the message, and its body if that is JSON.
        route: the one of the configuration in force.
    """

    received: Received
    route: Route
    document: Json

    @property
    def what(self) -> Outcome:
        """What it asks for, as far as the route says."""
        return Outcome("rejected", action=word(self.route.deed))

    def text(self, term: Term, *, or_none: bool = False) -> str:
        """What a term means in the message; `or_none`: empty where nothing stands.

        Raises:
            Declined: it is no text.
        """
        if or_none and not isinstance(term, str) and isinstance(find(self.document, term), Missing):
            return ""
        found = text_of(term, self.document)
        if isinstance(found, Wrong):
            raise Declined(Code.ASKED, found.why, self.what)
        return found

    def too_far(self, now: Now) -> Rejected | None:
        """Why it is too old by now, or too new."""
        received = self.received
        origin = Origin(received.key, received.identity, received.sender, received.stamp, received.type)
        return too_far(self.route, origin, now)

    def left(self, now: Now) -> int:
        """Nanoseconds until it is too old."""
        if self.route.max_age is None or self.received.stamp is None:
            return 0
        return max(0, self.route.max_age - (now.utc - self.received.stamp) * SECOND)
