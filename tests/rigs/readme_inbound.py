"""The pair of the README's "What comes in": a relay, a press, a service, a receiver, and the sender as it is printed."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rigs.agent_process import AgentProcess, until
from rigs.local_service import LocalService
from rigs.modbus_server import ModbusServer
from rigs.relay_process import ROOT, RelayProcess
from rigs.webhook_receiver import SECRET, WebhookReceiver

PRESS = {(1, 3, 10): 1724, (1, 2, 0): True, (1, 3, 200): 600}  # 172.4 °C; remote; 60 °C
_RELAY = "https://relay.example.com"
_BODY = "BODY='"


@dataclass
class Pair:
    """Both sides at work.

    Attributes:
        first_words: what the relay's first start has printed.
        places: the README's addresses, and where they are on this machine.
    """

    folder: Path
    agent: AgentProcess
    press: ModbusServer
    cloud: WebhookReceiver
    first_words: str
    places: dict

    def real(self, text):
        for shown, place in self.places.items():
            text = text.replace(shown, place)
        return text

    async def send(self, sender, body):
        """Run the README's sender with another body."""
        before, _, rest = sender.partition(_BODY)
        script = self.real(f"{before}{_BODY}{body}{rest[rest.index(chr(39)) :]}")
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        process = await asyncio.create_subprocess_exec(
            *("sh", "-e", "-c", script),
            cwd=self.folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, errors = await process.communicate()
        assert printed.startswith(b'{"id":"msg_'), (printed, errors)

    def told(self, *kinds):
        """What the cloud was told, in order."""
        return self.cloud.of_type("/hooks/plant", *kinds)


@contextlib.asynccontextmanager
async def pair(folder, first_start, configuration):
    """Start the relay by `first_start`, and the agent with `configuration`."""
    words = _first_words(folder, first_start)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    (folder / "cloud.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    agent, press = AgentProcess(folder / "plant"), ModbusServer(written=dict(PRESS))
    service, cloud = LocalService(), WebhookReceiver()
    with RelayProcess(folder) as relay:
        text = relay.file.read_text()
        relay.file.write_text(text.replace(":8471", f":{relay.port}").replace(":8472", f":{relay.monitor}"))
        async with press, service as mes, cloud, agent:
            await asyncio.to_thread(relay.start)
            places = {
                _RELAY: f"http://127.0.0.1:{relay.port}",
                "192.168.10.20": f"127.0.0.1:{press.port}",
                "http://mes.plant:8080/orders": mes.url,
                "https://cmms.example.com/hooks/plant": cloud.url("/hooks/plant"),
            }
            both = Pair(folder, agent, press, cloud, words, places)
            plant = agent.folder
            for name, text in {"cmms.key": SECRET, "plant-7.poll-token": None}.items():
                (plant / name).write_text((folder / name).read_text() if text is None else text)
                (plant / name).chmod(0o600)
            agent.write(line4=both.real(configuration), page='http: {listen: "127.0.0.1:0"}')
            await agent.start()
            await until(lambda: agent.is_up("press"), agent.log)
            yield both


def _first_words(folder, first_start):
    """What it prints before it serves; it does not come to that, for its port is taken."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # by another one
            taken.bind(("127.0.0.1", 8471))
            taken.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "agent", *first_start],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert "8471" in ended.stderr, ended.stderr
    return ended.stdout
