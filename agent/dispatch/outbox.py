"""What a destination needs of the store: what waits, which stamp it carries, and a place to note outcomes."""

from collections.abc import Sequence
from typing import Protocol

from agent.stamps import Reckoning
from agent.store.records import Delivery, Mark, Part, Stored


class Stamps(Protocol):
    """What the stamps of an event are: fixed for a destination as soon as it may have seen them."""

    async def stamp(self, destination: str, stored: Stored) -> Reckoning:
        """Give what stamps the attempt that begins now, and every later one until an outcome is marked."""
        ...

    def unseen(self, destination: str, seq: int) -> None:
        """The attempt that was stamped last cannot have reached its receiver: the stamp is still free."""
        ...


class Outbox(Protocol):
    """What a destination needs of the store."""

    @property
    def stamps(self) -> Stamps:
        """Which stamp a delivery carries."""
        ...

    async def waiting(
        self, destination: str, after: int, limit: int, part: Part = Part.ALL, subject: str = ""
    ) -> Sequence[Delivery]:
        """Give the first pending deliveries whose `seq` is greater than `after`, in order of `seq`.

        `part`: all of them, the urgent ones, or those of one `subject`. One whose outcome was marked is
        never among them.

        Raises:
            StoreUnavailable: the disk does not answer now.
        """
        ...

    def mark(self, mark: Mark) -> None:
        """Note an outcome; it is committed with the next transaction."""
        ...
