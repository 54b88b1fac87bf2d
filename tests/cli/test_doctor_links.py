"""`edge-relay doctor` and what it connects to: real brokers, devices and servers, well and unwell, with an agent and without."""

import asyncio
import json
import subprocess

import pytest
from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.commissioning import run
from rigs.modbus_misbehaviour import garbage, silent
from rigs.modbus_serial import SerialModbusServer
from rigs.modbus_server import ModbusServer
from rigs.mosquitto import Mosquitto
from rigs.nats_server import NatsServer
from rigs.raw_server import raw_server

SECRET = "canary-4711"


def write(folder, sources="", destinations="", more=""):
    """Write a configuration; its path."""
    text = f"agent: {{site: dresden, name: line-4, data_dir: data}}\nhttp: {{listen: '127.0.0.1:{quiet_port()}'}}\n"
    text += f"sources:\n{sources}" if sources else ""
    text += f"destinations:\n{destinations}" if destinations else ""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "agent.yaml").write_text(text + more)
    return str(folder / "agent.yaml")


async def doctor(capsys, *words):
    """Run it; the exit status and the findings, by thing and in order."""
    status, output, errors = await run(capsys, "doctor", "--json", *words)
    assert errors == ""
    assert SECRET not in output
    return status, json.loads(output)["findings"]


def of(found, thing):
    """The one finding about a thing that is no certificate."""
    [finding] = [each for each in found if each["thing"] == thing and each["subject"] != "certificates"]
    return finding


def modbus(name, url, more=""):
    return f"  {name}: {{type: modbus, url: '{url}', timeout: 300ms, tags: {{{name}-1: {{address: '40011', type: int16}}, {name}-2: {{address: '40012', type: int16}}}}{more}}}\n"


async def test_a_device_that_answers_is_asked_once(tmp_path, capsys):
    """One connection, one read of the first tag, and nothing is written."""
    async with ModbusServer() as plc:
        status, found = await doctor(capsys, "-c", write(tmp_path, modbus("plc", plc.url)))

    assert (status, of(found, "plc")["verdict"]) == (0, "good")
    assert "tag plc-1 was read" in of(found, "plc")["said"]
    assert (plc.accepted, len(plc.requests), plc.writes) == (1, 1, [])


@pytest.mark.parametrize("behaviour", [silent, garbage], ids=lambda each: each.__name__)
async def test_a_device_that_misbehaves_is_a_problem(tmp_path, capsys, behaviour):
    """It takes the connection and answers wrong, or not at all."""
    async with ModbusServer(behave=behaviour) as plc:
        status, found = await doctor(capsys, "-c", write(tmp_path, modbus("plc", plc.url)))

    assert (status, of(found, "plc")["verdict"]) == (1, "problem")
    assert of(found, "plc")["remedy"]


async def test_a_device_that_is_away_is_a_problem(tmp_path, capsys, free_port):
    """Refused, with what it may be."""
    path = write(tmp_path, modbus("plc", f"tcp://127.0.0.1:{free_port()}"))
    status, found = await doctor(capsys, "-c", path)

    assert (status, of(found, "plc")["verdict"]) == (1, "problem")
    assert "refused" in of(found, "plc")["said"]


async def test_a_running_agent_keeps_its_connection(tmp_path, capsys):
    """Its word counts; a second connection is made only when a person asks for it; its store is left alone."""
    port = quiet_port()
    async with ModbusServer() as plc, AgentProcess(tmp_path) as agent:
        path = write(tmp_path, modbus("plc", plc.url) + modbus("gone", f"tcp://127.0.0.1:{port}"))
        await agent.start()
        await until(lambda: plc.requests, agent.log)
        status, found = await doctor(capsys, "-c", path)
        accepted = plc.accepted
        await doctor(capsys, "--connect", "-c", path)
        asked_for = plc.accepted
        left = {file.name for file in (tmp_path / "data").iterdir()}

    assert (accepted, asked_for) == (1, 2)
    assert of(found, "plc")["said"] == "the running agent is connected, and reads 2 tags"
    assert of(found, "gone")["verdict"] == "problem"
    assert "says the running agent" in of(found, "gone")["said"]
    assert status == 1
    assert not any(name.startswith(".doctor") or name.endswith("-shm") for name in left)


async def test_a_paused_device_is_left_to_whoever_paused_it(tmp_path, capsys):
    """Somebody else uses its only connection now."""
    async with ModbusServer() as plc, AgentProcess(tmp_path) as agent:
        path = write(tmp_path, modbus("plc", plc.url))
        await agent.start()
        await run(capsys, "pause", "source:plc", "10m", "--by", "vendor", "-c", path)
        await until(lambda: not plc.connections, agent.log)
        before = plc.accepted
        status, found = await doctor(capsys, "-c", path)

    assert plc.accepted == before
    assert (status, of(found, "plc")["verdict"]) == (0, "warning")
    assert "edge-relay resume source:plc" in of(found, "plc")["remedy"]


async def test_an_agent_that_does_not_answer_keeps_its_devices_too(tmp_path, capsys):
    """Somebody is there and says nothing we understand: no device is taken from it."""

    async def mute(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with ModbusServer() as plc:
        path = write(tmp_path, modbus("plc", plc.url))
        server = await asyncio.start_unix_server(mute, tmp_path / "data/control.sock")
        _, found = await doctor(capsys, "-c", path)
        server.close()

    assert plc.accepted == 0
    assert of(found, "plc")["verdict"] == "skipped"
    assert of(found, "agent")["verdict"] == "warning"


async def test_the_agent_of_another_configuration_keeps_its_devices(tmp_path, capsys, monkeypatch):
    """The service is active, and this is a copy of its configuration: the device may be connected to it."""
    told = "LoadState=loaded\\nActiveState=active\\nNRestarts=2\\nMainPID=0\\nUser=\\n"
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\nprintf '{told}'\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    async with ModbusServer() as plc:
        _, found = await doctor(capsys, "-c", write(tmp_path, modbus("plc", plc.url)))

    assert plc.accepted == 0
    assert of(found, "plc")["verdict"] == "skipped"
    assert "--connect" in of(found, "plc")["remedy"]
    assert "no agent runs with this data directory" in of(found, "service")["said"]
    assert "2 times" in of(found, "restarts")["said"]


async def test_devices_of_one_gateway_share_a_connection(tmp_path, capsys):
    """A gateway with one connection refuses the second: here none is open beside another."""
    most = 0

    async def counting(exchange):
        nonlocal most
        most = max(most, len(plc.connections))
        await asyncio.sleep(0.02)
        await exchange.send(exchange.frame(exchange.pdu()))

    async with ModbusServer(behave=counting) as plc:
        sources = "".join(modbus(f"unit{n}", plc.url, f", unit_id: {n}") for n in range(1, 6))
        _, found = await doctor(capsys, "-c", write(tmp_path, sources))

    assert all(of(found, f"unit{n}")["verdict"] == "good" for n in range(1, 6))
    assert most == 1
    assert len(plc.requests) == 5


async def test_a_serial_line_is_read_or_its_port_is_missed(tmp_path, capsys):
    """A line that answers, a port that is not there, and a file that is no port."""
    (tmp_path / "no-port").write_text("")
    async with SerialModbusServer(name=tmp_path / "ttyUSB0") as line:
        sources = modbus("line", f"rtu://{tmp_path}/ttyUSB0?baudrate=115200")
        sources += modbus("pulled", f"rtu://{tmp_path}/ttyUSB1") + modbus("file", f"rtu://{tmp_path}/no-port")
        _, found = await doctor(capsys, "-c", write(tmp_path, sources))

    assert len(line.requests) == 1
    assert of(found, "line")["verdict"] == "good"
    assert "there is no such port" in of(found, "pulled")["said"]
    assert "no serial port" in of(found, "file")["said"]


@pytest.fixture
def broker(tmp_path):
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(
        ["mosquitto_passwd", "-b", str(passwords), "relay", SECRET], check=True, capture_output=True
    )
    with Mosquitto(tmp_path, quiet_port(), f"allow_anonymous false\npassword_file {passwords}") as running:
        yield running


async def test_a_broker_lets_us_in_beside_the_agent_and_refuses_who_is_wrong(tmp_path, capsys, broker):
    """The agent's own client id is never used: who has it there stays connected."""
    url = f"mqtt://127.0.0.1:{broker.port}"
    source = f"{{type: mqtt, url: '{url}', client_id: me, user: relay, password: {SECRET}, tags: {{F: {{topic: a/b}}}}}}"
    sources = f"  right: {source}\n  wrong: {source.replace(SECRET, 'no').replace('F:', 'G:').replace(': me', ': you')}\n"
    destination = f"{{type: mqtt, url: '{url}', user: relay, password: {SECRET}}}"
    path = write(tmp_path, sources, f"  out: {destination}\n")
    async with AgentProcess(tmp_path) as agent:
        await agent.start()
        await until(lambda: "as me " in broker.log.read_text(), agent.log)
        await doctor(capsys, "-c", path)
        by_its_word = broker.log.read_text()
        status, found = await doctor(capsys, "--connect", "-c", path)
        log = broker.log.read_text()

    assert "as me-" not in by_its_word
    assert "as me-" in log
    by_name = {
        name: [each for each in found if each["thing"] == name][-1] for name in ("right", "wrong", "out")
    }
    assert (by_name["right"]["verdict"], by_name["out"]["verdict"]) == ("good", "good")
    assert "MQTT" in by_name["right"]["said"]
    assert "lets us in" in by_name["out"]["said"]
    assert (status, by_name["wrong"]["verdict"]) == (1, "problem")
    assert "'relay' is refused" in by_name["wrong"]["said"]
    assert log.count("as me ") == 1
    assert "already connected" not in log


async def choosy(_, reader, writer):
    """A broker that lets in one client id, and nobody else."""
    await reader.read(1000)
    writer.write(b"\x20\x02\x00\x02")


async def test_a_broker_that_lets_in_one_client_id_is_not_called_broken(tmp_path, capsys):
    """It was asked under another; whether the agent is let in, the agent itself says."""
    async with raw_server(choosy) as server:
        tags = "{F: {topic: a/b}}"
        source = f"{{type: mqtt, url: 'mqtt://127.0.0.1:{server.port}', client_id: me, protocol: '3.1.1', tags: {tags}}}"
        status, found = await doctor(capsys, "-c", write(tmp_path, f"  b: {source}\n"))

    assert (status, of(found, "b")["verdict"]) == (0, "warning")
    assert "refuses the client_id" in of(found, "b")["said"]
    assert "edge-relay status" in of(found, "b")["remedy"]


async def mute(rig, reader, writer):
    await reader.read()


async def talk(rig, reader, writer):
    writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    await reader.read()


@pytest.mark.parametrize("other", [mute, talk], ids=lambda each: each.__name__)
async def test_what_speaks_something_else_is_told(tmp_path, capsys, other):
    """It takes connections and says nothing, or nonsense: each wait ends, each has its problem and its remedy."""
    async with raw_server(other) as server:
        place = f"127.0.0.1:{server.port}"
        sources = f"""\
  broker: {{type: mqtt, url: 'mqtt://{place}', keep_session: false, timeout: 1s, tags: {{F: {{topic: a/b}}}}}}
  over-tls: {{type: mqtt, url: 'mqtts://{place}', keep_session: false, timeout: 1s, tags: {{G: {{topic: a/b}}}}}}
  boiler: {{type: opcua, url: 'opc.tcp://{place}', security: none, timeout: 1s, tags: {{B: {{node: i=2258}}}}}}
"""
        sources += modbus("plc", f"tcp://{place}")
        destinations = f"  bus: {{type: nats, servers: ['nats://{place}', 'tls://{place}']}}\n"
        destinations += f"  cmms: {{url: 'https://{place}/', signing: none}}\n"
        status, found = await doctor(capsys, "-c", write(tmp_path, sources, destinations))

    problems = [each for each in found if each["verdict"] == "problem"]
    assert status == 1
    assert [each["thing"] for each in problems] == [
        "broker",
        "over-tls",
        "boiler",
        "plc",
        "bus",
        "bus",
        "cmms",
    ]
    assert all(place in each["said"] and each["remedy"] for each in problems)


async def test_a_server_that_the_agent_misses_is_told_once(tmp_path, capsys, free_port):
    """It is asked again, being no device with one connection, and the step that fails says what to do."""
    tags = "tags: {B: {node: i=2258}}"
    source = f"  boiler: {{type: opcua, url: 'opc.tcp://127.0.0.1:{free_port()}', security: none, {tags}}}\n"
    async with AgentProcess(tmp_path) as agent:
        path = write(tmp_path, source)
        await agent.start()
        await until(lambda: agent.said("source boiler is down"), agent.log)
        _, found = await doctor(capsys, "-c", path)

    assert of(found, "boiler")["verdict"] == "problem"
    assert "TCP: 127.0.0.1:" in of(found, "boiler")["said"]


async def test_each_nats_server_is_asked(tmp_path, capsys, free_port):
    """One of two is away: the events go by the other, and the one that is missing is named."""
    away = free_port()
    with NatsServer(tmp_path, quiet_port()) as server:
        servers = f"['nats://127.0.0.1:{server.port}', 'nats://127.0.0.1:{away}']"
        path = write(tmp_path, destinations=f"  bus: {{type: nats, servers: {servers}}}\n")
        _, found = await doctor(capsys, "-c", path)

    said = {each["verdict"]: each["said"] for each in found if each["thing"] == "bus"}
    assert "lets us in" in said["good"]
    assert f"127.0.0.1:{away}" in said["problem"]


async def test_an_opcua_server_is_asked_what_it_offers(plant, tmp_path, capsys):
    """What is configured and offered is good, untrusted it is a problem with the command; we make no certificate."""
    tags = "tags: {{{0}: {{node: i=2258}}}}"
    sources = f"  open: {{type: opcua, url: '{plant.url}', security: none, {tags.format('A')}}}\n"
    sources += (
        f"  closed: {{type: opcua, url: '{plant.url}', security: sign_and_encrypt, {tags.format('B')}}}\n"
    )
    sources += f"  away: {{type: opcua, url: 'opc.tcp://127.0.0.1:1', security: none, {tags.format('C')}}}\n"
    _, found = await doctor(capsys, "-c", write(tmp_path, sources))

    assert of(found, "open")["verdict"] == "good"
    assert (of(found, "closed")["verdict"], of(found, "away")["verdict"]) == ("problem", "problem")
    assert "certificate ends in" in of(found, "closed")["said"]
    assert "`edge-relay trust closed`" in of(found, "closed")["remedy"]
    assert "refused" in of(found, "away")["said"]
    assert not (tmp_path / "data/pki").exists()
