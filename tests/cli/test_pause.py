"""`edge-relay pause`: what the laptop gets, and what it does not."""

import pytest
from aiohttp import web
from rigs.commissioning import write

from agent.cli import main
from agent.cli.commissioning import hint_of_pause
from agent.cli.pause import sharing
from agent.paths import CONTROL_SOCKET

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


async def test_only_what_the_agent_holds_is_to_be_paused(tmp_path):
    """Of a device that the agent cannot reach either, nobody is told that the agent has its connection."""
    states = {"plc": "up", "dead": "down", "mine": "paused"}

    async def status(_):
        return web.json_response({"sources": {name: {"state": state} for name, state in states.items()}})

    application = web.Application()
    application.router.add_get("/api/status", status)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        (tmp_path / CONTROL_SOCKET).parent.mkdir(exist_ok=True)
        await web.UnixSite(runner, str(tmp_path / CONTROL_SOCKET)).start()
        hints = await hint_of_pause(tmp_path, dict.fromkeys(states, "no answer"))
    finally:
        await runner.cleanup()

    assert [hint.partition(":")[0] for hint in hints] == ["plc"]
    assert await hint_of_pause(tmp_path, {"plc": "no answer"}) == [], "no agent runs"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pause", "source:plc"], "the following arguments are required: DURATION"),
        (
            ["pause", "plc", "25h"],
            "a pause lasts a day at the most, because nothing is watched meanwhile; got 1d1h",
        ),
        (["pause", "plc", "0s"], "a pause lasts a day at the most"),
        (["pause", "plc", "10m", "--reason", "a test"], "--reason is for destinations"),
        (["pause", "destination:cmms", "0s"], "without a DURATION it lasts until `edge-relay resume`"),
        (["pause", "destination:cmms", "--shared"], "--shared is for sources: cmms is a destination"),
        (["resume", "destination:cmms", "--shared"], "--shared is for sources: cmms is a destination"),
        (["pause", "rule:R1", "10m"], "expected source:NAME or destination:NAME, got 'rule:R1'"),
        (["resume", "destination:"], "expected source:NAME or destination:NAME, got 'destination:'"),
    ],
)
def test_what_cannot_be_paused_so_is_usage(words, sentence, capsys):
    """Status 2, before anybody is asked: a source needs an end, a destination does not."""
    with pytest.raises(SystemExit) as end:
        main(words)

    assert (end.value.code, sentence in capsys.readouterr().err) == (2, True)
