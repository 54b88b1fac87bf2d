"""Keeps what the rules saw in the last days, for `why` and for tests made of events; bounded, and never in the way.

    pipeline.emit -> note -> (each second, in a thread) Tape -> (each minute) SampleFile

Rules for whoever changes this: `note` is on the road of every reading and only appends; all else happens in
the recorder's own thread. A disk that does not take samples costs samples: it is said once, and nothing
waits for it. Nothing is written while nothing changes.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVarTuple

from agent.clock import Clock
from agent.config.model import Configuration
from agent.errors import StoreUnavailable
from agent.model import SECOND, Json, Seen, TagSpec
from agent.rules.dependencies import inputs_of
from agent.rules.spec import Absence, RuleSpec
from agent.store.chunks import ALIVE, TAG, Key
from agent.store.samples import Chunk, SampleFile
from agent.store.tape import Tape

Arguments = TypeVarTuple("Arguments")

_log = logging.getLogger(__name__)

_GATHER_EVERY_S: Final = 1.0
_STOP_WITHIN_S: Final = 1.0
_WRITE_EVERY: Final = 60 * SECOND
_WHOLE_EVERY: Final = 3600 * SECOND
_PRUNE_EVERY: Final = 600 * SECOND
_LARGE: Final = 20_000  # holds that are written before their minute is over: about 4 MB of memory
_MOST_BATCHES: Final = 50_000  # a disk that hangs must not fill the memory


class Recorder:
    """The agent's own recent samples.

    Attributes:
        unavailable: why samples are lost at present; None: none are.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.unavailable: str | None = None
        self._path = path
        self._clock = clock
        self._boot = ""
        self._patience: Mapping[Key, int | None] | None = None
        self._keep = self._max_size = 0  # nothing, until it is told what
        self._most: int | None = None
        self._pending: list[Sequence[Seen]] = []
        self._overflowed = False
        self._thread = ThreadPoolExecutor(1, "samples")
        self._started = clock.monotonic()
        self._away_since: int | None = None
        # From here on: the thread's alone.
        self._tape = Tape({})
        self._watched: Mapping[Key, int | None] | None = None
        self._file: SampleFile | None = None
        self._written = self._pruned = self._started
        self._whole: int | None = None
        self._lost_since: int | None = None

    # --- on the loop ------------------------------------------------------------------------------

    def watch(self, configuration: Configuration) -> None:
        """Record what these rules look at from now on, and keep it as this configuration says."""
        section = configuration.store.samples
        self._keep, self._max_size = section.keep, section.max_size
        self._patience = watched(configuration.rules, configuration.tags) if section.keep else None

    def note(self, batch: Sequence[Seen]) -> None:
        """Take what the rules have seen; costs next to nothing."""
        if self._patience is not None:
            if len(self._pending) < _MOST_BATCHES:
                self._pending.append(batch)
            else:
                self._overflowed = True

    async def run(self, boot: str, away_since: int | None) -> None:
        """Gather and write until cancelled; `away_since`: since when nobody had watched, monotonic nanoseconds."""
        self._boot, self._away_since = boot, away_since
        while True:
            await self._gather()
            await asyncio.sleep(_GATHER_EVERY_S)

    @property
    def files(self) -> Sequence[Path]:
        """What takes room on disk."""
        return self._path, self._path.with_name(f"{self._path.name}-wal")

    async def shrink(self, most: int | None) -> None:
        """Keep the file within so many bytes, at once: the store needs the room; None: as it is configured."""
        self._most = most
        if most is not None:
            await self._do(self._make_room, most)

    async def flush(self) -> None:
        """Return when all that was seen up to now is in the file.

        Raises:
            StoreUnavailable: the disk does not take it.
        """
        await self._gather(settle=True)
        if self.unavailable is not None:
            raise StoreUnavailable(self.unavailable)

    async def stop(self) -> None:
        """Write what is left and let go of the file; nothing is recorded any more."""
        self._patience = None
        with suppress(TimeoutError):  # a disk that hangs may keep the last minute
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._gather()
                await self._do(self._close)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def status(self) -> dict[str, Json]:
        """What people are told of it."""
        return {"kept": self._patience is not None, "unavailable": self.unavailable}

    async def _gather(self, *, settle: bool = False) -> None:
        batches, self._pending = self._pending, []
        overflowed, self._overflowed = self._overflowed, False
        now = self._clock.monotonic()
        due = now - self._written >= _WRITE_EVERY or self._patience is not self._watched
        if batches or settle or due:
            await self._do(self._take, batches, overflowed, now, settle)

    async def _do(self, work: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    # --- in the thread ----------------------------------------------------------------------------

    def _take(self, batches: Iterable[Sequence[Seen]], overflowed: bool, now: int, settle: bool) -> None:  # noqa: FBT001 - run_in_executor knows no keywords
        if self._patience is not None and self._patience is not self._watched:
            self._watched = self._patience
            self._tape.watch(self._patience)
        see = self._tape.see
        for batch in batches:
            for seen in batch:
                see(seen)
        if settle or self._tape.size >= _LARGE or now - self._written >= _WRITE_EVERY:
            self._write(now, settle=settle)
        if self._patience is None and self._watched is not None:  # nothing is to be kept any more
            self._watched = None
            self._write(now, settle=True)
            self._tape.forget()
        if overflowed:
            self._lose("its disk has not answered for a long time", now)

    def _write(self, now: int, *, settle: bool) -> None:
        begin, self._written = self._written, now
        whole = self._whole is None or now - self._whole >= _WHOLE_EVERY
        content = self._tape.cut(now, settle=settle, whole=whole)
        if content is None:
            return
        offset = self._clock.wall() - self._clock.monotonic()
        try:
            file = self._file or self._open()
            file.write(Chunk(begin, now, offset, content, whole, self._lost_since))
            if self._whole is None or now - self._pruned >= _PRUNE_EVERY:
                self._pruned = now
                file.prune(now + offset - self._keep, self._bytes())
        except StoreUnavailable as error:
            self._lose(str(error), begin)
            if self._file is not None and self._file.damaged:
                self._close()  # the next chunk finds it damaged, and moves it aside
            return
        if whole:
            self._whole = now
        self._lost_since = None
        if self.unavailable is not None:
            _log.warning("recent samples are kept again")
            self.unavailable = None

    def _bytes(self) -> int:
        return self._max_size if self._most is None else min(self._most, self._max_size)

    def _make_room(self, most: int) -> None:
        try:
            (self._file or self._open()).shrink(most)
        except StoreUnavailable as error:
            _log.warning("recent samples could not be given up for events: %s", error)

    def _open(self) -> SampleFile:
        self._file, aside = SampleFile.open(self._path, self._boot, self._started, self._away_since)
        if aside is not None:
            _log.warning(
                "the file of recent samples was damaged and is begun anew; see to the disk (dmesg), the old one is %s",
                aside,
            )
        return self._file

    def _lose(self, why: str, since: int) -> None:
        if self.unavailable is None:
            _log.warning("recent samples are lost, everything else goes on: %s", why)
        self.unavailable = why
        self._whole = None  # so the next chunk says anew what is still held
        if self._lost_since is None:
            self._lost_since = since

    def _close(self) -> None:
        if self._file is not None:
            with suppress(StoreUnavailable):
                self._file.close()
            self._file = None


def watched(rules: Iterable[RuleSpec], tags: Mapping[str, TagSpec]) -> dict[Key, int | None]:
    """The tracks that rules look at, and after how long without a sample a rule would notice (None: never)."""
    patience: dict[Key, int | None] = {}

    def add(key: Key, *limits: int | None) -> None:
        known = [limit for limit in (patience.get(key), *limits) if limit is not None]
        patience[key] = min(known, default=None)

    for rule in rules:
        withins = [c.within for c in getattr(rule, "conditions", ()) if isinstance(c, Absence)]
        for name in inputs_of(rule) | set(rule.wording.fields.values()):
            if name in tags:
                add((TAG, name), tags[name].stale_after, rule.stale_after, *withins)
                add((ALIVE, tags[name].source), *withins)
    return patience
