"""What a broker says, for those that speak no HTTP with it: an answer of the table, and the words for it.

Rules for whoever changes this: an outcome that somebody waits for and that comes by a callback is an
exception here, and a value (`Answer`, `NoAnswer`) where the attempt ends.
"""

from typing import Final, NamedTuple


class Said(NamedTuple):
    """An answer: the status of the table (design: delivery, "What an answer means"), and the words."""

    status: int
    words: str


OK: Final = Said(200, "")


class Lost(Exception):  # noqa: N818 - a state of a connection
    """There is no connection, or no more; says why."""


class TurnedAway(Exception):  # noqa: N818 - an answer
    """The broker refused: the answer it gave."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.words)
        self.said = said
