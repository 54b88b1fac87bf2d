"""Every metric of the agent, in one list: name, meaning, labels.

Rules: Prometheus conventions (base units, `_total` for counters); a label's values come from the
configuration, never from the outside, so their number is bounded. Hot paths hold the labelled child.
"""

from prometheus_client import Counter, Gauge, Histogram

READINGS = Counter("edge_relay_readings_total", "Readings taken from sources.", ["source"])
POLLS = Counter("edge_relay_polls_total", "Polls begun.", ["source"])
POLLS_SKIPPED = Counter(
    "edge_relay_polls_skipped_total", "Polls missed because the one before took too long.", ["source"]
)
POLL_LATENESS = Histogram(
    "edge_relay_poll_lateness_seconds",
    "How much later than planned a poll began.",
    ["source"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
SOURCE_UP = Gauge("edge_relay_source_up", "1 while the source's connection is proven.", ["source"])
ITEMS_WANTED = Gauge("edge_relay_source_items_wanted", "Tags configured on the source.", ["source"])
ITEMS_ALIVE = Gauge("edge_relay_source_items_alive", "Tags that the device accepted.", ["source"])
