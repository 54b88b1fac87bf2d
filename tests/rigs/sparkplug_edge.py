"""A Sparkplug B edge node: its messages as bytes, and the whole of it on a real broker.

Written from the specification for the tests of the agent, which plays the host application.
"""

import itertools
import threading
from collections.abc import Iterator, Mapping
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from agent.codec.payload import Unreadable
from agent.codec.sparkplug import REBIRTH, decode
from agent.codec.sparkplug_schema import METRIC, PAYLOAD

INT32, INT64, DOUBLE, BOOLEAN, STRING, DATASET = 3, 4, 10, 11, 12, 16
_FIELDS = {INT32: "int_value", INT64: "long_value", DOUBLE: "double_value", BOOLEAN: "boolean_value"}
_FIELDS |= {STRING: "string_value", DATASET: "dataset_value"}
NODE = ""

Sent = tuple[str, bytes]  # topic and payload


def metric(name: str | None, datatype: int, value: object, **facts: object) -> bytes:
    """One metric; `value` None: null. `facts` are further fields of the schema, `told` leaves out the type."""
    fields = dict(facts) if facts.pop("told", True) is False else {"datatype": datatype} | facts
    fields.pop("told", None)
    if name is not None:
        fields["name"] = name.encode()
    if value is None:
        fields["is_null"] = True
    else:
        raw = value.encode() if isinstance(value, str) else value
        fields[_FIELDS[datatype]] = (
            raw % 2**32 if datatype == INT32 else raw % 2**64 if datatype == INT64 else raw
        )
    return METRIC(**fields).SerializeToString()


def payload(*metrics: bytes, seq: int | None, stamp: int) -> bytes:
    """A message of these metrics."""
    place = {} if seq is None else {"seq": seq}
    return PAYLOAD(timestamp=stamp, metrics=metrics, **place).SerializeToString()


class EdgeNode:
    """Makes the messages of one edge node, in their sequence; what the network does to them the test decides."""

    def __init__(
        self, metrics: Mapping[str, Mapping[str, tuple[int, object]]], name: str = "Plant1/Edge1"
    ) -> None:
        """Begin its first session.

        Args:
            metrics: type and value by device (NODE: its own) and name.
            name: GROUP/EDGE NODE.
        """
        self.group, self.name = name.split("/")
        self.metrics = {device: dict(of) for device, of in metrics.items()}
        self.metrics.setdefault(NODE, {})
        self.bdseq = 0
        self.stamp = 1_790_000_000_000
        self.with_aliases = True
        self._seq = itertools.count()
        self._aliases: dict[tuple[str, str], int] = {}
        self.number_anew()

    def number_anew(self, shift: int = 0) -> None:
        """Give the metrics other aliases from the next birth on: each that of one of its neighbours."""
        every = [(device, name) for device, of in self.metrics.items() for name in of]
        self._aliases = {key: (at + shift) % len(every) for at, key in enumerate(every)}

    def topic(self, verb: str, device: str = NODE) -> str:
        return "/".join(filter(None, ("spBv1.0", self.group, verb, self.name, device)))

    def connect_anew(self) -> list[Sent]:
        """Another session: its number is the next, and it is born."""
        self.bdseq = (self.bdseq + 1) % 256
        return self.births()

    def births(self) -> list[Sent]:
        """All birth certificates."""
        return [self.nbirth(), *(self.dbirth(device) for device in self.metrics if device)]

    def nbirth(self) -> Sent:
        self._seq = itertools.count()
        own = [
            metric("bdSeq", INT64, self.bdseq, timestamp=self.stamp),
            metric(REBIRTH, BOOLEAN, False, timestamp=self.stamp),
            *self._born(NODE),
        ]
        return self.topic("NBIRTH"), payload(*own, seq=self.next(), stamp=self._tick())

    def dbirth(self, device: str) -> Sent:
        return self.topic("DBIRTH", device), payload(*self._born(device), seq=self.next(), stamp=self._tick())

    def data(self, device: str, values: Mapping[str, object], **facts: object) -> Sent:
        """Change values, and tell them by alias (or by name), without their types."""
        metrics = []
        for name, value in values.items():
            datatype, _ = self.metrics[device][name]
            if not facts.get("is_historical"):
                self.metrics[device][name] = (datatype, value)
            alias = {"alias": self._aliases[device, name]} if self.with_aliases else {}
            told = {"timestamp": self.stamp, "told": False} | facts
            metrics.append(metric(None if alias else name, datatype, value, **alias, **told))
        verb = "DDATA" if device else "NDATA"
        return self.topic(verb, device), payload(*metrics, seq=self.next(), stamp=self._tick())

    def ddeath(self, device: str) -> Sent:
        return self.topic("DDEATH", device), payload(seq=self.next(), stamp=self._tick())

    def ndeath(self) -> Sent:
        return self.topic("NDEATH"), payload(metric("bdSeq", INT64, self.bdseq), seq=None, stamp=self.stamp)

    def next(self) -> int:
        """The next sequence number."""
        return next(self._seq) % 256

    def _born(self, device: str) -> Iterator[bytes]:
        for name, (datatype, value) in self.metrics[device].items():
            alias = {"alias": self._aliases[device, name]} if self.with_aliases else {}
            yield metric(name, datatype, value, timestamp=self.stamp, **alias)

    def _tick(self) -> int:
        self.stamp += 1
        return self.stamp


class LiveEdgeNode:
    """An edge node on a broker, in paho's thread: it is born with its connection, and again when asked."""

    def __init__(self, port: int, edge: EdgeNode) -> None:
        self.edge = edge
        self.rebirths = 0
        self.strange: list[Sent] = []
        """Commands that are no rebirth request."""
        self.born = threading.Event()
        """The broker has its births, and passes commands on."""
        self._port = port
        self._lock = threading.Lock()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def connect(self) -> None:
        """Connect with the death certificate as the will; the births follow."""
        self._client = client = Client(CallbackAPIVersion.VERSION2, client_id=f"edge-{self.edge.name}")
        client.will_set(*self.edge.ndeath(), qos=1)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = lambda *_: self.born.set()  # answered behind the births
        client.connect("127.0.0.1", self._port)
        client.loop_start()

    def die(self) -> None:
        """Be gone without a goodbye: the broker publishes the will."""
        self._client.loop_stop()
        self._client.socket().close()
        self.edge.bdseq = (self.edge.bdseq + 1) % 256

    def tell(self, device: str, **values: object) -> None:
        """Publish changed values."""
        with self._lock:
            self._publish([self.edge.data(device, values)])

    def lose(self, device: str, **values: object) -> None:
        """Change values, and let the message of it be lost."""
        with self._lock:
            self.edge.data(device, values)

    def _on_connect(self, client: Client, *_: object) -> None:
        with self._lock:
            self._publish(self.edge.births())
        client.subscribe(self.edge.topic("NCMD"), qos=1)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        command = decode(message.payload)
        metrics = [] if isinstance(command, Unreadable) else command.metrics
        names = [one.name for one in metrics if one.raw is True]
        if names != [REBIRTH] or message.qos or message.retain:
            self.strange.append((message.topic, message.payload))
            return
        self.rebirths += 1
        with self._lock:
            self._publish(self.edge.births())

    def _publish(self, messages: list[Sent]) -> None:
        for topic, body in messages:
            self._client.publish(topic, body, qos=0)
