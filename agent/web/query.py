"""What stands behind the question mark, as numbers and moments.

Rules for whoever changes this: a slip is named, never taken for something else; a number beyond 64 bits
is as good as the greatest there is, for nothing here has such a one.
"""

from collections.abc import Mapping
from typing import Final

from agent.model import MILLISECOND
from agent.web.orders import MalformedError

MOST: Final = 10_000
LAST: Final = (1 << 63) - 1
_LAST_MS: Final = LAST // MILLISECOND
_SHOWN: Final = 60


def whole_number(name: str, written: str) -> int:
    """Read a number of `name`, 0 or more.

    Raises:
        MalformedError: it is none.
    """
    if not (written.isdecimal() and written.isascii()):
        raise MalformedError(f"{name}: expected a number, got {shown(written)}")
    digits = written.lstrip("0") or "0"
    return min(int(digits), LAST) if len(digits) <= len(str(LAST)) else LAST


def shown(written: str) -> str:
    """As much of what somebody has written as belongs in a sentence, in quotes."""
    return repr(written if len(written) <= _SHOWN else f"{written[:_SHOWN]}...")


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """Give a number of a query. Raises MalformedError."""
    written = query.get(name)
    return default if written is None else whole_number(name, written)


def moment(query: Mapping[str, str], name: str) -> int | None:
    """Give a moment of a query, nanoseconds since 1970 UTC; None: it is not given. Raises MalformedError."""
    return None if name not in query else min(number(query, name, 0), _LAST_MS) * MILLISECOND


def limit(query: Mapping[str, str]) -> int:
    """How many are wanted: 100 if nothing is said, and never more than MOST. Raises MalformedError."""
    return max(1, min(number(query, "limit", 100), MOST))
