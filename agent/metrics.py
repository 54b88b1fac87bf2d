"""Every metric of the agent, in one list: name, meaning, labels.

Rules: Prometheus conventions (base units, `_total` for counters); a label's values come from the
configuration, never from the outside, so their number is bounded. Hot paths hold the labelled child.
"""

from prometheus_client import Counter, Gauge, Histogram, Info, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each counter that no dashboard reads

INFO = Info("edge_relay", "Which agent this is, and which version runs.")

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
VALUES_LOST = Counter(
    "edge_relay_source_values_lost_total",
    "Times that a device said it had dropped values before we fetched them (OPC UA's overflow bit).",
    ["source"],
)
ATTEMPTS = Counter(
    "edge_relay_delivery_attempts_total",
    "Delivery attempts by what came of them: 2xx to 5xx, none (no answer), crash (a bug of ours).",
    ["destination", "answer"],
)
DELIVERY_LATENCY = Histogram(
    "edge_relay_delivery_latency_seconds",
    "From the first byte sent to the end of the answer, attempts that were answered.",
    ["destination"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
DEAD_LETTERS = Counter("edge_relay_dead_letters_total", "Events given up, with a reason.", ["destination"])
INBOUND_MESSAGES = Counter(
    "edge_relay_inbound_messages_total", "Messages that came in, by what was decided.", ["relay", "result"]
)
INBOUND_ACTIONS = Counter(
    "edge_relay_inbound_actions_total",
    "What messages asked for, by what became of it.",
    ["action", "outcome"],
)
RELAY_UP = Gauge("edge_relay_relay_up", "1 while the relay answers.", ["relay"])
RELAY_GAPS = Counter(
    "edge_relay_relay_gaps_total",
    "Times that a relay said it has not kept all that came meanwhile.",
    ["relay"],
)
QUEUE_DEPTH = Gauge(
    "edge_relay_destination_queue_depth", "Events in memory that wait for the destination.", ["destination"]
)
OLDEST_AGE = Gauge(
    "edge_relay_destination_oldest_age_seconds", "Age of the oldest event that waits.", ["destination"]
)
COMMITS = Counter("edge_relay_store_commits_total", "Transactions that the store put on disk.")
TAGS_BAD = Gauge(
    "edge_relay_source_tags_bad", "Tags that cannot be read although the source is connected.", ["source"]
)
TAGS_LATE = Gauge(
    "edge_relay_source_tags_late",
    "Tags of which nothing has come for longer than a value counts as fresh.",
    ["source"],
)
EVALUATIONS = Counter("edge_relay_rule_evaluations_total", "Rules looked at because of a reading.")
EVENTS = Counter("edge_relay_events_total", "Events stored, by their type.", ["type"])
LOOP_LAG = Gauge("edge_relay_loop_lag_seconds", "How late the event loop woke up last.")
STORE_BYTES = Gauge("edge_relay_store_bytes", "Size of the store on disk, its write-ahead log included.")
STORE_USED = Gauge("edge_relay_store_used_bytes", "Of the store's file, what is in use.")
STORE_ROOM = Gauge(
    "edge_relay_store_room_bytes",
    "What events may use: store.max_size without the log, the ballast and the recorded samples.",
)
STORE_EVICTED = Counter(
    "edge_relay_store_evicted_total", "Events given up for want of room; each is in a declared gap."
)
STORE_AVAILABLE = Gauge("edge_relay_store_available", "1 while the store takes events.")
ALARMS_OPEN = Gauge("edge_relay_alarms_open", "Open alarms.", ["priority"])
ALARMS_UNACKNOWLEDGED = Gauge(
    "edge_relay_alarms_unacknowledged", "Open alarms that nobody has acknowledged.", ["priority"]
)
RULES_UNWATCHED = Gauge(
    "edge_relay_rules_unwatched",
    "Rules without an open alarm of which nothing would be told now: shelved, blind, disabled, ...",
)
DESTINATION_UP = Gauge(
    "edge_relay_destination_up", "1 while the destination takes what it is sent.", ["destination"]
)
CLOCK_BELIEVED = Gauge(
    "edge_relay_clock_believed", "0 while the wall clock is known to be wrong: schedules hold what was."
)
CERTIFICATES_EXPIRING = Gauge(
    "edge_relay_certificates_expiring", "Certificates that end soon or have ended; /health names them."
)
WAITING = Gauge(
    "edge_relay_destination_waiting", "Events on disk without an outcome, by destination.", ["destination"]
)
CONFIGURATION_ACCEPTED = Gauge(
    "edge_relay_configuration_accepted",
    "0 since a changed configuration was refused and the old one goes on; 1 once one is accepted.",
)
