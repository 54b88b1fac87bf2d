"""The id of an event, or of what else is made here: `evt_` and a UUIDv7 (RFC 9562, 5.7), so that ids sort by the time they were made."""

import uuid
from typing import Final

from agent.model import MILLISECOND

RANDOM_BYTES: Final = 8
_MOST_MILLISECONDS: Final = (1 << 48) - 1


def mint(wall: int, random: bytes, kind: str = "evt") -> str:
    """Make an id from wall-clock nanoseconds UTC and at least 8 random bytes.

    The 12 bits after the version hold the fraction of the millisecond (RFC 9562, 6.2, method 3):
    ids of one agent sort in the order they were made, whatever the dice say. A clock before 1970
    counts as 1970: the random bits alone keep the id unique then.
    """
    milliseconds, rest = divmod(max(wall, 0), MILLISECOND)
    number = min(milliseconds, _MOST_MILLISECONDS) << 80
    number |= 7 << 76 | (rest << 12) // MILLISECOND << 64
    number |= 0b10 << 62 | int.from_bytes(random[:RANDOM_BYTES], "big") >> 2
    return f"{kind}_{uuid.UUID(int=number)}"
