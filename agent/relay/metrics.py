"""Every metric of the relay; the rules are those of `agent.metrics`."""

from prometheus_client import Counter, Gauge

RECEIVED = Counter("edge_relay_relay_messages_total", "Messages taken from senders.", ["channel"])
RECEIVED_BYTES = Counter("edge_relay_relay_bytes_total", "Bytes of their bodies.", ["channel"])
REFUSED = Counter(
    "edge_relay_relay_refused_total",
    "Messages not taken, by reason; without a channel: nobody was allowed to post.",
    ["channel", "reason"],
)
POLLS = Counter("edge_relay_relay_polls_total", "Questions of the plant that were answered.", ["channel"])
HANDED_OVER = Counter(
    "edge_relay_relay_handed_over_total",
    "Messages in the answers; one that is asked for twice counts twice.",
    ["channel"],
)
EXPIRED = Counter(
    "edge_relay_relay_expired_total",
    "Messages removed after `keep` that the plant had never taken.",
    ["channel"],
)
DAMAGED = Counter("edge_relay_relay_damaged_total", "Messages that the disk did not keep.", ["channel"])
HELD = Gauge("edge_relay_relay_held_polls", "Questions held until something comes.", ["channel"])
WAITING = Gauge("edge_relay_relay_waiting", "Messages that the plant has not taken yet.", ["channel"])
OLDEST_AGE = Gauge("edge_relay_relay_oldest_age_seconds", "Age of the oldest of them.", ["channel"])
KEPT_BYTES = Gauge("edge_relay_relay_kept_bytes", "Bytes kept, taken or not.", ["channel"])
STORE_USED = Gauge("edge_relay_relay_store_used_bytes", "Of the file of all messages, what is in use.")
