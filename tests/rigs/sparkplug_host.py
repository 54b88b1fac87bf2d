"""The agent's side of Sparkplug B without a broker: the decoder, its readings and requests, time by hand."""

from rigs.sparkplug_edge import DOUBLE, INT32, NODE, STRING

from agent.model import SECOND, Quality
from agent.sources.mqtt.decode import Message
from agent.sources.mqtt.sparkplug import Sparkplug
from agent.sources.mqtt.sparkplug_config import SparkplugSource

WALL = 1_790_000_000 * SECOND
PLANT = {
    NODE: {"CPU": (INT32, 40)},
    "Press": {"Temp": (DOUBLE, 20.5), "Count": (INT32, -7)},
    "Oven 2": {"State": (STRING, "off")},
}
TAGS = {
    "CPU": {"device": "Plant1/Edge1", "metric": "CPU"},
    "TEMP": {"device": "Plant1/Edge1/Press", "metric": "Temp"},
    "COUNT": {"device": "Plant1/Edge1/Press", "metric": "Count"},
    "STATE": {"device": "Plant1/Edge1/Oven 2", "metric": "State"},
}
BORN = {"CPU": 40, "TEMP": 20.5, "COUNT": -7, "STATE": "off"}


class Host:
    """The decoder, the board that its readings make, and what it asked for; seconds are the test's own."""

    def __init__(self, tags=TAGS, **keys):
        section = {"type": "mqtt", "url": "mqtt://broker", "payload": "sparkplug_b", "tags": tags} | keys
        self.config = SparkplugSource.model_validate(section)
        self.decoder = Sparkplug(self.config, lambda: WALL)
        self.now = 0
        self.seen = []
        self.board = {}
        self.asked = []
        self.unreadable = []
        self.warnings = []

    def hear(self, *messages, retained=False):
        for topic, body in messages:
            decoded = self.decoder.decode(Message(topic, body, retained, self.now))
            self._take(decoded.readings)
            self.unreadable += [decoded.unreadable] * bool(decoded.unreadable)
            self.warnings += [decoded.warning] * bool(decoded.warning)
        return self

    def wait(self, seconds):
        """Let time pass, a quarter of a second at a time."""
        for _ in range(round(seconds * 4)):
            self.now += SECOND // 4
            self._take(self.decoder.overdue(self.now))
            self.asked += [(self.now // SECOND, request.topic) for request in self.decoder.requests(self.now)]
        return self

    def _take(self, readings):
        self.seen += readings
        self.board.update({one.tag: one for one in readings if not one.late})

    @property
    def values(self):
        return {tag: one.value for tag, one in self.board.items()}

    @property
    def reasons(self):
        return {tag: one.reason for tag, one in self.board.items() if one.quality is Quality.BAD}
