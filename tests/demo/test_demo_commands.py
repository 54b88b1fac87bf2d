"""keygen, receiver and simulate as a user starts them."""

import argparse
import asyncio
import base64
import contextlib
import signal
import sys
from datetime import UTC, datetime

import aiohttp
import pytest
import yaml
from pymodbus.client import AsyncModbusTcpClient
from standardwebhooks.webhooks import Webhook

from agent.cli import keygen
from agent.demo.plant import HOST, free_port
from agent.demo.receiver import key_of

COMMAND = (sys.executable, "-m", "agent")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PATIENCE = 30  # seconds; a busy machine starts slowly


@contextlib.asynccontextmanager
async def command(*arguments: str, **environment: str):
    """A child that is surely gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ended(process, signal_number=None):
    """Its exit status, stdout and stderr; after a signal if one is given."""
    if signal_number is not None:
        process.send_signal(signal_number)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def keygen_prints(capsys, *arguments: str):
    parser = argparse.ArgumentParser()
    keygen.configure(parser)

    assert keygen.run(parser.parse_args(arguments)) == 0

    return capsys.readouterr().out.strip()


def test_a_new_secret_signs_and_verifies(capsys):
    """32 random bytes, never the same; an independent library signs with it and the receiver knows the key."""
    first, second = keygen_prints(capsys), keygen_prints(capsys)

    assert first != second
    assert len(key_of(first)) == 32
    assert Webhook(first).sign("evt_1", datetime.now(UTC), "{}").startswith("v1,")


def test_a_hexadecimal_secret_is_text_of_64_digits(capsys):
    """For the hex scheme, whose key is the text itself."""
    text = keygen_prints(capsys, "--hex")

    assert len(bytes.fromhex(text)) == 32
    assert len(text) == 64


async def test_the_receiver_shows_an_event_and_ends_with_ctrl_c():
    """The secret from the environment; one line an event; exit 0."""
    port = free_port()
    async with command("receiver", "--port", str(port), EDGE_RELAY_RECEIVER_SECRET=SECRET) as process:
        assert f"listening on http://127.0.0.1:{port}/" in (await process.stdout.readline()).decode()
        now = datetime.now(UTC)
        body = '{"type": "agent.test", "data": {"seq": 3}}'
        headers = {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign("evt_1", now, body),
        }
        async with aiohttp.request("POST", f"http://{HOST}:{port}/", headers=headers, data=body) as response:
            assert response.status == 204
        line = (await process.stdout.readline()).decode()

        assert line.endswith("agent.test  seq 3  signature ok\n")
        assert "\x1b" not in line
        assert await ended(process, signal.SIGINT) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (
            (),
            2,
            "no secret: give --secret-file or set EDGE_RELAY_RECEIVER_SECRET; `edge-relay keygen` makes one",
        ),
        (("--secret-file", "/nowhere/secret"), 2, "/nowhere/secret: cannot be read as a secret"),
        (("--secret", "abc"), 1, "the secret is not `whsec_` and base64: make one with `edge-relay keygen`"),
        (("--secret", SECRET, "--fail", "200"), 2, "expected a status from 400 to 599, got '200'"),
        (("--secret", SECRET, "--delay", "2"), 2, "expected a duration such as 500ms, 10s, 5m or 1h30m"),
    ],
)
async def test_the_receiver_says_what_it_misses(arguments, status, message):
    """Usage is 2, a wrong secret is 1; the remedy is in the message, no traceback."""
    async with command("receiver", *arguments) as process:
        returncode, out, err = await ended(process)

    assert (returncode, out) == (status, "")
    assert message in err
    assert "Traceback" not in err


async def test_the_simulated_plant_prints_how_to_read_it_and_ends_with_sigterm():
    """Its stdout is a sources.yaml whose Modbus address answers."""
    port = free_port()
    async with command("simulate", "--modbus-port", str(port)) as process:
        text = ""
        while "COMP1.CURRENT" not in text:
            text += (await process.stdout.readline()).decode()
        client = AsyncModbusTcpClient(HOST, port=port)
        await client.connect()
        answer = await client.read_holding_registers(10, count=1, device_id=1)
        client.close()

        assert yaml.safe_load(text)["sources"]["plc"]["url"] == f"tcp://127.0.0.1:{port}"
        assert 1500 <= answer.registers[0] <= 1880

        status, _, err = await ended(process, signal.SIGTERM)

    assert status == 0
    assert "opc.tcp://127.0.0.1:" in err
    assert "Traceback" not in err
