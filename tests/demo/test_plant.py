"""The plant serves what its sources.yaml says, to the protocols' own clients."""

import asyncio
import contextlib
import json
import struct

import paho.mqtt.client as paho
import pytest
import yaml
from asyncua import Client
from pymodbus.client import AsyncModbusTcpClient

from agent.clock import SystemClock
from agent.demo import DemoError
from agent.demo.plant import HOST, Ports, free_port, open_plant
from agent.demo.signals import signals_at


@contextlib.asynccontextmanager
async def living_plant():
    ports = Ports(free_port(), free_port(), free_port())
    async with open_plant(SystemClock(), ports) as plant, asyncio.TaskGroup() as tasks:
        live = tasks.create_task(plant.live(), name="plant")
        yield plant, ports, yaml.safe_load(plant.sources_yaml())["sources"]
        live.cancel()


async def changed_from(first, read):
    """Read until the answer differs from `first`."""
    async with asyncio.timeout(10):
        while (value := await read()) == first:
            await asyncio.sleep(0.05)
    return value


async def test_all_three_protocols_serve_what_sources_yaml_says():
    """Modbus registers, the OPC UA node and the MQTT telemetry stand where the YAML points, and they move."""
    async with living_plant() as (_, ports, sources):
        await check_modbus(ports, sources["plc"])
        await check_opcua(sources["boiler"])
        await check_mqtt(ports, sources["compressor"])


async def check_modbus(ports, source):
    client = AsyncModbusTcpClient(HOST, port=ports.modbus)
    await client.connect()

    async def registers():
        return (await client.read_holding_registers(10, count=4, device_id=source["unit_id"])).registers

    first = await registers()
    for words in (first, await changed_from(first, registers)):
        temperature = words[0] / 10
        pressure = struct.unpack(">f", struct.pack(">HH", words[3], words[2]))[0]  # CDAB

        assert 150 <= temperature <= 188
        assert pressure == pytest.approx(1 + (temperature - 150) / 40, abs=0.01)

    level = (await client.read_input_registers(0, count=1, device_id=1)).registers[0]
    running = (await client.read_discrete_inputs(0, count=1, device_id=1)).bits[0]
    client.close()

    assert 30 <= level / 27648 * 100 <= 80
    assert running is True
    assert [source["tags"][tag]["address"] for tag in ("R1.TT101", "P101.RUN", "TANK1.LT")] == [
        "40011",
        "10001",
        "30001",
    ]
    assert source["tags"]["R1.PT102"]["offset"] == 12


async def check_opcua(source):
    async with Client(source["url"]) as client:
        uri, _, identifier = source["tags"]["BOILER.STEAM"]["node"].removeprefix("nsu=").partition(";")
        node = client.get_node(f"ns={await client.get_namespace_index(uri)};{identifier}")
        first = await node.read_value()

        assert 9.5 <= first <= 12.8
        assert 9.5 <= await changed_from(first, node.read_value) <= 12.8


async def check_mqtt(ports, source):
    received = asyncio.Queue()
    loop = asyncio.get_running_loop()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="test")
    client.on_connect = lambda *_: client.subscribe(source["tags"]["COMP1.CURRENT"]["topic"], qos=1)
    client.on_message = lambda *arguments: loop.call_soon_threadsafe(received.put_nowait, arguments[-1])
    client.connect_async(HOST, ports.mqtt)
    client.loop_start()
    try:
        async with asyncio.timeout(10):
            messages = [await received.get() for _ in range(3)]
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
    payloads = [json.loads(message.payload) for message in messages]

    assert all(28 <= payload["current_a"] <= 43 for payload in payloads)
    assert sorted({payload["ts"] for payload in payloads}) == [payload["ts"] for payload in payloads]
    assert {message.qos for message in messages} == {1}


async def test_a_held_plant_answers_and_does_not_move():
    """Counting needs a plant that makes nothing new; it goes on from where it stood."""
    async with living_plant() as (plant, ports, _):
        client = AsyncModbusTcpClient(HOST, port=ports.modbus)
        await client.connect()

        async def temperature():
            return (await client.read_holding_registers(10, count=1, device_id=1)).registers

        await changed_from(await temperature(), temperature)
        plant.hold()
        await asyncio.sleep(0.6)  # the state under way when it was held
        held = [await temperature() for _ in range(3) if await asyncio.sleep(0.3) is None]
        plant.resume()
        after = await changed_from(held[0], temperature)
        client.close()

    assert held == [held[0]] * 3
    assert abs(after[0] - held[0][0]) < 150


async def test_a_taken_port_is_named():
    """The message says which server, which port, and what to do."""
    blocker = await asyncio.start_server(lambda *_: None, HOST, 0)
    port = blocker.sockets[0].getsockname()[1]
    try:
        for ports, protocol in (
            (Ports(port, free_port(), free_port()), "Modbus"),
            (Ports(free_port(), port, free_port()), "OPC UA"),
            (Ports(free_port(), free_port(), port), "MQTT"),
        ):
            with pytest.raises(
                DemoError, match=f"{protocol} server cannot listen on 127.0.0.1:{port}: choose"
            ):
                async with open_plant(SystemClock(), ports):
                    pass
    finally:
        blocker.close()
        await blocker.wait_closed()


async def test_a_missing_broker_is_named_with_its_remedy(monkeypatch):
    """Without the extra `demo` the message is the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "amqtt.broker", None)

    with pytest.raises(DemoError, match=r"pip install 'edge-relay\[demo\]'"):
        async with open_plant(SystemClock(), Ports(free_port(), free_port(), free_port())):
            pass


def test_the_script_starts_running():
    """At second 0 the pump runs and nothing is in alarm: the first alarm is a crossing, not a start."""
    start = signals_at(0)

    assert start.pump_running
    assert (start.temperature, start.steam, start.current) == (150.0, 9.5, 28.0)
