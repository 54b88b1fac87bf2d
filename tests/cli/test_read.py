"""`edge-relay read`: what an engineer sees of the tags, with a device that works and with one that does not."""

import asyncio
import json
import os
import signal
import struct
import sys
from pathlib import Path

import pytest
from rigs.agent_process import ROOT, AgentProcess, quiet_port, until
from rigs.commissioning import plc, run, write
from rigs.modbus_server import ModbusServer

from agent.cli.commissioning import without_secrets
from agent.cli.looking import chosen
from agent.sources.exploring import MistypedError

TAGS = """\
ZERO: {address: "40001", type: uint16}, TEMP: {address: "40008", type: int16, scale: 0.1, unit: °C}, \
RUN: {address: "10004"}, "L1.A": {address: "30002", type: uint16}, "L1.B": {address: "30003", type: uint16}"""


async def test_a_row_has_value_unit_quality_registers_place_and_latency(tmp_path, capsys):
    """What a person compares with the display and with the manual; 0 is a value (thingsboard-gateway#238)."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        status, output, errors = await run(capsys, "read", "-c", config)
        lines = {line.split()[0]: line for line in output.splitlines()}

    assert (status, errors) == (0, "")
    assert lines["tag"].split() == ["tag", "value", "quality", "raw", "place", "ms"]
    assert lines["TEMP"].split()[1:4] == ["0.7", "°C", "good"]
    assert lines["TEMP"].split()[4:7] == ["0x0007", "40008", "int16"]
    assert float(lines["TEMP"].split()[7]) > 0
    assert lines["ZERO"].split()[1:3] == ["0", "good"]
    assert lines["RUN"].split()[1:3] == ["true", "good"]
    assert all(len(line) <= 80 for line in lines.values())
    assert {exchange.function for exchange in server.requests} == {2, 3, 4}


async def test_json_has_everything_for_scripts(tmp_path, capsys):
    """One document, the same facts."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        status, output, _ = await run(capsys, "read", "-c", config, "TEMP", "--json")
    (row,) = json.loads(output)

    assert status == 0
    assert row | {"latency_ms": 1, "time": ""} == {
        "tag": "TEMP",
        "source": "line",
        "value": 0.7,
        "unit": "°C",
        "quality": "good",
        "reason": None,
        "place": "40008 int16",
        "raw": "0x0007",
        "latency_ms": 1,
        "time": "",
        "source_time": None,
        "age_s": None,
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("L1.*",), ["L1.A", "L1.B"]),
        (("L1.B", "ZERO"), ["ZERO", "L1.B"]),
        (("--source", "line", "T*"), ["TEMP"]),
    ],
)
async def test_tags_are_named_by_globs_and_source(tmp_path, capsys, words, expected):
    """Only what is asked for is read."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        _, output, _ = await run(capsys, "read", "-c", config, "--json", *words)

    assert sorted(row["tag"] for row in json.loads(output)) == sorted(expected)


async def test_a_dead_source_makes_its_own_tags_bad_with_the_reason(tmp_path, capsys, free_port):
    """Not an abort, and no last value shown as if it were one (thingsboard-gateway#1243, telegraf#10849)."""
    async with ModbusServer() as server:
        dead = f"  dead: {{type: modbus, url: 'tcp://127.0.0.1:{free_port()}', tags: {{D: {{address: '00001'}}}}}}\n"
        config = write(tmp_path, plc("line", server, TAGS) + dead)
        status, output, _ = await run(capsys, "read", "-c", config, "--json")
    rows = {row["tag"]: row for row in json.loads(output)}

    assert status == 1
    assert rows["ZERO"]["quality"] == "good"
    assert (rows["D"]["quality"], rows["D"]["value"]) == ("bad", None)
    assert "cannot connect (Connection refused): is Modbus enabled" in rows["D"]["reason"]


async def test_a_sentinel_inside_a_block_is_bad_and_never_zero(tmp_path, capsys):
    """home-assistant/core#139628, #69656: the device says that it has no value; the row says that, too."""

    async def nan(exchange):
        words = {10: 0x7FC0, 11: 0, 12: 0x8000, 13: 215}
        data = b"".join(
            struct.pack(">H", words.get(at, 0))
            for at in range(exchange.start, exchange.start + exchange.count)
        )
        await exchange.send(exchange.frame(bytes([exchange.function, len(data)]) + data))

    tags = """\
NAN: {address: "40011", type: float32}, CODE: {address: "40013", type: int16, invalid: [0x8000]}, \
GOOD: {address: "40014", type: int16}"""
    async with ModbusServer(behave=nan) as server:
        status, output, _ = await run(
            capsys, "read", "-c", write(tmp_path, plc("line", server, tags)), "--json"
        )
    rows = {row["tag"]: row for row in json.loads(output)}

    assert status == 1
    assert [rows[tag]["value"] for tag in ("NAN", "CODE", "GOOD")] == [None, None, 215]
    assert rows["NAN"]["reason"] == "the registers hold no finite number (nan)"
    assert rows["CODE"]["raw"] == "0x8000"
    assert len(server.requests) == 1


async def test_it_reads_again_and_again(tmp_path, capsys):
    """`--every` with `--count`, one object a line."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        words = ("read", "-c", config, "ZERO", "--jsonl", "--every", "20ms", "--count", "3")
        status, output, _ = await run(capsys, *words)

    assert (status, [json.loads(line)["value"] for line in output.splitlines()]) == (0, [0, 0, 0])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("L1.a",), "there is no tag L1.a: did you mean `L1.A`?"),
        (("NOPE*",), "there is no tag NOPE*"),
        (("--source", "lin"), "there is no source lin: did you mean `line`?"),
        (("--every", "1s", "--json"), "--json is one document: take --jsonl"),
    ],
)
async def test_a_slip_is_answered_with_the_remedy(tmp_path, capsys, words, said):
    """Status 2, and nobody was asked."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        status, output, errors = await run(capsys, "read", "-c", config, *words)

    assert (status, output, server.requests) == (2, "", [])
    assert said in errors


async def test_only_the_secrets_of_what_is_read_are_needed(tmp_path, capsys):
    """The destination's is missing all the time; the broker's only matters when the broker is asked."""
    broker = """\
  broker: {type: mqtt, url: mqtt://127.0.0.1:1, client_id: me, user: me, password: "${env:NO_SUCH_PASSWORD}",
           tags: {M: {topic: a}}}
"""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS) + broker)
        good, _, _ = await run(capsys, "read", "-c", config, "ZERO")
        refused, _, errors = await run(capsys, "read", "-c", config)

    assert (good, refused) == (0, 2)
    assert "sources.yaml:3:" in errors
    assert "NO_SUCH_PASSWORD is not set" in errors
    assert "A_SECRET_NOBODY_HAS" not in errors


async def test_ctrl_c_ends_it_with_130_and_closes_the_connection(tmp_path):
    """A person who watches a value stops when he has seen enough."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        words = (sys.executable, "-m", "agent", "read", "-c", config, "--every", "50ms")
        process = await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        await until(lambda: len(server.requests) > 3, "it reads")
        os.kill(process.pid, signal.SIGINT)
        _, errors = await process.communicate()

        assert (process.returncode, errors) == (130, b"")
        await until(lambda: not server.connections, "its connection is closed")


class OneConnection(ModbusServer):
    """A device that talks to the first who comes, and hangs up on everybody else (thingsboard-gateway#1670)."""

    async def _serve(self, reader, writer):
        if self.connections:
            writer.transport.abort()
            return
        await super()._serve(reader, writer)


async def test_where_the_agent_holds_the_only_connection_the_pause_is_named(tmp_path, capsys):
    """thingsboard-gateway#1670, OpenPLC_v3#195: and with the pause, it can be read."""
    async with OneConnection() as server, AgentProcess(tmp_path / "a", quiet_port()) as agent:
        agent.write(
            agent=f"agent: {{site: s, name: n, data_dir: data}}\nhttp: {{listen: '127.0.0.1:{agent.port}'}}",
            sources="sources:\n" + plc("line", server, TAGS),
        )
        await agent.start()
        await until(lambda: agent.is_up("line"), agent.log)
        held = await run(capsys, "read", "-c", str(agent.folder), "ZERO")
        probed = await run(capsys, "probe", "line", "40001", "-c", str(agent.folder))
        paused = await run(capsys, "pause", "source:line", "10m", "-c", str(agent.folder))
        await until(lambda: not server.connections, "the agent lets go")
        freed = await run(capsys, "read", "-c", str(agent.folder), "ZERO")

    assert held[0] == 1
    assert "`edge-relay pause source:line 10m` frees it" in held[2]
    assert probed[0] == 1
    assert "`edge-relay pause source:line 10m` frees it" in probed[2]
    assert paused[0] == 0
    assert (freed[0], freed[2]) == (0, "")


def test_a_tag_that_a_wildcard_makes_can_be_named(tmp_path):
    """No rule knows it, the source does; without a name there is nothing to be read, and that is said."""
    topic = "plant/+/telemetry"
    broker = f'  mq: {{type: mqtt, url: mqtt://b, client_id: x, tags: {{"W.{{1}}.I": {{topic: {topic}}}}}}}\n'
    configuration = without_secrets(Path(write(tmp_path, broker)))

    assert chosen(configuration, ["W.7.I"], None)["W.7.I"].source == "mq"
    with pytest.raises(MistypedError, match=r"there is no tag V\.7\.I"):
        chosen(configuration, ["V.7.I"], None)
    with pytest.raises(MistypedError, match="no tag has a name yet"):
        chosen(configuration, [], None)
