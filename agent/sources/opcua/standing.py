"""How each tag of a session stands: whether it has been seen, whether it is alive, and what it reads.

A tag's handle is its place in the configuration; servers give it back with every value.

Rules for whoever changes this file: a tag that is not alive has its reason here, and is asked for again
until a value comes; log lines tell changes, never each value.
"""

import logging
from typing import Final

from asyncua import ua

from agent.config.fields import format_duration
from agent.metrics import ITEMS_ALIVE, VALUES_LOST
from agent.model import MILLISECOND, Reading, bad
from agent.sources.opcua.config import OpcUaSource, OpcUaTag
from agent.sources.opcua.values import has_overflowed, is_node_gone, to_reading

_log: Final = logging.getLogger(__name__)

_FAR_RARER: Final = 2  # times the period that was asked for: servers have steps of their own


class Standing:
    """The tags of one session.

    Attributes:
        tags: name and section, by handle.
        missing: why a tag is not alive, by handle.
        cut: the handles whose element of an array the server gives alone.
    """

    def __init__(self, name: str, config: OpcUaSource) -> None:
        self.tags: tuple[tuple[str, OpcUaTag], ...] = tuple(config.tags.items())
        self.missing: dict[int, str] = {}
        self.cut: set[int] = set()
        self._name = name
        self._config = config
        self._told_of_sampling = self._told_of_queue = False
        self._unread = set(range(len(self.tags)))
        self._overflowed: set[int] = set()
        self._lost = VALUES_LOST.labels(name)
        self._alive = ITEMS_ALIVE.labels(name)

    def mark(self, handle: int, reason: str, received: int) -> Reading:
        """Note that a tag is not alive; give the reading that says so."""
        self.missing[handle] = reason
        return bad(self.tags[handle][0], received, reason)

    def count(self) -> None:
        """Tell monitoring how many are alive."""
        self._alive.set(len(self.tags) - len(self.missing))

    def note_accepted(self, handle: int, accepted: ua.MonitoredItemCreateResult) -> None:
        """Say once what the server makes of sampling and queue, where values get lost by it and nothing else tells.

        With a queue of one it drops values without the overflow bit (OPC 10000-4, 5.12.1.5).
        """
        tag, config = self.tags[handle][0], self._config
        sampled = round(accepted.RevisedSamplingInterval * MILLISECOND)
        if sampled > _FAR_RARER * config.sample_every and not self._told_of_sampling:
            self._told_of_sampling = True
            _log.warning(
                "%s: the server looks at tag %s, and maybe others, every %s, not every %s: what is shorter goes "
                "unseen; allow it at the server, or write `read: cyclic`",
                self._name,
                tag,
                format_duration(sampled),
                format_duration(config.sample_every),
            )
        needed = min(config.least_queue, config.server_queue)
        if accepted.RevisedQueueSize < needed and not self._told_of_queue:
            self._told_of_queue = True
            _log.warning(
                "%s: the server keeps %d of the %d values of tag %s, and maybe others, between two sendings: write "
                "a publish_every like sample_every",
                self._name,
                max(1, accepted.RevisedQueueSize),
                needed,
                tag,
            )

    def begin_anew(self, handle: int) -> None:
        """Take the next value as the first: nobody was looking in between."""
        self._unread.add(handle)

    def read(self, handle: int, data: ua.DataValue, received: int) -> Reading:
        """Turn a value into a reading, and note what it says of the tag."""
        tag, section = self.tags[handle]
        seen = to_reading(
            tag,
            data,
            received,
            baseline=handle in self._unread,
            index=section.index,
            cut=handle in self.cut,
        )
        reading = section.believed(seen)
        if reading.value is not None:
            self._unread.discard(handle)
        gone = is_node_gone(data)
        if gone and handle not in self.missing:
            # A node that vanishes (a program is loaded into the PLC) may leave its item deaf: it is asked for anew.
            _log.warning("%s: tag %s is gone from the server: %s", self._name, tag, reading.reason)
            self.missing[handle] = reading.reason
            self.count()
        elif not gone and handle in self.missing:
            del self.missing[handle]
            self.count()
        if has_overflowed(data):
            self._note_loss(handle)
        return reading

    def note_message_lost(self) -> None:
        """Count a message that never came, or that nobody could decode."""
        self._lost.inc()

    def _note_loss(self, handle: int) -> None:
        self._lost.inc()
        if handle not in self._overflowed:
            self._overflowed.add(handle)
            tag, section = self.tags[handle]
            _log.warning(
                "%s: values of tag %s (%s) were lost between two publishes: raise queue_size, or lower publish_every",
                self._name,
                tag,
                section.place,
            )
