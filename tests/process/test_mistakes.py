"""What people get wrong: one message that names the thing and the remedy, and everything else goes on.

Each message is counted: one that comes again with every poll or retry fails the test.
"""

import asyncio
import contextlib
import resource
import socket
import subprocess

from rigs.agent_process import AgentProcess, quiet_port, until
from rigs.authority import Authority
from rigs.modbus_server import ModbusServer
from rigs.mosquitto import Mosquitto
from rigs.opcua_server import OpcUaServer, make_certificate
from rigs.small_plant import HEAD, HEALTHY, alarm, play, small_plant
from rigs.webhook_receiver import SECRET, WebhookReceiver, holes

LONG_ENOUGH_S = 3  # several polls, payloads and retries of everything that is wrong

MISTAKEN = """
sources:
  wrong-address:
    type: modbus
    url: {plc}
    poll_every: 100ms
    tags: {{A: {{area: holding, offset: 1, type: uint16}}, WRONG: {{area: holding, offset: 5, type: uint16}}}}
  wrong-unit: {{type: modbus, url: {plc}, unit_id: 9, timeout: 300ms, tags: {{U: {{area: holding, offset: 1, type: uint16}}}}}}
  unreachable: {{type: modbus, url: "tcp://127.0.0.1:{nobody}", tags: {{N: {{area: holding, offset: 1, type: uint16}}}}}}
  unnamed: {{type: mqtt, url: "mqtt://broker.invalid", client_id: unnamed, tags: {{X: {{topic: x}}}}}}
  wrong-node:
    type: opcua
    url: {boiler}
    security: none
    tags: {{STEAM: {{node: "nsu=urn:plant:boiler;s=Steam"}}, NODE: {{node: "nsu=urn:plant:boiler;s=Stem"}}}}
  wrong-user:
    type: opcua
    url: {boiler}
    security: {{mode: none, insecure_password: true}}
    user: relay
    password: ${{env:WRONG_PASSWORD}}
    tags: {{O: {{node: "nsu=urn:plant:boiler;s=Steam"}}}}
  wrong-certificate:
    type: opcua
    url: {boiler}
    security: {{server_certificate: {other}, pki: pki}}
    tags: {{C: {{node: "nsu=urn:plant:boiler;s=Steam"}}}}
  garbage:
    type: mqtt
    url: mqtt://127.0.0.1:{broker}
    client_id: garbage
    user: relay
    password: ${{env:RIGHT_PASSWORD}}
    tags: {{G: {{topic: garbage, value: $.v}}, FINE: {{topic: fine, value: $.v}}}}
  wrong-password:
    type: mqtt
    url: mqtt://127.0.0.1:{broker}
    client_id: wrong-password
    user: relay
    password: ${{env:WRONG_PASSWORD}}
    tags: {{P: {{topic: p}}}}
  wrong-authority:
    type: mqtt
    url: mqtts://127.0.0.1:{tls}
    client_id: wrong-authority
    tags: {{T: {{topic: t}}}}
"""
MESSAGES = {
    "wrong-address": ["WRONG cannot be read", "unit 1 has no holding 40006", "check the address"],
    "wrong-unit": ["unit 9", "check its power, its wiring, and unit_id"],
    "unreachable": ["127.0.0.1:", "Connection refused", "the port right"],
    "unnamed": ["broker.invalid", "is not found: check url"],
    "wrong-node": ["NODE cannot be read", "s=Stem", "BadNodeIdUnknown"],
    "wrong-user": ["the server refuses user 'relay': check user and password"],
    "wrong-certificate": ["refused the server's certificate", "but server_certificate is"],
    "garbage": ["G cannot be read", "the payload is not JSON", "NaN and Infinity are no JSON"],
    "wrong-password": ["user 'relay' is refused", "check user and password"],
    "wrong-authority": ["its certificate is refused", "tls: {ca: FILE}"],
}


@contextlib.contextmanager
def two_brokers(folder):
    """One that knows the user relay, and speaks TLS on its second port."""
    passwords, certificate, tls = folder / "passwords", Authority(folder).issue("broker"), quiet_port()
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "relay", "right"], check=True, capture_output=True)
    extra = (
        f"allow_anonymous false\npassword_file {passwords}\n"
        f"listener {tls} 127.0.0.1\ncertfile {certificate[0]}\nkeyfile {certificate[1]}"
    )
    with Mosquitto(folder, quiet_port(), extra) as broker:
        yield broker, tls


async def published(broker):
    """What cannot be read, another each time, and what can."""
    number = 0
    while True:
        number += 1
        messages = [("garbage", f"NaN;{number}"), ("fine", f'{{"v": {number}}}')]
        login = {"username": "relay", "password": "right"}
        await asyncio.to_thread(broker.publish, *messages, auth=login)
        await asyncio.sleep(0.2)


async def ten_mistaken_sources(folder):
    """Ten mistakes at once: a message each, and the healthy source and the healthy tags go on."""
    boiler = OpcUaServer(quiet_port(), folder)
    make_certificate(folder / "other.der", folder / "other.pem", "urn:another")
    async with contextlib.AsyncExitStack() as opened:
        broker, tls = opened.enter_context(two_brokers(folder))
        await asyncio.to_thread(opened.enter_context, boiler)
        boiler.add("Steam", 8.0)
        plc = await opened.enter_async_context(ModbusServer(illegal={(1, 5)}, dead={9}))
        receiver = await opened.enter_async_context(WebhookReceiver())
        agent = AgentProcess(
            folder / "a", quiet_port(), CLOUD_SECRET=SECRET, WRONG_PASSWORD="wrong", RIGHT_PASSWORD="right"
        )
        await opened.enter_async_context(agent)
        places = {"plc": plc.url, "boiler": boiler.url, "broker": broker.port, "tls": tls}
        agent.write(
            agent=HEAD.format(port=agent.port, url=receiver.url("/")),
            healthy=HEALTHY.format(plc=plc.url),
            mistaken=MISTAKEN.format(**places, nobody=quiet_port(), other=folder / "other.der"),
        )
        await agent.start()
        publishing = asyncio.create_task(published(broker))
        await until(lambda: all(agent.said("WARNING", f"source {name}") for name in MESSAGES), agent.log)
        await asyncio.sleep(LONG_ENOUGH_S)
        await alarm(plc, receiver)
        assert await agent.is_up("healthy", "wrong-address", "wrong-node", "garbage"), agent.log()
        for source in ("wrong-address", "wrong-node", "garbage"):
            assert await agent.metric("edge_relay_readings_total", source=source) > 0
        publishing.cancel()
        await agent.stop()
    for source, words in MESSAGES.items():
        lines = [line for line in agent.said(f"source {source}") if " INFO " not in line]
        assert len(lines) == 1, f"{source}: {lines}"
        assert all(word in lines[0] for word in words), lines[0]
    assert not agent.said("Traceback"), agent.log()


async def full_disk(folder):
    """No byte can be written: reading goes on, /health says why; with room again all goes on, the gap is told."""
    async with small_plant(folder) as (plc, receiver, agent):
        _, hard = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (1, hard))
        plc.added = 100
        why = await until(lambda: failing(agent), agent.log, within=30)
        assert "nothing can be stored" in why
        assert str(folder / "a" / "data") in why
        before = await agent.metric("edge_relay_readings_total", source="healthy")
        await asyncio.sleep(2)
        assert not receiver.of_type("/", "alarm.raised"), "nothing is announced that is not stored"
        assert (await agent.get("/live"))[0] == 200
        plc.added = 0
        resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await until(agent.healthy, agent.log, within=30)

        async def reads_on():
            return await agent.metric("edge_relay_readings_total", source="healthy") > before

        await until(reads_on, agent.log)
        plc.added = 0
        await alarm(plc, receiver)
        await until(lambda: blind_for_the_store(receiver), agent.log)
        await agent.stop()
        assert holes(receiver.events("/")) == []
    for words in ("nothing can be stored: the store", "rules hold their state", "takes events again"):
        assert len([line for line in agent.lines if words in line and "because" not in line]) <= 1, (
            agent.log()
        )
    assert agent.said("nothing can be stored: the store"), agent.log()
    assert not agent.said("Traceback"), agent.log()


async def failing(agent):
    status, text = await agent.get("/health")
    return text if status == 503 else None


def blind_for_the_store(receiver):
    return [event for event in receiver.of_type("/", "agent.blind") if event["data"]["reason"] == "store"]


async def second_agent(folder):
    """On the same data directory: a sentence and status 1; the first one goes on."""
    async with small_plant(folder) as (plc, receiver, agent), AgentProcess(folder / "b") as second:
        head = HEAD.format(port=0, url="http://127.0.0.1:9/").replace("data_dir: data", "data_dir: ../a/data")
        second.write(agent=head.replace("${env:CLOUD_SECRET}", SECRET))
        await second.spawn()
        assert await second.end() == 1
        assert [line for line in second.lines if "another edge-relay is using it: stop that one" in line] == [
            second.lines[-1]
        ]
        assert not second.said("Traceback"), second.log()
        await alarm(plc, receiver)
        await agent.stop()


async def taken_port(folder):
    """Somebody listens on its port: a message, the alarms go on, and the page comes when the port is free."""
    async with small_plant(folder) as (plc, receiver, agent):
        await agent.stop()
        with socket.create_server(("127.0.0.1", agent.port)):
            await agent.start()
            await alarm(plc, receiver)
            await until(lambda: agent.said(f"127.0.0.1:{agent.port}", "Address already in use"), agent.log)
        await until(lambda: agent.said(f"listens on 127.0.0.1:{agent.port} now"), agent.log)
        assert await agent.healthy()
        assert len(agent.said(f"127.0.0.1:{agent.port}", "in use", "another")) == 1, agent.log()
        await agent.stop()


async def receiver_nobody_vouches_for(folder):
    """Its certificate is of an unknown authority: nothing is sent, and status says why."""
    certificate = Authority(folder, "unknown").issue("receiver")
    async with small_plant(folder, certificate) as (plc, receiver, agent):
        plc.added = 100
        told = await until(lambda: reason(agent), agent.log)
        assert "the certificate of 127.0.0.1 is not accepted" in told
        assert receiver.attempts == {}
        await agent.stop()


async def reason(agent):
    return (await agent.status())["destinations"]["cloud"]["reason"]


MISTAKEN_FILES = {
    "rules:\n  H-high: {tag: H, high: 50}\n  H-high: {tag: H, high: 60}\n": (
        "3:3: error: `H-high` is given twice, first in line 2"
    ),
    "rules:\n  H-high: {tag: H, hihg: 50}\n": (
        "2:20: error: rule H-high: unknown key `hihg`: did you mean `high`?"
    ),
}


async def mistaken_files(folder):
    """A rule twice, a misspelt key: `check` and `run` name the place once; the one exits 1, the other 2."""
    for number, (rules, told) in enumerate(MISTAKEN_FILES.items()):
        async with AgentProcess(folder / f"{number}", CLOUD_SECRET=SECRET) as agent:
            sources = HEALTHY.format(plc="tcp://127.0.0.1:9").partition("rules:")[0]
            agent.write(agent=HEAD.format(port=0, url="http://127.0.0.1:9/"), sources=sources, rules=rules)
            status, output, errors = await agent.command("check")
            assert (status, output) == (1, "")
            assert errors.count(f"rules.yaml:{told}") == 1, errors
            await agent.spawn()
            assert await agent.end() == 2
            assert len(agent.said(f"{agent.folder / 'rules.yaml'}:{told}")) == 1, agent.log()
            assert not (agent.folder / "data").exists()


async def test_mistakes(tmp_path):
    """Each is told once, with its remedy, and stops nothing else."""
    await play(
        tmp_path,
        (
            ten_mistaken_sources,
            full_disk,
            second_agent,
            taken_port,
            receiver_nobody_vouches_for,
            mistaken_files,
        ),
    )
