"""`edge-relay probe`: from what the display shows to a line that can be pasted."""

import json
import struct

import pytest
import yaml
from rigs.commissioning import plc, run, write
from rigs.modbus_server import ModbusServer

from agent.cli.probe import expected
from agent.sources.exploring import Expected

TAGS = 'X: {address: "40001", type: int16}'


async def pressure(exchange):
    """21.5 as a float with the low word first, from offset 12 on; noise elsewhere."""
    words = {12: 0x0000, 13: 0x41AC}
    span = range(exchange.start, exchange.start + exchange.count)
    data = b"".join(struct.pack(">H", words.get(at, 0x6A6B + at)) for at in span)
    await exchange.send(exchange.frame(bytes([exchange.function, len(data)]) + data))


async def test_before_any_configuration_exists(tmp_path, capsys):
    """A url will do: what matches is marked and comes first, and the tag's line stands below.

    thingsboard-gateway#614, #1453, libmodbus#358, #611, ioBroker.modbus#508: word and byte order by trial.
    """
    async with ModbusServer(behave=pressure) as server:
        status, output, errors = await run(capsys, "probe", server.url, "holding:12", "--expect", "21.5")
    lines = output.splitlines()

    assert (status, errors) == (0, "")
    assert lines[:2] == [
        "holding 40013  offset 12 (holding:12 counted from 0, as on the wire): 0x0000 0x41AC 0x6A79 0x6A7A",
        "holding 40012  offset 11 (holding:12 counted from 1, as in manuals): 0x6A76 0x0000 0x41AC 0x6A79",
    ]
    assert lines[3].split()[:5] == ["=>", "40013", "float32", "CDAB", "21.5"]
    assert '  H40013: {address: "40013", type: float32, byte_order: CDAB}' in lines


async def test_the_line_loads_and_reads_the_value(tmp_path, capsys):
    """What `--yaml` prints is pasted under `tags:`, and the agent reads what the display shows."""
    async with ModbusServer(behave=pressure) as server:
        _, line, _ = await run(capsys, "probe", server.url, "40013", "--expect", "21.5", "--yaml")
        (tag,) = yaml.safe_load(line).items()
        config = write(tmp_path, plc("line", server, f"{tag[0]}: {json.dumps(tag[1])}"))
        status, output, _ = await run(capsys, "read", "-c", config, "--json")

    assert (status, json.loads(output)[0]["value"]) == (0, 21.5)


async def test_by_name_and_with_another_unit(tmp_path, capsys):
    """The source's url and byte order are taken from the configuration, the unit from the command line."""
    async with ModbusServer(behave=pressure) as server:
        config = write(tmp_path, plc("line", server, TAGS, "byte_order: CDAB"))
        words = ("probe", "line", "40013", "--expect", "21.5", "--unit-id", "7", "-c", config, "--json")
        status, output, _ = await run(capsys, *words)
    best = next(row for row in json.loads(output) if row["matches"])

    assert status == 0
    assert best["tag"] == {"address": "40013", "type": "float32"}
    assert {exchange.unit for exchange in server.requests} == {7}


async def test_what_does_not_match_is_said_with_what_to_try(capsys):
    """Status 1, and the next steps; the improbable is hidden until it is asked for."""
    async with ModbusServer(behave=pressure) as server:
        status, output, _ = await run(capsys, "probe", server.url, "40013", "--expect", "99.9")
        _, everything, _ = await run(capsys, "probe", server.url, "40013", "--expect", "99.9", "--all")

    assert status == 1
    assert "nothing there is 99.9: does the value move (--tolerance 1)" in output
    assert "improbable ways are not shown: --all" in output
    assert "improbable" not in everything
    assert len(everything.splitlines()) > len(output.splitlines()) + 5


async def test_a_value_that_moves_is_found_with_a_tolerance(capsys):
    """The plant went on while somebody walked from the display to the laptop."""
    async with ModbusServer(behave=pressure) as server:
        missed, _, _ = await run(capsys, "probe", server.url, "40013", "--expect", "20.9")
        found, _, _ = await run(
            capsys, "probe", server.url, "40013", "--expect", "20.9", "--tolerance", "0,9"
        )

    assert (missed, found) == (1, 0)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("tcp://127.0.0.1:1", "40011"), 1, "cannot connect"),
        (("tcp://", "40011"), 2, "expected tcp://HOST:PORT"),
        (("s7://plc", "40011"), 2, "s7:// is nothing to read from: expected tcp,"),
        (("10.0.0.5:502", "40011"), 2, "tcp://10.0.0.5:502 for Modbus, opc.tcp://10.0.0.5:502, mqtt://"),
        (("10.0.0.5", "40011"), 2, "tcp://10.0.0.5 for Modbus"),
        (("/dev/ttyUSB0", "40011"), 2, "rtu:///dev/ttyUSB0?baudrate=9600"),
        (("mqtt://127.0.0.1:1", ""), 2, "a topic is missing"),
        (("mqtt://127.0.0.1:1", "plant#"), 2, "plant#: `#` stands for all further levels"),
        (("opc.tcp://127.0.0.1:1", "ns=2,s=x"), 2, "expected a node id"),
        (("line", "x11"), 2, "'x11' is no Modbus address: write 40011 as in a manual"),
        (("lin", "40011"), 2, "there is no source lin: did you mean `line`?"),
        (("line", "40001", "--unit-id", "300"), 2, "expected a number from 0 to 255"),
        (("opc.tcp://plc", "i=1", "--unit-id", "3"), 2, "--unit-id is for Modbus"),
    ],
)
async def test_a_slip_is_answered_with_the_remedy(tmp_path, capsys, words, status, said):
    """One sentence, no traceback; what was mistyped is 2, before anything is connected to."""
    async with ModbusServer() as server:
        config = write(tmp_path, plc("line", server, TAGS))
        got, _, errors = await run(capsys, "probe", *words, "-c", config)

    assert got == status
    assert said in errors
    assert errors.startswith("edge-relay: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "tolerance", "meant"),
    [
        ("21.5", None, Expected(21.5, 0.05)),
        ("21,50", None, Expected(21.5, 0.005)),
        ("-7", None, Expected(-7, 0.5)),
        ("21.5", 2.0, Expected(21.5, 2.0)),
        ("on", None, Expected(True)),
        ("FALSE", None, Expected(False)),
        ("21.5 °C", None, Expected(21.5, 0.05)),
        ("21,5°C", None, Expected(21.5, 0.05)),
        ("50%", None, Expected(50, 0.5)),
        ("-3 m3/h", None, Expected(-3, 0.5)),
        ("BATCH 7", None, Expected("BATCH 7")),
        ("7UP", None, Expected("7UP")),
        ("1.234,5", None, Expected("1.234,5")),
        ("18446744073709551615", None, Expected(18446744073709551615, 0.5)),
    ],
)
def test_what_the_display_shows(text, tolerance, meant):
    """A number is as exact as its last digit; a comma is a decimal point; its unit may stand behind it."""
    assert expected(text, tolerance) == meant
