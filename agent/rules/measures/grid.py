"""Panes: a span of time cut into equal parts, so that what is kept of it stays bounded.

Rules for whoever changes it: whole numbers only. The span need not be divisible by the parts; pane k
begins at `origin + k * span // parts`, so no error adds up however long the agent runs.
"""

from typing import NamedTuple

from agent.model import SECOND

_UNITS = ((86_400 * SECOND, "d"), (3600 * SECOND, "h"), (60 * SECOND, "min"))


class Grid(NamedTuple):
    """`span` nanoseconds in `parts` panes, counted from the instant of the first value."""

    span: int
    parts: int

    def pane(self, origin: int, at: int) -> int:
        """The pane in which `at` lies."""
        return ((at - origin + 1) * self.parts - 1) // self.span

    def begin(self, origin: int, pane: int) -> int:
        """The first instant of a pane."""
        return origin + pane * self.span // self.parts


def progress(done: int, whole: int) -> str:
    """`3 of 10 min`: both in the unit of the whole, for a person who waits."""
    size, unit = next(((size, unit) for size, unit in _UNITS if whole >= size), (SECOND, "s"))
    return f"{int(done * 10 // size) / 10:g} of {whole / size:.4g} {unit}"
