"""The agent at its worst hour: nothing answers, nobody reads its log, its loop stands still. What it tells, and to whom."""

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import tarfile
import termios
import time

import pytest
from rigs.agent_process import ROOT, AgentProcess, command, quiet_port, until

from agent.bundling.asked import Asked, Condition

KEY = "whsec_" + "QmFzZTY0IG9mIGEgY2FuYXJ5IGluIGEgbWluZSwgMzI="
CANARIES = [KEY[6:], *(f"canary-{n}-of-a-mine" for n in range(12))]

PLANT = """
agent: {{site: dresden, name: line-4, data_dir: data}}
http: {{listen: "127.0.0.1:0", tokens: {{eve: "canary-11-of-a-mine-0123456789abcdef"}}}}
destinations:
  dead: {{url: "http://127.0.0.1:{dead}/hook?key=canary-0-of-a-mine", signing: {{secret: "{key}"}}}}
  basic: {{url: "http://127.0.0.1:{dead}/b", signing: {{secret: "{key}"}}, auth: {{basic: {{user: me, password: canary-1-of-a-mine}}}}}}
  bearer:
    url: "http://127.0.0.1:{dead}/c"
    signing: {{scheme: hex, secret: canary-2-of-a-mine}}
    headers: {{X-Plant: canary-3-of-a-mine}}
    auth: {{bearer: canary-4-of-a-mine}}
  oauth:
    url: "http://127.0.0.1:{dead}/d"
    signing: {{secret: "{key}", previous_secrets: ["{key}"]}}
    auth: {{oauth2: {{token_url: "http://127.0.0.1:{dead}/t", client_id: me, client_secret: canary-5-of-a-mine}}}}
  broker: {{type: mqtt, url: "mqtt://127.0.0.1:{dead}", topic: x, user: me, password: canary-6-of-a-mine}}
sources:
  plc: {{type: modbus, url: "tcp://127.0.0.1:{dead}", tags: {{M: {{area: holding, offset: 0, type: uint16}}}}}}
  boiler:
    type: opcua
    url: "opc.tcp://127.0.0.1:{dead}"
    security: {{mode: none, insecure_password: true}}
    user: me
    password: ${{env:CANARY}}
    tags: {{O: {{node: "ns=2;s=O"}}}}
  cell: {{type: mqtt, url: "mqtt://127.0.0.1:{dead}", keep_session: false, user: me, password: canary-8-of-a-mine, tags: {{Q: {{topic: q}}}}}}
inbound:
  cloud:
    type: poll
    url: "http://127.0.0.1:{dead}/out"
    token: canary-9-of-a-mine
    verify: {{scheme: standard, secret: "{key}"}}
    routes: {{orders: {{forward: {{url: "http://127.0.0.1:{dead}/orders", headers: {{X-Key: canary-10-of-a-mine}}}}}}}}
rules: {{hot: {{tag: M, high: {{at: 80}}, message: "too hot"}}}}
"""

# A main program whose loop stands still when it is told to.
HANGS = """
import signal, sys, time
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
from agent.cli import main
sys.exit(main())
"""


def unread(pipe):
    """How many bytes wait in a pipe."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]


@pytest.fixture
def folder(tmp_path):
    """A plant of which nothing answers, with a secret wherever one can stand."""
    (tmp_path / "agent.yaml").write_text(PLANT.format(dead=quiet_port(), key=KEY))
    return tmp_path


def start(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-c", HANGS, "run", "-c", str(folder), *words],
        cwd=ROOT,
        env={**os.environ, "CANARY": "canary-7-of-a-mine"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


async def bundle(folder):
    """The parts of a bundle, and what was said meanwhile."""
    output = folder / "bundle.tar.gz"
    environment = {**os.environ, "CANARY": "canary-7-of-a-mine"}
    status, _, errors = await command("bundle", "-c", str(folder), "-o", str(output), environment=environment)
    assert status == 0, errors
    with tarfile.open(output) as tar:
        return {entry.name.partition("/")[2]: tar.extractfile(entry).read().decode() for entry in tar}


def is_told_by_none(texts):
    told = [(name, each) for name, text in texts.items() for each in CANARIES if each in text]
    assert told == []


async def test_a_log_that_nobody_reads_stops_nothing_and_no_secret_is_in_it(folder):
    """A full stderr (`| less`): the agent answers and ends in order; at --debug every line is JSON without a secret."""
    agent = AgentProcess(folder)
    process = start(folder, "--debug", "--log-format", "json")
    try:
        size = fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        await until(lambda: unread(process.stderr) > size - 1024, "its log fills the pipe")
        status = await until(agent.status, "it answers")
        told = await until(lambda: more_than(agent, 60), "it goes on to log")
        assert unread(process.stderr) > size - 1024
        stacks = await agent.ask("/api/stacks")
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        await until(lambda: process.poll() is not None, "it ends, though nobody reads")
        assert process.returncode == 0
        assert time.monotonic() - asked < 60
    finally:
        process.kill()
        rest = process.communicate()[1]

    lines = rest.decode().splitlines()[:-1]  # the last one was cut off by the end
    assert len(lines) > 5
    assert all({"ts", "level", "logger", "message"} <= set(json.loads(line)) for line in lines)
    assert {"task sources", "task control"} <= set(stacks["tasks"])
    assert any("agent/intakes.py" in line for line in stacks["tasks"])
    assert "thread MainThread" in stacks["threads"]
    texts = {
        "stderr": rest.decode(),
        "log": "\n".join(told),
        "status": json.dumps(status),
        "stacks": str(stacks),
    }
    is_told_by_none(texts)


async def more_than(agent, count):
    lines = (await agent.ask("/api/log") or {"lines": []})["lines"]
    return lines if len(lines) > count else None


async def test_a_hung_agent_says_where_and_a_bundle_of_it_has_no_secret(folder):
    """Its loop stands still: the log says where, and SIGUSR1 too; what its store holds is read from a copy."""
    agent = AgentProcess(folder)
    process = start(folder)
    try:
        await until(agent.status, "it answers")
        process.send_signal(signal.SIGUSR2)
        parts = await bundle(folder)

        asked = Asked(folder / "data")
        process.send_signal(signal.SIGSTOP)
        await asked.look()
        assert (asked.condition, asked.pid) == (Condition.HANGS, process.pid)
    finally:
        process.kill()
        log = process.communicate()[1].decode()

    manifest = parts["MANIFEST.txt"]
    assert "it runs, but does not answer" in manifest
    assert "in <lambda>" in parts["stacks.txt"]
    assert f"Pid:\t{process.pid}" in parts["process.txt"]
    assert any(row["type"] == "agent.started" for row in json.loads(parts["events.json"])), parts[
        "events.json"
    ]
    assert "status.json" in manifest.partition("What could not be had:")[2]
    assert "a bug in making it" not in manifest
    assert "password: ***" in parts["configuration/agent.yaml"]
    assert "password: ${env:CANARY}" in parts["configuration/agent.yaml"]
    is_told_by_none(parts | {"stderr": log})
    assert log.count("nothing is done for") == 1
    assert "<string>:3 in <lambda>" in log
