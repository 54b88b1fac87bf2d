"""One edge node of Sparkplug B as it is known in this session: born or not, in sequence or not.

What makes a value right is that every message since the birth certificates was seen, for data says
`17` where the certificate said `17 is Temperature/T1, an Int32`. So when one is missing, nothing that
was learned is believed any more, but what a message says in full (name and type), until the next
birth certificate; one is asked for at once. Tags that got no value for `_GRACE` since are bad then.
What no host can tell: that a whole birth was lost, and that the message behind it has by chance the
number that was expected.

    not born --NBIRTH--> in sequence --message missing for the reorder timeout--> in doubt
        ^                    |  ^------------------NBIRTH----------------------------|
        +------NDEATH--------+---------------------NDEATH----------------------------+

Rules for whoever changes this file: no I/O, no clock, no logging: instants are handed in, what is to be
told is handed out; rather bad for a second than wrong once. Source of the rules: Eclipse Sparkplug 3.0,
sections 5.3 to 5.5 and 6.4.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Final, NamedTuple, assert_never

from agent.codec.payload import Unreadable
from agent.codec.sparkplug import Metric, Payload, quality_of, value_of
from agent.model import MILLISECOND, SECOND, Quality, Reading, bad
from agent.sources.mqtt.sparkplug_config import SparkplugTag
from agent.sources.mqtt.sparkplug_sequence import InOrder, Sent, Verb

_GRACE: Final = 5 * SECOND
_BDSEQ: Final = "bdSeq"
_SESSIONS: Final = 256  # bdSeq counts them, 0 to 255
_NODE: Final = ""  # stands where a device's name would: the edge node itself


class _Known(NamedTuple):
    """What a birth certificate said of a metric: the tags that want it, and what it holds."""

    tags: tuple[str, ...]
    datatype: int | None


_UNWANTED: Final = _Known((), None)


class EdgeNode:
    """What is known of one edge node.

    Attributes:
        name: `GROUP/EDGE NODE`.
        missing: why a birth certificate is wanted, for a person; empty: none is.
    """

    def __init__(self, name: str, tags: Mapping[str, SparkplugTag], reorder_timeout: int) -> None:
        """Begin with nothing known.

        Args:
            name: `GROUP/EDGE NODE`.
            tags: those of this edge node and its devices.
            reorder_timeout: nanoseconds that a message which came too early waits for those before it.
        """
        self.name = name
        self.missing = f"no birth certificate of {name} has come yet"
        self._wanted: dict[str, dict[str, tuple[str, ...]]] = {}
        for tag, section in tags.items():
            metrics = self._wanted.setdefault(section.device.device, {})
            metrics[section.metric] = (*metrics.get(section.metric, ()), tag)
        self._order = InOrder(reorder_timeout)
        self._known: dict[str, dict[str | int, _Known]] = {}  # by device, once it is born
        self._bdseq: int | None = None  # None: any death certificate may be meant for us
        self._good: set[str] = set()
        self._doubted: dict[str, tuple[int, str]] = {}

    def take(self, sent: Sent) -> list[Reading]:
        """Take what the edge node sent."""
        match sent.verb:
            case Verb.NBIRTH:
                return self._node_born(sent.payload, sent.received)
            case Verb.NDEATH:
                return self._node_died(sent.payload, sent.received)
            case Verb.DBIRTH | Verb.DDEATH | Verb.NDATA | Verb.DDATA:
                readings = [
                    reading for next_one in self._order.take(sent) for reading in self._follow(next_one)
                ]
                self._look_for_lost(sent.received)
                return readings
            case _:
                assert_never(sent.verb)

    def overdue(self, now: int) -> list[Reading]:
        """Say what has become bad because nothing came in time."""
        self._look_for_lost(now)
        late = [tag for tag, (since, _) in self._doubted.items() if now - since >= _GRACE]
        return [self._cannot(tag, self._doubted[tag][1], now) for tag in late]

    def forget(self, why: str, now: int) -> list[Reading]:
        """Begin anew with nothing known, for this reason: every tag is bad until the next birth certificate."""
        self._order.end()
        self.missing = why
        return [reading for device in self._wanted for reading in self._end(device, why, now)]

    def _look_for_lost(self, now: int) -> None:
        """Believe nothing that was learned once a message is lost: it may have been a birth certificate."""
        if why := self._order.lost(now):
            for known in self._known.values():
                known.clear()
            self._bdseq = None
            self.missing = f"{self.name}: {why}"
            self._doubt(self._good, self.missing, now)

    def _follow(self, sent: Sent) -> list[Reading]:
        match sent.verb:
            case Verb.DBIRTH:
                return self._born(sent.device, sent.payload, sent.received)
            case Verb.DDEATH:
                return self._end(
                    sent.device, f"{self.name} says that {sent.device} is offline", sent.received
                )
            case _:
                return self._data(sent.device, sent.payload, sent.received)

    # Births and deaths

    def _node_born(self, payload: Payload, now: int) -> list[Reading]:
        if not self.missing and self._order.has_begun_since(payload):
            return []  # it came twice; if it is a new one of a clock that was set back, the numbers will show it
        self._order.begin(payload)
        self._bdseq = _bdseq(payload)
        self._known.clear()
        self.missing = ""
        for device in self._wanted:
            if device != _NODE:
                why = f"{self.name} is online, but has sent no birth certificate of {device}"
                self._doubt(self._tags(device), why, now)
        return self._born(_NODE, payload, now)

    def _node_died(self, payload: Payload, now: int) -> list[Reading]:
        died = _bdseq(payload)
        if self._bdseq is not None and died is not None and died != self._bdseq:
            if (died - self._bdseq) % _SESSIONS < _SESSIONS // 2:
                self.missing = f"{self.name}: a session has died of which no birth certificate came"
                self._doubt(self._good, self.missing, now)
            return []  # else of an earlier session: the broker noticed its end late
        return self.forget(f"{self.name} is offline (its death certificate came)", now)

    def _end(self, device: str, why: str, now: int) -> list[Reading]:
        """Forget what was learned of a device; its tags are bad."""
        self._known.pop(device, None)
        return [self._cannot(tag, why, now) for tag in self._tags(device)]

    def _born(self, device: str, payload: Payload, now: int) -> list[Reading]:
        wanted = self._wanted.get(device)
        if wanted is None:
            return []
        known = self._known[device] = {}
        values: dict[str, Metric] = {}
        times = Counter(metric.name for metric in payload.metrics if metric.name in wanted)
        twice: set[str | int | None] = {name for name, count in times.items() if count > 1}
        for metric in payload.metrics:
            if metric.name is None:
                continue
            of = _Known(wanted[metric.name], metric.datatype) if times[metric.name] == 1 else _UNWANTED
            if metric.name in wanted:
                known[metric.name] = of
                values[metric.name] = metric
            if metric.alias is not None:
                if metric.alias in known:
                    twice.add(metric.alias)
                known[metric.alias] = of
        known.update({key: _UNWANTED for key in twice if key is not None})
        readings = []
        for name, tags in wanted.items():
            why = self._not_said(device, name, values.get(name), twice)
            for tag in tags:
                if why:
                    readings.append(self._cannot(tag, f"{tag}: {why}", now))
                else:
                    of_it = values[name]
                    readings.append(self._present(tag, of_it, of_it.datatype, now)._replace(baseline=True))
        return readings

    def _not_said(
        self, device: str, name: str, metric: Metric | None, twice: Container[str | int | None]
    ) -> str:
        """Say why a birth certificate does not tell what holds now; empty: it does."""
        if metric is None:
            return f"the birth certificate of {self._who(device)} names no metric {name}"
        if metric.historical:
            return "the birth certificate has only a value of the past"
        if name in twice:
            return f"the birth certificate of {self._who(device)} names two metrics {name}"
        if metric.alias in twice:
            return (
                f"the birth certificate of {self._who(device)} gives the alias {metric.alias} to two metrics"
            )
        return ""

    # Values

    def _data(self, device: str, payload: Payload, now: int) -> list[Reading]:
        if device not in self._wanted:
            return []
        known = self._known.get(device)
        if known is None:
            self.missing = self.missing or f"data of {self._who(device)} came without a birth certificate"
            return []
        readings = []
        for metric in payload.metrics:
            of = self._meant(device, known, metric)
            if of is None:
                what = f"alias {metric.alias}" if metric.name is None else metric.name
                self.missing = self.missing or f"no birth certificate of {self._who(device)} explains {what}"
                continue
            if metric.historical:
                past = [_reading(tag, metric, of.datatype, now) for tag in of.tags]
                readings += [reading._replace(late=True) for reading in past if reading.value is not None]
                continue
            readings += [self._present(tag, metric, of.datatype, now) for tag in of.tags]
        return readings

    def _meant(self, device: str, known: Mapping[str | int, _Known], metric: Metric) -> _Known | None:
        """Tell which tags a metric is for, and what it holds; None: nobody can know."""
        if metric.name is None:
            of = None if metric.alias is None else known.get(metric.alias)
        else:
            tags = self._wanted[device].get(metric.name, ())
            of = known.get(metric.name, _Known(tags, None))
        if of is None or not of.tags:
            return of
        datatype = metric.datatype or of.datatype
        return None if datatype is None else _Known(of.tags, datatype)

    def _present(self, tag: str, metric: Metric, datatype: int | None, now: int) -> Reading:
        """Give the reading of what holds now."""
        reading = _reading(tag, metric, datatype, now)
        if reading.quality is Quality.BAD:
            return self._cannot(tag, reading.reason, now)
        self._good.add(tag)
        self._doubted.pop(tag, None)
        return reading

    def _cannot(self, tag: str, why: str, now: int) -> Reading:
        self._good.discard(tag)
        self._doubted.pop(tag, None)
        return bad(tag, now, why)

    def _doubt(self, tags: Iterable[str], why: str, now: int) -> None:
        for tag in tags:
            self._doubted.setdefault(tag, (now, why))

    def _tags(self, device: str) -> list[str]:
        return [tag for tags in self._wanted.get(device, {}).values() for tag in tags]

    def _who(self, device: str) -> str:
        return f"{self.name}/{device}" if device else self.name


def _bdseq(payload: Payload) -> int | None:
    found = next((metric for metric in payload.metrics if metric.name == _BDSEQ), None)
    return found.raw if found is not None and isinstance(found.raw, int) else None


def _reading(tag: str, metric: Metric, datatype: int | None, received: int) -> Reading:
    stamp = None if metric.stamp is None else metric.stamp * MILLISECOND
    quality, reason = quality_of(metric.quality)
    value = None if quality is Quality.BAD else value_of(metric, datatype)
    if value is None:
        return bad(tag, received, f"{tag}: {reason}")
    if isinstance(value, Unreadable):
        return bad(tag, received, f"{tag}: {value.why}")
    return Reading(tag, value, quality, received, reason, stamp)
