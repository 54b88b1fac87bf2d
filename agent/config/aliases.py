"""What other gateways call our keys: whoever comes from one is told the word that is used here.

A word is refused all the same, because it may mean something slightly else there. Rules for whoever
changes this: a hint is given only where the key that it names may stand.
"""

from collections.abc import Collection
from typing import Final

_ORDER: Final = (
    "ABCD as it stands in most manuals, CDAB with the low word first, BADC and DCBA with swapped bytes"
)
_AREA: Final = (
    "holding, input, coil or discrete, with `offset` counted from 0; or `address` as the manual prints it"
)

_KEYS: Final = {
    # ours: what it takes, and how it is called elsewhere
    "unit_id": ("", ("slave_id", "slave", "slaveid", "unitid", "device_id", "device_address", "station")),
    "byte_order": (_ORDER, ("word_order", "swap", "byteorder", "wordorder", "endian", "endianness")),
    "invalid": ("a list of raw codes, [0x8000]", ("nan_value", "null_value", "bad_value", "invalid_value")),
    "area": (_AREA, ("register", "register_type", "input_type", "function", "function_code", "functioncode")),
    "scale": (
        "what the raw value is multiplied with",
        ("multiplier", "factor", "gain", "divider", "divisor"),
    ),
    "add": ("what is added after scaling", ("bias", "addend", "zero", "value_offset")),
    "length": ("how many characters", ("count", "quantity", "objects_count", "characters")),
    "type": ("", ("data_type", "datatype", "format")),
    "poll_every": (
        "",
        ("scan_interval", "scan_rate", "scan_time", "poll_period", "poll_interval", "interval"),
    ),
    "sample_every": ("", ("scan_interval", "scan_rate", "sampling_interval", "poll_interval", "interval")),
    "max_gap": ("", ("optimization_max_register_fill", "max_register_fill")),
    "max_registers_per_read": ("", ("max_word_registers_per_request", "max_registers_per_request")),
    "one_request_per_tag": ("", ("one_request_per_field",)),
    "close_after_poll": ("", ("close_connection_after_gather", "close_after_gather")),
    "pause_between_requests": ("", ("delay", "command_delay", "message_wait_milliseconds")),
    "url": (
        "all of it in one text, such as tcp://HOST:PORT or rtu:///dev/ttyUSB0?baudrate=19200&parity=E",
        (
            "host",
            "port",
            "ip",
            "ip_address",
            "endpoint",
            "server",
            "baudrate",
            "parity",
            "stopbits",
            "bytesize",
        ),
    ),
    "node": ("", ("node_id", "nodeid", "id")),
    "user": ("", ("username", "user_name", "login")),
    "tls": ("{ca: FILE, certificate: FILE, key: FILE}", ("ca", "ca_file", "ssl", "certificates")),
}


_ONLY_ELSEWHERE: Final = {
    # a key of other protocols, a key of the map where it has no meaning: what is done instead
    ("write", "topic"): "a broker takes messages: a route with `publish: {source, topic, payload}` sends one",
    ("write", "signal"): "nothing is written to a simulated signal: delete it",
}


def other_name(key: str, known: Collection[str]) -> str:
    """Say how what somebody wrote is called here; empty if it is no such word, or means nothing there."""
    word = key.lower().replace("-", "_")
    for (elsewhere, here), what in _ONLY_ELSEWHERE.items():
        if word == elsewhere and here in known:
            return what
    for ours, (what, theirs) in _KEYS.items():
        if ours in known and word in theirs:
            return f"here it is `{ours}`" + (f": {what}" if what else "")
    return ""
