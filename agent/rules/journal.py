"""What is tentative: every state that was replaced, until the step that replaced it is on disk.

A batch is taken on a tentative state; the caller commits what came of it and says `keep`, or
`fall_back` undoes it and all that was taken after it (design: architecture, idea 2).
"""

from collections import deque
from typing import TypeAlias

from agent.rules.board import WallOffset
from agent.rules.inputs import Source, Tag
from agent.rules.protection import Protection
from agent.rules.runs import Run

Holder: TypeAlias = Run | Tag | Source | WallOffset | Protection


class Journal:
    """The states as they were, in the order in which they were replaced."""

    def __init__(self) -> None:
        self._entries: list[tuple[Holder, object, int]] = []
        self._tickets: deque[int] = deque()

    @property
    def tentative(self) -> bool:
        """Something that was taken is not on disk yet."""
        return bool(self._tickets)

    @property
    def since(self) -> int | None:
        """The instant of the oldest entry."""
        return self._entries[0][2] if self._entries else None

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, holder: Holder, state: object, at: int) -> None:
        """Replace the state of `holder` by another one of its kind."""
        self._entries.append((holder, holder.state, at))
        holder.become(state)  # type: ignore[arg-type]  # the caller pairs a holder with its own kind of state

    def touched(self, start: int) -> list[Holder]:
        """Whose state was replaced since there were `start` entries."""
        return [holder for holder, _, _ in self._entries[start:]]

    def seal(self) -> None:
        """All entries so far belong to a batch that must be kept, or undone."""
        self._tickets.append(len(self._entries))

    def forget(self) -> None:
        """What was replaced need not last: forget it, unless something before it is tentative."""
        if not self._tickets:
            self._entries.clear()

    def keep(self) -> None:
        """The oldest sealed batch is on disk."""
        done = self._tickets.popleft()
        del self._entries[:done]
        self._tickets = deque(end - done for end in self._tickets)
        self.forget()

    def undo(self) -> list[tuple[Holder, int]]:
        """Put every state back, the newest first; whose, and when it had been replaced."""
        undone = []
        for holder, before, at in reversed(self._entries):
            holder.become(before)  # type: ignore[arg-type]  # it had this very state
            undone.append((holder, at))
        self._entries.clear()
        self._tickets.clear()
        return undone
