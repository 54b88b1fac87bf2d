"""`edge-relay pause`: what the laptop gets, and what it does not."""

import pytest
from rigs.commissioning import write

from agent.cli.pause import sharing

SOURCES = """\
  plc: {type: modbus, url: tcp://10.0.0.5, tags: {A: {address: "40001", type: int16}}}
  plc-slow: {type: modbus, url: "tcp://10.0.0.5:502", unit_id: 2, tags: {B: {address: "40001", type: int16}}}
  other-port: {type: modbus, url: "tcp://10.0.0.5:503", tags: {C: {address: "40001", type: int16}}}
  drive: {type: modbus, url: "rtu:///dev/ttyUSB0?baudrate=9600", tags: {D: {address: "40001", type: int16}}}
  drive-2: {type: modbus, url: "rtu:///dev/ttyUSB0?baudrate=9600", unit_id: 2, tags: {E: {address: "40001", type: int16}}}
  broker: {type: mqtt, url: "mqtt://10.0.0.9", client_id: a, tags: {F: {topic: a}}}
  broker-2: {type: mqtt, url: "mqtt://10.0.0.9", client_id: b, tags: {G: {topic: a}}}
"""


@pytest.mark.parametrize(
    ("paused", "others"),
    [
        ("plc", {"plc-slow"}),
        ("drive-2", {"drive"}),
        ("other-port", set()),
        ("broker", set()),
        ("nobody", set()),
    ],
)
def test_who_else_keeps_the_connection_open(tmp_path, paused, others):
    """Modbus sources of one address share a socket, so that one of them paused frees no device; brokers take many."""
    assert sharing(tmp_path, paused) == set(), "no configuration: nothing is known"
    write(tmp_path, SOURCES)

    assert sharing(tmp_path, paused) == others
