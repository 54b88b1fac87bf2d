"""What was done otherwise when a signature was made, in words: for `agent.delivery.mismatch` and those who print it."""

from dataclasses import dataclass
from typing import Final

RAW: Final = (
    "Verify the bytes as they arrive, before anything parses them "
    "(Flask: request.get_data(); Django: request.body; Express: express.raw(); PHP: php://input)."
)
"""The remedy for most of what happens to bodies."""


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that was done otherwise.

    Attributes:
        word: for scripts.
        text: what was signed or computed, as the end of a sentence: `over this body without ...`.
        remedy: who did it, and what to do, in a sentence of its own.
    """

    word: str
    text: str
    remedy: str
