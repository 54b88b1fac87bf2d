"""`edge-relay browse`: what is found, as a table and as tags to paste."""

import json

import pytest
import yaml
from rigs.commissioning import run, write
from rigs.modbus_server import ModbusServer

from agent.cli.commissioning import flow
from agent.config.load import load
from agent.config.secrets import NOT_NEEDED


async def test_the_table_names_what_is_there_and_what_is_not(capsys):
    """A row for each address, a remark for each gap, a summary on stderr."""
    async with ModbusServer(illegal={(1, 3), (1, 4)}) as server:
        status, output, errors = await run(capsys, "browse", server.url, "40001-40006")

    assert status == 0
    assert [line.split()[0] for line in output.splitlines()] == [
        *("name", "H40001", "H40002", "H40003", "holding", "H40006")
    ]
    assert "holding 40004-40005: not there (exception 2)" in output
    assert errors == f"{server.url} 40001-40006: 4 found\n"


@pytest.mark.parametrize("start", ["40001-40010", "coil:0-9", ""])
async def test_the_tags_load_as_they_are(tmp_path, capsys, start):
    """`--yaml` is pasted under a source, remarks and all, and the configuration loads with every tag of it."""
    async with ModbusServer(illegal={(1, offset) for offset in range(20, 1000)} | {(1, 5)}) as server:
        words = ("browse", server.url, *([start] if start else []))
        _, block, _ = await run(capsys, *words, "--yaml")
        _, rows, _ = await run(capsys, *words, "--json")
    write(tmp_path, f"  line:\n    type: modbus\n    url: {server.url}\n{block}")
    configuration = load(tmp_path, NOT_NEEDED)

    found = [row["name"] for row in json.loads(rows) if row["name"]]
    assert found
    assert list(configuration.tags) == found


async def test_units_behind_a_gateway(capsys):
    """Who answers, each as soon as it does."""
    async with ModbusServer() as server:
        status, output, _ = await run(capsys, "browse", server.url, "--unit-ids", "1-3,9")

    assert status == 0
    assert output.splitlines() == [
        f"unit {number}: answers: `edge-relay browse {server.url} --unit-ids {number}` shows what it has"
        for number in (1, 2, 3, 9)
    ]


async def test_a_simulated_source_can_be_browsed_as_well(tmp_path, capsys):
    """Every kind of source has something to show."""
    write(
        tmp_path,
        '  sim: {type: simulated, tags: {A: {signal: sine, unit: "°C"}, B: {signal: steps, values: [on]}}}\n',
    )
    status, output, _ = await run(capsys, "browse", "sim", "-c", str(tmp_path), "--yaml")
    (tmp_path / "sources.yaml").write_text(f"sources:\n  sim:\n    type: simulated\n{output}")

    assert status == 0
    assert list(load(tmp_path, NOT_NEEDED).tags) == ["A", "B"]


@pytest.mark.parametrize("units", ["0-300", "a", "5-2", ""])
async def test_wrong_unit_ids_are_usage(capsys, units):
    """Status 2 by the parser, before anything is connected."""
    with pytest.raises(SystemExit) as stopped:
        await run(capsys, "browse", "tcp://127.0.0.1:1", "--unit-ids", units)

    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"address": "40011", "type": "int16"}, '{address: "40011", type: int16}'),
        ({"node": "nsu=urn:a;s=B", "scale": 0.1}, '{node: "nsu=urn:a;s=B", scale: 0.1}'),
        ({"unit": "on", "°C": [1, True, None]}, '{unit: "on", "°C": [1, true, null]}'),
    ],
)
def test_one_line_of_yaml(value, written):
    """What YAML would take for something else is quoted."""
    assert flow(value) == written
    assert yaml.safe_load(written) == value
