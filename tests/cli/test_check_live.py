"""`edge-relay check --live`: every tag once, the rules on it, and nothing leaves the machine."""

import json

import pytest
from rigs.commissioning import plc, run, write
from rigs.modbus_server import ModbusServer

# Register n holds n: TEMP is 0.7, LEVEL is 20, P101 runs.
TAGS = """\
TEMP: {address: "40008", type: int16, scale: 0.1, unit: °C, range: [0, 100]}, \
LEVEL: {address: "40021", type: int16}, RUN: {address: "10004"}, GONE: {address: "40101", type: int16}"""
RULES = """\
rules:
  level-high: {tag: LEVEL, high: 10, priority: high}
  temp-low: {tag: TEMP, low: 5, deadband: 1, on_delay: 90s}
  stopped: {tag: RUN, is: true, on_delay: 8s, off_delay: 8s}
  fine: {tag: LEVEL, high: 100}
  average: {tag: LEVEL, window: {over: 2m, take: average}, high: 15, on_delay: 1m}
  rising: {tag: LEVEL, rate_of_change: {per: 1m, over: 30s}, high: 5}
  silent: {tag: LEVEL, expect: {sample: any, within: 30s}}
  gone: {tag: GONE, high: 5}
  gone-bad: {tag: GONE, high: 5, on_bad: alarm}
  gated: {tag: LEVEL, high: 10, when: not RUN}
  changes: {tag: LEVEL, change: {deadband: 1, at_least_every: 15m}}
"""


async def live(tmp_path, capsys, rules=RULES, tags=TAGS, more=""):
    """The document of `check --live`, of a device that lacks one address."""
    async with ModbusServer(illegal={(1, 100)}) as server:
        config = write(tmp_path, plc("line", server, tags) + more, rules)
        status, output, errors = await run(capsys, "check", "--live", "-c", config, "--json")
        asked = list(server.requests)
    assert errors == ""
    return status, json.loads(output), asked


async def test_it_foretells_what_the_rules_would_tell_and_when(tmp_path, capsys):
    """At once, after their delays, and never; a rule that waits for samples is not told that none come."""
    status, found, _ = await live(tmp_path, capsys)
    told = {(each["instance"], each["type"]): each["after_s"] for each in found["events"]}

    assert status == 1  # a tag is bad
    assert told.pop(("average", "alarm.raised")) == pytest.approx(
        120, abs=10
    )  # half of the window, and the delay
    assert told == {
        ("level-high", "alarm.raised"): 0,
        ("gone-bad", "alarm.raised"): 0,
        ("stopped", "alarm.raised"): 8,
        ("temp-low", "alarm.raised"): 90,
        ("changes", "tag.changed"): 900,
    }
    assert all(each["to"] == ["cloud"] for each in found["events"])


async def test_what_cannot_be_judged_is_said_with_the_reason(tmp_path, capsys):
    """Bad values, gates that are shut, measures that know too little: none of them counts as normal."""
    _, found, _ = await live(tmp_path, capsys)
    unjudged = {each["instance"]: each["why"] for each in found["not_judged"]}

    assert "has no holding 40101" in unjudged.pop("gone")
    assert "has no holding 40101" in unjudged.pop("gone-bad")
    assert unjudged.pop("gated") == "it is not watched now: its `when` or its hours say so"
    assert unjudged.keys() == {"rising", "average"}
    assert all(unjudged.values())


async def test_a_source_that_cannot_be_reached_would_be_told(tmp_path, capsys, free_port):
    """Its communication alarm, and its rules as not judged; the other source is judged all the same."""
    dead = f"  dead: {{type: modbus, url: 'tcp://127.0.0.1:{free_port()}', tags: {{D: {{address: '40001', type: int16}}}}}}\n"
    rules = "rules: {d: {tag: D, high: 1}, level: {tag: LEVEL, high: 10}}"
    status, found, _ = await live(tmp_path, capsys, rules, more=dead)
    told = {each["instance"]: each["after_s"] for each in found["events"]}

    assert status == 1
    assert told == {"level": 0, "dead.communication": 15}
    assert "Connection refused" in found["sources"]["dead"]
    assert found["sources"]["line"] is None
    assert [each["instance"] for each in found["not_judged"]] == ["d"]


async def test_a_source_that_says_nothing_in_time_counts_as_dead(tmp_path, capsys):
    """It accepts the connection and is silent; `--timeout` ends the wait, and its alarm is foretold."""
    async with ModbusServer(dead={1}) as server:
        config = write(tmp_path, plc("line", server, 'A: {address: "40001", type: int16}', "timeout: 30s"))
        words = ("check", "--live", "--timeout", "200ms", "-c", config, "--json")
        status, output, _ = await run(capsys, *words)
    found = json.loads(output)

    assert status == 1
    assert found["sources"]["line"] == "nothing came within 0.2 s (--timeout waits longer)"
    assert [(each["instance"], each["after_s"]) for each in found["events"]] == [("line.communication", 15)]


async def test_nothing_is_sent_stored_or_written(tmp_path, capsys):
    """Not even a folder for the store; every tag is asked for once, and only by functions that read."""
    _, _, asked = await live(tmp_path, capsys)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.yaml", "rules.yaml", "sources.yaml"]
    assert {exchange.function for exchange in asked} <= {1, 2, 3, 4}
    offsets = [(e.function, offset) for e in asked for offset in range(e.start, e.start + e.count)]
    assert offsets.count((3, 7)) == 1


async def test_people_get_the_table_and_the_verdicts(tmp_path, capsys):
    """Tags as `read` shows them, then what would be told, by whom it would be heard, and a summary."""
    rules = "rules: {level: {tag: LEVEL, high: 10, on_delay: 5s}, run: {tag: RUN, is: true}}"
    tags = 'LEVEL: {address: "40021", type: int16}, RUN: {address: "10004"}'
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, tags), rules)
        status, output, errors = await run(capsys, "check", "--live", "-c", config)

    assert (status, errors) == (0, "")
    assert "LEVEL  20              good     0x0014" in output
    assert "\ntold at once:\n  alarm.raised run (medium, to cloud): run: RUN" in output
    assert (
        "\ntold if it stays so:\n  after 5 s: alarm.raised level (medium, to cloud): level: LEVEL is 20"
        in output
    )
    assert (
        "3 rules: 1 told at once, 1 within an hour if nothing changes, 0 not judged; nothing was sent"
        in output
    )


async def test_a_configuration_with_errors_is_status_2(tmp_path, capsys):
    """Nobody is asked before the file is right."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS), "rules: {a: {tag: NOPE, high: 1}}")
        status, _, errors = await run(capsys, "check", "--live", "-c", config)

    assert (status, server.requests) == (2, [])
    assert "rules.yaml:1:" in errors


async def test_node_ids_that_may_move_are_named_with_what_does_not(tmp_path, capsys, plant):
    """node-red-contrib-opcua#478: the server says which namespace the index stands for today."""
    plant.add("live-steam", 1.5)
    config = write(
        tmp_path,
        f"  boiler: {{type: opcua, url: {plant.url}, security: none, tags: {{\n"
        '    S: {node: "ns=2;s=live-steam"}, GONE: {node: "ns=2;s=gone"}, TIME: {node: "i=2258"}}}\n',
    )
    status, output, errors = await run(capsys, "check", "--live", "-c", config)
    lines = output.splitlines()

    assert (status, errors) == (1, "")  # GONE is not there
    assert "node ids by an index, which may move when the server restarts:" in lines
    assert '  S: "ns=2;s=live-steam" -> "nsu=urn:plant:boiler;s=live-steam"' in lines
    assert not any(line.startswith("  TIME:") for line in lines)
