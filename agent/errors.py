"""The errors of the house, each named by who can act on it.

    EdgeRelayError
    ├── ConfigError        the operator mends the file; carries every problem found, with positions
    ├── SourceError        weather at a PLC or broker; the supervisor backs off and reconnects
    ├── RelayError         weather at a relay of incoming webhooks; the same
    ├── StoreRefused       the operator acts: the store's file cannot be opened by this program
    │   └── StoreDamaged   nobody needs to: opening it anew salvages what can be read
    └── StoreUnavailable   the disk does not take it now; nothing was accepted, offer it again

Rules for whoever adds one: name its owner, put the remedy into the message, never a secret. An
expected outcome (an HTTP status, a bad tag) is a value, not an exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a configuration, where it stands, and what was expected.

    `line` and `column` count from 1; 0 where the problem has no place in the file (a missing file).
    """

    file: str
    line: int
    column: int
    text: str
    severity: str = "error"

    def __str__(self) -> str:
        """`FILE:LINE:COLUMN: error|warning: TEXT`, the form that scripts may rely on."""
        return f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.text}"


class EdgeRelayError(Exception):
    """Any error of this program that has an owner."""


class ConfigError(EdgeRelayError):
    """The configuration cannot be used; `problems` has all of them, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SourceError(EdgeRelayError):
    """A source lost its device. The message names the device, the cause, and what to look at."""


class RelayError(EdgeRelayError):
    """A relay cannot be asked. The message names the relay, the cause, and what to look at."""


class StoreRefused(EdgeRelayError):  # noqa: N818 - a state of the store, as the design names it
    """The store cannot be opened: in use, written by a newer program, not a store at all."""


class StoreDamaged(StoreRefused):
    """The store's file is damaged: the next start moves it aside and salvages what can be read."""


class StoreUnavailable(EdgeRelayError):  # noqa: N818 - a state of the store, as the design names it
    """The store could not commit: nothing of what was offered is accepted, none of it is lost by us."""
